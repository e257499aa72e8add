"""NeMo's filter bank against librosa's functions, which NeMo's own is made of."""

import itertools

import librosa
import numpy as np
import pytest
import torch

from espnet_jst.inputs.conf import NemoMelConf
from espnet_jst.inputs.kaldi_fbank import KaldiFbank
from espnet_jst.inputs.mel import slaney_bank
from espnet_jst.inputs.nemo_mel import NemoMel


def librosas(x, fs, bands, preemphasis=0.97):
    """(T, n_mels) of samples (N,)."""
    x = x.numpy()
    emphasized = np.concatenate([x[:1], x[1:] - preemphasis * x[:-1]])
    n_fft = 1 << (int(0.025 * fs) - 1).bit_length()
    window = np.hanning(int(0.025 * fs))
    sizes = {"n_fft": n_fft, "hop_length": int(0.01 * fs), "win_length": int(0.025 * fs)}
    spectrum = librosa.stft(emphasized, **sizes, window=window, center=True, pad_mode="constant")
    bank = librosa.filters.mel(sr=fs, n_fft=n_fft, n_mels=bands, fmin=0, fmax=fs / 2, norm="slaney")
    return torch.from_numpy(np.log(bank @ np.abs(spectrum) ** 2 + 2**-24).T)


@pytest.mark.parametrize("preemphasis", [0.97, 0.0])
@pytest.mark.parametrize(("fs", "bands"), itertools.product([8000, 16000], [40, 80]))
@pytest.mark.filterwarnings("ignore:.*mel filter.*", "ignore:n_fft=.* is too large for input signal")
def test_a_whole_signal_has_the_features_of_librosa(fs, bands, preemphasis):
    torch.manual_seed(bands)
    frontend = NemoMel(fs=fs, n_mels=bands, preemphasis=preemphasis)
    for samples in (1, 50, 200, 399, 400, 1680, 5001, 2 * fs):
        x = (0.1 + 0.1 * torch.randn(samples)).double()
        expected = librosas(x, fs, bands, preemphasis)
        y, lengths = frontend(x[None].float(), torch.tensor([samples]))
        assert lengths.tolist() == [len(expected)] == [1 + samples // int(0.01 * fs)]
        # In float32 a band with hardly any energy is rounded more.
        torch.testing.assert_close(y[0].double(), expected, atol=1e-2, rtol=0)
        exact = frontend.double()(x[None], torch.tensor([samples]))[0]
        frontend.float()
        torch.testing.assert_close(exact[0], expected, atol=1e-4, rtol=0)


def test_filters_are_librosas():
    for fs, bands, low, high in ((16000, 80, 0.0, 8000.0), (8000, 23, 300.0, 3400.0), (44100, 60, 20.0, 7000.0)):
        conf = NemoMelConf(fs=fs, n_mels=bands, fmin=low, fmax=high)
        expected = librosa.filters.mel(sr=fs, n_fft=conf.n_fft, n_mels=bands, fmin=low, fmax=high, norm="slaney")
        torch.testing.assert_close(slaney_bank(conf), torch.from_numpy(expected).T, atol=1e-8, rtol=1e-5)


def test_what_sherpa_onnx_gives_to_a_nemo_model_has_kaldis_frames_and_librosas_filters():
    keys = {"window": "hann", "mel_scale": "slaney", "remove_dc": False, "fmin": 0.0, "fmax": 0.0}
    frontend, x = KaldiFbank(n_mels=80, **keys).double(), np.random.default_rng(0).normal(0.1, 0.1, 4000)
    mirrored = np.concatenate([x[:120][::-1], x, x[::-1][:200]])
    frames = np.stack([mirrored[first : first + 400] for first in range(0, 4000, 160)])
    frames -= 0.97 * np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    power = np.abs(np.fft.rfft(frames * librosa.filters.get_window("hann", 400), 512)) ** 2
    bank = librosa.filters.mel(sr=16000, n_fft=512, n_mels=80, fmin=0, fmax=8000, norm="slaney")
    expected = torch.from_numpy(np.log(np.maximum(power @ bank.T, 2**-23)))
    y, lengths = frontend(torch.from_numpy(x)[None], torch.tensor([4000]))
    assert lengths.tolist() == [25]
    torch.testing.assert_close(y[0], expected, atol=1e-4, rtol=0)


def test_silence_has_the_logarithm_of_the_guard():
    y = NemoMel(fs=8000, n_mels=23)(torch.zeros(1, 800), torch.tensor([800]))[0]
    torch.testing.assert_close(y, torch.full_like(y, -24 * np.log(2)))
