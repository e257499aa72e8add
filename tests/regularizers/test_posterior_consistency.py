"""Consistency of CTC posteriors: what it is, whose gradient it has, and what it cannot compare."""

import pytest
import torch

from espnet_jst.errors import ConfigError
from espnet_jst.heads.ctc import CTCHead
from espnet_jst.heads.interface import HeadOutput
from espnet_jst.regularizers.divergence import symmetric_divergence
from espnet_jst.regularizers.posterior_consistency import PosteriorConsistency
from espnet_jst.taps import Tap
from tests.inference import tiny

HEADS = {
    **tiny.SERIALIZED,
    "lower": {"kind": "ctc", "reads": "encoder.1", "lanes": ["transcript"]},
    "upper": {"kind": "ctc", "reads": "encoder", "lanes": ["transcript"]},
}


def outputs(logits, lengths):
    taps = {name: Tap(x.log_softmax(-1), torch.tensor(lengths), 0.04) for name, x in logits.items()}
    return {name: HeadOutput(tap.x.new_zeros(len(lengths)), {}, {"log_probs": tap}) for name, tap in taps.items()}


def model(regularizers):
    conf = tiny.config(HEADS)
    conf["model_conf"]["regularizers"] = regularizers
    return tiny.tiny_model(conf)[0]


def batch(model):
    speech = torch.stack([torch.from_numpy(tiny.speech(2.0, seed=seed)) for seed in range(2)])
    found = {"speech": speech, "speech_lengths": torch.tensor([16000, 9000])}
    for name in model.specs:
        found |= {f"target_{name}": torch.tensor([[4, 5], [5, -1]]), f"target_{name}_lengths": torch.tensor([2, 1])}
    found["target_joint"] = torch.tensor([[2, 4], [2, -1]])
    for name in ("ctc", "lower", "upper"):
        found[f"target_{name}"] = torch.tensor([[2, 3], [4, -1]])
    return found


def test_it_is_the_divergence_of_both_heads():
    a, b = torch.randn(2, 5, 4), torch.randn(2, 5, 4)
    loss, parts = PosteriorConsistency(between=["a", "b"])({}, outputs({"a": a, "b": b}, [5, 3]))
    expected = symmetric_divergence(a.log_softmax(-1), b.log_softmax(-1), torch.tensor([5, 3]))
    assert torch.equal(loss, expected) and torch.equal(loss, parts["divergence"])


@pytest.mark.parametrize("detach", ["teacher", "student"])
def test_one_head_may_learn_from_the_other_alone(detach):
    logits = {name: torch.randn(2, 5, 4, requires_grad=True) for name in "ab"}
    regularizer = PosteriorConsistency(between=["a", "b"], detach=detach)
    loss, _ = regularizer({}, outputs(logits, [5, 3]))
    learns, teaches = ("a", "b") if detach == "teacher" else ("b", "a")
    of_student, of_teacher = (logits[name].log_softmax(-1) for name in (learns, teaches))
    valid = torch.arange(5) < torch.tensor([[5], [3]])
    expected = torch.nn.functional.kl_div(of_student, of_teacher, reduction="none", log_target=True).sum(-1)
    torch.testing.assert_close(loss, (expected * valid).sum(1))
    loss.sum().backward()
    assert logits[teaches].grad is None
    right = (of_student.exp() - of_teacher.exp()) * valid[..., None]
    torch.testing.assert_close(logits[learns].grad, right.detach())


def test_a_model_adds_it_in_training_and_reports_it():
    plain, tied = (
        model({}),
        model({"tie": {"kind": "posterior_consistency", "between": ["lower", "upper"], "weight": 3}}),
    )
    data = batch(plain)
    for one in (plain, tied):
        one.train()
        one.chain.links[0].encoder.train_contexts = [one.encoder.context]
    losses = []
    for one in (plain, tied):
        torch.manual_seed(7)
        losses.append(one(**data)[:2])
    (without, _), (with_it, stats) = losses
    torch.testing.assert_close(with_it, without + 3 * stats["tie_divergence"], atol=1e-4, rtol=1e-5)
    assert stats["tie_divergence"] > 0
    torch.manual_seed(7)
    parameters = [tied.heads["lower"].output.weight, tied.heads["upper"].output.weight]
    gradients = torch.autograd.grad(tied(**data)[0] - losses[0][0].detach(), parameters)
    assert all(gradient.abs().sum() > 0 for gradient in gradients)
    assert "tie_divergence" not in tied.eval()(**data)[1]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"between": ["lower", "uper"]}, r"regularizers.tie: the model has no 'uper' .did you mean 'upper'"),
        ({"between": ["lower", "joint"]}, "regularizers.tie: between: 'joint' is no CTC head"),
        ({"between": []}, r"between names \[\]: give two CTC heads; one on two views is kind: cr_ctc"),
        ({"between": ["lower", "upper"], "weight": -1}, "weight is -1: give a number from 0"),
        ({"between": ["lower", "upper"], "wieght": 1}, "did you mean 'weight'"),
        ({"kind": "posterior", "between": ["lower"]}, "kind: 'posterior' is not one of cr_ctc, posterior_consistency"),
        ({}, "'between' is missing"),
    ],
)
def test_what_cannot_be_tied_is_one_message(entry, message):
    with pytest.raises(ConfigError, match=message):
        model({"tie": {"kind": "posterior_consistency", **entry}})


def test_heads_of_two_rates_or_vocabularies_are_refused():
    term = PosteriorConsistency(between=["a", "b"])
    heads = {"a": CTCHead(encoder_size=4, vocab_size=5), "b": CTCHead(encoder_size=4, vocab_size=5)}
    with pytest.raises(ConfigError, match="read taps of 0.04 s and 0.08 s a frame: let them read taps of one rate"):
        term.check(heads, {"a": 0.04, "b": 0.08}, {})
    heads["b"] = CTCHead(encoder_size=4, vocab_size=6)
    with pytest.raises(ConfigError, match="different token lists"):
        term.check(heads, {"a": 0.04, "b": 0.04}, {})
