"""A step in fixed shapes gives what the encoder itself gives, to streams of any age."""

import random

import pytest
import torch

from espnet_jst.encoders.fixed import COUNTER, FixedEncoder
from espnet_jst.encoders.fixed_steps import fixed_step
from espnet_jst.encoders.interface import ChunkContext
from espnet_jst.errors import ConfigError
from espnet_jst.streams import RowState
from tests.encoders.systems import FEATURES, conformer, contextual_block, on_features, packet, shake, whisper, zipformer

CASES = {
    "conformer": (conformer, ChunkContext(4, 2)),
    "conformer of half the frames": (lambda: conformer(subsampling=2, output_subsampling=2), ChunkContext(3, 1)),
    "conformer on frames": (lambda: conformer(subsampling=1), ChunkContext(5, 3)),
    "conformer without left context": (conformer, ChunkContext(3, 0)),
    "whisper": (whisper, ChunkContext(4, 2)),
    "whisper of half the frames": (lambda: whisper(output_subsampling=2), ChunkContext(3, 1)),
    "zipformer": (zipformer, ChunkContext(4, 2)),
    "zipformer of short chunks": (zipformer, ChunkContext(2, 5)),
    "zipformer without left context": (zipformer, ChunkContext(4, 0)),
    "zipformer on features": (on_features, ChunkContext(8, 1)),
}
each = pytest.mark.parametrize("name", CASES)


def both(name):
    build, context = CASES[name]
    torch.manual_seed(0)
    encoder = shake(build().eval())
    step = fixed_step(encoder, context, FEATURES)
    return encoder, FixedEncoder(step.shapes, step.tap_sizes, context, lambda values: step(*values)), context


def noise(rows, frames, seed=0):
    return torch.randn(rows, frames, FEATURES, generator=torch.Generator().manual_seed(seed))


def assert_same(found, wanted):
    assert set(found) == set(wanted)
    for tap, (x, lengths, shift_s) in wanted.items():
        assert found[tap].lengths.tolist() == lengths.tolist() and found[tap].shift_s == shift_s
        for row, count in enumerate(lengths.tolist()):
            torch.testing.assert_close(found[tap].x[row, :count], x[row, :count], atol=2e-5, rtol=0)


@torch.no_grad()
@each
def test_whole_utterances_of_any_length_are_those_of_the_chunk_mask(name):
    encoder, fixed, context = both(name)
    for frames in (1, 8, 9, 41, 77):
        x = packet(noise(1, frames, frames))
        assert_same(fixed.encode(x, context), encoder.encode(x, context))


@torch.no_grad()
@each
def test_streams_of_any_age_that_begin_stand_still_and_end_in_one_batch(name):
    encoder, fixed, context = both(name)
    rng = random.Random(name)
    x = noise(3, 420)  # seven times as much as a row may hear at once
    states = [module.init_state(3, context) for module in (encoder, fixed)]
    place, ended = [0, 0, 0], [False] * 3
    for number in range(7):
        counts = [0 if end or rng.random() < 0.2 else rng.randrange(1, 60) for end in ended]
        last = [not end and number == 4 + row for row, end in enumerate(ended)]
        heard = torch.zeros(3, max(1, *counts), FEATURES)
        for row, n in enumerate(counts):
            heard[row, :n] = x[row, place[row] : place[row] + n]
            place[row] += n
        ended = [a or b for a, b in zip(ended, last)]
        taps = []
        for i, module in enumerate((encoder, fixed)):
            found, states[i] = module.step(packet(heard)._replace(lengths=torch.tensor(counts)), states[i], last)
            taps.append(found)
        assert_same(taps[1], taps[0])
        order = torch.randperm(3, generator=torch.Generator().manual_seed(number))
        states = [type(s).concat([s.select(order[:1]), s.select(order[1:])]) for s in states]
        place, ended = ([values[i] for i in order.tolist()] for values in (place, ended))
        x = x[order]


@each
def test_it_says_how_many_frames_a_stream_has(name):
    encoder, fixed, context = both(name)
    assert [fixed.ready(n, context) for n in range(120)] == [encoder.ready(n, context) for n in range(120)]


@each
def test_a_state_has_a_row_a_stream(name):
    _, fixed, context = both(name)
    state = fixed.init_state(4, context)
    assert isinstance(state, RowState) and next(iter(fixed.shapes.state)) == COUNTER
    assert all(part.size(0) == 4 for part in state.parts)


def test_another_context_is_refused():
    _, fixed, _ = both("conformer")
    with pytest.raises(ConfigError, match="exported for chunks of 4 frames and 2 chunks of left context"):
        fixed.check_context(ChunkContext(8, 2))


@pytest.mark.parametrize(
    ("build", "context", "message"),
    [
        (conformer, ChunkContext(0, 2), "whole utterances"),
        (conformer, ChunkContext(4, -1), "give left_chunks"),
        (contextual_block, ChunkContext(4, 2), "ContextualBlockConformer has no step"),
    ],
)
def test_what_has_no_such_step_says_why(build, context, message):
    with pytest.raises(ConfigError, match=message):
        fixed_step(build(), context, FEATURES)
