"""Whatever the format: all of the audio, or a refusal; never a part of it, nor noise in it."""

from __future__ import annotations

import io
import struct
import tracemalloc
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_jst.data.audio_file import inspect
from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.containers.ogg import _checksum
from tests.data.containers.sound import decoded, encoded, patched, tone

TONE = tone()
GIB5 = 5 << 30


def refusal(content: bytes) -> str:
    with pytest.raises(BadItem) as error:
        decoded(content)
    return error.value.kind


@pytest.mark.parametrize("form", ["AVR", "IRCAM", "MAT4", "MAT5", "MPC2K", "PAF", "PVF", "SDS", "VOC", "XI", "RIFX"])
def test_a_format_that_cannot_be_checked_is_refused(form):
    stream = io.BytesIO()
    big = form == "RIFX"
    coding = "DPCM_16" if form == "XI" else "PCM_16"
    soundfile.write(stream, TONE, 16000, coding, "BIG" if big else None, "WAV" if big else form)
    assert refusal(stream.getvalue()) == refusal(stream.getvalue()[:16000]) == "audio-unchecked"


@pytest.mark.parametrize("form", ["AIFF", "AU", "CAF", "NIST", "W64"])
def test_a_recording_inside_of_another_is_no_audio(form):
    content = encoded(TONE, form)
    assert refusal(content + content) == "audio-joined"
    assert refusal(encoded(TONE, form) + encoded(TONE[:100], "WAV")) == "audio-joined"


@pytest.mark.parametrize("form", ["MP3", "OGG", "FLAC"])
@pytest.mark.parametrize("second", ["WAV", "AU", "CAF"])
def test_a_recording_of_another_format_behind_is_no_tag(form, second):
    assert refusal(encoded(TONE, form) + encoded(TONE[:4000], second)) in ("audio-joined", "audio-damaged")


def test_a_recording_behind_one_of_unknown_length_is_not_heard_as_its_samples():
    content = encoded(TONE, "WAV")
    assert refusal(patched(content, {4: 0, 40: 0}) + encoded(TONE, "WAV", fs=8000)) == "audio-joined"


def test_joined_files_with_sizes_of_64_bits_are_heard_without_their_headers():
    content = encoded(TONE, "RF64")
    samples, info = decoded(content + content)
    assert np.array_equal(samples, np.concatenate([decoded(content)[0]] * 2)) and info.notes


@pytest.mark.parametrize("form", ["AIFF", "CAF", "W64"])
def test_samples_beyond_sizes_that_are_too_small_are_taken(form):
    content = encoded(TONE, form)
    at = content.find(b"SSND" if form == "AIFF" else b"data")
    if form == "AIFF":
        content = patched(content, {at + 4: 8 + 8000, content.find(b"COMM") + 10: 4000}, "big")
    elif form == "CAF":
        content = patched(content, {at + 4: 4 + 8000}, "big", 8)
    else:
        content = patched(content, {at + 16: 24 + 8000}, "little", 8)
    samples, info = decoded(content)
    assert len(samples) == len(TONE) and info.notes


@pytest.mark.parametrize("form", ["AIFF", "CAF", "W64"])
def test_chunks_behind_the_samples_are_no_samples(form):
    chunk = {
        "AIFF": b"ID3 " + struct.pack(">I", 9000) + b"\x11" * 9000,
        "CAF": b"info" + struct.pack(">Q", 9000) + b"\x11" * 9000,
        "W64": b"bext" + bytes(12) + struct.pack("<Q", 9024) + b"\x11" * 9000,
    }[form]
    samples, info = decoded(encoded(TONE, form) + chunk)
    assert np.array_equal(samples, decoded(encoded(TONE, form))[0]) and not info.notes


def test_more_than_4_gib_are_all_counted(tmp_path: Path):
    fmt = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
    long = b"ds64" + struct.pack("<IQQQI", 28, GIB5 + 72, GIB5, 0, 0)
    head = b"BW64" + b"\xff" * 4 + b"WAVE" + long + fmt + b"data" + b"\xff" * 4
    with (tmp_path / "x").open("wb") as file:
        file.write(head)
        file.truncate(len(head) + GIB5)
    assert inspect(tmp_path / "x").samples == GIB5 // 2


def test_what_follows_a_flac_stream_does_not_make_a_wrong_count_right():
    content = encoded(TONE, "FLAC")
    counts_10 = content[:21] + bytes([content[21] & 0xF0]) + (10).to_bytes(4, "big") + content[26:]
    ape = b"APETAGEX" + struct.pack("<IIII", 2000, 32 + 2_000_000, 0, 0) + bytes(8)
    for tail in (bytes(3_000_000), bytes(2_000_000) + ape):
        samples, info = decoded(counts_10 + tail)
        assert len(samples) == len(TONE) and info.notes


@pytest.mark.parametrize("tag", [b"ID3\4\0\0\x7f\x7f\x7f\x7f", b"APETAGEX" + struct.pack("<IIII", 2000, 1 << 24, 0, 0)])
def test_a_tag_that_would_be_longer_than_the_file_hides_no_frames(tag):
    content = encoded(TONE, "MP3")
    assert refusal(content + tag + content) == "audio-damaged"


@pytest.mark.parametrize("coding", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("count", [-1, 0, 4000])
def test_a_last_page_that_counts_less_than_one_before_it_is_damaged(coding, count):
    content = encoded(tone(64000), "OGG", coding)
    last = content.rfind(b"OggS")
    page = bytearray(content[last:])
    page[6:14] = count.to_bytes(8, "little", signed=True)
    page[22:26] = bytes(4)
    page[22:26] = _checksum(bytes(page)).to_bytes(4, "little")
    assert refusal(content[:last] + page) == "audio-damaged"


@pytest.mark.parametrize("form", ["AIFF", "AU", "CAF", "W64"])
def test_no_count_of_a_header_is_read_into_memory(tmp_path: Path, form: str):
    """200 MB before the samples, or a chunk that is shorter than its own head."""
    content, gap = encoded(TONE, form), 200_000_000
    if form == "AU":
        head, tail = patched(content[:24], {4: 24 + gap, 8: 0}, "big"), content[24:]
    elif form == "W64":
        at = content.find(b"fmt ")
        head, tail = patched(content[: at + 24], {at + 16: 23}, width=8), content[at + 24 :]
    else:
        at = content.find(b"SSND" if form == "AIFF" else b"data")
        wide = 4 if form == "AIFF" else 8
        chunk = b"free" + gap.to_bytes(wide, "big")
        head, tail = content[:at] + chunk, patched(content[at:], {4: 0}, "big", wide)
        head = patched(head, {4: 0}, "big") if form == "AIFF" else head
    with (tmp_path / "x").open("wb") as file:
        file.write(head)
        file.seek(gap, 1)
        file.write(tail)
    tracemalloc.start()
    with suppress(BadItem):
        assert inspect(tmp_path / "x").samples == len(TONE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50_000_000
