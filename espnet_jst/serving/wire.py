"""What every protocol of a live session says: state of one connection, messages in, messages out."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from espnet_jst.evaluation.files import DecodedUtterance
from espnet_jst.inference.audio.samples import floats
from espnet_jst.serving.about import ServedModel
from espnet_jst.serving.conf import RefusedError
from espnet_jst.text.units import needs_blank
from espnet_jst.text.words import Word

Message = dict[str, Any]  # of JSON
MAX_CODE = 40  # characters of a language's code
WIDE_RANGE = 8000, 48_000  # Hz, where a protocol lets the client say its rate


class Heard(NamedTuple):
    """What a client has said.

    Attributes:
        samples: audio, float32 (n,), None where the message had none.
        replies: what it is answered at once.
        ended: it will send no more audio.
    """

    samples: np.ndarray | None = None
    replies: Sequence[Message] = ()
    ended: bool = False


class Progress(NamedTuple):
    """How far a session is.

    Attributes:
        heard_s: seconds of audio that were computed.
        waiting_s: seconds that came and wait.
        elapsed_s: seconds of computation for those that were computed.
    """

    heard_s: float = 0.0
    waiting_s: float = 0.0
    elapsed_s: float = 0.0


class Wire(ABC):
    """A connection in one protocol. It knows nothing of sockets: messages are text, bytes and dictionaries of JSON.

    Args:
        query: the parameters of the address.
        model: what is served.

    Attributes:
        fs: sampling rate of the client in Hz; what it is when the first samples come counts.
        tgt_lang: language to translate into, likewise.

    Raises:
        RefusedError: the parameters cannot be used.
    """

    name: ClassVar[str]
    paths: ClassVar[tuple[str, ...]]

    def __init__(self, query: Mapping[str, str], model: ServedModel) -> None:
        self.model = model
        self.fs, self.tgt_lang = model.speech2text.fs, model.speech2text.tgt_lang

    def opening(self) -> Sequence[Message]:
        """What is said before the client says anything."""
        return ()

    @abstractmethod
    def hear(self, message: str | bytes) -> Heard:
        """A message of the client.

        Raises:
            RefusedError: it cannot be used, and the session ends.
        """

    @abstractmethod
    def show(self, words: Sequence[Word], progress: Progress) -> Sequence[Message]:
        """Words that are new, none or several; and how far the session is."""

    def closing(self) -> Sequence[Message]:
        """What is said when all words were shown."""
        return ()

    def events(self, number: int, finished: DecodedUtterance) -> Sequence[Message]:
        """Lines of the log that the protocol's own tools read, of a finished session; most have none."""
        return ()

    def refusal(self, error: RefusedError) -> Sequence[Message]:
        """What is said before the connection is closed with the reason."""
        return ()


class PCM16:
    """16-bit samples, little endian, one channel, in packets of any number of bytes -> float32 samples."""

    def __init__(self) -> None:
        self._half = b""

    def take(self, data: bytes) -> np.ndarray:
        """Further bytes; the first half of a sample waits for the other one."""
        data = self._half + data if self._half else data
        whole = len(data) - len(data) % 2
        self._half = data[whole:]
        return floats(np.frombuffer(data[:whole], dtype="<i2"))


class Line:
    """Text of a lane that grows: each word with the blank that stands before it, if one does."""

    def __init__(self) -> None:
        self._last = ""

    def blank(self, word: Word) -> bool:
        """Whether a blank stands before the next word; of the first one, whether one would behind a word like it."""
        before = self._last or word.text
        self._last = word.text or self._last
        return needs_blank(before, word.text) if word.glued is None else not word.glued

    def add(self, words: Sequence[Word]) -> str:
        """What further words append."""
        appended = ""
        for word in words:
            begins = not self._last
            appended += (" " if self.blank(word) and not begins else "") + word.text
        return appended


def read_json(message: str) -> Message:
    """An object of JSON.

    Raises:
        RefusedError: it is none.
    """
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):
        raise RefusedError("a message that is no JSON", kind="message") from None
    if not isinstance(value, dict):
        raise RefusedError("a message of JSON that is no object", kind="message")
    return value


def entry(value: Any, *path: str) -> Any:
    """What stands at a path of keys in JSON; None where nothing does."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def language_code(value: Any) -> str | None:
    """A language that a client names; None where it names none.

    Raises:
        RefusedError: it is no text, or a long one.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > MAX_CODE:
        raise RefusedError("a language that is no code", kind="language")
    return value


def rate_of(value: Any) -> int:
    """A sampling rate in Hz that a client says.

    Raises:
        RefusedError: it is no number, or outside of 8-48 kHz.
    """
    try:
        fs = int(value)
    except (TypeError, ValueError, OverflowError):
        fs = 0
    low, high = WIDE_RANGE
    if not low <= fs <= high or (isinstance(value, float) and value != fs):
        raise RefusedError(f"sampling rate {value!r:.40}: {low}-{high} Hz can be used", kind="rate")
    return fs
