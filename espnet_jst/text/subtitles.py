"""Words with times -> JSON, SRT, VTT, TTML or plain text; the lanes are the lines of one cue, transcript above."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree

from espnet_jst.config import check_choice, json_text
from espnet_jst.text.lanes import in_order
from espnet_jst.text.languages import language
from espnet_jst.text.units import Glued, has_blanks, join_units, needs_blank
from espnet_jst.text.words import Word, attributed, join_words, said_by, unit_words

FORMATS = ("txt", "json", "srt", "vtt", "ttml")

# pysubs2 takes "{...}" and "\N" for its own mark-up; private characters stand for them until the file is written.
_GUARDS = {"{": "\ue000", "}": "\ue001", "\\": "\ue002"}
_UNFIT = ("Cc", "Cs", "Co")
_FROM_RIGHT, _END = "\u202b", "\u202c"  # right-to-left embedding, and where it ends
_JOINER = "\u2060"  # invisible; keeps a player from reading "<b" in SRT as a tag
TTML, XML = "http://www.w3.org/ns/ttml", "http://www.w3.org/XML/1998/namespace"
_HANGING = 4  # columns that a comma may stand beyond a line's end
# As little at the beginning of a line as a comma.
_LONG = "ー々ゝゞヽヾぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶฯๆຯໆ"


@dataclass
class Cue:
    """What is shown at once: times in seconds and the words of each lane (`text.units.join_units` makes the line).

    Attributes:
        speaker: who says it, where that is known.
    """

    start_s: float
    end_s: float
    lanes: dict[str, list[str]] = field(default_factory=dict)
    speaker: str | None = None


def format_words(
    words: Iterable[Word],
    fmt: str,
    *,
    pause_s: float = 0.7,
    max_chars: int = 42,
    max_s: float = 6.0,
    min_s: float = 0.5,
    languages: Mapping[str, str] | None = None,
) -> str:
    """Write recognised words as text. Scripts without blanks get none, and their lines break between characters.

    Where words name their speakers, so do the cues and the lines of "txt": "[self] one two [other] seven"; in WebVTT as
    a voice.

    Args:
        words: words of any lanes, each lane in order.
        fmt: "json" (text of each lane and every word with its times), "srt", "vtt", "ttml" or "txt" (a line a lane).
        pause_s: a silence that ends a cue.
        max_chars: columns of the leading lane's line in one cue; a character of a wide script (Chinese) takes two.
        max_s: longest cue, measured on the audio of its words.
        min_s: shortest time on the screen, unless the next cue comes sooner.
        languages: language of each lane, for TTML's `xml:lang`; where it is missing, that of the lane's words.

    Raises:
        ConfigError: the format is unknown.
    """
    check_choice(fmt, FORMATS, "format")
    words = list(words)
    if fmt == "json":
        content = {"text": _lane_texts(words), "words": [word.as_dict() for word in words]}
        return json_text(content, indent=1, ensure_ascii=False) + "\n"
    if fmt == "txt":
        return "".join(text + "\n" for text in _lane_texts(words, attributed).values())
    cues = make_cues(words, pause_s=pause_s, max_chars=max_chars, max_s=max_s, min_s=min_s)
    text = _subtitle_file(cues, in_order(word.lane for word in words), fmt)
    return _with_languages(text, cues, _lane_languages(words, languages or {})) if fmt == "ttml" else text


def make_cues(
    words: Sequence[Word], *, pause_s: float = 0.7, max_chars: int = 42, max_s: float = 6.0, min_s: float = 0.5
) -> list[Cue]:
    """Group words into cues: the leading lane (the transcript) sets them, the others join the cue they end in.

    Cues are in order of time, and those of one speaker never overlap; every word is in exactly one.
    """
    speakers = dict.fromkeys(word.speaker for word in words)
    said = [[word for word in words if word.speaker == speaker] for speaker in speakers]
    cues = [_cues(own, pause_s=pause_s, max_chars=max_chars, max_s=max_s, min_s=min_s) for own in said]
    return sorted((cue for own in cues for cue in own), key=lambda cue: cue.start_s)


def _cues(words: Sequence[Word], *, pause_s: float, max_chars: int, max_s: float, min_s: float) -> list[Cue]:
    """Those of one speaker."""
    order = in_order(word.lane for word in words)
    words = [unit for word in words for unit in unit_words(word, word.language)]
    cues = _break(order[0], [word for word in words if word.lane == order[0]], pause_s, max_chars, max_s)
    for lane in order[1:]:
        current = 0
        for word in (word for word in words if word.lane == lane):
            # A translation's audio span is that of its block: it belongs where the block ends.
            while current + 1 < len(cues) and cues[current + 1].start_s < word.end_s:
                current += 1
            shown = cues[current].lanes.setdefault(lane, [])
            shown.append(_unit(shown, word))
            cues[current].end_s = max(cues[current].end_s, word.end_s)
    for cue, following in zip(cues, [*cues[1:], None], strict=True):
        cue.end_s = max(cue.end_s, cue.start_s + min_s)
        if following is not None:
            cue.end_s = min(cue.end_s, following.start_s)
        cue.speaker = words[0].speaker
    return cues


def _break(lane: str, words: Sequence[Word], pause_s: float, max_chars: int, max_s: float) -> list[Cue]:
    """Cues of the leading lane; a start never lies before the one before it."""
    cues: list[Cue] = []
    width = 0
    for word in words:
        text = _clean(word.text)
        if cues:
            cue = cues[-1]
            unit = _unit(cue.lanes[lane], word)
            length = width + _columns(unit) + (not isinstance(unit, Glued))
            hangs = length <= max_chars + _HANGING and _stays(cue.lanes[lane][-1], text)
            fits = hangs or (length <= max_chars and word.end_s - cue.start_s <= max_s)
            if word.start_s - cue.end_s < pause_s and fits:
                cue.lanes[lane].append(unit)
                width = length
                cue.end_s = max(cue.end_s, word.end_s)
                continue
        start = max(word.start_s, cues[-1].start_s + 0.001) if cues else word.start_s
        cues.append(Cue(start_s=start, end_s=max(word.end_s, start), lanes={lane: [text]}))
        width = _columns(text)
    return cues


def _unit(before: Sequence[str], word: Word) -> str:
    """The word as a unit behind others of its line."""
    text = _clean(word.text)
    glued = not needs_blank(before[-1], text) if word.glued is None and before else word.glued
    return Glued(text) if glued else text


def _stays(before: str, text: str) -> bool:
    """Whether a line must not begin with this unit of a script without blanks, nor end with the one before it."""
    if not text or (has_blanks(text) and has_blanks(before)):
        return False
    return unicodedata.category(text[0]) in ("Pe", "Pf", "Po") or text[0] in _LONG or _opens(before)


def _opens(unit: str) -> bool:
    return unicodedata.category(unit[-1:] or " ") in ("Ps", "Pi")


def _columns(text: str) -> int:
    """Columns that a text takes: two for a wide character, none for a mark."""
    shown = (c for c in text if unicodedata.category(c) not in ("Mn", "Me", "Cf"))
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in shown)


def _subtitle_file(cues: Sequence[Cue], order: Sequence[str], fmt: str) -> str:
    import pysubs2

    subtitles = pysubs2.SSAFile()
    for cue in cues:
        lines = [_directed(join_units(cue.lanes[lane]), fmt) for lane in order if lane in cue.lanes]
        lines[0] = _by(cue.speaker, lines[0], fmt)
        start, end = round(1000 * cue.start_s), round(1000 * cue.end_s)
        subtitles.append(pysubs2.SSAEvent(start=start, end=max(end, start + 1), text=r"\N".join(lines)))
    text = subtitles.to_string(fmt)
    for character, guard in _GUARDS.items():
        text = text.replace(guard, character).replace(f"&#{ord(guard)};", character)
    return text.rstrip("\n") + "\n"


def _lane_languages(words: Sequence[Word], given: Mapping[str, str]) -> dict[str, str]:
    """BCP 47 tag of each lane, in the order of the lanes; "und" where no word and nothing else names the language."""
    named = {word.lane: word.language for word in reversed(words) if word.language}
    return {lane: language(given.get(lane) or named.get(lane)).tag for lane in in_order(word.lane for word in words)}


def _with_languages(text: str, cues: Sequence[Cue], tags: Mapping[str, str]) -> str:
    """TTML with the `xml:lang` that it requires; a line in another language than the document's is a span."""
    root = ElementTree.fromstring(text)
    main = next(iter(tags.values()), "und")
    root.set(f"{{{XML}}}lang", main)
    for paragraph, cue in zip(root.iter(f"{{{TTML}}}p"), cues, strict=True):
        lanes = [lane for lane in tags if lane in cue.lanes]
        breaks = [None, *paragraph.findall(f"{{{TTML}}}br")]
        for lane, line in reversed(list(zip(lanes, breaks, strict=True))):
            if tags[lane] == main:
                continue
            span = ElementTree.Element(f"{{{TTML}}}span", {f"{{{XML}}}lang": tags[lane]})
            if line is None:
                span.text, paragraph.text = paragraph.text, None
            else:
                span.text, line.tail = line.tail, None
            paragraph.insert(0 if line is None else list(paragraph).index(line) + 1, span)
    return ttml_text(root)


def ttml_text(root: ElementTree.Element) -> str:
    """The text of a TTML document."""
    ElementTree.register_namespace("", TTML)
    ElementTree.register_namespace("tts", f"{TTML}#styling")
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _by(speaker: str | None, line: str, fmt: str) -> str:
    """The first line of a cue with who speaks; a WebVTT voice is that of all that follows it in the cue."""
    speaker = None if speaker is None else _clean(speaker)
    if speaker is None or fmt != "vtt":
        return said_by(speaker, line)
    return f"<v {_escape(speaker, fmt)}>{line}"


def _escape(text: str, fmt: str) -> str:
    """Escape what the format would read as mark-up. TTML is escaped by its XML writer; SRT knows no escapes."""
    if fmt == "vtt":
        text = html.escape(text, quote=False)
    elif fmt == "srt":
        text = re.sub(r"<(?=\s*/?\s*[A-Za-z])|\{(?=\\)", lambda found: found.group() + _JOINER, text)
    for character, guard in _GUARDS.items():
        text = text.replace(character, guard)
    return text


def _directed(line: str, fmt: str) -> str:
    """The line, escaped. One that begins in a script written from the right is embedded as such: a player that takes
    all lines for English would put its full stop on the wrong side, and so would the name of a speaker before it.
    """
    strong = next((kind for kind in map(unicodedata.bidirectional, line) if kind in ("L", "R", "AL")), "L")
    return _escape(line, fmt) if strong == "L" else f"{_FROM_RIGHT}{_escape(line, fmt)}{_END}"


def _clean(text: str) -> str:
    """One line without control characters, private ones and the two that XML has none for; no format carries them."""
    return " ".join("".join(c for c in text if c.isspace() or not _is_unfit(c)).split())


def _is_unfit(character: str) -> bool:
    return unicodedata.category(character) in _UNFIT or character in "\ufffe\uffff"


def _lane_texts(words: Sequence[Word], line: Callable[[Iterable[Word]], str] = join_words) -> dict[str, str]:
    return {lane: _clean(line(w for w in words if w.lane == lane)) for lane in in_order(word.lane for word in words)}
