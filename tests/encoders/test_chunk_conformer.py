"""The streaming encoder: causality, and chunk by chunk equals the chunk mask."""

import random

import pytest
import torch

from espnet_jst.encoders.chunk_conformer import ChunkConformer, ConformerState
from espnet_jst.encoders.interface import ChunkContext
from espnet_jst.errors import ConfigError
from espnet_jst.taps import Tap

CONTEXTS = [ChunkContext(4, 2), ChunkContext(3, 0), ChunkContext(8, -1), ChunkContext(1, 5), ChunkContext(0, -1)]


def encoder(subsampling=8, joined=1):
    torch.manual_seed(0)
    sizes = {"size": 32, "layers": 2, "heads": 2, "feed_forward_size": 48, "kernel_size": 5}
    return ChunkConformer(20, subsampling=subsampling, output_subsampling=joined, taps=[1], **sizes).eval()


def packet(x, lengths=None):
    return Tap(x, torch.full((x.size(0),), x.size(1)) if lengths is None else torch.tensor(lengths), 0.01)


def stream(module, x, context, cuts):
    state, outputs = module.init_state(x.size(0), context), []
    for start, stop in zip([0, *cuts], [*cuts, x.size(1)], strict=True):
        taps, state = module.step(packet(x[:, start:stop]), state, [stop == x.size(1)] * x.size(0))
        outputs.append(taps)
    return {name: torch.cat([o[name].x for o in outputs], dim=1) for name in outputs[0]}


@torch.no_grad()
@pytest.mark.parametrize("context", CONTEXTS, ids=str)
@pytest.mark.parametrize(("subsampling", "joined"), [(1, 1), (4, 1), (8, 1), (4, 2), (1, 3)])
def test_streaming_equals_the_mask_at_every_tap_for_random_cuts(context, subsampling, joined):
    module, rng = encoder(subsampling, joined), random.Random(0)
    for frames in (1, 7, 45):
        x = torch.randn(2, frames, 20)
        whole = module.encode(packet(x), context)
        for name, factor in (("1", subsampling), ("", subsampling * joined)):
            assert whole[name].lengths.tolist() == [-(-frames // factor)] * 2
            assert whole[name].shift_s == pytest.approx(0.01 * factor)
        for _ in range(3):
            cuts = sorted(rng.sample(range(1, frames), min(frames - 1, rng.randint(0, 6))))
            for name, y in stream(module, x, context, cuts).items():
                torch.testing.assert_close(y, whole[name].x, atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("chunk", range(1, 17))
@pytest.mark.parametrize("subsampling", [1, 4, 8])
def test_nothing_before_a_chunk_changes_when_the_future_does(chunk, subsampling):
    module = encoder(subsampling)
    span, context = chunk * subsampling, ChunkContext(chunk, (-1, 0, 2)[chunk % 3])
    length = 3 * span + 5
    x = torch.randn(1, length, 20)
    whole = module.encode(packet(x), context)
    for start in range(span, length, span):
        other = x.clone()
        other[:, start:] = 100 * torch.randn_like(other[:, start:])
        changed, done = module.encode(packet(other), context), start // subsampling
        for name, (y, _, _) in whole.items():
            torch.testing.assert_close(changed[name].x[:, :done], y[:, :done], atol=1e-6, rtol=0)
            assert not torch.allclose(changed[name].x[:, done:], y[:, done:])


@torch.no_grad()
def test_padding_in_a_batch_changes_nothing():
    for module in (encoder(), encoder(4, 2)):
        x = torch.randn(2, 90, 20)
        for context in CONTEXTS:
            batch = module.encode(packet(x, [90, 41]), context)
            alone = module.encode(packet(x[1:, :41]), context)
            for name, (y, n, _) in batch.items():
                torch.testing.assert_close(y[1:, : n[1]], alone[name].x, atol=1e-5, rtol=0)
                assert y.isfinite().all()


@torch.no_grad()
@pytest.mark.parametrize("context", CONTEXTS, ids=str)
@pytest.mark.parametrize(("subsampling", "joined"), [(1, 1), (8, 1), (4, 2)])
def test_streams_of_any_age_share_a_batch(context, subsampling, joined):
    module, rng = encoder(subsampling, joined), random.Random(1)
    streams = [torch.randn(n, 20) for n in (97, 3, 64, 41, 150)]
    whole = [module.encode(packet(x[None]), context) for x in streams]
    done, out = [0] * 5, [{"": [], "1": []} for _ in streams]
    states = [module.init_state(1, context) for _ in streams]
    while any(position < len(x) for position, x in zip(done, streams, strict=True)):
        # Any of them, in any order: some stand still, some have just begun, some are at their end.
        rows = rng.sample([b for b, x in enumerate(streams) if done[b] < len(x)], k=1)
        rows += [b for b, x in enumerate(streams) if b not in rows and done[b] < len(x) and rng.random() < 0.7]
        counts = [min(len(streams[b]) - done[b], rng.choice([0, 1, 9, 33])) for b in rows]
        x = torch.full((len(rows), max(counts) + 2, 20), torch.nan)
        for row, b, n in zip(x, rows, counts, strict=True):
            row[:n] = streams[b][done[b] : done[b] + n]
            done[b] += n
        last = [n > 0 and done[b] == len(streams[b]) for b, n in zip(rows, counts, strict=True)]
        state = ConformerState.concat([states[b] for b in rows])
        taps, state = module.step(packet(x, counts), state, last)
        for row, b in enumerate(rows):
            states[b] = state.select(torch.tensor([row]))
            for name, tap in taps.items():
                out[b][name].append(tap.x[row, : tap.lengths[row]])
    for found, expected in zip(out, whole, strict=True):
        for name, pieces in found.items():
            torch.testing.assert_close(torch.cat(pieces), expected[name].x[0], atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize(("subsampling", "joined"), [(1, 1), (8, 1), (4, 2)])
def test_the_frames_of_a_stream_are_known_before_it_is_heard(subsampling, joined):
    module = encoder(subsampling, joined)
    for context in CONTEXTS:
        for frames in (0, 5, 31, 64, 100):
            taps, _ = module.step(packet(torch.randn(1, frames, 20)), module.init_state(1, context), [False])
            assert {name: int(tap.lengths) for name, tap in taps.items()} == module.ready(frames, context)


@torch.no_grad()
def test_the_state_of_a_long_stream_stays_small():
    module = encoder()
    state = module.init_state(1, ChunkContext(4, 2))
    sizes = set()
    for _ in range(40):
        _, state = module.step(packet(torch.randn(1, 32, 20)), state, [False])
        sizes.add(sum(layer.keys_values.numel() + layer.conv.numel() for layer in state.layers))
    assert len(sizes) <= 3


def test_the_contexts_of_a_training_are_those_of_the_configuration():
    module = ChunkConformer(20, size=16, layers=1, heads=1, train_chunk_frames=(4, 0), train_left_chunks=(1,))
    assert list(module.train_contexts) == [ChunkContext(4, 1), ChunkContext(0, 1)]


def test_wrong_sizes_are_refused():
    with pytest.raises(ConfigError, match=r"size=30 must be a multiple of 2 \* heads=8"):
        ChunkConformer(20, size=30, heads=4)
    with pytest.raises(ConfigError, match=r"taps \[3\] must lie in 1..2"):
        ChunkConformer(20, size=16, layers=2, heads=1, taps=[3])
    with pytest.raises(ConfigError, match="multiple of 4, not 6"):
        ChunkConformer(20, size=16, heads=1, subsampling=6)
