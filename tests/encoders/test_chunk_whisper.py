"""Whisper's encoder: transformers' output from its weights, layers that are left out, and what cannot be used."""

from __future__ import annotations

import pytest
import torch
import transformers

from espnet_jst.encoders.chunk_whisper import ChunkWhisper, sinusoids
from espnet_jst.encoders.interface import ChunkContext
from espnet_jst.errors import ConfigError
from espnet_jst.taps import Tap
from tests.inputs.pretrained_models import WHISPER, saved

BANDS = WHISPER["num_mel_bins"]
WHOLE = ChunkContext(0, -1)


@pytest.fixture
def theirs() -> transformers.WhisperModel:
    """The model, whose positions are Whisper's and not random as its weights."""
    model = transformers.WhisperModel.from_pretrained(saved("whisper")).encoder.eval()
    model.embed_positions.weight.data.copy_(sinusoids(WHISPER["max_source_positions"], WHISPER["d_model"]))
    return model


@torch.no_grad()
def test_whole_utterances_have_the_output_of_transformers(theirs) -> None:
    ours = ChunkWhisper(BANDS, model=saved("whisper")).eval()
    frames = torch.randn(2, 2 * WHISPER["max_source_positions"] - 1, BANDS)
    # Theirs look one frame ahead, ours one frame further back: with a frame of zeros first they hear the same.
    expected = theirs(torch.nn.functional.pad(frames, (0, 0, 1, 0)).transpose(1, 2)).last_hidden_state
    found = ours.encode(Tap(frames, torch.tensor([frames.size(1)] * 2), 0.01), WHOLE)[""]
    torch.testing.assert_close(found.x, expected, atol=1e-4, rtol=1e-4)
    assert found.shift_s == 0.02


@torch.no_grad()
def test_the_last_layer_is_read_under_the_norm_before_its_frames_are_joined() -> None:
    frames = Tap(torch.randn(1, 48, BANDS), torch.tensor([48]), 0.01)
    plain = ChunkWhisper(BANDS, model=saved("whisper")).eval()
    joined = ChunkWhisper(BANDS, model=saved("whisper"), taps=[3], output_subsampling=4).eval()
    found = joined.encode(frames, WHOLE)
    torch.testing.assert_close(found["3"].x, plain.encode(frames, WHOLE)[""].x)
    assert (found["3"].shift_s, found[""].shift_s) == (0.02, 0.08)


@torch.no_grad()
def test_the_lower_layers_are_what_they_were_and_have_a_new_norm() -> None:
    frames = Tap(torch.randn(1, 50, BANDS), torch.tensor([50]), 0.01)
    whole = ChunkWhisper(BANDS, model=saved("whisper"), taps=[2]).eval()
    cut = ChunkWhisper(BANDS, model=saved("whisper"), layers=2).eval()
    lower = whole.encode(frames, WHOLE)["2"].x
    torch.testing.assert_close(cut.encode(frames, WHOLE)[""].x, torch.nn.functional.layer_norm(lower, (32,)))
    assert cut.written() == {
        "model": None, "size": 32, "heads": 4, "feed_forward_size": 48, "layers": 2, "positions": 100
    }  # fmt: skip
    again = ChunkWhisper(BANDS, **cut.written()).eval()
    again.load_state_dict(cut.state_dict())
    torch.testing.assert_close(again.encode(frames, WHOLE)[""].x, cut.encode(frames, WHOLE)[""].x)


@torch.no_grad()
def test_positions_begin_again_and_training_begins_at_any_of_them() -> None:
    encoder = ChunkWhisper(BANDS, size=32, heads=2, feed_forward_size=48, layers=1, positions=5, dropout=0.0)
    x = torch.zeros(2, 11, 32)
    assert torch.equal(encoder.eval().placed(x, None)[0], encoder.waves[torch.arange(11) % 5])
    assert torch.equal(encoder.placed(x, torch.tensor([3, 9]))[1, 0], encoder.waves[4])
    torch.manual_seed(0)
    begun = {
        int((encoder.train().placed(x, None)[:, :1] - encoder.waves).abs().sum(-1).argmin(1)[0]) for _ in range(40)
    }
    assert begun == set(range(5))
    encoder.moves = False
    assert torch.equal(encoder.placed(x, None)[1, 0], encoder.waves[0])


@pytest.mark.parametrize(
    ("keys", "bands", "message"),
    [
        ({}, BANDS, "model is missing"),
        ({"size": 32, "heads": 2}, BANDS, "model is missing"),
        ({"model": "saved", "size": 32}, BANDS, "are the model's: leave them out"),
        ({"model": "saved", "layers": 4}, BANDS, "layers is 4, and model .* has 3"),
        ({"model": "saved", "taps": [4]}, BANDS, r"taps \[4\] must lie in 1..3"),
        ({"model": "saved"}, 80, "hears 20 mel bands, and its input has 80"),
        ({"model": "wavlm"}, BANDS, "is of the kind 'wavlm': give a Whisper"),
        ({"model": "none"}, BANDS, "folder .* holds no Whisper as transformers saves it"),
        ({"size": 30, "heads": 4, "feed_forward_size": 9, "layers": 1}, BANDS, "size=30 must be a multiple of"),
    ],
)
def test_what_cannot_be_used_is_one_message(keys, bands, message, tmp_path) -> None:
    places = {"saved": saved("whisper"), "wavlm": saved("wavlm"), "none": str(tmp_path)}
    keys = {key: places.get(value, value) if isinstance(value, str) else value for key, value in keys.items()}
    with pytest.raises(ConfigError, match=message):
        ChunkWhisper(bands, **keys)
