"""The package's exceptions. Every message names the item, the value or limit, and what to do."""

from __future__ import annotations


class JSTError(Exception):
    """Base of every error that espnet_jst raises on purpose; the command line prints it without a traceback.

    Attributes:
        exit_status: of a program that ends with this error.
    """

    exit_status = 1


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


class StepError(DataError):
    """A step of one stream failed, and not by its data; `__cause__` is what was raised."""


class NonFiniteLossError(DataError):
    """The loss of some utterances of a batch is NaN or infinite.

    Args:
        message: which ones, and what to look for.
        indices: their positions in the batch.
    """

    def __init__(self, message: str, *, indices: list[int]) -> None:
        super().__init__(message, index=indices[0])
        self.indices = indices


class TrainingStoppedError(JSTError):
    """Too many batches could not be used: going on would waste time and hide the cause."""

    exit_status = 3


class CheckpointError(JSTError):
    """A checkpoint, pack or weight file is damaged, unsafe or belongs to another model."""


class UploadError(JSTError):
    """A hub refused an upload or could not be reached; the message names the receiver and what is left there."""
