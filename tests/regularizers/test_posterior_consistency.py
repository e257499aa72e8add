"""Consistency of CTC posteriors: what it is, whose gradient it has, and what it cannot compare."""

import pytest
import torch

from espnet_jst.errors import ConfigError
from espnet_jst.heads.ctc import CTCHead
from espnet_jst.heads.interface import HeadOutput
from espnet_jst.regularizers.posterior_consistency import PosteriorConsistency, divergence
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
    conf["specaug"] = "specaug"
    conf["specaug_conf"] = {"apply_time_warp": False, "time_mask_width_ratio_range": [0.0, 0.2]}
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


def test_the_gradient_is_that_of_a_teacher_that_stands_still():
    torch.manual_seed(0)
    a, b = (torch.randn(2, 5, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    term = PosteriorConsistency(between=["a", "b"])
    loss, parts = term({}, outputs({"a": a, "b": b}, [5, 3]))
    assert loss.shape == (2,) and torch.equal(loss.detach(), parts["divergence"])
    found = torch.autograd.grad(loss.sum(), a)[0]
    teacher, expected = b.detach().log_softmax(-1), torch.zeros_like(a)
    with torch.no_grad():
        for place in torch.cartesian_prod(*map(torch.arange, a.shape)).tolist():
            if place[1] >= (5, 3)[place[0]]:
                continue
            sides = []
            for step in (1e-6, -1e-6):
                moved = a.clone()
                moved[tuple(place)] += step
                # Half of both directions; in the other one `a` is the teacher and gives no gradient.
                sides.append(0.5 * divergence(teacher, moved.log_softmax(-1))[place[0], place[1]])
            expected[tuple(place)] = (sides[0] - sides[1]) / 2e-6
    torch.testing.assert_close(found, expected, atol=1e-8, rtol=1e-6)
    assert (found[1, 3:] == 0).all()  # padding


def test_equal_posteriors_cost_nothing_and_a_forbidden_symbol_is_no_nan():
    x = torch.randn(2, 5, 4)
    x[..., 3] = -torch.inf
    x.requires_grad_()
    loss, _ = PosteriorConsistency(between=["a", "b"])({}, outputs({"a": x, "b": x + 1.0}, [5, 3]))
    torch.testing.assert_close(loss, torch.zeros(2), atol=1e-6, rtol=0)
    other = x.detach() + torch.randn(2, 5, 4)
    loss, _ = PosteriorConsistency(between=["a", "b"])({}, outputs({"a": x, "b": other}, [5, 3]))
    assert loss.isfinite().all() and torch.autograd.grad(loss.sum(), x)[0].isfinite().all()


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


def test_one_head_is_compared_with_itself_on_another_view():
    """The whole chain runs on two masked copies, and every loss is the mean over both."""
    tied = model({"views": {"kind": "posterior_consistency", "between": ["upper"]}}).train()
    data, sizes = batch(tied), []
    hook = tied.heads["joint"].register_forward_pre_hook(lambda _, args: sizes.append(args[0].x.size(0)))
    _, stats, weight = tied(**data)
    hook.remove()
    assert sizes == [4] and weight == 2 and stats["views_divergence"] > 0
    tied.specaug.freq_mask = tied.specaug.time_mask = None  # equal views
    for module in tied.modules():
        if hasattr(module, "p"):
            module.p = 0.0
    for layer in tied.encoder.layers:
        layer.attention.dropout.p = 0.0
    equal = tied(**data)[1]
    assert float(equal["views_divergence"]) == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"between": ["lower", "uper"]}, r"regularizers.tie: the model has no 'uper' .did you mean 'upper'"),
        ({"between": ["lower", "joint"]}, "regularizers.tie: between: 'joint' is no CTC head"),
        ({"between": []}, r"between names \[\]: give one CTC head, or two"),
        ({"between": ["lower", "upper"], "weight": -1}, "weight is -1: give a number from 0"),
        ({"between": ["lower", "upper"], "wieght": 1}, "did you mean 'weight'"),
        ({"kind": "posterior", "between": ["lower"]}, "kind: 'posterior' is not one of posterior_consistency"),
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
        term.check(heads, {"a": 0.04, "b": 0.08})
    heads["b"] = CTCHead(encoder_size=4, vocab_size=6)
    with pytest.raises(ConfigError, match="different token lists"):
        term.check(heads, {"a": 0.04, "b": 0.04})


def test_two_views_need_specaug():
    conf = tiny.config(HEADS)
    conf["model_conf"]["regularizers"] = {"views": {"kind": "posterior_consistency", "between": ["upper"]}}
    with pytest.raises(
        ConfigError, match="regularizers.views compares differently masked views of a batch: give --specaug specaug"
    ):
        tiny.tiny_model(conf)
