"""Chunks that learn from the whole utterance: the distances by hand, who teaches whom and when, and what is refused."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from espnet_jst.encoders.chain import ChainContext
from espnet_jst.encoders.interface import ChunkContext
from espnet_jst.errors import ConfigError
from espnet_jst.model import JSTModel
from espnet_jst.regularizers.whole_context import WholeContext
from espnet_jst.taps import Tap
from tests.inference import tiny
from tests.regularizers import test_cr_ctc, test_sp_kd

HEADS = test_cr_ctc.HEADS
FIXED = {"share": None, "weight": 3.0}
LOWER = {"lower": {"kind": "whole_context", "tap": "encoder.1", **FIXED}}
BOTH = {"whole_context": {"tap": "encoder", **FIXED}, "upper": {"kind": "whole_context", "tap": "hier_encoder"}}
CHUNKS = ChainContext({"encoder": ChunkContext(2, 1), "hier_encoder": ChunkContext(0, -1)})
WHOLE = ChainContext({"encoder": ChunkContext(0, -1), "hier_encoder": ChunkContext(0, -1)})


def model(regularizers: Mapping[str, Any], context: ChainContext = CHUNKS, **changes: Any) -> JSTModel:
    made = copy.deepcopy(tiny.tiny_model(test_cr_ctc.conf(regularizers, **changes))[0]).train()
    for link in made.chain.links:
        link.encoder.train_contexts = [context.encoders[link.name]]
    return made


def batch() -> dict[str, Tensor]:
    return test_cr_ctc.batch()


def term(distance: str = "normed") -> WholeContext:
    return WholeContext(tap="encoder", distance=distance, **FIXED)


def taps(student: Tensor, teacher: Tensor, lengths: list[int]) -> dict[str, Tap]:
    found = {"encoder": student, "whole.encoder": teacher}
    return {name: Tap(x, torch.tensor(lengths), 0.08) for name, x in found.items()}


def test_distances_by_hand() -> None:
    student = torch.tensor([[[1.0, 3.0], [0.0, 2.0], [5.0, 5.0]]], requires_grad=True)
    teacher = torch.tensor([[[2.0, 2.5], [9.0, 1.0], [7.0, 7.0]]], requires_grad=True)
    heard = taps(student, teacher, [2])
    loss, parts = term("squared")(heard, {})
    assert float(loss.detach()) == pytest.approx((1 + 0.25) / 2 + (81 + 1) / 2) and torch.equal(
        parts["weighted"], 3 * loss
    )
    # Of two features, one is 1 and the other -1: alike in the first frame, the other way round in the second.
    assert float(term()(heard, {})[0].detach()) == pytest.approx(0 + 4, abs=1e-3)
    loss.sum().backward()
    assert student.grad is not None and student.grad[0, 2].eq(0).all() and teacher.grad is None
    torch.testing.assert_close(student.grad[0, :2], (student - teacher)[0, :2].detach())


@pytest.mark.parametrize("distance", ["normed", "squared"])
def test_padding_and_the_batch_count_for_nothing_and_equality_costs_nothing(distance: str) -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(2, 5, 4, generator=generator) for _ in range(2))
    together = term(distance)(taps(x, y, [5, 3]), {})[0]
    alone = [term(distance)(taps(x[b : b + 1, :n], y[b : b + 1, :n], [n]), {})[0] for b, n in enumerate((5, 3))]
    torch.testing.assert_close(together, torch.cat(alone))
    loud = x.clone().index_fill(1, torch.tensor([3, 4]), torch.nan)
    torch.testing.assert_close(term(distance)(taps(loud, y, [3, 3]), {})[0][1], together[1])
    assert term(distance)(taps(x, x, [5, 3]), {})[0].eq(0).all()
    scaled = term(distance)(taps(x, 3.0 * x + 1.0, [5, 3]), {})[0]
    assert scaled.max() < 1e-3 if distance == "normed" else scaled.min() > 1.0


@pytest.mark.parametrize("context", [CHUNKS, WHOLE])
def test_only_chunks_have_a_term_and_its_teacher_draws_what_they_draw(context: ChainContext) -> None:
    plain, taught = model({}, context), model(BOTH, context)
    losses = []
    for one in (plain, taught):
        torch.manual_seed(7)
        losses.append(one(**batch())[:2])
    (without, _), (with_it, stats) = losses
    found = {name: stats[f"{name}_loss"] for name in BOTH}
    if context is WHOLE:
        assert torch.equal(without, with_it) and all(value.isnan() for value in found.values())
        return
    assert all(value > 1e-3 for value in found.values()), found
    expected = without + 3.0 * stats["whole_context_loss"] + stats["upper_loss"]  # an entry's weight begins with 1
    torch.testing.assert_close(with_it, expected, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(stats["whole_context_weighted"], 3.0 * stats["whole_context_loss"])
    with_it.backward()
    assert taught.regularizers["upper"].weight != 1.0
    stats = taught(**batch())[1]
    assert stats["whole_context_gradient"] > 0 and stats["upper_gradient"] > 0


def test_what_is_compared_is_what_the_whole_utterance_makes_with_the_same_dropout() -> None:
    made = model(LOWER)
    tap = made.source.embed(batch()["speech"], batch()["speech_lengths"])
    torch.manual_seed(3)
    teacher = made.chain.whole(tap, CHUNKS, ["encoder.1"])
    assert set(teacher) == {"encoder", "encoder.1"}  # nothing of the encoder above is computed
    torch.manual_seed(3)
    expected = made.chain.encode(tap, WHOLE)
    for name, found in teacher.items():
        assert torch.equal(found.x, expected[name].x) and not found.x.requires_grad
    upper = made.chain.whole(tap, CHUNKS, ["hier_encoder"])
    assert "hier_encoder" in upper
    assert made.chain.whole(tap, WHOLE, ["hier_encoder"]) == {}
    # Whole above chunks: what it reads makes the difference. Into the upper one alone, nothing is in chunks.
    assert made.chain.whole(expected["encoder"], CHUNKS, ["hier_encoder"], into="hier_encoder") == {}
    assert made.chain.whole(expected["encoder"], CHUNKS, ["encoder"], into="hier_encoder") == {}


def test_the_gradient_is_that_of_the_chunks_alone() -> None:
    made = model({"whole_context": {"tap": "encoder", "distance": "squared", **FIXED}}, normalize=None)
    tap = made.source.embed(batch()["speech"], batch()["speech_lengths"])
    made.eval()  # no dropout
    student = made.chain.encode(tap, CHUNKS)
    teacher = {"whole.encoder": made.chain.encode(tap, WHOLE)["encoder"]}  # with a gradient of its own
    loss = made.regularizers["whole_context"](student | teacher, {})[0].sum()
    weights = [*made.encoder.parameters()]
    found = torch.autograd.grad(loss, weights, allow_unused=True)
    still = {"whole.encoder": made.chain.whole(tap, CHUNKS, ["encoder"])["encoder"]}
    loss = made.regularizers["whole_context"](made.chain.encode(tap, CHUNKS) | still, {})[0].sum()
    expected = torch.autograd.grad(loss, weights, allow_unused=True)
    assert any(one is not None and one.abs().sum() > 0 for one in expected)
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other)


def test_weights_that_a_teacher_used_first_learn_in_bfloat16_too() -> None:
    made = model({"whole_context": {"tap": "encoder"}})
    made.train_dtype = torch.bfloat16
    made(**batch())[0].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in made.encoder.layers.parameters())


def test_it_is_computed_on_both_views_of_cr_ctc() -> None:
    made = model({**test_cr_ctc.BOTH, **BOTH})
    rows, (_, stats, weight) = test_cr_ctc.sizes(made, batch())
    assert set(rows.values()) == {4} and weight == 2
    assert stats["cr_ctc_asr_ctc"] > 0 and stats["upper_loss"] > 0
    single = model(BOTH)(**batch())[1]
    assert stats["upper_loss"] == pytest.approx(float(single["upper_loss"]), rel=0.5)  # a mean over views, no sum


def test_validation_has_none_and_a_training_without_it_encodes_once() -> None:
    passes = []

    def counted(made: JSTModel) -> int:
        passes.clear()
        hook = made.encoder.layers[0].register_forward_pre_hook(lambda *_: passes.append(1))
        found = made(**batch())[1]
        hook.remove()
        assert made.training or not any(key.startswith("whole_context") for key in found)
        return len(passes)

    assert counted(model(BOTH).eval()) == counted(model({})) == counted(model(BOTH, WHOLE)) == 1
    assert counted(model(BOTH)) == 2  # one teacher for all entries


def test_training_brings_chunks_closer_to_the_whole() -> None:
    made = model({"whole_context": {"tap": "encoder", "share": None, "weight": 10.0}}, specaug=None)
    optimizer = torch.optim.Adam(made.encoder.parameters(), 3e-3)
    found = []
    torch.manual_seed(0)
    for _ in range(25):
        loss, stats, _ = made(**batch())
        found.append(float(stats["whole_context_loss"]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert max(found[-3:]) < 0.7 * min(found[:3])


@pytest.mark.parametrize(
    ("entry", "changes", "message"),
    [
        ({"tap": "encoder.2"}, {}, "regularizers.whole_context: the model has no 'encoder.2' .did you mean 'encoder.1"),
        ({"tap": "asr"}, {}, "regularizers.whole_context: tap: 'asr' is not one of encoder, encoder.1, hier_encoder"),
        ({}, {}, "'tap' is missing"),
        ({"tap": "encoder", "weight": 0}, {}, "weight is 0 and would stay so"),
        ({"tap": "encoder", "distance": "cosine"}, {}, "distance: 'cosine' is not one of normed, squared"),
        (
            {"tap": "encoder"},
            {"encoder_conf": {"chunk_frames": 0, "train_chunk_frames": [0]}},
            "regularizers.whole_context: encoder hear whole utterances in training, so there is nothing to compare",
        ),
    ],
)
def test_what_cannot_be_compared_is_one_message(entry: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    conf = test_cr_ctc.conf({"whole_context": entry})
    for key, values in changes.items():
        conf[key] = conf[key] | values
        conf["hier_encoder_conf"] |= values
    with pytest.raises(ConfigError, match=message):
        tiny.tiny_model(conf)


def test_a_training_of_sp_kd_keeps_its_weight_beside_it() -> None:
    both = {"kd": {**test_sp_kd.ENCODERS, "weight": 5.0}, "whole_context": {"tap": "encoder"}}
    state = model(both).state_dict()
    assert state["regularizers.kd.weight"] == 5.0 and state["regularizers.whole_context.weight"] == 1.0
