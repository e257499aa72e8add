"""Recordings of several microphones: nothing is mixed down, and what is wrong with one is said of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_jst.data.augment import augment
from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.conf import PreprocessorConf
from espnet_jst.data.resampling import resampled
from espnet_jst.data.signal import Mixer, Remark
from espnet_jst.data.utterances import AudioItem, hear
from espnet_jst.recipe.audio_form import format_shard

FS, SAMPLES = 8000, 12000
SPEECH = 0.3 * np.sin(np.arange(SAMPLES) / 9) * (1 + np.sin(np.arange(SAMPLES) / 3000)) / 2


def at_array(*delays: int, scale: float = 1.0) -> np.ndarray:
    """A channel a delay, (N, C) float32."""
    return (scale * np.stack([np.roll(SPEECH, delay) for delay in delays], axis=1)).astype(np.float32)


def remarks(samples: np.ndarray, coding: str = "PCM_16") -> list[Remark]:
    mixer = Mixer("x", channels=samples.shape[1])
    taken = [mixer.mix(samples[start : start + 5000]) for start in range(0, SAMPLES, 5000)]
    np.testing.assert_array_equal(np.concatenate(taken), samples)
    return mixer.remarks(coding)


def test_channels_stay_and_may_cancel_each_other() -> None:
    assert remarks(at_array(0, 1, 2)) == []
    assert remarks(np.stack([SPEECH, -SPEECH], axis=1).astype(np.float32)) == []


@pytest.mark.parametrize(
    ("samples", "kind", "reason"),
    [
        (np.zeros((SAMPLES, 3), np.float32), "audio-silent", "every sample is zero"),
        (at_array(0, 0, 0), "audio-copies", "all 3 channels are the same"),
        (at_array(0, 1, 2) * np.float32([1, 0, 1]), "audio-channel-silent", "nothing in channel 2 of 3"),
        (at_array(0, 1) + np.float32([0.1, 0]), None, None),
        (at_array(0, 1, scale=8), "audio-loud", "samples up to"),
        (at_array(0, 1, scale=2.0**-8), "audio-quiet", "no sample beyond"),
    ],
)
def test_what_is_doubtful_is_said_of_the_channels(samples: np.ndarray, kind: str | None, reason: str | None) -> None:
    found = remarks(samples, "PCM_24")
    assert [remark.kind for remark in found] == ([kind] if kind else [])
    assert all(str(reason) in remark.reason for remark in found)


@pytest.mark.parametrize("value", [np.nan, 1e30, 100.0])
def test_one_sample_of_one_channel_that_is_no_sane_number_is_enough(value: float) -> None:
    samples = at_array(0, 1, 2)
    samples[30, 1] = value
    with pytest.raises(BadItem):
        remarks(samples)


@pytest.mark.parametrize("there", [1, 2, 4])
def test_another_number_of_channels_names_the_item_both_numbers_and_the_fix(tmp_path: Path, there: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, at_array(*range(there)), FS)
    item = AudioItem("a", str(path))
    count = "one channel" if there == 1 else f"{there} channels"
    with pytest.raises(
        BadItem, match=f"a.wav: {count}, and the model takes 3; give what its microphones recorded"
    ) as bad:
        hear(item, fs=FS, strict_fs=False, channels=3)
    assert bad.value.kind == "audio-channels"
    assert hear(item, fs=FS, strict_fs=False).samples == SAMPLES  # a model of one channel takes them all
    with pytest.raises(BadItem, match="reco2file_and_channel names one channel, and the model takes 3"):
        hear(AudioItem("a", str(path), channel=0), fs=FS, strict_fs=False, channels=3)


def test_stage_3_keeps_channels_resamples_and_scales_them_alike_and_lists_the_others(tmp_path: Path) -> None:
    samples = at_array(0, 3, 7)
    files = {"right": (samples, FS, {}), "rate": (samples, 2 * FS, {}), "mono": (samples[:, 0], FS, {})}
    files |= {"loud": (samples * 16, FS, {"subtype": "FLOAT"})}
    items = []
    for name, (sound, fs, how) in files.items():
        soundfile.write(tmp_path / f"{name}.wav", sound, fs, **how)
        items.append(AudioItem(name, str(tmp_path / f"{name}.wav")))
    out = tmp_path / "out"
    out.mkdir()
    given = {"out": out, "fs": FS, "strict_fs": False, "audio_format": "flac"}
    done = format_shard(items, **given, channels=3)
    assert [(problem.utt_id, problem.kind) for problem in done.problems] == [("mono", "audio-channels")]
    assert done.wav["right"] == str(tmp_path / "right.wav") and "downmixed" not in done.changed
    rate, _ = soundfile.read(done.wav["rate"])
    assert rate.shape == (SAMPLES // 2, 3) and done.samples["rate"] == str(SAMPLES // 2)
    for channel in range(3):
        [expected] = [np.concatenate(list(resampled([samples[:, channel]], 2 * FS, FS)))]
        assert np.abs(rate[:, channel] - expected).max() < 2 / 32768
    loud, _ = soundfile.read(done.wav["loud"])
    assert np.abs(loud - samples / np.abs(samples).max()).max() < 2 / 32768
    assert soundfile.read(format_shard(items[:1], **given).wav["right"])[0].ndim == 1


def test_training_changes_all_channels_alike() -> None:
    copies = at_array(0, 0, 0)
    conf = PreprocessorConf(speed_prob=1.0, equalizer_prob=1.0, gain_db=(-20.0, 20.0))
    for seed in range(5):
        np.random.seed(seed)
        changed = augment(copies, conf)
        assert changed.shape[1] == 3 and len(changed) != SAMPLES and changed.dtype == np.float32
        np.testing.assert_allclose(changed, changed[:, :1].repeat(3, axis=1), atol=1e-6)
        np.random.seed(seed)
        np.testing.assert_allclose(changed[:, 0], augment(copies[:, 0], conf), atol=1e-5)


def test_noise_is_each_microphones_own() -> None:
    np.random.seed(0)
    added = augment(at_array(0, 0), PreprocessorConf(noise_prob=1.0, noise_snr_db=(20.0, 20.0))) - at_array(0, 0)
    assert abs(np.corrcoef(added.T)[0, 1]) < 0.05
    assert 10 * np.log10(np.mean(at_array(0, 0) ** 2) / np.mean(added**2)) == pytest.approx(20, abs=0.3)
