"""One decision for the whole chain on how much is heard."""

import math

import pytest
import torch

from espnet_jst.encoders.chain import Chain, ChainContext, Link
from espnet_jst.encoders.chunk_conformer import ChunkConformer
from espnet_jst.encoders.interface import ChunkContext
from espnet_jst.encoders.zipformer.zipformer import Zipformer
from espnet_jst.errors import ConfigError
from espnet_jst.taps import Tap

CONFORMER = {"size": 16, "layers": 2, "heads": 1, "feed_forward_size": 16, "kernel_size": 3, "train_left_chunks": [1]}


@pytest.fixture(params=["conformer", "zipformer"])
def chain(request):
    """Makes a chain of two encoders: frames of the lower one's top take 40 ms, or 80 if two of them are joined."""
    torch.manual_seed(0)

    def conformers(lower, upper, subsampling, reads, joined, lower_train, upper_train):
        below = {"subsampling": 4, "output_subsampling": joined, "taps": [1], **CONFORMER}
        above = {"subsampling": subsampling, **CONFORMER}
        first = ChunkConformer(10, chunk_frames=lower, train_chunk_frames=lower_train, **below)
        second = ChunkConformer(16, chunk_frames=upper, train_chunk_frames=upper_train, **above)
        return first, second, reads

    def zipformers(lower, upper, subsampling, reads, joined, lower_train, upper_train):
        sizes = {"layers": [1, 1], "sizes": [16, 16], "unmasked_sizes": [8, 8], "feed_forward_sizes": [8, 8]}
        sizes |= {"heads": [1, 1], "kernel_sizes": [3, 3], "train_left_frames": [1], "left_chunks": 4}
        below = {"output_subsampling": 2 * joined, "downsampling": [1, 2], "subsampling_channels": (2, 2, 4), **sizes}
        above = {"subsampling": 1, "output_subsampling": subsampling, "downsampling": [1, 1], **sizes}
        first = Zipformer(20, chunk_frames=lower, train_chunk_frames=lower_train, **below)
        second = Zipformer(16, chunk_frames=upper, train_chunk_frames=upper_train, **above)
        return first, second, reads

    def make(lower=4, upper=8, *, subsampling=1, reads="encoder", joined=1, lower_train=None, upper_train=None):
        build = {"conformer": conformers, "zipformer": zipformers}[request.param]
        made = build(lower, upper, subsampling, reads, joined, lower_train or [lower], upper_train or [upper])
        first, second, read = made
        return Chain([Link("encoder", first.eval(), None), Link("hier_encoder", second.eval(), read)], shift_s=0.01)

    return make


def frames(context: ChainContext):
    return tuple(own.chunk_frames for own in context.encoders.values())


@pytest.mark.parametrize(
    ("own", "chunk_s", "expected"),
    [
        ((4, 8), None, (4, 8)),
        ((4, 8), 0.08, (2, 4)),
        ((4, 8), 0.04, (1, 2)),
        ((4, 8), 0, (0, 0)),
        ((4, 8), math.inf, (0, 0)),
        ((4, 0), None, (4, 0)),  # full context stays full, whatever the stream's chunk is
        ((4, 0), 0.08, (2, 0)),
        ((0, 0), 0.16, (4, 0)),
    ],
)
def test_a_chunk_that_is_given_moves_the_upper_one_along(chain, own, chunk_s, expected):
    assert frames(chain(*own).given(chunk_s)) == expected


def test_an_upper_chunk_is_never_rounded_to_nothing(chain):
    slow = chain(4, 2, subsampling=4)  # a chunk of 0.32 s over one of 0.16 s, in frames of 0.16 s
    assert frames(slow.given(0.16)) == (4, 2) and frames(slow.given(0.08)) == (2, 1)
    with pytest.raises(ConfigError, match=r"chunk_s=0.04 would be 0.5 frames of hier_encoder: give a multiple of 0.08"):
        slow.given(0.04)


def test_left_context_is_that_of_the_first_encoder_or_of_those_named(chain):
    both = chain()
    left = lambda given: [own.left_chunks for own in both.given(None, given).encoders.values()]  # noqa: E731
    assert left(None) == [4, 4] and left(1) == [1, 4] and left({"hier_encoder": 2}) == [4, 2]
    with pytest.raises(ConfigError, match="left_chunks: unknown key 'hier' .did you mean 'hier_encoder'"):
        both.given(None, {"hier": 1})


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ({"lower": 4, "upper": 6}, r"chunk_frames 6 is 0.24 s: encoder makes chunks of 0.16 s, give a whole multiple"),
        ({"lower": 4, "upper": 2}, r"chunk_frames 2 is 0.08 s: .*or 0 for the whole utterance"),
        ({"lower": 0, "upper": 8}, r"8 is 0.32 s: encoder hears the whole utterance .0., give 0 as well"),
        ({"lower_train": [4, 16], "upper_train": [8]}, r"frames lacks a chunk: encoder makes chunks of 0.64 s, give a"),
        ({"lower_train": [4, 0], "upper_train": [8]}, r"frames lacks a chunk: encoder hears the whole utterance .0."),
        (
            {"lower_train": [4], "upper_train": [8, 9]},
            r"frames 9 is 0.36 s, a whole multiple of no training .*drawn",
        ),
    ],
)
def test_chunks_that_are_no_multiples_are_refused_before_anything_runs(chain, chunks, message):
    with pytest.raises(ConfigError, match=message):
        chain(**chunks)


def test_training_draws_once_for_all_and_only_multiples(chain):
    both = chain(lower_train=[4, 8, 16, 0], upper_train=[8, 16, 32, 0])
    torch.manual_seed(0)
    drawn = {frames(both.drawn()) for _ in range(300)}
    fitting = {(4, 8), (4, 16), (4, 32), (4, 0), (8, 8), (8, 16), (8, 32), (8, 0), (16, 16), (16, 32), (16, 0), (0, 0)}
    assert drawn == fitting


@torch.no_grad()
def test_what_enters_the_upper_encoder_reaches_its_taps_alone(chain):
    both = chain()
    taps = both.encode(Tap(torch.randn(2, 9, 16), torch.tensor([9, 5]), 0.04), both.own(), into="hier_encoder")
    assert not any(name.startswith("encoder") for name in taps) and taps["hier_encoder"].lengths.tolist() == [9, 5]


def test_only_streams_of_equal_settings_share_a_batch(chain):
    both = chain()
    states = [both.links[0].encoder.init_state(1, ChunkContext(chunk, 1)) for chunk in (4, 8)]
    with pytest.raises(ValueError, match="streams of different settings"):
        type(states[0]).concat(states)
