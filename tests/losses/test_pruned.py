"""The pruned transducer loss: k2's numbers, the full loss where the band is the lattice, and bands in general."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from espnet_jst.errors import ConfigError, DataError
from espnet_jst.heads import JointNetwork
from espnet_jst.heads.joint import factorized_log_probs
from espnet_jst.losses import (
    PrunedTransducerLoss,
    band,
    fused_joint,
    joint_torch,
    prune_ranges,
    pruned_rnnt_loss,
    rnnt_loss,
    simple_rnnt_loss,
)
from espnet_jst.losses.backends import BACKEND_VARIABLE, BACKENDS
from tests.reference.rnnt import rnnt_loss_reference

GOLDEN = Path(__file__).parents[1] / "golden" / "pruned_rnnt_a.safetensors"
SCALES = [(0.0, 0.0), (0.25, 0.0), (0.25, 0.1)]


@pytest.fixture(scope="module")
def golden():
    return load_file(GOLDEN)


class PlainJoint(nn.Module):
    def __init__(self, weight, bias):
        super().__init__()
        self.encoder_proj, self.predictor_proj = nn.Identity(), nn.Identity()
        self.output = nn.Linear(*weight.t().shape)
        self.output.weight.data, self.output.bias.data = weight.clone(), bias.clone()


@pytest.mark.parametrize(("lm_scale", "am_scale"), SCALES)
def test_the_simple_loss_is_k2s(golden, lm_scale, am_scale):
    am, lm = (golden[key].clone().requires_grad_() for key in ("am", "lm"))
    lengths = golden["logit_lengths"], golden["target_lengths"]
    scales = {"lm_scale": lm_scale, "am_scale": am_scale, "k2_padding": True}
    loss, px, py = simple_rnnt_loss(am, lm, golden["targets"], *lengths, **scales)
    grads = torch.autograd.grad(loss.sum(), (am, lm))
    for name, value in zip(("loss", "px_grad", "py_grad", "am_grad", "lm_grad"), (loss, px, py, *grads)):
        expected = golden[f"simple.lm{lm_scale}_am{am_scale}.{name}"]
        torch.testing.assert_close(value.detach(), expected, atol=3e-5, rtol=1e-5)
    for prune_range in (3, 5, 10):
        ranges = prune_ranges(px, py, *lengths, prune_range)
        assert torch.equal(ranges, golden[f"pruned.lm{lm_scale}_am{am_scale}.R{prune_range}.ranges"])


@pytest.mark.parametrize("prune_range", [3, 5, 10])
@pytest.mark.parametrize(("lm_scale", "am_scale"), SCALES)
def test_the_pruned_loss_is_k2s(golden, lm_scale, am_scale, prune_range):
    joint = PlainJoint(golden["joiner.weight"], golden["joiner.bias"])
    outputs = [golden[key].clone().requires_grad_() for key in ("encoder", "predictor")]
    where = f"pruned.lm{lm_scale}_am{am_scale}.R{prune_range}."
    loss = pruned_rnnt_loss(
        *outputs, joint, golden[f"{where}ranges"], golden["targets"], golden["logit_lengths"], golden["target_lengths"]
    )
    grads = torch.autograd.grad(loss.sum(), (*outputs, joint.output.weight, joint.output.bias))
    names = ("loss", "encoder_grad", "predictor_grad", "weight_grad", "bias_grad")
    for name, value in zip(names, (loss, *grads)):
        torch.testing.assert_close(value.detach(), golden[where + name], atol=3e-5, rtol=1e-5)


def batch(seed, dtype=torch.float32):
    g = torch.Generator().manual_seed(seed)
    B, T, U, V = (int(torch.randint(low, high, (), generator=g)) for low, high in ((1, 4), (1, 9), (0, 7), (2, 8)))
    frames, labels = torch.randint(1, T + 1, (B,), generator=g), torch.randint(0, U + 1, (B,), generator=g)
    targets = torch.randint(1, V, (B, U), generator=g)
    torch.manual_seed(seed)
    joint = JointNetwork(5, 6, 7, V).to(dtype)
    x, p = (torch.randn(B, n, d, generator=g).to(dtype).requires_grad_() for n, d in ((T, 5), (U + 1, 6)))
    return x, p, joint, targets, frames, labels


def whole(x, p):
    """The band that is the lattice."""
    return torch.arange(p.size(1)).expand(x.size(0), x.size(1), -1)


@pytest.mark.parametrize("hat", [False, True], ids=["softmax", "hat"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_band_of_the_whole_lattice_gives_the_full_loss_and_gradient(backend, hat, monkeypatch):
    monkeypatch.setenv(BACKEND_VARIABLE, backend)
    for seed in range(12 if backend in ("triton", "k2") else 40):
        monkeypatch.setitem(fused_joint.PART_BYTES, "cpu", 1 if seed % 2 else 1 << 20)
        x, p, joint, targets, frames, labels = batch(seed)
        joint.hat = hat
        logits = joint(x[:, :, None], p[:, None])
        expected = torch.stack(
            [rnnt_loss_reference(logits[b], targets[b], int(frames[b]), int(labels[b])) for b in range(len(x))]
        )
        loss = pruned_rnnt_loss(x, p, joint, whole(x, p), targets, frames, labels)
        torch.testing.assert_close(loss.double(), expected, atol=1e-5, rtol=1e-5)
        leaves = [x, p, *joint.parameters()]
        for ours, theirs in zip(*(torch.autograd.grad(value.sum(), leaves) for value in (loss, expected))):
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("hat", [False, True], ids=["softmax", "hat"])
@pytest.mark.parametrize("prune_range", [3, 50])
def test_the_gradients_of_the_forward_pass_are_those_of_the_backward_pass(prune_range, hat, monkeypatch):
    kind = {"delay_penalty": 0.05, "fast_emit": 0.1}
    for seed in range(10):
        x, p, joint, targets, frames, labels = batch(seed)
        joint.hat = hat
        module = PrunedTransducerLoss(5, 6, 7, joint.output.out_features, prune_range=prune_range)
        _, px, py = module.simple(x, frames, p, targets, labels)
        ranges = prune_ranges(px, py, frames, labels, prune_range)
        leaves = [x, p, *joint.parameters()]
        weights = torch.rand(len(x))
        results = []
        # All at once, an utterance at a time, and none: every node's logits are made twice.
        for group, most in ((1 << 20, 1 << 20), (1, 1 << 20), (1, 1)):
            monkeypatch.setattr(band, "GROUP_BYTES", group)
            monkeypatch.setattr(band, "MOST_BYTES", most)
            loss = pruned_rnnt_loss(x, p, joint, ranges, targets, frames, labels, **kind)
            uneven = torch.autograd.grad((loss * weights).sum(), leaves, retain_graph=True)
            results.append((loss, *uneven, *torch.autograd.grad(loss.mean(), leaves)))
        for one in results[1:]:
            torch.testing.assert_close(one, results[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("hat", [False, True], ids=["softmax", "hat"])
def test_tritons_kernels_give_what_pytorch_gives_over_several_tiles(hat):
    from espnet_jst.losses import joint_triton

    g = torch.Generator().manual_seed(0)
    N, V, J = 70, 150, 40
    hidden, weight, bias = (torch.randn(*shape, generator=g) for shape in ((N, J), (V, J), (V,)))
    labels, kind = torch.randint(1, V, (N,), generator=g), {"blank": 0, "factorized": hat}
    inputs = hidden, weight, bias, labels
    plain = joint_torch.columns(*inputs, **kind)
    torch.testing.assert_close(joint_triton.columns(*inputs, **kind), plain, atol=1e-5, rtol=1e-5)
    from_above = torch.randn(3, N, generator=g).unbind()
    expected = joint_torch.d_logits(*inputs, plain[2], *from_above, **kind)
    ours = joint_triton.d_logits(*inputs, plain[2], *from_above, **kind)
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-5)


def test_the_blank_of_hat_does_not_depend_on_the_labels():
    logits = torch.randn(4, 6, dtype=torch.float64)
    logp = factorized_log_probs(logits)
    torch.testing.assert_close(logp.exp().sum(-1), torch.ones(4, dtype=torch.float64))
    torch.testing.assert_close(logp[:, 0].exp(), logits[:, 0].sigmoid())
    shifted = factorized_log_probs(logits + torch.tensor([0.0, *[3.0] * 5], dtype=torch.float64))
    torch.testing.assert_close(shifted, logp)


def test_the_module_with_a_wide_range_is_the_full_transducer():
    for seed in range(20):
        x, p, joint, targets, frames, labels = batch(seed)
        module = PrunedTransducerLoss(5, 6, 7, joint.output.out_features, prune_range=50)
        simple, pruned = module(x, frames, p, targets, labels, joint)
        logits = joint(x[:, :, None], p[:, None])
        torch.testing.assert_close(pruned, rnnt_loss(logits, targets, frames, labels), atol=1e-5, rtol=1e-5)
        assert simple.shape == pruned.shape == (len(x),)


@pytest.mark.parametrize("hat", [False, True], ids=["softmax", "hat"])
@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_gradients_are_the_derivatives(backend, hat, monkeypatch):
    monkeypatch.setenv(BACKEND_VARIABLE, backend)
    x, p, joint, targets, frames, labels = batch(7, torch.float64)
    joint.hat = hat
    leaves = (x, p, joint.output.weight, joint.encoder_proj.weight)

    def loss(*_):
        return pruned_rnnt_loss(x, p, joint, whole(x, p), targets, frames, labels)

    assert torch.autograd.gradcheck(loss, leaves)


@pytest.mark.parametrize("prune_range", [2, 3, 5])
def test_every_utterance_fits_its_band(prune_range):
    for seed in range(60):
        x, p, joint, targets, frames, labels = batch(seed)
        module = PrunedTransducerLoss(5, 6, 7, joint.output.out_features, prune_range=prune_range)
        _, px, py = module.simple(x, frames, p, targets, labels)
        ranges = prune_ranges(px, py, frames, labels, prune_range)
        R = ranges.size(2)
        assert R == p.size(1) or R >= prune_range
        first = ranges[..., 0]
        assert not first[:, 0].any()
        steps = first.diff(dim=1)
        assert (steps >= 0).all() and (steps <= max(R - 1, 0)).all()
        for b in range(len(x)):
            assert labels[b] in ranges[b, frames[b] - 1]
        _, pruned = module(x, frames, p, targets, labels, joint)
        full = rnnt_loss(joint(x[:, :, None], p[:, None]), targets, frames, labels)
        assert (pruned >= full - 1e-4).all()  # a band has fewer paths


def test_a_tie_of_two_windows_is_no_matter_of_rounding():
    g = torch.Generator().manual_seed(0)
    B, T, R = 50, 12, 2
    taken = torch.rand(B, 6, 1, generator=g)
    taken[:, 4:] = taken[:, :2]  # the last window holds what the first one holds, and those between less
    taken[:, 2:4] *= 0.1 * taken[:, :2].amin(1, keepdim=True)
    blanks = taken.expand(B, 6, T).contiguous()
    frames, labels = torch.full((B,), T), torch.full((B,), 5)
    ranges = prune_ranges(torch.zeros(B, 5, T + 1), blanks, frames, labels, R)
    # The first of equal ones, until the band must rise to its end; differences of a running sum took either.
    assert not ranges[:, : T - 1 - 4, 0].any()


def test_padding_never_changes_a_value():
    x, p, joint, targets, frames, labels = batch(3)
    frames, labels = frames.clamp(max=x.size(1)), labels
    module = PrunedTransducerLoss(5, 6, 7, joint.output.out_features, prune_range=3, am_scale=0.1)
    values = module(x, frames, p, targets, labels, joint)
    more = nn.functional.pad(x, (0, 0, 0, 3), value=9.0), nn.functional.pad(p, (0, 0, 0, 2), value=-9.0)
    padded = module(more[0], frames, more[1], nn.functional.pad(targets, (0, 2), value=-1), labels, joint)
    for one, two in zip(values, padded):
        torch.testing.assert_close(one, two)


def test_the_order_of_the_batch_does_not_matter():
    x, p, joint, targets, frames, labels = batch(12)
    module = PrunedTransducerLoss(5, 6, 7, joint.output.out_features, prune_range=3)
    together = module(x, frames, p, targets, labels, joint)
    for b in range(len(x)):
        T, U = int(frames[b]), int(labels[b])
        needed = (labels - 1).div(frames, rounding_mode="floor") + 2
        if int(needed.max()) > 3:
            continue  # the range is raised for the batch
        alone = module(x[b : b + 1, :T], frames[b : b + 1], p[b : b + 1, : U + 1], targets[b : b + 1, :U],
                       labels[b : b + 1], joint)  # fmt: skip
        for one, two in zip(together, alone):
            torch.testing.assert_close(one[b], two[0])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_finite(dtype):
    x, p, joint, targets, frames, labels = batch(5)
    module = PrunedTransducerLoss(5, 6, 7, joint.output.out_features)
    with torch.autocast("cpu", dtype=dtype):
        simple, pruned = module((100 * x).to(dtype), frames, p.to(dtype), targets, labels, joint)
    assert simple.dtype == pruned.dtype == torch.float32
    (simple + pruned).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in (*module.parameters(), *joint.parameters()))


def test_one_frame_and_no_label():
    joint = JointNetwork(5, 6, 7, 4)
    module = PrunedTransducerLoss(5, 6, 7, 4, prune_range=2)
    x, p = torch.randn(2, 1, 5), torch.randn(2, 4, 6)
    targets, labels = torch.tensor([[1, 2, 3], [0, 0, 0]]), torch.tensor([3, 0])
    simple, pruned = module(x, torch.tensor([1, 1]), p, targets, labels, joint)
    assert simple.isfinite().all() and pruned.isfinite().all()
    logp = joint(x[1, 0], p[1, 0]).log_softmax(-1)
    torch.testing.assert_close(pruned[1], -logp[0])


def test_a_delay_penalty_makes_early_labels_likelier_and_fast_emit_scales_their_gradient():
    x, p, joint, targets, frames, labels = batch(11)
    plain = pruned_rnnt_loss(x, p, joint, whole(x, p), targets, frames, labels)
    fast = pruned_rnnt_loss(x, p, joint, whole(x, p), targets, frames, labels, fast_emit=0.5)
    torch.testing.assert_close(plain, fast)
    zeros = [torch.zeros(1, 4, 2, requires_grad=True) for _ in range(2)]
    penalty = torch.tensor([1.5, 0.5, -0.5, -1.5])[:, None] * 0.1
    from espnet_jst.losses.recursion import lattice_loss

    first = torch.zeros(1, 4, dtype=torch.int32)
    one = torch.tensor([4]), torch.tensor([1])
    _, _, before = lattice_loss(*zeros, first, *one)
    _, _, after = lattice_loss(zeros[0], zeros[1] + penalty, first, *one)
    frame = torch.arange(4)
    assert (after[0, :, 0] * frame).sum() < (before[0, :, 0] * frame).sum()


def test_what_cannot_be_used_is_named():
    with pytest.raises(ConfigError, match="fewer than 2 rows"):
        PrunedTransducerLoss(5, 6, 7, 4, prune_range=1)
    with pytest.raises(ConfigError, match="a sum below 1"):
        PrunedTransducerLoss(5, 6, 7, 4, lm_scale=0.7, am_scale=0.3)
    x, p, joint, targets, frames, labels = batch(2)
    with pytest.raises(DataError, match="is outside the vocabulary"):
        pruned_rnnt_loss(x, p, joint, whole(x, p), torch.full_like(targets, 99), frames, targets.new_ones(len(x)))
    with pytest.raises(DataError, match="must be .B, T, V."):
        simple_rnnt_loss(torch.zeros(2, 3), torch.zeros(2, 3, 4), torch.zeros(2, 2), frames, labels)


def test_logits_of_all_nodes_are_never_kept():
    B, T, U, V, D = 2, 60, 20, 3000, 8
    joint = JointNetwork(D, D, D, V)
    module = PrunedTransducerLoss(D, D, D, V, prune_range=5)
    kept = []

    def pack(tensor):
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        module(
            torch.randn(B, T, D), torch.tensor([T, T - 9]), torch.randn(B, U + 1, D), torch.randint(1, V, (B, U)),
            torch.tensor([U, 3]), joint,
        )  # fmt: skip
    assert max(kept) <= B * T * V < B * T * 5 * V
    assert math.prod((B, T, 5)) > 64  # several chunks
