"""The tags in transcripts of the Corpus of Spontaneous Japanese, and its texts as they are trained and scored.

| tag | marks | kept |
|---|---|---|
| `(F x)`, `(D x)`, `(D2 x)` | a filler, a broken-off word, a particle that is put right | x: it was said |
| `(M x)`, `(O x)`, `(X x)` | a word as a word, another language, what the text read aloud has not | x |
| `(L x)`, `(笑 x)`, `(泣 x)`, `(咳 x)` | a low voice, laughing, crying, coughing | x |
| `(? x)`, `(? x,y)`, `(?)` | heard in doubt | x, the first guess |
| `(A x;y)` | said x, written y in letters or digits | y; where x is a number, x |
| `(K x;y)`, `(W x;y)`, `(B x;y)` | a word interrupted, mispronounced, misread | y, as it is written |
| `(R ××)` | a name that is not published | ×, whose utterance the reader leaves out |
| `<H>`, `<雑音>`, ... | sounds | nothing |

Tags stand in one another, and may go on over pauses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from espnet_jst.data.corpora.wording import plain

_EVENT = re.compile(r"<[^<>]*>")
_INNERMOST = re.compile(r"\(([A-Z]\d?|\?|笑|泣|咳)?([^()]*)\)")
_NUMERALS = ("ゼロ", *"０零一二三四五六七八九十百千．")
_BORDER, _HIDDEN = "\n", "\v"  # of two units; one that fell away with the form of a tag that is not kept
_BORDERS = re.compile(f"([{_BORDER}{_HIDDEN}])")
_LENGTHENED = re.compile("([んン])ー+")


def resolved(units: Sequence[str]) -> list[tuple[str, bool]]:
    """The units of one speaker without tags; and of each whether what it says is written in the one before.

    That is so where a tag with two forms goes on over a pause: "ＣＤ" of "(A シー" and "ディー;ＣＤ)です" is as much of
    the first as of the second. A bracket without its other one stays.
    """
    text = _BORDER.join(_EVENT.sub("", " ".join(unit.split())) for unit in units)
    count = 1
    while count:
        text, count = _INNERMOST.subn(_kept, text)
    first, *others = _BORDERS.split(text)
    return [(first, False), *((unit, border == _HIDDEN) for border, unit in zip(others[::2], others[1::2]))]


def _kept(tag: re.Match[str]) -> str:
    """What is kept of a tag that holds no other, with all borders of units in it."""
    name, content = tag[1], tag[2]
    spoken, *written = content.split(";")
    if name == "?":
        kept = content.split(",")[0]
    elif not written or (name == "A" and spoken.strip().startswith(_NUMERALS)):
        kept = spoken
    else:
        kept = written[0]
    return kept + _HIDDEN * (len(_BORDERS.findall(content)) - len(_BORDERS.findall(kept)))


def wording(text: str) -> str:
    """A text without tags as it is trained and scored: without blanks and dots, a lengthened ん as a short one."""
    return _LENGTHENED.sub(r"\1", "".join(plain(text).split()).replace("・", ""))
