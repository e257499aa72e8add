"""The recursion on a band and its fallback, against a float64 recursion over the nodes that they may visit."""

import pytest
import torch

from espnet_jst.losses import recursion
from tests.reference.rnnt import rnnt_loss_reference


def band(seed):
    """Columns of a random lattice, a random band through it, and which nodes lie inside."""
    g = torch.Generator().manual_seed(seed)
    T, U = int(torch.randint(2, 9, (), generator=g)), int(torch.randint(1, 7, (), generator=g))
    R = int(torch.randint(2, U + 2, (), generator=g))
    reach = max(0, U + 1 - R)
    first = torch.randint(0, reach + 1, (1, T), generator=g).sort().values.int()
    first[0, 0] = 0
    if seed % 3:
        first[0, -1] = reach  # otherwise the last node may lie outside, and no path is left
    logits = torch.randn(1, T, U + 1, 3, generator=g, dtype=torch.float64)
    rows = torch.arange(U + 1)
    inside = (rows >= first[0, :, None]) & (rows < first[0, :, None] + R)
    return logits, first, R, inside, T, U


def gathered(column, first, R, U):
    rows = (first[..., None] + torch.arange(R)).clamp(max=U).long()
    return column.gather(2, rows)


@pytest.mark.parametrize("seed", range(40))
def test_a_band_is_the_lattice_without_the_nodes_outside(seed):
    logits, first, R, inside, T, U = band(seed)
    logp = logits.log_softmax(-1)
    blank, label = (logp[..., k].clone().requires_grad_() for k in (0, 1))
    lengths = torch.tensor([T]), torch.tensor([U])
    loss = recursion._Band.apply(gathered(blank, first, R, U), gathered(label, first, R, U), first, *lengths)
    # A node outside can be reached by no label and by no blank.
    outside = ~inside
    barred = logp.clone()
    barred[0, :, :-1, 1] = barred[0, :, :-1, 1].masked_fill(outside[:, 1:], -1e9)
    barred[0, :-1, :, 0] = barred[0, :-1, :, 0].masked_fill(outside[1:], -1e9)
    expected = reference(barred[0], T, U)
    if expected > 1e8:
        assert loss.isinf().all()
        return
    torch.testing.assert_close(loss[0], expected)
    ours = torch.autograd.grad(loss.sum(), (blank, label))
    assert float(ours[0].sum()) == pytest.approx(-T)  # every path has T blanks and U labels
    assert float(ours[1].sum()) == pytest.approx(-U)


def reference(logp, T, U):
    alpha = torch.full((T, U + 1), -1e18, dtype=torch.float64)
    alpha[0, 0] = 0.0
    for t in range(T):
        for u in range(U + 1):
            if t > 0:
                alpha[t, u] = torch.logaddexp(alpha[t, u], alpha[t - 1, u] + logp[t - 1, u, 0])
            if u > 0:
                alpha[t, u] = torch.logaddexp(alpha[t, u], alpha[t, u - 1] + logp[t, u - 1, 1])
    return -(alpha[T - 1, U] + logp[T - 1, U, 0])


def test_the_gradient_is_the_derivative():
    logits, first, R, _, T, U = band(4)
    logp = logits.log_softmax(-1)
    columns = [gathered(logp[..., k], first, R, U).requires_grad_() for k in (0, 1)]
    lengths = torch.tensor([T]), torch.tensor([U])
    assert torch.autograd.gradcheck(lambda *x: recursion._Band.apply(*x, first, *lengths), columns)


def test_without_numba_the_values_are_the_same(monkeypatch):
    logits = torch.randn(3, 7, 5, 4, generator=torch.Generator().manual_seed(0))
    targets = torch.randint(1, 4, (3, 4))
    frames, labels = torch.tensor([7, 5, 1]), torch.tensor([4, 0, 3])
    logp = logits.log_softmax(-1)
    columns = logp[..., 0], logp[:, :, :-1].gather(3, targets[:, None, :, None].expand(-1, 7, -1, 1))[..., 0]
    fast = recursion.lattice_loss(*columns, frames, labels)
    monkeypatch.setattr(recursion, "_numba", lambda: None)
    slow = recursion.lattice_loss(*columns, frames, labels)
    expected = [rnnt_loss_reference(logits[b], targets[b], int(frames[b]), int(labels[b])) for b in range(3)]
    torch.testing.assert_close(fast, slow)
    torch.testing.assert_close(fast.double(), torch.stack(expected), atol=1e-5, rtol=1e-5)
