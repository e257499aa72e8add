from __future__ import annotations

import numpy as np
import pytest

from espnet_jst.data.bad_item import BadItem
from tests.data.containers.sound import ID3, ID3V1, decoded, encoded, patched, tone

FRAME = 576  # samples of a frame at 16 kHz
DELAY = 529  # samples that the decoder drops at its start where no LAME header says how many
TONE = tone(40000)
MP3, OTHER = encoded(TONE, "MP3"), encoded(tone(24000, 900.0), "MP3")
COUNT = MP3.find(b"Xing") + 8
APE = b"APETAGEX" + (2000).to_bytes(4, "little") + (80).to_bytes(4, "little") + bytes(16) + bytes(80)


def frames(content: bytes) -> int:
    at = content.find(b"Xing") + 8
    return int.from_bytes(content[at : at + 4], "big")


def headless(content: bytes) -> bytes:
    """The file without the frame that counts the others."""
    return content[content.find(content[:2], content.find(b"Xing")) :]


def length(*contents: bytes) -> int:
    return sum(map(frames, contents)) * FRAME - DELAY


def alike(samples: np.ndarray, start: int, expected: np.ndarray) -> bool:
    """True where `expected` is found in the samples, not more than two frames behind `start`."""
    piece = expected[4000:8000]
    window = samples[start + 4000 : start + 8000 + 2 * 1105, 0]
    products = np.correlate(window, piece, "valid")
    return bool(products.max() > 0.95 * np.dot(piece, piece))


def test_a_file_that_counts_its_frames_is_right():
    samples, info = decoded(MP3)
    assert len(samples) == 40000 and info.plain and not info.notes


@pytest.mark.parametrize(
    "content", [headless(MP3), bytes(100) + headless(MP3), patched(MP3, {COUNT: 10}, "big"),
                patched(MP3, {COUNT: 0}, "big"), patched(MP3, {COUNT: 0xFFFFFFFF}, "big"),
                patched(MP3, {COUNT: 71}, "big"), patched(MP3, {COUNT: 73}, "big"), b"\xff\xfb\0\0" + MP3[4:]],
    ids=["no count", "rubbish before", "10", "0", "all ones", "one too few", "counts itself", "damaged first frame"],
)  # fmt: skip
def test_all_frames_are_heard_where_they_are_not_or_wrongly_counted(content):
    samples, info = decoded(content)
    assert len(samples) == info.samples == length(MP3)
    assert alike(samples, 0, TONE)
    assert not info.plain and info.notes[-1].endswith("72 are there and taken")


@pytest.mark.parametrize(
    "content",
    [MP3 + OTHER, headless(MP3) + headless(OTHER), MP3 + headless(OTHER), headless(MP3) + OTHER,
     ID3 + MP3 + APE + ID3V1 + ID3 + OTHER + ID3V1],
    ids=["both counted", "none counted", "first", "second", "with tags"],
)  # fmt: skip
def test_files_that_were_joined_are_heard_to_the_end(content):
    samples, info = decoded(content)
    assert alike(samples, 0, TONE) and alike(samples, frames(MP3) * FRAME, tone(24000, 900.0))
    assert len(samples) in (length(MP3, OTHER), length(MP3, OTHER) + DELAY)
    assert info.notes


@pytest.mark.parametrize("content", [ID3 + MP3, ID3 + ID3 + MP3, MP3 + ID3V1, MP3 + APE + ID3V1])
def test_tags_are_no_audio(content):
    samples, info = decoded(content)
    assert len(samples) == 40000 and info.plain


@pytest.mark.parametrize("fs", [8000, 11025, 22050, 32000, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_kind_of_frame_is_counted(fs, channels):
    content = encoded(np.stack([tone(fs, 300.0, fs)] * channels, axis=1), "MP3", fs=fs)
    samples, _ = decoded(headless(content))
    assert samples.shape == (frames(content) * (1152 if fs >= 32000 else 576) - DELAY, channels)


def silent(kbits: int, layer: int) -> bytes:
    """Fifty silent frames of layer I or II at 44.1 kHz; libsndfile does not write them."""
    code = {(64, 1): 2, (128, 1): 4, (64, 2): 4, (128, 2): 8}[kbits, layer]
    size = 144000 * kbits // 44100 if layer == 2 else 12000 * kbits // 44100 * 4
    return (bytes([0xFF, 0xFF if layer == 1 else 0xFD, code << 4, 0xC0]) + bytes(size - 4)) * 50


@pytest.mark.parametrize(("layer", "frame"), [(1, 384), (2, 1152)])
def test_other_layers_are_heard_whole_or_refused(layer, frame):
    for content, times in ((silent(64, layer), 50), (silent(128, layer) * 2, 100), (ID3 + silent(64, layer), 50)):
        assert len(decoded(content)[0]) == times * frame
    with pytest.raises(BadItem, match="of changing bit rate"):
        decoded(silent(64, layer) + silent(128, layer))


def test_a_header_of_another_encoder_counts_as_well():
    size = MP3.find(MP3[:2], COUNT)
    header = bytearray(MP3[:4] + bytes(size - 4))
    header[36:40], header[50:54] = b"VBRI", frames(MP3).to_bytes(4, "big")
    assert len(decoded(bytes(header) + headless(MP3))[0]) == length(MP3)
    with pytest.raises(BadItem, match="ends before its header says"):
        decoded(bytes(header) + headless(MP3)[:6000])


@pytest.mark.parametrize("content", [MP3, headless(MP3)])
def test_a_file_that_was_cut_short_is_refused(content):
    with pytest.raises(BadItem, match="ends before its header says"):
        decoded(content[: len(content) * 6 // 10])


@pytest.mark.parametrize("position", [6, 8, 12])
def test_a_first_frame_that_decoders_take_for_audio_is_replaced(position):
    samples, info = decoded(MP3[:position] + b"\x01" + MP3[position + 1 :])
    assert len(samples) == length(MP3) and not info.plain


@pytest.mark.parametrize("count", [0, 72])
def test_a_header_without_frames_is_called_so(count):
    header = patched(MP3, {COUNT: count}, "big")[: MP3.find(MP3[:2], COUNT)]
    with pytest.raises(BadItem) as error:
        decoded(header)
    assert error.value.kind == ("audio-truncated" if count else "audio-header-only")


def test_a_hole_is_refused_with_its_place():
    with pytest.raises(BadItem, match="damaged or missing data at byte") as error:
        decoded(MP3[:6000] + bytes(600) + MP3[6600:])
    assert error.value.kind == "audio-damaged"


@pytest.mark.parametrize("other", [encoded(TONE, "MP3", fs=8000), encoded(np.stack([TONE, TONE], axis=1), "MP3")])
def test_joined_files_of_different_kinds_are_refused(other):
    with pytest.raises(BadItem, match="different kinds"):
        decoded(MP3 + other)


@pytest.mark.parametrize("content", [ID3, ID3 + b"hello " * 100, b"\xff" * 5000, b"\xff\xfb\x90\0" * 3000])
def test_what_only_starts_like_mp3_is_not_readable(content):
    with pytest.raises(BadItem) as error:
        decoded(content)
    assert error.value.kind == "audio-unreadable"
