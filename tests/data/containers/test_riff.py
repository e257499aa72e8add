from __future__ import annotations

import struct

import numpy as np
import pytest

from espnet_jst.data.bad_item import BadItem
from tests.data.containers.sound import ID3V1, decoded, encoded, patched, tone

TONE = tone()
WAV = encoded(TONE, "WAV")
BODY, FMT = WAV[44:], WAV[12:36]
CODINGS = ["PCM_16", "PCM_24", "PCM_32", "PCM_U8", "FLOAT", "DOUBLE", "ULAW", "ALAW", "IMA_ADPCM"]


def resized(content: bytes, riff: int, data: int) -> bytes:
    return patched(content, {4: riff, content.find(b"data") + 4: data})


def chunk(length: int, *, padded: bool = True) -> bytes:
    return b"LIST" + struct.pack("<I", length) + b"INFO" + bytes(length - 4) + bytes(length % 2 * padded)


def wave(before: bytes = b"", after: bytes = b"", *, body: bytes = BODY, count: int | None = None) -> bytes:
    inside = b"WAVE" + before + FMT + b"data" + struct.pack("<I", len(body) if count is None else count) + body + after
    return b"RIFF" + struct.pack("<I", len(inside)) + inside


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize(
    "size", [0, 0x7FFFF000, 0x7FFFFFFF, 0x7FFFFFFF - 36, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFF - 36, None]
)
def test_all_samples_are_taken_where_a_writer_did_not_know_or_miscounted_the_size(coding, size):
    content = encoded(TONE, "WAV", coding)
    expected, info = decoded(content)
    assert info.plain and not info.notes
    there = len(content) - content.find(b"data") - 8
    wrong = there + 44 if size is None else size
    samples, info = decoded(resized(content, (wrong + 36) & 0xFFFFFFFF, wrong))
    assert np.array_equal(samples, expected)
    assert not info.plain
    assert info.notes == (f"the header counts {wrong} bytes of samples, {there} are there and taken",)


@pytest.mark.parametrize("share", [2, 10])
def test_samples_beyond_a_size_that_is_too_small_are_taken(share):
    samples, info = decoded(resized(WAV, 36 + len(BODY) // share, len(BODY) // share))
    assert len(samples) == len(TONE) and info.notes


@pytest.mark.parametrize("missing", [100, 8000, 31000])
def test_a_file_that_lacks_more_than_a_header_is_cut_short(missing):
    with pytest.raises(BadItem) as error:
        decoded(WAV[:-missing])
    assert error.value.kind == "audio-truncated"


@pytest.mark.parametrize("content", [WAV[:44], resized(WAV, 36, 0)[:44], wave(after=chunk(26), body=b"")])
def test_a_header_without_samples_is_called_so(content):
    with pytest.raises(BadItem) as error:
        decoded(content)
    assert error.value.kind == "audio-header-only"


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("length", [26, 27])
def test_chunks_before_and_after_the_samples_are_no_samples(length, padded):
    samples, info = decoded(wave(chunk(length, padded=padded), chunk(length, padded=padded)))
    assert len(samples) == len(TONE) and not info.notes
    assert info.plain or (length == 27 and not padded)


def test_an_unpadded_chunk_before_samples_of_unknown_number_is_no_obstacle():
    samples, _ = decoded(resized(wave(chunk(27, padded=False)), 0, 0x7FFFF000))
    assert len(samples) == len(TONE)


@pytest.mark.parametrize("tail", [ID3V1, bytes(30000), b"\x01\x02" * 500])
def test_tags_and_remains_of_a_disk_block_behind_the_samples_are_no_samples(tail):
    samples, info = decoded(WAV + tail)
    assert len(samples) == len(TONE) and info.plain


def test_files_that_were_joined_are_heard_to_the_end():
    other = encoded(tone(8000, 900.0), "WAV", "FLOAT")
    samples, info = decoded(wave(after=chunk(27)) + other + WAV)
    assert len(samples) == 2 * len(TONE) + 8000
    assert info.notes == ("3 recordings one after the other, all are taken",)
    assert np.array_equal(samples[-len(TONE) :], decoded(WAV)[0])


def test_joined_files_of_different_rates_are_refused():
    with pytest.raises(BadItem, match="joined from parts of 16000 Hz, 1 channels and 8000 Hz"):
        decoded(WAV + encoded(TONE, "WAV", fs=8000))


def test_a_second_chunk_of_samples_is_heard_too():
    samples, _ = decoded(wave(after=b"data" + struct.pack("<I", 2000) + BODY[:2000]))
    assert len(samples) == len(TONE) + 1000


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_the_extensible_form_is_put_right_too(channels):
    content = encoded(np.stack([TONE] * channels, axis=1), "WAVEX")
    samples, info = decoded(resized(content, 0, 0))
    assert samples.shape == (len(TONE), channels) and info.form == "WAVEX"


@pytest.mark.parametrize("form", [b"RF64", b"BW64"])
@pytest.mark.parametrize("size", [0, 1 << 63, (1 << 64) - 1, len(BODY)])
def test_sizes_of_64_bits_are_doubted_too(form, size):
    content = encoded(TONE, "RF64")
    content = form + patched(content, {content.find(b"ds64") + 16: size}, width=8)[4:]
    samples, info = decoded(content)
    assert len(samples) == len(TONE)
    assert bool(info.notes) == (size != len(BODY))


@pytest.mark.parametrize("size", [0, 24, (1 << 63) - 1, (1 << 64) - 1])
def test_wave64_of_unknown_size_is_read_and_a_cut_one_refused(size):
    content = encoded(TONE, "W64")
    at = content.find(b"data")
    samples, info = decoded(patched(content, {at + 16: size}, width=8))
    assert len(samples) == len(TONE) and info.notes
    with pytest.raises(BadItem, match="ends before its header says"):
        decoded(content[: len(content) // 2])
