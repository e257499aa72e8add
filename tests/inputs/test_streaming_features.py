"""Samples to normalized features, in packets of any size."""

import functools
import random

import numpy as np
import pytest
import torch

from espnet_jst.errors import ConfigError
from espnet_jst.inputs.kaldi_fbank import KaldiFbank
from espnet_jst.inputs.log_mel import LogMel
from espnet_jst.inputs.nemo_mel import NemoMel
from espnet_jst.inputs.normalize import RunningMVN
from espnet_jst.inputs.whisper_mel import WhisperMel
from espnet_jst.taps import Tap

FRONTENDS = {
    "log_mel": LogMel,
    "log_mel_without_dc": functools.partial(LogMel, remove_dc=True),
    "kaldi_fbank": KaldiFbank,
    # What sherpa-onnx gives to a NeMo model.
    "sherpa_onnx_nemo": functools.partial(
        KaldiFbank, window="hann", mel_scale="slaney", remove_dc=False, fmin=0.0, fmax=0.0
    ),
    "nemo_mel": NemoMel,
    "whisper_mel": WhisperMel,
}


def packet(x, lengths=None):
    return Tap(x, torch.full((x.size(0),), x.size(1)) if lengths is None else torch.tensor(lengths), 1.0)


@pytest.fixture(params=[False, True], ids=["", "ignore-silence"])
def normalize(tmp_path, request):
    frames = np.random.default_rng(0).normal(-8, 3, (500, 24))
    np.savez(tmp_path / "stats.npz", count=500, sum=frames.sum(0), sum_square=(frames**2).sum(0))
    return RunningMVN(tmp_path / "stats.npz", prior_frames=50, half_life_frames=100, ignore_silence=request.param)


@pytest.fixture(params=FRONTENDS)
def make(request):
    """A frontend, from its keys."""
    return FRONTENDS[request.param]


@pytest.mark.parametrize("samples", [1, 39, 40, 100, 200, 201, 5000, 40000])
def test_features_in_packets_equal_features_of_the_whole(make, normalize, samples):
    frontend, rng = make(fs=8000, n_mels=24), random.Random(samples)
    x = 0.1 * torch.randn(2, samples)
    x[1, samples // 4 : samples // 2] = 0.0
    whole, lengths = frontend(x, torch.tensor([samples, samples]))
    whole, _ = normalize(whole, lengths)
    assert whole.size(1) == lengths[0] >= max(1, frontend.ready(samples))
    for _ in range(5):
        state, norm, out, position = frontend.init_state(2), normalize.init_state(2), [], 0
        while position < samples:
            stop = min(samples, position + rng.choice([1, 7, 160, 999, 8000]))
            if rng.random() < 0.2:
                stop = samples
            y, state = frontend.step(packet(x[:, position:stop]), state, [stop == samples] * 2)
            y, norm = normalize.step(y, norm)
            out.append(y.x)
            position = stop
        torch.testing.assert_close(torch.cat(out, 1), whole, atol=1e-5, rtol=1e-5)


def test_a_frame_is_there_when_its_window_is_and_reads_nothing_beyond(make):
    frontend = make(fs=8000, n_mels=24)
    x = torch.randn(1, 4000)
    y, _ = frontend(x, torch.tensor([4000]))
    for frame in (0, 3, 20):
        end = round(frontend.begin_s * 8000) + frame * 80 + 200
        assert (frontend.ready(end - 1), frontend.ready(end)) == (frame, frame + 1)
        early, _ = frontend.step(packet(x[:, :end]), frontend.init_state(1), [False])
        assert early.lengths.tolist() == [frame + 1]
        other = x.clone()
        other[:, end:] = 5.0
        torch.testing.assert_close(frontend(other, torch.tensor([4000]))[0][:, : frame + 1], y[:, : frame + 1])
        other[:, end - 60 :] = 5.0
        assert not torch.allclose(frontend(other, torch.tensor([4000]))[0][:, frame], y[:, frame])


@pytest.mark.parametrize("fs", [8000, 11025, 22050, 44100])
def test_the_shift_is_that_of_the_frames_where_the_hop_is_no_whole_number_of_samples(make, fs):
    frontend = make(fs=fs, n_mels=24)
    frames = frontend.ready(600 * fs)
    assert 599.9 < frames * frontend.hop_s < 600.1


@pytest.mark.parametrize(
    ("fs", "window_s", "hop_s"), [(11025, 0.025, 0.01), (22050, 0.025, 0.01), (8000, 0.0375, 0.03)]
)
@pytest.mark.parametrize("seed", range(3))
def test_with_odd_windows_and_hops_packets_equal_the_whole(make, fs, window_s, hop_s, seed):
    frontend, rng = make(fs=fs, n_mels=24, window_s=window_s, hop_s=hop_s), random.Random(seed)
    hop = frontend.hop_samples
    for samples in range(4 * hop, 5 * hop, 3):  # every way in which a signal can end
        x = torch.randn(1, samples)
        state, out, position = frontend.init_state(1), [], 0
        while position < samples:
            stop = min(samples, position + rng.choice([1, hop, 2 * hop + 1, samples]))
            y, state = frontend.step(packet(x[:, position:stop]), state, [stop == samples])
            out.append(y.x)
            position = stop
        whole = frontend(x, torch.tensor([samples]))[0]
        torch.testing.assert_close(torch.cat(out, 1), whole, atol=1e-4, rtol=1e-4)


def test_a_row_of_a_batch_has_the_features_that_it_has_alone(make):
    frontend, lengths = make(fs=8000, n_mels=24), [4000, 1234, 130, 7]
    x = torch.zeros(4, 4000)
    for row, count in zip(x, lengths, strict=True):
        row[:count] = torch.randn(count)
    y, frames = frontend(x, torch.tensor(lengths))
    for row, features, count, size in zip(x, y, lengths, frames.tolist(), strict=True):
        alone, [expected] = frontend(row[None, :count], torch.tensor([count]))
        assert size == expected
        torch.testing.assert_close(features[:size], alone[0], atol=1e-4, rtol=1e-4)


def test_a_stream_that_ends_without_a_sample_has_no_frame(make):
    frontend = make(fs=8000, n_mels=24)
    y, _ = frontend.step(packet(torch.zeros(1, 0)), frontend.init_state(1), [True])
    assert y.x.shape == (1, 0, 24) and y.lengths.tolist() == [0]
    whole, lengths = frontend(torch.zeros(1, 0), torch.tensor([0]))  # a batch must have a frame of each
    assert whole.shape == (1, 1, 24) and lengths.tolist() == [1]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"fmax": 4001.0}, "fmin=.* and fmax=4001 Hz: give a band below 4000 Hz, half of fs=8000"),
        ({"fmin": 300.0, "fmax": 300.0}, "fmin=300 and fmax=300 Hz"),
        ({"hop_s": 0.03}, "hop_s=0.03 must be positive and at most window_s=0.025"),
        ({"n_mels": 0}, "n_mels is 0"),
        ({"n_mels": 200}, r"n_mels=200: a window of 0.025 s at 8000 Hz has 1\d\d frequencies from .*; give fewer"),
    ],
)
def test_keys_that_make_no_filter_bank_are_refused(make, keys, message):
    with pytest.raises(ConfigError, match=message):
        make(**{"fs": 8000, **keys})


def test_a_full_scale_sine_peaks_near_zero_decibel_in_its_band():
    frontend = LogMel(fs=8000, n_mels=24)
    x = torch.sin(2 * torch.pi * 1000 * torch.arange(8000) / 8000)[None]
    y = frontend(x, torch.tensor([8000]))[0][0, 50]
    assert -3 < float(y.max()) < 0.5 and float(y.min()) < -9


def test_running_mean_follows_a_level_shift(normalize):
    x = torch.randn(1, 1200, 24)
    offset = normalize(x + 5.0)[0] - normalize(x)[0]
    # The offset in units of the standard deviation fades as the recording outweighs the prior.
    assert float(offset[0, 0].mean()) > 4.5 / float(normalize.std.mean())
    assert float(offset[0, -1].mean()) < 0.3 * float(offset[0, 0].mean())


@pytest.mark.parametrize("minutes", [1, pytest.param(30, marks=pytest.mark.long)])
def test_after_silence_speech_is_normalized_as_at_the_start_where_silence_is_ignored(tmp_path, minutes):
    np.savez(tmp_path / "stats.npz", count=1, sum=np.full(24, -9.0), sum_square=np.full(24, 90.0))
    frontend, speech = LogMel(fs=8000, n_mels=24), 0.1 * torch.randn(1, 8000)
    offsets = {}
    for ignore in (False, True):
        normalize = RunningMVN(tmp_path / "stats.npz", half_life_frames=200, ignore_silence=ignore)
        state, norm = frontend.init_state(1), normalize.init_state(1)
        for _ in range(60 * minutes):
            y, state = frontend.step(packet(torch.zeros(1, 8000)), state, [False])
            norm = normalize.step(y, norm)[1]
        features = frontend(speech, torch.tensor([8000]))[0]
        after, alone = normalize.step(packet(features), norm)[0].x, normalize(features)[0]
        offsets[ignore] = float((after - alone).abs().max())
    assert offsets[True] < 1e-4 and offsets[False] > 1.0


def test_running_mean_in_float32_stays_exact_over_a_long_stream(normalize):
    x = 3.0 + torch.randn(1, 30000, 24)
    y = normalize(x)[0]
    decay = 0.5 ** (1 / 100)
    total, count = np.zeros(24), 0.0
    mean = normalize.mean.double().numpy()
    for frame in x[0].double().numpy():
        total, count = decay * total + frame - mean, decay * count + 1
    last = (x[0, -1].double().numpy() - mean - total / (50 + count)) / normalize.std.double().numpy()
    np.testing.assert_allclose(y[0, -1].numpy(), last, atol=1e-4)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), float("-inf")])
def test_a_frame_that_overflows_leaves_the_running_mean(normalize, value):
    frames = torch.randn(2, 300, 24) - 8
    bad = frames.clone()
    bad[0, 40, 3] = value
    without = torch.cat([frames[:1, :40], frames[:1, 41:]], dim=1)
    state = normalize.init_state(2)
    out, state = normalize.step(packet(bad), state)
    out = out.x
    assert state.total.isfinite().all() and out[0, 41:].isfinite().all() and not out[0, 40].isfinite().all()
    expected, other = normalize.step(packet(without), normalize.init_state(1))
    torch.testing.assert_close(out[1], normalize(frames[1:])[0][0])
    # The others fade by one frame more than if it had not been there.
    torch.testing.assert_close(out[0, :40], expected.x[0, :40])
    torch.testing.assert_close(state.total[:1], other.total, atol=2e-2 * float(other.total.abs().max()), rtol=0.1)


@torch.no_grad()
@pytest.mark.parametrize("seed", range(4))
def test_streams_of_any_age_share_a_batch(make, normalize, seed):
    frontend, rng = make(fs=8000, n_mels=24), random.Random(seed)
    speech = [0.1 * torch.randn(n) for n in (130, 4321, 9000, 777)]
    whole = [normalize(frontend(x[None], torch.tensor([len(x)]))[0])[0][0] for x in speech]
    state, norm = frontend.init_state(4), normalize.init_state(4)
    done, out = [0] * 4, [[] for _ in speech]
    while any(position < len(x) for position, x in zip(done, speech, strict=True)):
        counts = [min(len(x) - p, rng.choice([0, 1, 90, 700, 3000])) for p, x in zip(done, speech, strict=True)]
        samples = torch.full((4, max(counts) + 3), torch.nan)  # what stands behind is nobody's
        for row, x, p, n in zip(samples, speech, done, counts, strict=True):
            row[:n] = x[p : p + n]
        done = [p + n for p, n in zip(done, counts, strict=True)]
        last = [n > 0 and p == len(x) for n, p, x in zip(counts, done, speech, strict=True)]
        y, state = frontend.step(packet(samples, counts), state, last)
        y, norm = normalize.step(y, norm)
        for row, x, n in zip(out, y.x, y.lengths.tolist(), strict=True):
            row.append(x[:n])
    for row, expected in zip(out, whole, strict=True):
        torch.testing.assert_close(torch.cat(row), expected, atol=1e-5, rtol=1e-5)


def test_filters_that_are_trained_get_gradients_and_begin_as_mel_filters():
    fixed, trained = LogMel(fs=8000, n_mels=24), LogMel(fs=8000, n_mels=24, trainable=True)
    x = 0.1 * torch.randn(2, 4000)
    y, _ = trained(x, torch.tensor([4000, 4000]))
    torch.testing.assert_close(y, fixed(x, torch.tensor([4000, 4000]))[0])
    y.mean().backward()
    assert trained.bank.grad.abs().sum() > 0 and not list(fixed.parameters())


def test_a_constant_in_the_samples_changes_nothing_where_it_is_taken_off():
    samples, count = 0.1 * torch.randn(1, 8000), torch.tensor([8000])
    for remove, most in ((True, 1e-3), (False, 10.0)):
        frontend = LogMel(fs=8000, n_mels=40, remove_dc=remove)
        moved = (frontend(samples + 0.3, count)[0] - frontend(samples, count)[0]).abs().max()
        assert (moved < most) == remove or (not remove and moved > 1.0)
