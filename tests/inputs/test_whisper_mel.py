"""Whisper's filter bank against the feature extractor of transformers."""

import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor

from espnet_jst.inputs.whisper_mel import WhisperMel


@pytest.mark.parametrize("bands", [80, 128])
def test_features_are_those_of_transformers_but_for_the_floor(bands):
    speech = (np.random.default_rng(0).normal(0, 0.05, 80_000) * np.linspace(0, 1, 80_000)).astype(np.float32)
    theirs = WhisperFeatureExtractor(feature_size=bands)(speech, sampling_rate=16_000, return_tensors="np")
    expected = torch.from_numpy(theirs.input_features[0].T)
    floor = float(expected.min()) * 4 - 4  # that of this utterance
    centred = torch.from_numpy(np.concatenate([speech[200:0:-1], speech]))
    ours, lengths = WhisperMel(n_mels=bands, floor=floor)(centred[None], torch.tensor([len(centred)]))
    assert lengths.tolist() == [499]
    torch.testing.assert_close(ours[0], expected[:499], atol=1e-4, rtol=0)


def test_silence_has_the_floor_whatever_follows():
    speech = torch.zeros(1, 32_000)
    speech[0, 16_000:] = 0.3 * torch.randn(16_000)
    frames, _ = WhisperMel(floor=-6.0)(speech, torch.tensor([32_000]))
    assert frames[0, :98].unique().tolist() == [-0.5]
