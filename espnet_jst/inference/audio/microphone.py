"""A microphone as a stream of bytes, which is heard as a pipe of samples is; Ctrl-C is its end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from espnet_jst.errors import ConfigError, JSTError

PACKET_S = 0.1


class Microphone:
    """Samples of 16 bits as they come, of one channel.

    Args:
        stream: sounddevice's `RawInputStream`, started.
        fs: its sampling rate in Hz.

    Attributes:
        fs: as given.
    """

    def __init__(self, stream: Any, fs: int) -> None:
        self.fs = fs
        self._stream, self._ended = stream, False

    def end(self) -> None:
        """What was said is heard to its end, and nothing else."""
        self._ended = True

    def seekable(self) -> bool:
        return False

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, none at the end."""
        if self._ended or not size:
            return b""
        data, _ = self._stream.read(max(1, min(size // 2, round(PACKET_S * self.fs))))
        return bytes(data)

    read1 = read


@contextmanager
def open_microphone(device: str = "") -> Iterator[Microphone]:
    """The microphone of this name or number, by default the system's; while it is open, Ctrl-C ends what it hears.

    Raises:
        JSTError: sounddevice, or the library that it needs, is not installed.
        ConfigError: there is no such device, or it cannot be used.
    """
    try:
        import sounddevice
    except (ImportError, OSError) as error:  # an OSError where PortAudio is missing
        raise JSTError(f"a microphone needs sounddevice ({error}): pip install sounddevice; PortAudio") from error
    chosen = int(device) if device.isdigit() else device or None
    try:
        fs = round(sounddevice.query_devices(chosen, "input")["default_samplerate"])
        stream = sounddevice.RawInputStream(samplerate=fs, device=chosen, channels=1, dtype="int16")
    except (sounddevice.PortAudioError, ValueError) as error:
        raise ConfigError(f"--mic {device}: {error}; python -m sounddevice lists the devices") from error
    with stream:
        microphone = Microphone(stream, fs)
        before = signal.signal(signal.SIGINT, lambda *_: microphone.end())
        try:
            yield microphone
        finally:
            signal.signal(signal.SIGINT, before)
