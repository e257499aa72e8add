"""The package's exceptions. Every message names the item, the value or limit, and what to do."""

from __future__ import annotations


class JSTError(Exception):
    """Base of every error that espnet_jst raises on purpose; the command line prints it without a traceback."""


class ConfigError(JSTError):
    """A configuration key or value cannot be used; the message names the key and the closest known one."""


class DataError(JSTError):
    """An utterance or file cannot be used.

    Args:
        message: what is wrong and what to do.
        index: position of the utterance in the batch, where the caller may know its name.
    """

    def __init__(self, message: str, *, index: int | None = None) -> None:
        super().__init__(message)
        self.index = index


class CheckpointError(JSTError):
    """A checkpoint, pack or weight file is damaged, unsafe or belongs to another model."""


class UploadError(JSTError):
    """A hub refused an upload or could not be reached; the message names the receiver and what is left there."""
