"""The streaming encoder: causality, and chunk by chunk equals the chunk mask."""

import random

import pytest
import torch

from espnet_jst.encoders.chunk_conformer import ChunkConformer
from espnet_jst.encoders.interface import ChunkContext
from espnet_jst.errors import ConfigError

CONTEXTS = [ChunkContext(4, 2), ChunkContext(3, 0), ChunkContext(8, -1), ChunkContext(1, 5), ChunkContext(0, -1)]


def encoder(subsampling=8):
    torch.manual_seed(0)
    return ChunkConformer(
        20, size=32, layers=2, heads=2, feed_forward_size=48, kernel_size=5, subsampling=subsampling, taps=[1]
    ).eval()


def stream(module, x, context, cuts):
    state, outputs = module.init_state(x.size(0), context), []
    for start, stop in zip([0, *cuts], [*cuts, x.size(1)], strict=True):
        taps, state = module.step(x[:, start:stop], state, last=stop == x.size(1))
        outputs.append(taps)
    return {name: torch.cat([o[name] for o in outputs], dim=1) for name in outputs[0]}


@torch.no_grad()
@pytest.mark.parametrize("context", CONTEXTS, ids=str)
@pytest.mark.parametrize("subsampling", [1, 4, 8])
def test_streaming_equals_the_mask_at_every_tap_for_random_cuts(context, subsampling):
    module, rng = encoder(subsampling), random.Random(0)
    for frames in (1, 7, 45):
        x = torch.randn(2, frames, 20)
        whole, lengths = module.encode(x, torch.tensor([frames, frames]), context)
        assert lengths.tolist() == [-(-frames // subsampling)] * 2
        for _ in range(3):
            cuts = sorted(rng.sample(range(1, frames), min(frames - 1, rng.randint(0, 6))))
            for name, y in stream(module, x, context, cuts).items():
                torch.testing.assert_close(y, whole[name], atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("chunk", range(1, 17))
@pytest.mark.parametrize("subsampling", [1, 4, 8])
def test_nothing_before_a_chunk_changes_when_the_future_does(chunk, subsampling):
    module = encoder(subsampling)
    span, context = chunk * subsampling, ChunkContext(chunk, (-1, 0, 2)[chunk % 3])
    length = 3 * span + 5
    x = torch.randn(1, length, 20)
    whole = module.encode(x, torch.tensor([length]), context)[0]
    for start in range(span, length, span):
        other = x.clone()
        other[:, start:] = 100 * torch.randn_like(other[:, start:])
        changed, done = module.encode(other, torch.tensor([length]), context)[0], start // subsampling
        for name, y in whole.items():
            torch.testing.assert_close(changed[name][:, :done], y[:, :done], atol=1e-6, rtol=0)
            assert not torch.allclose(changed[name][:, done:], y[:, done:])


@torch.no_grad()
def test_padding_in_a_batch_changes_nothing():
    module = encoder()
    x = torch.randn(2, 90, 20)
    lengths = torch.tensor([90, 41])
    for context in CONTEXTS:
        batch, n = module.encode(x, lengths, context)
        alone, _ = module.encode(x[1:, :41], lengths[1:], context)
        torch.testing.assert_close(batch[""][1:, : n[1]], alone[""], atol=1e-5, rtol=0)
        assert batch[""].isfinite().all()


@torch.no_grad()
def test_the_state_of_a_long_stream_stays_small():
    module = encoder()
    state = module.init_state(1, ChunkContext(4, 2))
    sizes = set()
    for _ in range(40):
        _, state = module.step(torch.randn(1, 32, 20), state)
        sizes.add(sum(layer.keys_values.numel() + layer.conv.numel() for layer in state.layers))
    assert len(sizes) <= 3


def test_training_draws_every_configured_context():
    module = ChunkConformer(20, size=16, layers=1, heads=1, train_chunk_frames=(4, 0), train_left_chunks=(1,))
    torch.manual_seed(1)
    assert {module.training_context() for _ in range(50)} == {ChunkContext(4, 1), ChunkContext(0, 1)}


def test_wrong_sizes_are_refused():
    with pytest.raises(ConfigError, match=r"size=30 must be a multiple of 2 \* heads=8"):
        ChunkConformer(20, size=30, heads=4)
    with pytest.raises(ConfigError, match=r"taps \[3\] must lie in 1..2"):
        ChunkConformer(20, size=16, layers=2, heads=1, taps=[3])
    with pytest.raises(ConfigError, match="multiple of 4, not 6"):
        ChunkConformer(20, size=16, heads=1, subsampling=6)
