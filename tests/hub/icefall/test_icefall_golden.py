"""Released modules' outputs, to 1e-4: whole and chunk by chunk (tests/golden/SOURCE.md)."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from espnet_jst.hub.icefall import load_icefall
from espnet_jst.model import JSTModel
from espnet_jst.taps import Tap
from tests.hub.icefall.released import KINDS, golden, golden_model

TAPS = {"encoder": "asr", "encoder.last_stack": "f_s", "hier_encoder": "st"}


def equal(ours: Tensor, released: Tensor) -> None:
    assert_close(ours, released, rtol=0, atol=1e-4)


@torch.no_grad()
def encoded(model: JSTModel, features: Tensor, lengths: Tensor) -> dict[str, Tap]:
    return model.chain.encode(Tap(features, lengths, 0.01), model.chain.own())


@torch.no_grad()
def streamed(model: JSTModel, features: Tensor, packet: int) -> dict[str, Tensor]:
    """One utterance, `packet` frames at a time."""
    state, parts = model.chain.init_state(1, model.chain.own(), "cpu"), {name: [] for name in TAPS}
    for begin in range(0, features.size(1), packet):
        piece = features[:, begin : begin + packet]
        last = begin + packet >= features.size(1)
        taps, state = model.chain.step(Tap(piece, torch.tensor([piece.size(1)]), 0.01), state, [last])
        for name, part in parts.items():
            part.append(taps[name].x[:, : int(taps[name].lengths[0])])
    return {name: torch.cat(part, dim=1) for name, part in parts.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_utterance_is_encoded_as_by_the_released_modules(kind: str) -> None:
    _, _, tensors = golden(kind)
    features, lengths = tensors["input.features"][:1], tensors["input.lengths"][:1]
    model = golden_model(kind)
    with torch.no_grad():
        embed, found = model.encoder.frontend(features, lengths)
    equal(embed, tensors["output.embed"][:1])
    assert found.tolist() == tensors["output.embed_lengths"][:1].tolist()
    taps = encoded(model, features, lengths)
    for name, output in TAPS.items():
        equal(taps[name].x, tensors[f"output.{output}"][:1])
    for name, output in (("encoder", "asr"), ("hier_encoder", "st")):
        assert taps[name].lengths.tolist() == tensors[f"output.{output}_lengths"][:1].tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_a_padded_utterance_too_where_its_padding_may_leak_as_in_the_released_modules(kind: str) -> None:
    sizes, state, tensors = golden(kind)
    model = load_icefall(state, sizes)
    for encoder in (model.encoder, model.hier_encoder):
        encoder.conf = replace(encoder.conf, released_padding=True)
    taps = encoded(model, tensors["input.features"], tensors["input.lengths"])
    for name, output in TAPS.items():
        equal(taps[name].x, tensors[f"output.{output}"])


@pytest.mark.parametrize("packet", [13, 205])
def test_a_stream_is_encoded_as_the_masked_utterance_by_the_released_modules(packet: int) -> None:
    _, _, tensors = golden("causal")
    stream = streamed(golden_model("causal"), tensors["input.features"][:1], packet)
    for name, output in TAPS.items():
        equal(stream[name], tensors[f"output.{output}"][:1])


def test_streams_of_two_ages_share_a_batch() -> None:
    _, _, tensors = golden("causal")
    model, x = golden_model("causal"), tensors["input.features"][:1]
    alone = streamed(model, x, 64)
    step, own = model.chain.step, model.chain.own()
    with torch.no_grad():
        first, state = step(Tap(x[:, :64], torch.tensor([64]), 0.01), model.chain.init_state(1, own, "cpu"), [False])
        fresh = model.chain.init_state(1, own, "cpu")
        both = {name: type(old).concat([old, fresh[name]]) for name, old in state.items()}
        packets = torch.cat([x[:, 64:128], x[:, :64]])
        taps, _ = step(Tap(packets, torch.tensor([64, 64]), 0.01), both, [False, False])
    for name, whole in alone.items():
        begun, second = first[name].x.size(1), taps[name]
        equal(second.x[0, : int(second.lengths[0])], whole[0, begun : begun + int(second.lengths[0])])
        equal(second.x[1, : int(second.lengths[1])], whole[0, : int(second.lengths[1])])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("head", "tap", "output"), [("asr", "encoder", "asr"), ("st", "hier_encoder", "st")])
@torch.no_grad()
def test_predictors_and_joint_networks_say_what_the_released_ones_say(
    kind: str, head: str, tap: str, output: str
) -> None:
    _, _, tensors = golden(kind)
    model = golden_model(kind)
    module = model.heads[head]
    features = module.predictor(tensors[f"input.{output}_labels"])
    equal(features, tensors[f"output.{output}_predictor"])
    frames = tensors[f"output.{output}"][:, :4, None]
    equal(module.joint(frames, features[:, None, :3]), tensors[f"output.{output}_joint_first4x3"])
    # A search begins as the training does.
    state = module.predictor.init_state(2)
    for place in range(features.size(1)):
        label = torch.zeros(2, dtype=torch.long) if place == 0 else tensors[f"input.{output}_labels"][:, place - 1]
        step, state = module.predictor.step(label, state)
        equal(step, features[:, place])


@torch.no_grad()
def test_the_additive_joiner_and_ctc_are_the_released_ones() -> None:
    _, state, tensors = golden("causal")
    model = golden_model("causal")
    for name, task, output in (("asr", "", "asr"), ("st", "st_", "st")):
        x, criterion = tensors[f"output.{output}"], model.heads[name].criterion
        g = tensors[f"output.{output}_predictor"]
        am = torch.nn.functional.linear(x, state[f"simple_{task}am_proj.weight"], state[f"simple_{task}am_proj.bias"])
        lm = torch.nn.functional.linear(g, state[f"simple_{task}lm_proj.weight"], state[f"simple_{task}lm_proj.bias"])
        equal(criterion.simple_encoder(x), am)
        equal(criterion.simple_predictor(g), lm)
        ctc = torch.nn.functional.linear(x, state[f"{task}ctc_output.1.weight"], state[f"{task}ctc_output.1.bias"])
        equal(model.heads[f"{name}_ctc"].log_probs(x), ctc.log_softmax(-1))
