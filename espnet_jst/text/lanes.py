"""Lanes are data: what a lane is called, where its text stands, and how it is scored.

`transcript` and `translation` exist without being named; `model_conf.lanes` names further ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from espnet_jst.config import shown
from espnet_jst.errors import ConfigError
from espnet_jst.keys import Conf, key, read, read_table

TRANSCRIPT = "transcript"
TRANSLATION = "translation"
_NAME = re.compile(r"[A-Za-z]\w{0,63}", re.ASCII)
WHERE = "model_conf.lanes"
_TAKEN = ("speech", "alignment", "word_times", "tgt_lang", "src_lang")  # what else a data set or a decoding holds


@dataclass(frozen=True, kw_only=True)
class Lane:
    """One line of words that a model writes.

    Attributes:
        name: what heads and words call it.
        data: name of its text in a data set and a batch, and of its file in a decode directory.
        file: first part of the name of its text in a data directory, <file>.<case>.<language>.
        source: whether it says what was spoken, in the source language. A metric is for such lanes, for translations
            or for both (`evaluation.metrics`).
        headline: the metric that stands for the lane in a summary.
        vocabulary: token list of a head that writes this lane alone and names none: "src" (where there is one) or
            "tgt".
        language: where it is fixed; None: the source or the target language of the data.
        speaker: where it is fixed; None: unknown, or the model writes it.
    """

    name: str
    data: str
    file: str
    source: bool
    headline: str
    vocabulary: str
    language: str | None = None
    speaker: str | None = None


LANES: Mapping[str, Lane] = {
    lane.name: lane
    for lane in (
        Lane(name=TRANSCRIPT, data="src_text", file="text", source=True, headline="WER", vocabulary="src"),
        Lane(name=TRANSLATION, data="text", file="text", source=False, headline="BLEU", vocabulary="tgt"),
    )
}
"""Those that need no configuration, in the order in which they are read."""


@dataclass(frozen=True, kw_only=True)
class LaneConf(Conf):
    """A further lane, or a change of a known one: an entry of `model_conf.lanes`; see `Lane`."""

    like: str | None = key(None, "lane that gives what is not said; a known lane is like itself", choices=LANES)
    data: str | None = key(None, "name of its text in a data set and of its file in a decode directory")
    file: str | None = key(None, "first part of the name of its text in a data directory, <file>.<case>.<language>")
    source: bool | None = key(None, "whether it says what was spoken, in the source language")
    headline: str | None = key(None, "metric that stands for it in a summary")
    vocabulary: str | None = key(None, "token list of a head that writes it alone", choices=("src", "tgt"))
    language: str | None = key(None, "where it is fixed")
    speaker: str | None = key(None, "where it is fixed")

    def check(self) -> None:
        """Refuse names of texts that are no names of files, or of something else."""
        for text in (self.data, self.file):
            if text is not None and (not _NAME.fullmatch(text) or text in _TAKEN):
                raise ConfigError(
                    f"{shown(text)} cannot name a text: use letters, digits and '_', not {', '.join(_TAKEN)}"
                )


def parse_lanes(conf: Mapping[str, Any] | None) -> dict[str, Lane]:
    """All lanes of a model: `LANES`, changed and continued by `model_conf.lanes`.

    An entry is a name with keys of `LaneConf`: `second: {like: transcript, speaker: B}`. Data and file of a further
    lane are called as the lane is.

    Raises:
        ConfigError: a name, a key or a value cannot be used, or two lanes have the same data.
    """
    lanes = {**LANES, **read_table(conf, WHERE, _lane)}
    owners: dict[str, str] = {}
    for name, lane in lanes.items():
        other = owners.setdefault(lane.data, name)
        if other != name:
            raise ConfigError(f"{WHERE}: {other} and {name} have the same data {lane.data!r}: give each its own")
    return lanes


def in_order(names: Iterable[str]) -> list[str]:
    """Lanes without repetition, those of `LANES` first: the transcript is read before its translation."""
    there = dict.fromkeys(names)
    return [name for name in LANES if name in there] + [name for name in there if name not in LANES]


def _lane(name: str, entry: Mapping, where: str) -> Lane:
    conf = read(LaneConf, entry, where)
    like = conf.like or name
    if like not in LANES:
        raise ConfigError(f"{where}: say whether it is like {' or '.join(LANES)} (key 'like')")
    texts = {} if name in LANES else {"data": name, "file": name}
    given = {key: value for key, value in vars(conf).items() if key != "like" and value is not None}
    return replace(LANES[like], **{"name": name, **texts, **given})
