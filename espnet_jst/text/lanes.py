"""Lanes are data: what a lane is called, where its text stands, and how it is scored.

`transcript` and `translation` exist without being named; `model_conf.lanes` names further ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from espnet_jst.config import check_choice, shown
from espnet_jst.errors import ConfigError
from espnet_jst.limits import check_arguments

TRANSCRIPT = "transcript"
TRANSLATION = "translation"
_NAME = re.compile(r"[A-Za-z]\w{0,63}", re.ASCII)
_TAKEN = ("speech", "alignment", "word_times")  # what else a data set or a decode directory holds


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


def parse_lanes(conf: Mapping[str, Any] | None) -> dict[str, Lane]:
    """All lanes of a model: `LANES`, changed and continued by `model_conf.lanes`.

    An entry is a name with keys of `Lane` and `like`, the lane that gives what is not said (a known lane is like
    itself): `second: {like: transcript, speaker: B}`. Data and file of a further lane are called as the lane is.

    Raises:
        ConfigError: a name, a key or a value cannot be used, or two lanes have the same data.
    """
    where = "model_conf.lanes"
    if not isinstance(conf or {}, Mapping):
        raise ConfigError(f"{where} is {shown(conf)}: give a mapping of names to lanes")
    lanes = dict(LANES)
    for name, entry in (conf or {}).items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigError(f"{where}: {shown(name)} cannot name a lane: use letters, digits and '_'")
        lanes[name] = _lane(name, entry, f"{where}.{name}")
    owners: dict[str, str] = {}
    for name, lane in lanes.items():
        other = owners.setdefault(lane.data, name)
        if other != name:
            raise ConfigError(f"{where}: {other} and {name} have the same data {lane.data!r}: give each its own")
    return lanes


def in_order(names: Iterable[str]) -> list[str]:
    """Lanes without repetition, those of `LANES` first: the transcript is read before its translation."""
    there = dict.fromkeys(names)
    return [name for name in LANES if name in there] + [name for name in there if name not in LANES]


def _lane(name: str, entry: object, where: str) -> Lane:
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where} is {shown(entry)}: give a mapping such as {{like: transcript, speaker: B}}")
    own = dict(entry)
    like = own.pop("like", name)
    if like not in tuple(LANES):
        raise ConfigError(f"{where}: say whether it is like {' or '.join(LANES)} (key 'like'), not {shown(like)}")
    check_arguments(Lane, own, where, fixed=("name",))
    names = {} if name in LANES else {"data": name, "file": name}
    lane = replace(LANES[like], name=name, **{**names, **own})
    check_choice(lane.vocabulary, ("src", "tgt"), f"{where}.vocabulary")
    for text in (lane.data, lane.file):
        if not _NAME.fullmatch(text) or text in _TAKEN:
            raise ConfigError(
                f"{where}: {shown(text)} cannot name a text: use letters, digits and '_', not {', '.join(_TAKEN)}"
            )
    return lane
