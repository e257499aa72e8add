"""Texts that say who speaks, as one sequence of both lanes: a speaker is named where the speaker changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from espnet_jst.errors import DataError
from espnet_jst.text.links import Link
from espnet_jst.text.tags import Tags


@dataclass(frozen=True)
class Attributed:
    """The units of a text that tags of speakers stand in.

    Attributes:
        words: those that are no tags.
        speakers: who says each, None before the first tag.
        places: where each stands in the text, tags counted.
        units: length of the text.
    """

    words: list[str]
    speakers: list[str | None]
    places: list[int]
    units: int

    @classmethod
    def read(cls, units: Sequence[str], tags: Tags) -> Attributed:
        """Take the tags out of a text."""
        found, speaker = cls([], [], [], len(units)), None
        for place, unit in enumerate(units):
            tag = tags.read(unit)
            if tag is not None and tag.speaker is not None:
                speaker = tag.speaker
                continue
            found.words.append(unit)
            found.speakers.append(speaker)
            found.places.append(place)
        return found

    def ends(self, ends_s: Sequence[float]) -> list[float]:
        """Of the ends of all units, those of the words.

        Raises:
            DataError: there are not as many ends as units.
        """
        if len(ends_s) != self.units:
            message = f"the source has {self.units} words and {len(ends_s)} end times: give one time for each word"
            raise DataError(message)
        return [ends_s[place] for place in self.places]


def links_of_words(links: Iterable[Link], source: Attributed, target: Attributed) -> set[Link]:
    """Links between units of two texts as links between their words; those of a tag are left out."""
    sources, targets = ({place: k for k, place in enumerate(side.places)} for side in (source, target))
    return {(sources[i], targets[j]) for i, j in links if i in sources and j in targets}


def with_speakers(serialized: Iterable[str], lanes: Mapping[str, Sequence[str | None]], tags: Tags) -> list[str]:
    """Write the tag of a speaker wherever the speaker changes, whatever the lane.

    Args:
        serialized: words and tags of the lanes (`text.serialize`).
        lanes: tag of a lane -> who says each of its words.
    """
    left, lane, speaker = {tag: iter(who) for tag, who in lanes.items()}, "", None
    written: list[str] = []
    for unit in serialized:
        if unit in left:
            lane = unit
        else:
            said_by = next(left[lane])
            if said_by is not None and said_by != speaker:
                written.append(tags.speaker_tag(said_by))
                speaker = said_by
        written.append(unit)
    return written
