"""Tables of a file whose entries become folders and rows: names that both can be."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from espnet_jst.config import shown
from espnet_jst.errors import ConfigError


def check_names(path: Path, key: str, entries: Mapping[str, Any], example: str, *, taken: Collection[str] = ()) -> None:
    """Refuse a table without entries, or with a name that cannot be one.

    Args:
        path: the file, and its key, for messages.
        example: what an entry may look like.
        taken: names that stand for something else.

    Raises:
        ConfigError: says so.
    """
    if not entries:
        raise ConfigError(f"{path}: {key} names none: give name: {example}")
    for name in entries:
        if not name.isidentifier() or name in taken:
            raise ConfigError(f"{path}: {key}: {shown(name)} cannot be a name: use letters, digits and '_'")
