"""Every backend of the recursion, against a float64 recursion over the nodes of a band and against torchaudio."""

import pytest
import torch
import torchaudio

from espnet_jst.errors import ConfigError
from espnet_jst.losses import backends, recursion, rnnt_loss


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


@pytest.mark.parametrize("backend", backends.BACKENDS)
@pytest.mark.parametrize("seed", range(40))
def test_a_band_is_the_lattice_without_the_nodes_outside(seed, backend, monkeypatch):
    monkeypatch.setenv(backends.BACKEND_VARIABLE, backend)
    logits, first, R, inside, T, U = band(seed)
    logp = logits.log_softmax(-1)
    blank, label = (logp[..., k].clone().requires_grad_() for k in (0, 1))
    lengths = torch.tensor([T]), torch.tensor([U])
    columns = gathered(blank, first, R, U), gathered(label, first, R, U)
    loss, *taken = recursion.lattice_loss(*columns, first, *lengths)
    # A node outside can be reached by no label and by no blank.
    outside = ~inside
    barred = logp.clone()
    barred[0, :, :-1, 1] = barred[0, :, :-1, 1].masked_fill(outside[:, 1:], -1e9)
    barred[0, :-1, :, 0] = barred[0, :-1, :, 0].masked_fill(outside[1:], -1e9)
    expected = reference(barred[0], T, U)
    if expected > 1e8:
        assert loss.isinf().all() and not any(x.any() for x in taken)
        return
    torch.testing.assert_close(loss[0], expected)
    ours = torch.autograd.grad(loss.sum(), (blank, label))
    assert float(ours[0].sum()) == pytest.approx(-T)  # every path has T blanks and U labels
    assert float(ours[1].sum()) == pytest.approx(-U)
    assert float(taken[0].sum()) == pytest.approx(T) and float(taken[1].sum()) == pytest.approx(U)


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


@pytest.mark.parametrize("backend", backends.BACKENDS)
def test_the_gradient_is_the_derivative(backend, monkeypatch):
    monkeypatch.setenv(backends.BACKEND_VARIABLE, backend)
    logits, first, R, _, T, U = band(4)
    logp = logits.log_softmax(-1)
    columns = [gathered(logp[..., k], first, R, U).requires_grad_() for k in (0, 1)]
    lengths = torch.tensor([T]), torch.tensor([U])
    assert torch.autograd.gradcheck(lambda *x: recursion.lattice_loss(*x, first, *lengths)[0], columns)


def test_the_backends_agree_on_ragged_batches(monkeypatch):
    for seed in range(60):
        g = torch.Generator().manual_seed(seed)
        B, T, U = (int(torch.randint(low, high, (), generator=g)) for low, high in ((1, 4), (1, 9), (0, 7)))
        R = int(torch.randint(1, U + 2, (), generator=g))
        frames = torch.randint(1, T + 1, (B,), generator=g)
        labels = torch.randint(0, U + 1, (B,), generator=g)
        first = torch.randint(0, U + 2 - R, (B, T), generator=g).sort().values
        first[:, 0] = 0
        columns = torch.randn(2, B, T, R, generator=g, dtype=torch.float64)
        results = []
        for backend in backends.BACKENDS:
            monkeypatch.setenv(backends.BACKEND_VARIABLE, backend)
            results.append(recursion.lattice_loss(*columns, first, frames, labels))
        for values in zip(*results):
            for other in values[1:]:
                torch.testing.assert_close(other, values[0])


def test_torchaudio_gives_the_same_on_the_full_lattice():
    g = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 7, 5, 4, generator=g)
    targets = torch.randint(1, 4, (3, 4), generator=g)
    frames, labels = torch.tensor([7, 5, 1]), torch.tensor([4, 0, 3])
    theirs = torchaudio.functional.rnnt_loss(
        logits, targets.int(), frames.int(), labels.int(), blank=0, reduction="none"
    )
    torch.testing.assert_close(rnnt_loss(logits, targets, frames, labels), theirs)


def test_an_unknown_or_unusable_backend_is_refused(monkeypatch):
    monkeypatch.setenv(backends.BACKEND_VARIABLE, "k3")
    with pytest.raises(ConfigError, match="known are numba, triton, k2, torch"):
        backends.backend(torch.device("cpu"))
    for name in ("numba", "triton", "k2"):
        monkeypatch.setenv(backends.BACKEND_VARIABLE, name)
        with pytest.raises(ConfigError, match="does not work on meta"):
            backends.backend(torch.device("meta"))


def test_without_numba_the_slower_one_is_taken(monkeypatch):
    monkeypatch.delenv(backends.BACKEND_VARIABLE, raising=False)
    assert backends.backend(torch.device("cpu")) == "numba"
    monkeypatch.setattr(backends, "_imports", lambda name: name not in ("numba", "k2"))
    assert backends.backend(torch.device("cpu")) == "torch"


def test_numba_compiles_where_no_cache_can_be_written(monkeypatch):
    pytest.importorskip("numba")
    from espnet_jst.losses import recursion_numba

    asked = []

    def njit(**options):
        asked.append(options)
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(recursion_numba.numba, "njit", njit)
    assert recursion_numba._compiled(len)([1, 2]) == 2
    assert asked == [{"cache": True, "nogil": True}, {"nogil": True}]
