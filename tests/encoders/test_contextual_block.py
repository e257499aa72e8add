"""The contextual block Conformer against ESPnet's, with its weights; test_streaming_contract.py has the rest."""

import pytest
import torch
from espnet2.asr.encoder.contextual_block_conformer_encoder import ContextualBlockConformerEncoder
from torch import nn

from espnet_jst.encoders.chain import FIRST, Chain, Link
from espnet_jst.encoders.contextual_block import ContextualBlockConformer
from espnet_jst.encoders.interface import ChunkContext
from espnet_jst.errors import ConfigError
from espnet_jst.taps import Tap
from tests.encoders.systems import conformer, contextual_block

LAYERS = {4: "conv2d", 6: "conv2d6", 8: "conv2d8", 1: "linear"}
SIZES = {"size": 16, "heads": 2, "feed_forward_size": 24, "layers": 3, "kernel_size": 5}
BLOCK = {"chunk_frames": 4, "past_frames": 3, "look_ahead_frames": 3}


def pair(subsampling, macaron=True):
    """ESPnet's encoder and ours with its weights."""
    torch.manual_seed(0)
    theirs = ContextualBlockConformerEncoder(
        20, output_size=16, attention_heads=2, linear_units=24, num_blocks=3, input_layer=LAYERS[subsampling],
        macaron_style=macaron, cnn_module_kernel=5, block_size=10, hop_size=4, look_ahead=3,
    ).eval()  # fmt: skip
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
    ours = ContextualBlockConformer(20, subsampling=subsampling, macaron=macaron, **SIZES, **BLOCK).eval()
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


@torch.no_grad()
@pytest.mark.parametrize("macaron", [False, True])
@pytest.mark.parametrize("subsampling", LAYERS)
def test_a_padded_batch_is_what_espnet_makes_of_each_utterance_alone(subsampling, macaron):
    theirs, ours = pair(subsampling, macaron)
    lengths = torch.tensor([30, 41, 47, 60, 61, 62, 63, 64, 79, 100, 101, 160, 163])
    x = torch.randn(len(lengths), 163, 20)
    batch = ours.encode(Tap(x, lengths, 0.01), ours.context)[""]
    for row, length in enumerate(lengths.tolist()):
        alone, count, _ = theirs(x[row : row + 1, :length], torch.tensor([length]))
        assert batch.lengths[row] == count == alone.size(1)
        torch.testing.assert_close(batch.x[row, :count], alone[0], atol=1e-5, rtol=0)
        assert not batch.x[row, count:].any()


@torch.no_grad()
def test_a_stream_is_that_of_espnets_own_streaming():
    theirs, ours = pair(4)
    x = torch.randn(1, 230, 20)
    parts, states = [], None
    for start in range(0, 230, 23):
        y, _, states = theirs(
            x[:, start : start + 23], torch.tensor([23]), states, is_final=start + 23 == 230, infer_mode=True
        )
        parts.append(y)
    found, state = [], ours.init_state(1, ours.context)
    for start in range(0, 230, 10):
        taps, state = ours.step(Tap(x[:, start : start + 10], torch.tensor([10]), 0.01), state, [start + 10 == 230])
        found.append(taps[""].x)
    torch.testing.assert_close(torch.cat(found, dim=1), torch.cat(parts, dim=1), atol=1e-5, rtol=0)


def test_the_statistics_of_the_batch_norm_are_those_of_what_is_there():
    _, ours = pair(4)
    norm = ours.train().encoders[0].conv_module.norm
    x, valid = torch.randn(2, 5, 16), torch.tensor([[True] * 5, [True, True, False, False, False]])
    torch.testing.assert_close(norm(x, valid)[valid], nn.functional.batch_norm(x[valid], None, None, training=True))


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"subsampling": 5}, "subsampling is 5: give 4, 6, 8, or 1"),
        ({"kernel_size": 4}, "kernel_size is 4: give an odd number"),
        ({"size": 15}, "size=15 must be even and a multiple of heads=2"),
        ({"taps": [4]}, "taps .4. must lie in 1..3"),
    ],
)
def test_what_cannot_be_built_is_one_message(conf, message):
    with pytest.raises(ConfigError, match=message):
        ContextualBlockConformer(20, **{**SIZES, **BLOCK, **conf})


def test_a_left_context_of_chunks_is_refused():
    with pytest.raises(ConfigError, match="left_chunks is 2: a block hears 3 frames before its own"):
        pair(4)[1].check_context(ChunkContext(4, 2))


@torch.no_grad()
def test_a_look_ahead_is_that_of_an_encoder_which_was_built_with_it():
    _, ours = pair(4)
    other = ContextualBlockConformer(
        20, subsampling=4, macaron=True, **SIZES, **{**BLOCK, "look_ahead_frames": 1}
    ).eval()
    other.load_state_dict(ours.state_dict())
    tap = Tap(torch.randn(2, 163, 20), torch.tensor([163, 101]), 0.01)
    found, expected = ours.encode(tap, ChunkContext(4, -1, 1))[""], other.encode(tap, other.context)[""]
    torch.testing.assert_close(found.x, expected.x)
    assert not torch.allclose(found.x, ours.encode(tap, ours.context)[""].x, atol=1e-3)
    drawn = ContextualBlockConformer(
        20, **SIZES, **BLOCK, train_chunk_frames=[2, 4], train_look_ahead_frames=[0, 3]
    ).train_contexts
    assert {(context.chunk_frames, context.look_ahead_frames) for context in drawn} == {(2, 0), (2, 3), (4, 0), (4, 3)}


def test_a_look_ahead_of_an_encoder_of_chunks_is_refused():
    chain = Chain([Link(FIRST, conformer(subsampling=8), None)], 0.01)
    with pytest.raises(
        ConfigError, match="look_ahead_s=0.16 does not suit encoder .frames of 0.08 s.: it hears its chunk"
    ):
        chain.given(None, None, 0.16)
    blocks = Chain([Link(FIRST, contextual_block(subsampling=8), None)], 0.01)
    assert blocks.given(None, None, 0.16).encoders[FIRST].look_ahead_frames == 2
