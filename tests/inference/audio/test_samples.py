"""Bad audio gives one message with the item and the fix."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from espnet_jst.errors import DataError
from espnet_jst.inference.audio.recording import read_audio
from espnet_jst.inference.audio.samples import as_samples


@pytest.mark.parametrize(
    ("speech", "message"),
    [
        (np.zeros(0), "no samples"),
        (np.zeros((4, 4)), r"shape \(4, 4\), of which it cannot be told which axis is time"),
        (np.zeros((100, 99)), "which axis is time"),
        (np.zeros((2, 3, 100)), "which axis is time"),
        (np.array([0.0, np.nan]), "1 samples are NaN or infinite"),
        (np.array([np.inf]), "1 samples are NaN or infinite"),
        (np.array([0.0, 1e30]), r"a sample of 1e\+30"),
        (np.array([0.0, 1e300]), "1 samples are NaN or infinite"),
        (np.array(["a"]), "give floats"),
        (np.array([True]), "give floats"),
        (np.zeros(3, dtype=np.uint8), "unknown scale"),
        ([[1.0], [1.0, 2.0]], "1-D array"),
    ],
)
def test_unusable_samples_are_refused_with_the_fix(speech: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        as_samples(speech)


def test_an_empty_packet_of_a_stream_passes() -> None:
    assert as_samples(np.zeros(0), allow_empty=True).shape == (0,)


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
def test_integer_samples_are_scaled_to_one(dtype: type) -> None:
    samples = as_samples(np.array([np.iinfo(dtype).min, 0], dtype=dtype))
    np.testing.assert_allclose(samples, [-1.0, 0.0])
    assert samples.dtype == np.float32


def test_channels_are_mixed_down_in_either_layout() -> None:
    stereo = np.stack([np.full(100, 0.5), np.full(100, 0.25)])
    for speech in (stereo, stereo.T, stereo[None], (stereo * 2**15).astype(np.int16), torch.tensor(stereo)):
        np.testing.assert_allclose(as_samples(speech), np.full(100, 0.375))


def test_a_tensor_a_list_and_a_single_column_are_one_channel() -> None:
    for speech in (torch.ones(4), [1.0, 1.0, 1.0, 1.0], np.ones((4, 1)), np.ones((1, 4), dtype=np.float64)):
        np.testing.assert_array_equal(as_samples(speech), np.ones(4))


def write(path: Path, samples: np.ndarray) -> Path:
    soundfile.write(path, samples, 8000, subtype="FLOAT")
    return path


def test_a_bad_file_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    soundfile.write(tmp_path / "slow.wav", np.zeros(100), 4000)
    (tmp_path / "text.wav").write_text("not audio at all")
    tone = np.sin(np.arange(100) / 3)
    write(tmp_path / "cancelled.wav", np.stack([tone, -tone], 1))
    write(tmp_path / "nan.wav", np.array([0.0, np.nan]))
    write(tmp_path / "header.wav", np.zeros(0))
    for name, message in [
        ("missing.wav", "no such file"),
        ("empty.wav", "0 bytes"),
        ("text.wav", "not readable as audio"),
        ("cancelled.wav", "2 channels cancel each other"),
        ("nan.wav", "NaN"),
        ("header.wav", "without samples"),
        ("slow.wav", "4000 Hz is outside"),
    ]:
        with pytest.raises(DataError, match=f"{name}.*{message}"):
            read_audio(tmp_path / name)


def test_a_good_file_gives_samples_and_rate(tmp_path: Path) -> None:
    samples, fs = read_audio(write(tmp_path / "a.wav", np.array([0.5, -0.5])))
    assert fs == 8000
    np.testing.assert_allclose(samples, [0.5, -0.5])
