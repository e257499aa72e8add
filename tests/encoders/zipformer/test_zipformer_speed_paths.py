"""What is written by hand for speed equals the plain composition, gradients included."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from espnet_jst.encoders.interface import ChunkContext
from espnet_jst.encoders.zipformer import swoosh
from espnet_jst.encoders.zipformer.attention import _Weights
from espnet_jst.encoders.zipformer.band import chunked, heard, whole
from espnet_jst.encoders.zipformer.extent import whole_extent
from espnet_jst.encoders.zipformer.gate import gated


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("masked", [False, True])
def test_a_gate_has_the_gradient_of_its_formula(masked: bool):
    valid = torch.tensor([[True, True, False], [True, True, True]])[..., None] if masked else None
    x, gate = random(2, 3, 4), random(2, 3, 4)
    expected = x * gate.sigmoid() * (1.0 if valid is None else valid)
    torch.testing.assert_close(gated(x, gate, valid), expected)
    assert gradcheck(lambda *given: gated(*given, valid), (x, gate))


def test_attention_weights_have_the_gradient_of_their_formula():
    frames, keys = 3, 5
    q, k = random(2, 2, frames, 4), random(2, 2, keys, 4)
    p, table = random(2, 2, frames, 3), random(2, frames + keys - 1, 3)
    bias = torch.zeros(2, 1, 1, keys)
    bias[1, ..., 0] = -1000.0
    by_distance = p @ table.mT
    place = torch.arange(keys) - torch.arange(frames)[:, None] + frames - 1
    shifted = by_distance.gather(3, place.expand(2, 2, -1, -1))
    expected = (q @ k.mT + shifted + bias).softmax(dim=-1)
    torch.testing.assert_close(_Weights.apply(q, k, p, table, bias, 0.0), expected)
    assert gradcheck(lambda *given: _Weights.apply(*given, bias, 0.0), (q, k, p, table))


def test_the_penalty_of_large_scores_reaches_queries_and_keys():
    q, k = (torch.tensor([[[[9.0]]]], requires_grad=True) for _ in range(2))
    p, table = torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1)
    _Weights.apply(q, k, p, table, None, 0.5).sum().backward()
    assert q.grad is not None and k.grad is not None
    assert q.grad.item() == 4.5 and k.grad.item() == 4.5  # 81 is beyond 25: 0.5 k and 0.5 q


@pytest.mark.parametrize("kept", [False, True])
def test_swoosh_in_blocks_equals_swoosh_at_once(kept: bool, monkeypatch: pytest.MonkeyPatch):
    x, keep = random(3, 7, 5), torch.rand(3, 1, 5, dtype=torch.float64) if kept else None
    expected = swoosh.swoosh_l(x) * (1.0 if keep is None else keep)
    for block in (4, 12, 40, 80):  # part of a frame's row, frames, one row, two
        monkeypatch.setattr(swoosh, "BLOCK", block)
        torch.testing.assert_close(swoosh.swoosh_l(x, keep), expected)
        assert gradcheck(lambda y: swoosh.swoosh_l(y, keep), (x,))


@pytest.mark.parametrize("frames", [12, 13])
def test_a_band_hears_each_chunk_and_what_is_left_of_it(frames: int):
    lengths = torch.tensor([frames, 7])
    extent = whole_extent(lengths, lengths, frames, ChunkContext(2, 2), bands=True)
    assert extent.band == 4
    x = random(2, frames, 3)
    windows = heard(x, None, extent)
    chunks = -(-frames // 2)
    assert windows.shape == (2 * chunks, 6, 3)
    torch.testing.assert_close(windows[3], x[0, 2:8])
    assert not windows[0, :4].any()
    torch.testing.assert_close(whole(chunked(x, extent), extent, 2, frames), x)
    assert gradcheck(lambda y: heard(y, None, extent), (x,))
    assert extent.bias is not None
    shown = extent.bias.view(2, chunks, 6) == 0
    assert shown[0, 0].tolist() == [False] * 4 + [True] * 2
    assert shown[1, 3].tolist() == [True] * 5 + [False]


def test_a_band_is_used_only_where_it_is_shorter():
    lengths = torch.tensor([10])

    def band(context: ChunkContext, bands: bool = True) -> int | None:
        return whole_extent(lengths, lengths, 10, context, bands=bands).band

    assert (band(ChunkContext(2, 1)), band(ChunkContext(2, 0))) == (2, 0)
    for context in (ChunkContext(2, 2), ChunkContext(2, -1), ChunkContext(0, -1), ChunkContext(0, 0)):
        assert band(context) is None
    assert band(ChunkContext(2, 1), bands=False) is None
