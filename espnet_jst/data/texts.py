"""The texts of a corpus: a transcript, a translation, or both."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from espnet_jst.text.lanes import LANES

ALONE = "text"  # what ESPnet's recognition recipes call the one text of a data directory


def segments_file(text: str) -> str:
    """Name of the references with speakers beside a text: segments.lc.en.jsonl beside text.lc.en."""
    return f"segments{text.removeprefix('text')}.jsonl"


class Texts(NamedTuple):
    """File names of transcript and translation; None where a corpus has no such text."""

    transcript: str | None = None
    translation: str | None = None

    @property
    def names(self) -> list[str]:
        """The files that there are."""
        return [name for name in self if name is not None]

    @property
    def by_lane(self) -> dict[str, str]:
        """Lane -> file."""
        return {lane: name for lane, name in zip(LANES, self, strict=True) if name is not None}

    @property
    def both(self) -> bool:
        """Whether there are both, which can be aligned and serialized."""
        return len(self.names) == 2

    def found_in(self, directory: Path) -> Texts:
        """The same, but a text alone is "text" where the directory has that file instead."""
        alone = not self.both and not any((directory / name).is_file() for name in self.names)
        if not alone or not (directory / ALONE).is_file():
            return self
        return Texts(*(name and ALONE for name in self))
