"""Encoded sounds, and decoding of bytes to be compared with them."""

from __future__ import annotations

import io

import numpy as np
import soundfile

from espnet_jst.data.audio_file import AudioFile, AudioInfo

FS = 16000
ID3 = b"ID3\x04\0\0" + bytes([0, 0, 7, 0x68]) + bytes(1000)
ID3V1 = b"TAG" + bytes(125)


def tone(samples: int = 16000, hertz: float = 300.0, fs: int = FS) -> np.ndarray:
    """A tone in a little noise, float32 (n,)."""
    noise = 0.01 * np.random.default_rng(0).standard_normal(samples)
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(samples) / fs) + noise).astype(np.float32)


def encoded(samples: np.ndarray, form: str, coding: str | None = None, fs: int = FS) -> bytes:
    """The bytes of an audio file."""
    stream = io.BytesIO()
    soundfile.write(stream, samples, fs, format=form, subtype=coding)
    return stream.getvalue()


def decoded(content: bytes) -> tuple[np.ndarray, AudioInfo]:
    """All samples of such bytes, (n, C), and their header."""
    with AudioFile(content, name="x") as audio:
        return np.concatenate(list(audio.blocks())), audio.info


def patched(content: bytes, numbers: dict[int, int], order: str = "little", width: int = 4) -> bytes:
    """The bytes with other numbers at some places."""
    changed = bytearray(content)
    for position, number in numbers.items():
        changed[position : position + width] = number.to_bytes(width, order)  # type: ignore[arg-type]
    return bytes(changed)
