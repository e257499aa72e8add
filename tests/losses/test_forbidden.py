"""Logits of minus infinity, which forbid a symbol: exact losses and gradients, or a refusal of the utterance."""

import math

import pytest
import torch

from espnet_jst.errors import NonFiniteLossError
from espnet_jst.heads import JointNetwork
from espnet_jst.losses import band, pruned_rnnt_loss, rnnt_loss, simple_rnnt_loss
from espnet_jst.losses.backends import BACKEND_VARIABLE, BACKENDS
from tests.reference.rnnt import rnnt_loss_reference

FRAMES, LABELS = torch.tensor([5, 3]), torch.tensor([3, 2])
TARGETS = torch.tensor([[1, 2, 1], [2, 1, -1]])


@pytest.fixture(params=BACKENDS)
def backend(request, monkeypatch):
    monkeypatch.setenv(BACKEND_VARIABLE, request.param)
    return request.param


def random_logits(seed=0):
    return torch.randn(2, 5, 4, 6, generator=torch.Generator().manual_seed(seed))


def expected(logits):
    """Loss and gradient by float64 and PyTorch's autograd, where -inf is a number so low that its probability is 0."""
    low = logits.detach().double().clamp(min=-1e5).requires_grad_()
    loss = torch.stack([rnnt_loss_reference(low[b], TARGETS[b], int(FRAMES[b]), int(LABELS[b])) for b in range(2)])
    return loss.detach().float(), torch.autograd.grad(loss.sum(), low)[0].float()


def forbid_a_symbol(logits):
    logits[..., 4] = -math.inf


def forbid_nodes(logits):  # some labels and blanks, at some nodes: other paths are left
    logits[0, 0, 0, 1] = logits[0, 2, 1, 2] = logits[0, 1, 2, 0] = logits[1, 0, 0, 0] = -math.inf


def only_one_path(logits):  # all labels in the first frame
    logits[:, 1:, :, 1:] = -math.inf


@pytest.mark.parametrize("forbid", [forbid_a_symbol, forbid_nodes, only_one_path])
def test_a_forbidden_symbol_has_no_probability_and_no_gradient(forbid, backend):
    for seed in range(5):
        logits = random_logits(seed)
        forbid(logits)
        given = logits.requires_grad_()
        loss = rnnt_loss(given, TARGETS, FRAMES, LABELS)
        (gradient,) = torch.autograd.grad(loss.sum(), given)
        value, derivative = expected(logits)
        torch.testing.assert_close(loss, value, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(gradient, derivative, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("bad", ["label", "blank", "all", "nan", "inf"])
def test_an_utterance_without_a_path_or_a_distribution_is_named(bad, backend):
    logits = random_logits()
    if bad == "label":
        logits[1, :, 0, 2] = -math.inf  # its first label
    elif bad == "blank":
        logits[1, 1, :, 0] = -math.inf
    elif bad == "all":
        logits[1, 0, 1] = -math.inf  # no distribution there, though there are ways around
    elif bad == "nan":
        logits[1, 0, 1, 5] = math.nan
    else:
        logits[1, 0, 1, 5] = math.inf
    with pytest.raises(NonFiniteLossError, match="utterance 1 of the batch") as caught:
        rnnt_loss(logits, TARGETS, FRAMES, LABELS)
    assert caught.value.indices == [1]
    assert ("no path through it has a probability" in str(caught.value)) == (bad in ("label", "blank"))


def test_padding_may_hold_anything_and_gets_no_gradient(backend):
    logits = random_logits()
    given = logits.clone().requires_grad_()
    clean = rnnt_loss(given, TARGETS, FRAMES, LABELS)
    (clean_gradient,) = torch.autograd.grad(clean.sum(), given)
    for what in (math.nan, math.inf, -math.inf):
        logits[1, 3:], logits[1, :, 3:] = what, what
        given = logits.clone().requires_grad_()
        loss = rnnt_loss(given, TARGETS, FRAMES, LABELS)
        assert torch.equal(loss, clean)
        assert torch.equal(torch.autograd.grad(loss.sum(), given)[0], clean_gradient)


def small_joint(hat=False):
    torch.manual_seed(1)
    joint = JointNetwork(3, 4, 5, 6, hat=hat)
    return joint, torch.randn(2, 5, 3, requires_grad=True), torch.randn(2, 4, 4, requires_grad=True)


@pytest.mark.parametrize("limit", [1 << 20, 1], ids=["gradients at once", "logits twice"])
@pytest.mark.parametrize("hat", [False, True], ids=["softmax", "hat"])
def test_a_joint_network_with_a_forbidden_symbol_is_one_without_it(hat, limit, backend, monkeypatch):
    monkeypatch.setattr(band, "MOST_BYTES", limit)
    joint, x, p = small_joint(hat)
    with torch.no_grad():
        joint.output.bias[4] = -math.inf
    without = JointNetwork(3, 4, 5, 5, hat=hat)
    kept = [0, 1, 2, 3, 5]
    state = joint.state_dict()
    state["output.weight"], state["output.bias"] = state["output.weight"][kept], state["output.bias"][kept]
    without.load_state_dict(state)
    kind = {"delay_penalty": 0.1, "fast_emit": 0.2}
    losses = [pruned_rnnt_loss(x, p, j, None, TARGETS, FRAMES, LABELS, **kind) for j in (joint, without)]
    torch.testing.assert_close(*losses)
    weights = torch.tensor([1.0, 2.0])
    ours, theirs = (
        torch.autograd.grad((loss * weights).sum(), (x, p, j.output.weight, j.output.bias))
        for loss, j in zip(losses, (joint, without))
    )
    for one, other in zip(ours[:2], theirs[:2]):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)
    for one, other in zip(ours[2:], theirs[2:]):
        torch.testing.assert_close(one[kept], other, atol=1e-6, rtol=1e-5)
        assert not one[4].any()
    with torch.no_grad():
        joint.output.bias[1] = -math.inf
    with pytest.raises(NonFiniteLossError, match="no path through it has a probability") as caught:
        pruned_rnnt_loss(x, p, joint, None, torch.tensor([[2, 2, 2], [2, 1, -1]]), FRAMES, LABELS)
    assert caught.value.indices == [1]
    with torch.no_grad():
        joint.output.bias[1:] = -math.inf  # no label at all: with `hat` there is no distribution of labels
    with pytest.raises(NonFiniteLossError, match="utterance 0 of the batch"):
        pruned_rnnt_loss(x, p, joint, None, TARGETS, FRAMES, LABELS)


@pytest.mark.parametrize("limit", [1 << 20, 1], ids=["gradients at once", "logits twice"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_joint_network_that_is_not_finite_names_the_utterance(bad, limit, backend, monkeypatch):
    monkeypatch.setattr(band, "MOST_BYTES", limit)
    joint, x, p = small_joint()
    x = x.detach().clone()
    x[1, 2] = bad if math.isnan(bad) else 0.0
    if math.isinf(bad):
        joint.encoder_proj.weight.data[0], joint.predictor_proj.weight.data[0] = 0.0, 0.0
        joint.output.bias.data[5] = math.inf
    with pytest.raises(NonFiniteLossError, match="nan; look for NaN") as caught:
        pruned_rnnt_loss(x, p, joint, None, TARGETS, FRAMES, LABELS)
    assert caught.value.indices == ([1] if math.isnan(bad) else [0, 1])


# Where the predictor's own probabilities count, they must be without the symbol too.
@pytest.mark.parametrize(
    ("part", "scales"),
    [
        ("am", (0.0, 0.0)),
        ("maximum", (0.0, 0.0)),
        ("lm", (0.0, 0.0)),
        ("lm", (0.25, 0.0)),
        ("lm", (1.0, 0.0)),
        ("both", (0.25, 0.0)),
        ("both", (0.25, 0.1)),
    ],
)
def test_the_additive_loss_with_a_forbidden_symbol_is_one_without_it(part, scales, backend):
    g = torch.Generator().manual_seed(2)
    am, lm = torch.randn(2, 5, 6, generator=g), torch.randn(2, 4, 6, generator=g)
    kept = [0, 1, 2, 3, 5]
    without = [x[..., kept].clone().requires_grad_() for x in (am, lm)]
    if part == "maximum":
        lm[..., 4] = 500.0
    if part != "lm":
        am[..., 4] = -math.inf
    if part in ("lm", "both"):
        lm[..., 4] = -math.inf
    given = [x.requires_grad_() for x in (am, lm)]
    kind = {"lm_scale": scales[0], "am_scale": scales[1]}
    losses = [simple_rnnt_loss(*leaves, TARGETS, FRAMES, LABELS, **kind) for leaves in (given, without)]
    for ours, theirs in zip(*losses):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    ours, theirs = (
        torch.autograd.grad(loss[0].sum(), x, allow_unused=True) for loss, x in zip(losses, (given, without))
    )
    for one, other in zip(ours, theirs):
        if other is not None:
            torch.testing.assert_close(one[..., kept], other, atol=1e-6, rtol=1e-5)
            assert not one[..., 4].any()


@pytest.mark.parametrize("bad", ["label", "all", "far", "nan", "inf"])
def test_an_additive_loss_that_cannot_be_computed_names_the_utterance(bad, backend):
    g = torch.Generator().manual_seed(2)
    am, lm = torch.randn(2, 5, 6, generator=g), torch.randn(2, 4, 6, generator=g)
    if bad == "label":
        am[1, :, 2] = -math.inf
    elif bad == "all":
        am[1, 1, :3] = lm[1, 0, 3:] = -math.inf
    elif bad == "far":  # what is left is less than float32 can add
        lm[1, :, 4], am[1, 1, 4] = 500.0, -math.inf
    elif bad == "nan":
        am[1, 1, 5] = math.nan
    else:
        am[1, 1, 5] = math.inf
    with pytest.raises(NonFiniteLossError, match="utterance 1 of the batch") as caught:
        simple_rnnt_loss(am, lm, TARGETS, FRAMES, LABELS)
    assert caught.value.indices == [1]


def test_padding_of_the_additive_loss_may_hold_nan():
    g = torch.Generator().manual_seed(2)
    am, lm = torch.randn(2, 5, 6, generator=g), torch.randn(2, 4, 6, generator=g)
    results = []
    for what in (0.0, math.nan, -math.inf, math.inf):
        am[1, 3:], lm[1, 3:] = what, what
        given = [x.clone().requires_grad_() for x in (am, lm)]
        loss = simple_rnnt_loss(*given, TARGETS, FRAMES, LABELS, lm_scale=0.2, am_scale=0.1)[0]
        results.append((loss, *torch.autograd.grad(loss.sum(), given)))
    for one in results[1:]:
        for ours, clean in zip(one, results[0]):
            assert torch.equal(ours, clean)


@pytest.mark.parametrize("way", ["full", "band", "logits twice", "additive"])
def test_a_second_derivative_is_refused_and_a_first_one_is_not(way, backend, monkeypatch):
    if way == "logits twice":
        monkeypatch.setattr(band, "MOST_BYTES", 1)
    joint, x, p = small_joint()
    if way == "full":
        loss = rnnt_loss(joint(x[:, :, None], p[:, None]), TARGETS, FRAMES, LABELS)
    elif way == "additive":
        loss = simple_rnnt_loss(x @ torch.randn(3, 6), p @ torch.randn(4, 6), TARGETS, FRAMES, LABELS)[0]
    else:
        loss = pruned_rnnt_loss(x, p, joint, None, TARGETS, FRAMES, LABELS)
    first = torch.autograd.grad(loss.sum(), (x, p), retain_graph=True)
    again = torch.autograd.grad(loss.sum(), (x, p), create_graph=True)
    for one, other in zip(first, again):
        torch.testing.assert_close(one, other)
        with pytest.raises(RuntimeError, match="has no second derivatives"):
            torch.autograd.grad(other.square().sum(), x, retain_graph=True, allow_unused=True)
