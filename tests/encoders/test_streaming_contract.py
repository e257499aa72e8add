"""What every encoder promises, alone and on another one: causality, and chunk by chunk equals the chunk mask."""

import itertools
import random

import pytest
import torch

from espnet_jst.encoders.chain import FIRST
from espnet_jst.registry import ENCODERS
from tests.encoders.systems import FEATURES, STREAMED, SYSTEMS, UPPER, chain, fresh, numbers, packet

CLOSE = {"atol": 1e-5, "rtol": 0}
every = pytest.mark.parametrize("name", SYSTEMS)
streamed = pytest.mark.parametrize(("name", "context"), STREAMED, ids=lambda value: _shown(value))


def _shown(value):
    if isinstance(value, str):
        return value
    return "-".join(f"{own.chunk_frames}x{own.left_chunks}+{own.look_ahead_frames}" for own in value.encoders.values())


def noise(rows, frames, seed=0):
    return torch.randn(rows, frames, FEATURES, generator=torch.Generator().manual_seed(seed))


def concat(states):
    return {key: type(states[0][key]).concat([state[key] for state in states]) for key in states[0]}


def select(state, row):
    return {key: own.select(torch.tensor([row])) for key, own in state.items()}


def test_every_registered_encoder_is_tested():
    classes = {type(link.encoder) for name in SYSTEMS for link in chain(name).links}
    assert {f"{found.__module__}:{found.__name__}" for found in classes} == set(ENCODERS.values())


@torch.no_grad()
@streamed
def test_streaming_equals_the_mask_at_every_tap_for_random_cuts(name, context):
    module, rng, frames = chain(name), random.Random(f"{name} {context}"), 61
    x = noise(2, frames)
    whole = module.encode(packet(x), context)
    shifts_s = {tap: found.shift_s for tap, found in whole.items()}
    assert shifts_s == pytest.approx(module.shifts_s)
    cuts = [0, *sorted(rng.sample(range(1, frames), 6)), frames]
    state, outputs = module.init_state(2, context), {tap: [] for tap in whole}
    for start, stop in itertools.pairwise(cuts):
        taps, state = module.step(packet(x[:, start:stop]), state, [stop == frames] * 2)
        assert {tap: found.shift_s for tap, found in taps.items()} == pytest.approx(shifts_s)
        for tap, found in taps.items():
            assert found.lengths.tolist() == [found.x.size(1)] * 2
            outputs[tap].append(found.x)
    for tap, parts in outputs.items():
        torch.testing.assert_close(torch.cat(parts, dim=1), whole[tap].x, **CLOSE)


@torch.no_grad()
@streamed
def test_frames_that_a_stream_has_given_are_not_changed_by_what_follows(name, context):
    """Row n hears something else from its n-th frame on, for every n."""
    module, frames = chain(name), 66
    x = noise(1, frames).expand(frames + 1, -1, -1)
    later = torch.arange(frames) >= torch.arange(frames + 1)[:, None]
    other = x.where(~later[..., None], 10 * noise(frames + 1, frames, seed=1))
    taps, changed = module.encode(packet(x), context), module.encode(packet(other), context)
    ready = [module.ready(n, context) for n in range(frames + 1)]
    for tap, (y, _, _) in taps.items():
        places = torch.arange(y.size(1))
        given = places < torch.tensor([counts[tap] for counts in ready])[:, None]
        difference = (changed[tap].x - y).abs().amax(dim=-1)
        assert difference[given].max() < 1e-5 if given.any() else True
        # Whatever changes is heard, but last frames that fill no frame of the output.
        assert (difference[: -1 - SYSTEMS[name].unheard].amax(dim=1) > 1e-3).all()


@torch.no_grad()
@streamed
def test_the_frames_of_a_stream_are_known_before_it_is_heard(name, context):
    """Row n has heard n frames, and what stands behind them is anything."""
    module, frames = chain(name), 66
    x, counts = noise(1, frames), list(range(frames + 1))
    later = torch.arange(frames) >= torch.arange(frames + 1)[:, None]
    rows = x.masked_fill(later[..., None], torch.nan)
    taps, _ = module.step(packet(rows, counts), module.init_state(len(counts), context), [False] * len(counts))
    whole = module.encode(packet(x), context)
    for tap, (y, lengths, _) in taps.items():
        assert lengths.tolist() == [module.ready(n, context)[tap] for n in counts]
        given = torch.arange(y.size(1)) < lengths[:, None]
        torch.testing.assert_close(y[given], whole[tap].x[:, : y.size(1)].expand_as(y)[given], **CLOSE)


@torch.no_grad()
@streamed
def test_padding_in_a_batch_changes_nothing_however_short_an_utterance_is(name, context):
    """Row n has n frames, from none at all; each alone, in a batch, and as a stream that ends after them."""
    module, frames = chain(name), 35
    counts = list(range(frames + 1))
    x = noise(frames + 1, frames)
    batch = module.encode(packet(x, counts), context)
    stream, _ = module.step(packet(x, counts), module.init_state(len(counts), context), [True] * len(counts))
    for tap, (y, lengths, _) in batch.items():
        assert y.isfinite().all() and lengths.tolist() == stream[tap].lengths.tolist()
        assert lengths[0] == 0 and (lengths[1:] > 0).all()
        valid = torch.arange(y.size(1)) < lengths[:, None]
        torch.testing.assert_close(stream[tap].x[valid], y[valid], **CLOSE)
    for n in (1, 8, 9, 34):
        alone = module.encode(packet(x[n : n + 1, :n]), context)
        for tap, (y, lengths, _) in batch.items():
            assert alone[tap].lengths == lengths[n] == alone[tap].x.size(1)
            torch.testing.assert_close(y[n : n + 1, : lengths[n]], alone[tap].x, **CLOSE)


@torch.no_grad()
@streamed
def test_streams_of_any_age_share_a_batch(name, context):
    module, rng = chain(name), random.Random(1)
    lengths = (61, 3, 40, 25, 90)
    streams = [noise(1, n, seed=n)[0] for n in lengths]
    whole = [module.encode(packet(x[None]), context) for x in streams]
    done, out = [0] * 5, [{tap: [] for tap in whole[0]} for _ in streams]
    states = [module.init_state(1, context) for _ in streams]
    while any(position < n for position, n in zip(done, lengths, strict=True)):
        # Any of them, in any order: some stand still, some have just begun, some are at their end.
        rows = rng.sample([b for b, n in enumerate(lengths) if done[b] < n], k=1)
        rows += [b for b, n in enumerate(lengths) if b not in rows and done[b] < n and rng.random() < 0.7]
        counts = [min(lengths[b] - done[b], rng.choice([0, 1, 15, 40])) for b in rows]
        x = torch.full((len(rows), max(counts) + 2, FEATURES), torch.nan)
        for row, b, n in zip(x, rows, counts, strict=True):
            row[:n] = streams[b][done[b] : done[b] + n]
            done[b] += n
        last = [n > 0 and done[b] == lengths[b] for b, n in zip(rows, counts, strict=True)]
        taps, state = module.step(packet(x, counts), concat([states[b] for b in rows]), last)
        for row, b in enumerate(rows):
            states[b] = select(state, row)
            for tap, found in taps.items():
                out[b][tap].append(found.x[row, : found.lengths[row]])
    for found, expected in zip(out, whole, strict=True):
        for tap, pieces in found.items():
            torch.testing.assert_close(torch.cat(pieces), expected[tap].x[0], **CLOSE)


@torch.no_grad()
@every
def test_a_state_that_is_kept_can_be_gone_back_to(name):
    module, context = chain(name), SYSTEMS[name].contexts[0]
    x, state = noise(2, 90), module.init_state(2, context)
    _, state = module.step(packet(x[:, :50], [50, 31]), state, [False, False])
    first = module.step(packet(x[:, 50:], [40, 0]), state, [True, True])[0]
    again = module.step(packet(x[:, 50:], [40, 0]), state, [True, True])[0]
    for tap, found in first.items():
        assert torch.equal(found.x, again[tap].x) and torch.equal(found.lengths, again[tap].lengths)


@torch.no_grad()
@every
def test_a_long_stream_stays_equal_to_the_whole_and_its_state_small(name):
    module, context = chain(name), SYSTEMS[name].contexts[0]
    x, state = noise(1, 25 * 32), module.init_state(1, context)
    sizes, outputs = [], {tap: [] for tap in module.shifts_s}
    for start in range(0, x.size(1), 32):
        taps, state = module.step(packet(x[:, start : start + 32]), state, [start + 32 == x.size(1)])
        sizes.append(numbers(state))
        for tap, found in taps.items():
            outputs[tap].append(found.x)
    assert context.hears_whole or max(sizes[12:]) <= max(sizes[6:12])
    for tap, found in module.encode(packet(x), context).items():
        torch.testing.assert_close(torch.cat(outputs[tap], dim=1), found.x, **CLOSE)


@torch.no_grad()
@every
def test_digital_silence_is_finite_and_streams_as_any_sound(name):
    module, context = chain(name), SYSTEMS[name].contexts[0]
    x, state = torch.zeros(1, 77, FEATURES), module.init_state(1, context)
    first, state = module.step(packet(x[:, :40]), state, [False])
    rest, _ = module.step(packet(x[:, 40:]), state, [True])
    for tap, found in module.encode(packet(x), context).items():
        assert found.x.isfinite().all()
        torch.testing.assert_close(torch.cat([first[tap].x, rest[tap].x], dim=1), found.x, **CLOSE)


@every
def test_bfloat16_is_near_float32_whole_and_streamed(name):
    module, context = fresh(name), SYSTEMS[name].contexts[0]
    x = noise(2, 61)
    with torch.no_grad():
        exact = module.encode(packet(x, [61, 40]), context)
    with torch.autocast("cpu", torch.bfloat16):
        whole = module.encode(packet(x, [61, 40]), context)
        with torch.no_grad():
            first, state = module.step(packet(x[:, :33]), module.init_state(2, context), [False] * 2)
            second, _ = module.step(packet(x[:, 33:], [28, 7]), state, [True] * 2)
    for tap, (y, lengths, _) in exact.items():
        for row, n in enumerate(lengths.tolist()):
            counts = int(first[tap].lengths[row]), int(second[tap].lengths[row])
            parts = [found[tap].x[row, :count].float() for found, count in zip((first, second), counts)]
            for found in (whole[tap].x[row, :n].float(), torch.cat(parts)):
                assert (found - y[row, :n]).norm() < 0.05 * y[row, :n].norm()
    sum(found.x.float().square().mean() for found in whole.values()).backward()
    for link in module.links:
        assert all(weight.grad.isfinite().all() for weight in link.encoder.parameters())


@every
@pytest.mark.parametrize("training", [False, True])
def test_a_gradient_reaches_every_parameter(name, training):
    module, context = fresh(name), SYSTEMS[name].contexts[0]
    for link in module.links:
        link.encoder.train(training)
    taps = module.encode(packet(noise(2, 90), [90, 50]), context)
    sum((found.x * noise(1, 1, seed=3).mean() + found.x.square()).mean() for found in taps.values()).backward()
    for link in module.links:
        for parameter, weight in link.encoder.named_parameters():
            assert weight.grad is not None and weight.grad.isfinite().all(), parameter
            assert weight.grad.abs().sum() > 0, parameter


@every
def test_what_has_decoded_can_be_trained(name):
    module, context = fresh(name), SYSTEMS[name].contexts[0]
    with torch.inference_mode():
        module.encode(packet(noise(1, 59)), context)
    sum(found.x.mean() for found in module.encode(packet(noise(1, 59)), context).values()).backward()


@pytest.mark.parametrize("name", [name for name in SYSTEMS if " on " in name and "features" not in name])
def test_what_is_learnt_above_reaches_the_encoder_below(name):
    module, context = fresh(name), SYSTEMS[name].contexts[0]
    module.encode(packet(noise(2, 90)), context)[UPPER].x.square().mean().backward()
    below = next(link.encoder for link in module.links if link.name == FIRST)
    reached = {parameter for parameter, weight in below.named_parameters() if weight.grad is not None}
    unread = {parameter for parameter, _ in below.named_parameters()} - reached
    # Only what makes the top of its frames, where the upper encoder reads another tap.
    assert unread <= {"output.logits"} and (not unread or module.links[1].reads != FIRST)
