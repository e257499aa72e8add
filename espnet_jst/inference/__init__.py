"""From audio to words: `Speech2Text` for whole utterances, its `session()` for streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from espnet_jst.inference.session import Session
    from espnet_jst.inference.speech2text import Speech2Text

__all__ = ["Session", "Speech2Text"]


def __getattr__(name: str) -> object:
    """Load the classes when first asked for: importing the package must not import torch."""
    if name == "Speech2Text":
        from espnet_jst.inference.speech2text import Speech2Text

        return Speech2Text
    if name == "Session":
        from espnet_jst.inference.session import Session

        return Session
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
