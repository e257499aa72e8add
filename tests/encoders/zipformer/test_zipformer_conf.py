"""Sizes, chunks and inputs that a Zipformer cannot have are refused with what to give instead."""

import argparse

import pytest
import torch

from espnet_jst.encoders.chain import Chain, Link
from espnet_jst.errors import ConfigError
from espnet_jst.taps import Tap
from espnet_jst.tasks.jst import JSTTask
from tests.encoders.systems import FEATURES, WHOLE, on_features, zipformer
from tests.inference import tiny

FINE = {**tiny.ZIPFORMER, "output_subsampling": 2}  # frames of 40 ms


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads": [2, 2]}, "heads has 2 values and layers 3: give one a stack"),
        ({"kernel_sizes": [5, 4, 3]}, r"kernel_sizes \[5, 4, 3\] must be odd"),
        ({"sizes": [20, 30, 16]}, r"sizes \[20, 30, 16\] must be multiples of 4"),
        ({"unmasked_sizes": [16, 16, 20]}, r"unmasked_sizes \[16, 16, 20\] must not exceed sizes \[20, 28, 16\]"),
        ({"feed_forward_sizes": [16, 18, 16]}, "feed_forward_sizes .* must be multiples of 4"),
        ({"pos_size": 7}, "pos_size=7 must be even"),
        ({"train_left_frames": []}, "train_left_frames must hold what is drawn from in training"),
        (
            {"chunk_frames": 3},
            "chunk_frames 3 is 6 frames between .* takes 4 together: give a multiple of 2",
        ),
        ({"train_chunk_frames": [8, 9]}, "train_chunk_frames 9 is 18 frames .*: give a multiple of 2"),
        ({"downsampling": [1, 63, 64]}, "chunk_frames 32 is 64 frames .* takes 63 together: give a multiple of 2016"),
        (
            {"causal": False},
            r"causal: false takes whole utterances only: give chunk_frames: 0, train_chu.*",
        ),
        ({"causal": False, "chunk_frames": 0}, "causal: false takes whole utterances only"),
        ({"subsampling": 1, "sizes": [24, 24, 24]}, "sizes begins with 24 and what this encoder reads has 20 features"),
        ({"subsampling": 3}, "subsampling is 3: give a number from 1 to 2"),
    ],
)
def test_keys_that_do_not_go_together_are_one_message(changes, message):
    with pytest.raises(ConfigError, match=message):
        zipformer(**changes)


def test_a_front_end_needs_a_band_for_its_last_convolution():
    assert zipformer(7).frontend.bins == 1
    with pytest.raises(ConfigError, match="the convolutions in front need 7 features .*, not 6"):
        zipformer(6)


def test_a_chunk_that_is_given_must_suit_every_stack():
    module = Chain([Link("encoder", zipformer(), None)], shift_s=0.01)
    assert module.given(0.08).chunk_frames == 2
    with pytest.raises(ConfigError, match=r"chunk_s=0.12 does not suit encoder .frames of 0.04 s.*a multiple of 2$"):
        module.given(0.12)
    with pytest.raises(ConfigError, match=r"chunk_s=0.04 .*give a multiple of 2$"):
        tiny.speech2text(tiny.config(tiny.SERIALIZED, zipformer=True) | {"encoder_conf": FINE}, chunk_s=0.04)


def test_a_model_of_whole_utterances_is_given_no_chunk():
    module = zipformer(causal=False, **WHOLE)
    chain = Chain([Link("encoder", module, None)], shift_s=0.01)
    assert chain.given(None) == chain.given(0) == chain.own()
    with pytest.raises(ConfigError, match="causal: false takes whole utterances only: give no chunk"):
        chain.given(0.64)


def test_every_training_chunk_is_drawn_as_often_as_the_whole_utterance():
    contexts = zipformer(train_chunk_frames=[8, 16, 0], train_left_frames=[8, 32, -1]).train_contexts
    drawn = {chunk: [c.left_chunks for c in contexts if c.chunk_frames == chunk] for chunk in (8, 16, 0)}
    assert drawn == {8: [1, 4, -1], 16: [1, 2, -1], 0: [-1, -1, -1]}


def test_training_chunks_of_both_encoders_must_fit_together():
    lower, upper = zipformer(train_chunk_frames=[8, 16, 0]), on_features(16, chunk_frames=64, train_chunk_frames=[16])
    with pytest.raises(ConfigError, match="hier_encoder_conf.train_chunk_frames lacks a chunk: encoder makes"):
        Chain([Link("encoder", lower, None), Link("hier_encoder", upper, "encoder.last_stack")], shift_s=0.01)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"encoder_conf": {"kernel_sizes": [7, 5]}},
            "encoder_conf of zipformer: kernel_sizes has 2 values",
        ),
        ({"encoder_conf": {"chunk_frames": 33, "output_subsampling": 1}}, "encoder_conf of zipformer: chunk_frames 33"),
        (
            {"hier_encoder_conf": {"sizes": [16]}},
            "hier_encoder_conf of zipformer: sizes begins with 16 and .* 24 feat",
        ),
        ({"hier_encoder_conf": {"train_chunk_frames": [6]}}, "hier_encoder_conf.train_chunk_frames lacks a chunk"),
    ],
)
def test_a_configuration_file_is_refused_with_the_encoder_that_is_wrong(changes, message):
    values = tiny.config(tiny.TWO_HEADS, two_encoders=True, zipformer=True)
    for name, keys in changes.items():
        values[name] |= keys
    args = argparse.Namespace(**{**vars(JSTTask.get_parser().parse_args([])), **values})
    with pytest.raises(ConfigError, match=message):
        JSTTask.build_model(args)


@torch.no_grad()
def test_what_stands_behind_an_utterance_is_heard_only_as_it_was_released():
    x = torch.randn(2, 60, FEATURES)
    for released in (False, True):
        torch.manual_seed(0)
        module = zipformer(released_padding=released).eval()
        batch = module.encode(Tap(x, torch.tensor([60, 41]), 0.01), module.context)
        alone = module.encode(Tap(x[1:, :41], torch.tensor([41]), 0.01), module.context)
        for tap, (y, lengths, _) in batch.items():
            assert torch.allclose(y[1, : lengths[1]], alone[tap].x[0], atol=1e-5) != released
