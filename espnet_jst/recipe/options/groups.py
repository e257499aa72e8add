"""All groups of options of one run, and the folders that follow from several of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from espnet_jst.recipe.options.data import DataOptions
from espnet_jst.recipe.options.decoding import DecodingOptions
from espnet_jst.recipe.options.release import ReleaseOptions
from espnet_jst.recipe.options.run import RunOptions
from espnet_jst.recipe.options.text import TextOptions
from espnet_jst.recipe.options.training import TrainingOptions

GROUPS = {
    "run": RunOptions,
    "data": DataOptions,
    "text": TextOptions,
    "training": TrainingOptions,
    "decoding": DecodingOptions,
    "release": ReleaseOptions,
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of one run; `--help` prints what each means."""

    run: RunOptions = field(default_factory=RunOptions)
    data: DataOptions = field(default_factory=DataOptions)
    text: TextOptions = field(default_factory=TextOptions)
    training: TrainingOptions = field(default_factory=TrainingOptions)
    decoding: DecodingOptions = field(default_factory=DecodingOptions)
    release: ReleaseOptions = field(default_factory=ReleaseOptions)

    @classmethod
    def of(cls, **values: Any) -> Options:
        """Options by the names of their flags; the others have their defaults."""
        return cls().changed(**values)

    def changed(self, **values: Any) -> Options:
        """These options with other values, by the names of their flags."""
        groups = {}
        for group, kind in GROUPS.items():
            own = {entry.name: values.pop(entry.name) for entry in fields(kind) if entry.name in values}
            groups[group] = replace(getattr(self, group), **own)
        if values:
            raise TypeError(f"no options: {', '.join(values)}")
        return Options(**groups)

    @property
    def tokens(self) -> dict[str, Path]:
        """Token list folders by side, see `TextOptions.token_sides`."""
        return self.text.token_dirs(self.data.datadir)

    @property
    def stats_dir(self) -> Path:
        return self.training.stats_dir(self.text.tag)

    @property
    def exp(self) -> Path:
        """Folder of the experiment."""
        return self.training.exp(self.text.tag)


def option_fields() -> Iterator[Field]:
    """The options of all groups that are flags."""
    for kind in GROUPS.values():
        yield from (entry for entry in fields(kind) if "help" in entry.metadata)
