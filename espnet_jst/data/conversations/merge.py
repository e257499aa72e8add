"""The words of all speakers as one text, by the time at which they end (t-SOT, arXiv:2202.00842; arXiv:2412.15415)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.conversations.turns import Turn
from espnet_jst.text.attributed import Attributed
from espnet_jst.text.links import Link
from espnet_jst.text.serialize import monotone_ends, serialize_streams
from espnet_jst.text.tags import Tags
from espnet_jst.text.units import join_units

SELF = "self"


@dataclass(frozen=True)
class Words:
    """One side of a turn.

    Attributes:
        turn: the turn.
        words: of the transcript or of the translation.
        ends_s: when each is due.
        links: of a translation, with the words that were said.
    """

    turn: Turn
    words: Sequence[str]
    ends_s: Sequence[float]
    links: Collection[Link] = ()


@dataclass(frozen=True)
class Line:
    """The words of a conversation, with a tag wherever the speaker changes.

    Attributes:
        text: words and tags.
        ends_s: of each unit of the text; a tag has the time of the word behind it.
        places: of the words of each turn among these units.
    """

    text: str
    ends_s: list[float]
    places: list[list[int]]


def in_order(speakers: Sequence[str]) -> list[str]:
    """Speakers without repetition, the wearer first, who wins where two words end together."""
    return sorted(set(speakers), key=lambda speaker: (speaker != SELF, speaker))


def merged(sides: Sequence[Words], tags: Tags) -> Line:
    """One side of all turns of a conversation as one text.

    Raises:
        BadItem: a word is a tag.
    """
    known = set(tags.all())
    for side in sides:
        if reserved := [word for word in side.words if word in known]:
            reason = f"{side.turn.speaker} says the word {reserved[0]!r}, which is a tag"
            raise BadItem(reason, "remove it from the text, or call the speaker otherwise", "text-reserved-symbol")
    streams: list[tuple[str, list[str], list[float]]] = []
    for speaker in in_order([side.turn.speaker for side in sides]):
        own = [side for side in sides if side.turn.speaker == speaker]
        ends, _ = monotone_ends([end for side in own for end in side.ends_s])
        streams.append((tags.speaker_tag(speaker), [word for side in own for word in side.words], ends))
    units = serialize_streams(streams)
    order = sorted(end for _, _, ends in streams for end in ends)
    times, place, said = [], 0, Attributed.read(units, tags)
    for unit in units:
        times.append(order[place])
        place += unit not in known
    places: dict[str | None, list[int]] = {side.turn.speaker: [] for side in sides}
    for who, number in zip(said.speakers, said.places, strict=True):
        places[who].append(number)
    left = {who: iter(numbers) for who, numbers in places.items()}
    return Line(join_units(units), times, [list(islice(left[s.turn.speaker], len(s.words))) for s in sides])


def alignment(source: Line, target: Line, sides: Sequence[Words]) -> set[Link]:
    """Links between the units of both texts of a conversation, of those of its turns."""
    found = set()
    for side, spoken, translated in zip(sides, source.places, target.places, strict=True):
        found |= {(spoken[i], translated[j]) for i, j in side.links}
    return found


def check_order(sides: Sequence[Words], limit_s: float) -> int:
    """How many words of a conversation end before the word that their speaker said before.

    Raises:
        BadItem: one of them by more than the limit.
    """
    count = 0
    for speaker in in_order([side.turn.speaker for side in sides]):
        ends = [end for side in sides if side.turn.speaker == speaker for end in side.ends_s]
        reached, backward = monotone_ends(ends)
        count += backward
        for end, latest in zip(ends, reached, strict=True):
            if latest - end > limit_s:
                reason = f"times of {speaker} run backwards: a word ends at {end:g} s, the one before at {latest:g} s"
                raise BadItem(reason, "time its words again, or raise --backwards_s", "times-backwards")
    return count


def segments(name: str, sides: Sequence[Words]) -> list[dict[str, Any]]:
    """Lines of the references with speakers, in the form of meeteval's SegLST (`evaluation.speakers`)."""
    return [
        {
            "session_id": name,
            "speaker": side.turn.speaker,
            "words": join_units(side.words),
            "start_time": round(side.turn.start_s, 3),
            "end_time": round(side.turn.end_s, 3),
        }
        for side in sides
    ]
