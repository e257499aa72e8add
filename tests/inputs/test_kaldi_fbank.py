"""Kaldi's filter bank against torchaudio's, and its mirrored ends against samples that are put there one by one."""

import itertools
import math

import pytest
import torch
from torchaudio.compliance import kaldi

from espnet_jst.errors import ConfigError
from espnet_jst.inputs.kaldi_fbank import KaldiFbank
from espnet_jst.taps import Tap


def torchaudios(x, fs, bands, *, snip_edges=False):
    """(T, n_mels); in float64 the floor is another one."""
    energies = kaldi.fbank(
        x[None], num_mel_bins=bands, sample_frequency=float(fs), high_freq=-400, snip_edges=snip_edges
    )
    return energies.clamp(min=math.log(2**-23))


def assert_equal(frontend, x, expected):
    """To 1e-4 in float64; in float32 a band with hardly any energy is rounded more, here and in torchaudio."""
    y, lengths = frontend(x[None].float(), torch.tensor([len(x)]))
    assert lengths.tolist() == [len(expected)]
    torch.testing.assert_close(y[0].double(), expected, atol=1e-2, rtol=0)
    exact = frontend.double()(x[None], torch.tensor([len(x)]))[0]
    frontend.float()
    torch.testing.assert_close(exact[0], expected, atol=1e-4, rtol=2e-5)  # torchaudio's filters are of float32


def mirrored(x, before, after):
    """The signal with so many samples before and behind it, mirrored as often as it takes, as Kaldi does."""
    count, samples = len(x), []
    for place in range(-before, count + after):
        while not 0 <= place < count:
            place = -place - 1 if place < 0 else 2 * count - 1 - place
        samples.append(x[place])
    return torch.stack(samples)


@pytest.mark.parametrize("offset", [0.0, 0.2])
@pytest.mark.parametrize(("fs", "bands"), itertools.product([8000, 16000], [40, 80]))
def test_a_whole_signal_has_the_features_of_torchaudio(fs, bands, offset):
    torch.manual_seed(bands)
    frontend = KaldiFbank(fs=fs, n_mels=bands)
    for samples in (fs // 40, fs // 40 + 1, 799, 1680, 5000, 2 * fs):
        x = (offset + 0.1 * torch.randn(samples)).double()
        assert_equal(frontend, x, torchaudios(x, fs, bands))


@pytest.mark.parametrize("fs", [8000, 11025, 16000, 22050])
def test_a_signal_shorter_than_a_window_is_mirrored_again_and_again(fs):
    torch.manual_seed(fs)
    frontend, window, hop = KaldiFbank(fs=fs, n_mels=23), int(fs * 0.025), int(fs * 0.010)
    for samples in (1, 2, hop // 2, hop, hop + 3, window - 1, 3 * window):
        x = (0.1 * torch.randn(samples)).double()
        before = window // 2 - hop // 2
        expected = torchaudios(mirrored(x, before, 2 * window), fs, 23, snip_edges=True)
        expected = expected[: max(1, (samples + hop // 2) // hop)]
        assert_equal(frontend, x, expected)


def test_keys_have_the_meaning_of_kaldis_options():
    torch.manual_seed(0)
    x = 0.1 * torch.randn(1, 8000)
    y = KaldiFbank(fs=16000, n_mels=40, fmax=0.0, fmin=60.0, preemphasis=0.5, remove_dc=False, scale=32768)
    options = {"low_freq": 60.0, "preemphasis_coefficient": 0.5, "remove_dc_offset": False, "snip_edges": False}
    expected = kaldi.fbank(32768 * x, num_mel_bins=40, dither=0.0, **options)
    torch.testing.assert_close(y(x, torch.tensor([8000]))[0][0], expected, atol=1e-3, rtol=0)


def test_silence_has_the_logarithm_of_float32s_epsilon():
    y = KaldiFbank(fs=8000, n_mels=23)(torch.zeros(1, 800), torch.tensor([800]))[0]
    torch.testing.assert_close(y, torch.full_like(y, torch.finfo(torch.float32).eps).log())


@pytest.mark.parametrize("fmax", [4001.0, -4000.0, 20.0])
def test_a_band_that_the_sampling_rate_does_not_have_is_refused(fmax):
    with pytest.raises(ConfigError, match=r"fmin=20 and fmax=.*: give a band below 4000 Hz, half of fs=8000"):
        KaldiFbank(fs=8000, fmax=fmax)


def test_bands_that_hear_nothing_are_said(caplog):
    KaldiFbank(fs=8000, n_mels=80)
    assert not caplog.text
    KaldiFbank(fs=8000, n_mels=100)
    assert "n_mels=100: " in caplog.text and "narrower than the 31.2 Hz between" in caplog.text


def test_frames_of_silence_at_the_end_are_there_in_decoding_whole_and_in_a_stream():
    torch.manual_seed(0)
    x, lengths = 0.1 * torch.randn(2, 4000), torch.tensor([4000, 2500])
    plain, ended = KaldiFbank(fs=16000, n_mels=20), KaldiFbank(fs=16000, n_mels=20, end_frames=30)
    expected, counts = plain(x, lengths)
    y, longer = ended.eval()(x, lengths)
    assert longer.tolist() == [count + 30 for count in counts.tolist()]
    state, parts = ended.init_state(2), [[], []]
    for begin, end in ((0, 1700), (1700, 2500), (2500, 4000)):
        given = (lengths.clamp(max=end) - begin).clamp(min=0)
        last = [end >= count > begin for count in lengths.tolist()]
        tap, state = ended.step(Tap(x[:, begin:end], given, 1 / 16000), state, last)
        for b in range(2):
            parts[b].append(tap.x[b, : int(tap.lengths[b])])
    for b, count in enumerate(counts.tolist()):
        torch.testing.assert_close(y[b, :count], expected[b, :count])
        assert (y[b, count : count + 30] == math.log(1e-10)).all()
        torch.testing.assert_close(torch.cat(parts[b]), y[b, : count + 30])
    assert ended.train()(x, lengths)[1].tolist() == counts.tolist()
