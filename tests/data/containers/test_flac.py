from __future__ import annotations

import numpy as np
import pytest

from espnet_jst.data.bad_item import BadItem
from tests.data.containers.sound import ID3, ID3V1, decoded, encoded, tone

TONE = tone(40000)
FLAC = encoded(TONE, "FLAC")


def counting(samples: int, content: bytes = FLAC) -> bytes:
    """The file with another number of samples in its header; 0: not known."""
    at = 8 + 13
    whole = int.from_bytes(content[at : at + 5], "big") >> 36 << 36 | samples
    return content[:at] + whole.to_bytes(5, "big") + content[at + 5 :]


@pytest.mark.parametrize("count", [0, 1, 20000, 39999])
def test_a_header_that_counts_too_little_or_not_is_put_right(count):
    samples, info = decoded(counting(count))
    assert np.array_equal(samples, decoded(FLAC)[0])
    assert info.samples == len(TONE) and not info.plain
    assert info.notes == (f"the header counts {count} samples, 40000 are there and taken",)


@pytest.mark.parametrize("count", [40001, 80000, (1 << 36) - 1])
def test_a_header_that_counts_too_much_is_a_file_that_was_cut_short(count):
    with pytest.raises(BadItem, match=f"40000 of {count} samples can be decoded"):
        decoded(counting(count))


@pytest.mark.parametrize("length", [1, 15, 16, 4095, 4096, 4097, 8192])
@pytest.mark.parametrize(
    ("coding", "channels", "fs"), [("PCM_16", 1, 16000), ("PCM_24", 2, 44100), ("PCM_S8", 3, 12345)]
)
def test_files_of_every_length_and_form_are_counted_by_their_last_frame(length, coding, channels, fs):
    content = encoded(np.stack([TONE[:length]] * channels, axis=1), "FLAC", coding, fs)
    samples, info = decoded(counting(0, content))
    assert samples.shape == (length, channels) and info.samples == length


def test_files_that_were_joined_are_heard_to_the_end():
    other = encoded(tone(24000, 900.0), "FLAC")
    samples, info = decoded(counting(0) + other + FLAC)
    assert len(samples) == 104000 and info.samples == 104000
    assert "3 recordings one after the other, all are taken" in info.notes
    assert np.array_equal(samples[40000:64000], decoded(other)[0])


@pytest.mark.parametrize("content", [ID3 + FLAC, FLAC + ID3V1, ID3 + counting(0) + ID3V1])
def test_tags_are_no_audio(content):
    samples, info = decoded(content)
    assert len(samples) == info.samples == 40000


@pytest.mark.parametrize("unknown", [True, False])
def test_cut_and_damaged_files_are_refused(unknown):
    content = counting(0) if unknown else FLAC
    middle = len(content) // 2
    for bad in (content[:middle], content[:middle] + bytes(4000) + content[middle + 4000 :], content[:middle] + FLAC):
        with pytest.raises(BadItem) as error:
            decoded(bad)
        assert error.value.kind == "audio-damaged"
