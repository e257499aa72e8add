"""Released Zipformer and HENT-SRT checkpoints (icefall's layout) as models of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from espnet_jst.hub.icefall.convert import load_icefall

__all__ = ["load_icefall"]


def __getattr__(name: str) -> object:
    """Load the function when first asked for: a command's help does without torch."""
    if name == "load_icefall":
        from espnet_jst.hub.icefall.convert import load_icefall

        return load_icefall
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
