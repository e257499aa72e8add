"""The error of an item that must be left out: data preparation lists it and goes on with the others."""

from __future__ import annotations

from espnet_jst.errors import DataError

AGAIN = "copy or download it again"


class BadItem(DataError):
    """An item that must be left out.

    Attributes:
        kind: short name of this sort of problem, the same in every version ("audio-empty").
    """

    def __init__(self, reason: str, fix: str, kind: str = "other") -> None:
        super().__init__(f"{reason}; {fix}")
        self.reason = reason
        self.fix = fix
        self.kind = kind

    def __reduce__(self) -> tuple:
        # Worker processes send it back; by default it would be made anew from its message alone.
        return type(self), (self.reason, self.fix, self.kind)
