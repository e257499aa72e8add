"""Checkpoints of any size against the plain reference, and what is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from espnet_jst.errors import CheckpointError, ConfigError, JSTError
from espnet_jst.hub.icefall import load_icefall
from espnet_jst.hub.icefall.convert import convert
from espnet_jst.hub.icefall.sizes import parse_sizes
from espnet_jst.taps import Tap
from tests.hub.icefall.released import OTHER, asr_only, other
from tests.reference import zipformer as reference

FEATURES = torch.randn(1, 117, 80, generator=torch.Generator().manual_seed(3))


def expected(sizes: dict[str, Any], state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Taps of FEATURES by the reference."""
    chunk, left = (sizes["chunk_frames"], sizes["left_context_frames"]) if sizes["causal"] else (-1, -1)
    shared, config = sizes["shared"], sizes["config"]
    x = reference.front_end(reference.part(state, "encoder_embed"), FEATURES[0])
    last, top = reference.encode(reference.part(state, "encoder"), x, config["asr"], shared, chunk, left)
    taps = {"encoder.last_stack": last, "encoder": top}
    if "st" in config:
        st = reference.part(state, "st_encoder")
        taps["hier_encoder"] = reference.encode(st, last, config["st"], shared, chunk, left)[1]
    return {name: y[None].float() for name, y in taps.items()}


@pytest.mark.parametrize("changes", [{}, {"causal": False}, {"chunk_frames": -1}, {"left_context_frames": -1}])
@torch.no_grad()
def test_another_size_computes_what_the_reference_computes(changes: dict[str, Any]) -> None:
    sizes, state = other(**changes)
    model = load_icefall(state, sizes)
    taps = model.chain.encode(Tap(FEATURES, torch.tensor([117]), 0.01), model.chain.own())
    for name, wanted in expected(sizes, state).items():
        assert_close(taps[name].x, wanted, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_recognizer_alone_is_loaded_and_what_its_training_never_used_is_named() -> None:
    sizes, state = asr_only(*other())
    made = convert(state, parse_sizes(sizes))
    taps = made.model.chain.encode(Tap(FEATURES, torch.tensor([117]), 0.01), made.model.chain.own())
    assert_close(taps["encoder"].x, expected(sizes, state)["encoder"], rtol=1e-4, atol=1e-4)
    assert [*made.model.heads] == ["asr", "asr_ctc"] and made.model.hier_encoder is None
    assert {name for name in made.report.skipped if name.startswith("simple_")} == {
        f"simple_st_{part}_proj.{leaf}" for part in ("am", "lm") for leaf in ("weight", "bias")
    }


def test_two_joint_networks_on_one_encoder_are_nt_shared() -> None:
    wide = {**OTHER["config"], "asr": {**OTHER["config"]["asr"], "encoder_dim": [24, 48, 40, 16]}}  # 48 for both heads
    sizes, state = other(config=wide)
    del sizes["st_output_downsampling"], sizes["config"]["st"]
    model = load_icefall({name: value for name, value in state.items() if not name.startswith("st_encoder.")}, sizes)
    assert {name: spec.reads for name, spec in model.specs.items()} == dict.fromkeys(model.heads, "encoder")
    assert [*model.heads] == ["asr", "asr_ctc", "st", "st_ctc"]


def test_every_weight_is_taken_over_or_named_with_its_reason() -> None:
    sizes, state = other(st_output_downsampling=1)
    made = convert(state, parse_sizes(sizes))
    assert {row.released for row in made.report.rows} | {*made.report.skipped} == {*state}
    assert {row.ours for row in made.report.rows} == {name for name, _ in made.model.named_parameters()}
    assert {name.rpartition(".")[2] for name in made.report.skipped} == {"bypass_scale", "bias"}
    lines = made.report.text().splitlines()
    [line] = [line for line in lines if line.startswith("encoder.encoders.1.encoder.layers.1.norm.bias ")]
    assert line.split() == [
        "encoder.encoders.1.encoder.layers.1.norm.bias",
        "encoder.stacks.1.layers.1.norm.bias",
        "32",
    ]
    assert "st_encoder.downsample_output.bias" in made.report.skipped
    assert lines[-1] == f"{len(made.report.rows)} weights taken over, {len(made.report.skipped)} skipped"


def test_the_checkpoint_is_left_as_it_was_and_half_precision_is_widened() -> None:
    sizes, state = other()
    before = copy.deepcopy(state)
    model = load_icefall({name: value.half() for name, value in state.items()}, sizes)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    load_icefall(state, sizes)
    assert all(torch.equal(before[name], value) for name, value in state.items())


def test_what_a_checkpoint_shows_need_not_be_in_the_sizes() -> None:
    sizes, state = other()
    names = ("vocab_asr", "vocab_st", "predictor_dim", "joiner_dim", "causal")
    few = {name: value for name, value in sizes.items() if name not in names and "downsampling" not in name}
    first, second = load_icefall(state, sizes), load_icefall(state, few)
    for (name, wanted), (other_name, found) in zip(first.state_dict().items(), second.state_dict().items()):
        assert name == other_name and torch.equal(wanted, found)


def test_without_a_weight_for_joined_frames_none_are_joined() -> None:
    sizes, state = other(st_output_downsampling=1)
    del sizes["st_output_downsampling"], state["st_encoder.downsample_output.bias"]
    model = load_icefall(state, sizes)
    assert model.chain.shifts_s["hier_encoder"] == model.chain.shifts_s["encoder.last_stack"]


def changed(sizes: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    sizes = copy.deepcopy(sizes)
    *above, last = path.split("/")
    place = sizes
    for name in above:
        place = place[name]
    place[last] = value
    return sizes


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("vocab_asr", 12, "vocab_asr is 12 and the checkpoint has 11"),
        ("vocab_st", 12, "vocab_st is 12 and the checkpoint has 13"),
        ("predictor_dim", 16, "predictor_dim is 16 and the checkpoint has 12"),
        ("joiner_dim", 16, "joiner_dim is 16 and the checkpoint has 10"),
        ("causal", False, "causal is false and the checkpoint has true"),
        ("asr_output_downsampling", 2, "asr_output_downsampling is 2 and the checkpoint has 4"),
        ("st_output_downsampling", 1, "st_output_downsampling is 1 and the checkpoint has 2"),
        ("config/asr/encoder_dim", [24, 32, 48, 16], r"encoder_dim is \[24, 32, 48, 16\] .* \[24, 32, 40, 16\]"),
        ("config/asr/feedforward_dim", [32, 48, 64, 64], "config.asr.feedforward_dim is .* and the checkpoint has"),
        ("config/asr/downsampling_factor", [1, 2, 8, 1], r"downsampling_factor is .* \[1, 2, 4, 1\]"),
        ("config/asr/cnn_module_kernel", [7, 5, 7, 3], r"cnn_module_kernel is .* \[7, 5, 9, 3\]"),
        ("config/asr/num_encoder_layers", [1, 2, 1, 2], r"num_encoder_layers is .* \[1, 2, 1, 1\]"),
        ("config/asr/num_heads", [2, 3, 4, 2], "config.asr.num_heads times value_head_dim is"),
        ("config/st/num_heads", [1, 2], "config.st.num_heads times pos_head_dim is"),
        ("shared/value_head_dim", 6, "num_heads times value_head_dim"),
        ("shared/query_head_dim", 8, r"num_heads times \(2 query_head_dim \+ pos_head_dim\)"),
        ("shared/pos_dim", 10, "shared.pos_dim of encoder is"),
        ("config/st", None, "config.st is false and the checkpoint has true"),
        ("chunk_frames", 6, "chunk_frames is 6, .* give a multiple of 4"),
        ("chunk_frames", 0, "chunk_frames is 0: give -1"),
        ("config/asr/encoder_dim", [24, 32, 40], "feedforward_dim has 4 values and encoder_dim 3"),
        ("config/st/encoder_dim", [24, 48], "config.st.encoder_dim begins with 24, and .* 16"),
        ("config/asr", {"encoder_dims": [1]}, r"unknown key 'encoder_dims' \(did you mean 'encoder_dim'\?\)"),
        ("vocab_asr", "many", "vocab_asr is 'many': give a whole number"),
    ],
)
def test_sizes_of_another_model_are_a_message_each(path: str, value: Any, message: str) -> None:
    sizes, state = other()
    with pytest.raises(JSTError, match=message):
        load_icefall(state, changed(sizes, path, value))


def test_all_sizes_that_differ_are_named_at_once() -> None:
    sizes, state = other()
    with pytest.raises(CheckpointError) as raised:
        load_icefall(state, {**sizes, "vocab_asr": 9, "joiner_dim": 9})
    assert len(str(raised.value).splitlines()) == 3


def test_a_model_with_other_stacks_is_told_by_their_number() -> None:
    sizes, state = other()
    stacks = {name: values[:3] for name, values in sizes["config"]["asr"].items()}
    stacks["encoder_dim"] = [24, 32, 16]  # so that the upper encoder fits
    with pytest.raises(CheckpointError, match="the number of stacks in config.asr is 3 and the checkpoint has 4"):
        load_icefall(state, {**sizes, "config": {**sizes["config"], "asr": stacks}})


@pytest.mark.parametrize(
    "name",
    [
        "encoder_embed.conv.4.bias",
        "encoder.encoders.1.encoder.layers.1.self_attn2.out_proj.weight",
        "encoder.encoders.2.out_combiner.bypass_scale",
        "st_encoder.encoders.1.layers.0.conv_module2.depthwise_conv.chunkwise_conv_scale",
        "st_decoder.conv.weight",
        "joiner.decoder_proj.bias",
        "st_ctc_output.1.bias",
        "simple_lm_proj.weight",
    ],
)
def test_a_missing_or_misshapen_or_additional_weight_is_named(name: str) -> None:
    sizes, state = other()
    with pytest.raises(CheckpointError, match=f"1 missing: {name}$"):
        load_icefall({key: value for key, value in state.items() if key != name}, sizes)
    with pytest.raises(CheckpointError, match=f"1 that no part has a use for: {name}2$"):
        load_icefall({**state, f"{name}2": state[name]}, sizes)
    value = torch.cat([state[name], state[name]]) if state[name].dim() else torch.zeros(2)
    with pytest.raises(CheckpointError, match=f"1 of another shape: {name} ") as raised:
        load_icefall({**state, name: value}, sizes)
    assert str(tuple(value.shape)) in str(raised.value)


@pytest.mark.parametrize("prefix", ["encoder_embed", "encoder", "decoder", "joiner", "st_decoder", "st_joiner"])
def test_a_checkpoint_of_another_layout_is_refused(prefix: str) -> None:
    sizes, state = other()
    with pytest.raises(CheckpointError, match=f"has no {prefix}.*: it is no Zipformer transducer in icefall's layout"):
        load_icefall({name: value for name, value in state.items() if not name.startswith(f"{prefix}.")}, sizes)


def test_weights_that_are_not_numbers_are_refused() -> None:
    sizes, state = other()
    state["joiner.output_linear.bias"] = torch.full((11,), torch.nan)
    with pytest.raises(CheckpointError, match="not finite in heads.asr.joint.output.bias"):
        load_icefall(state, sizes)


def test_a_few_bytes_cannot_ask_for_a_large_model() -> None:
    sizes, state = other()
    large = {
        name: torch.zeros(1).expand(4096) if name.endswith("norm.bias") else value for name, value in state.items()
    }
    dims = {
        task: {**stacks, "encoder_dim": [4096] * len(stacks["encoder_dim"])} for task, stacks in sizes["config"].items()
    }
    with pytest.raises(CheckpointError, match="the configuration asks for more"):
        load_icefall(large, {**sizes, "config": dims})


def test_sizes_that_are_no_table_are_refused() -> None:
    _, state = other()
    with pytest.raises(ConfigError, match="it must be a mapping"):
        load_icefall(state, [1, 2])  # type: ignore[arg-type]
