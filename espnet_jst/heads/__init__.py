"""Heads: the parameters, the loss and the search of one prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from espnet_jst.heads.joint import JointNetwork

__all__ = ["JointNetwork"]


def __getattr__(name: str) -> Any:
    """Load the class when first asked for: the keys of the heads are known without torch."""
    if name == "JointNetwork":
        from espnet_jst.heads.joint import JointNetwork

        return JointNetwork
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
