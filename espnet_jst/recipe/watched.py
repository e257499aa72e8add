"""Options that remember which of them were read: what a stage really used is what its stamp covers."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from espnet_jst.recipe.options import RecipeOptions

_NAMES = frozenset(entry.name for entry in fields(RecipeOptions))
# These say where and how fast a stage runs, not what comes out of it.
_INDIFFERENT = frozenset(entry.name for entry in fields(RecipeOptions) if not entry.metadata["counts"])


class WatchedOptions(RecipeOptions):
    """The options of a run; `watched_reads` tells which were looked at, through properties too."""

    def __getattribute__(self, name: str) -> Any:
        if name in _NAMES or name == "__dict__":
            reads = object.__getattribute__(self, "__dict__").get("_reads")
            if reads is not None:
                reads.update(_NAMES if name == "__dict__" else (name,))
        return object.__getattribute__(self, name)

    def __reduce__(self) -> Any:
        raise TypeError("what a worker reads is not seen here: read the options first and send it their values")


def watch(options: RecipeOptions) -> WatchedOptions:
    """A copy of the options that remembers what is read of it."""
    watched = object.__new__(WatchedOptions)
    object.__getattribute__(watched, "__dict__").update({**vars(options), "_reads": set()})
    return watched


def watched_reads(watched: WatchedOptions) -> dict[str, object]:
    """Name -> value of the options that were read and that a result can depend on."""
    values = dict(object.__getattribute__(watched, "__dict__"))
    return {name: values[name] for name in sorted(values["_reads"] - _INDIFFERENT)}
