"""Muon: what it orthogonalises, what it leaves to AdamW, and that a resumed run takes the same steps."""

import copy

import pytest
import torch
from torch import nn

from espnet_jst.errors import ConfigError
from espnet_jst.training.muon import MARGIN, POLYNOMIALS, Muon, _iterate, hidden_matrices, orthogonalised


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.LayerNorm(8))
        self.embedding = nn.Embedding(5, 8)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        return self.head(self.encoder(x) + self.embedding.weight[0])


def train(model, optimizer, steps, seed=0):
    g = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        loss = model(torch.randn(16, 6, generator=g)).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return float(loss)


def make(seed=0, **conf):
    torch.manual_seed(seed)
    model = Model()
    return model, Muon(Muon.groups(model), **conf)


@pytest.mark.parametrize("shape", [(3, 6, 20), (3, 20, 6), (2, 7, 7)])
def test_orthogonalised_matrices_keep_their_directions_and_lose_their_scales(shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 1e-4
    u, _, v = torch.linalg.svd(x, full_matrices=False)
    y = orthogonalised(x)
    inside = u.mT @ y @ v.mT  # diagonal where the singular directions are kept
    values = inside.diagonal(dim1=1, dim2=2)
    assert values.min() > 0.7 and values.max() < 1.3
    torch.testing.assert_close(inside, torch.diag_embed(values), atol=1e-4, rtol=0)
    assert orthogonalised(torch.zeros(1, 3, 4)).abs().max() == 0


def test_the_polynomials_bring_every_singular_value_from_three_thousandths_to_about_one():
    y = torch.logspace(-5, 0, 5000, dtype=torch.float64)
    near = y >= 0.003
    for a, b, c in POLYNOMIALS:
        y = a * y + b * y**3 + c * y**5
    assert 0.75 < y[near].min() and y.max() < 1.25
    assert y[0] > 270e-5  # and smaller ones rise


def test_encoder_matrices_are_taken_and_the_rest_moves_as_with_adamw():
    model, optimizer = make(matrix_lr=0.0, lr=0.01, weight_decay=0.1)
    assert hidden_matrices(model) == [model.encoder[0].weight, model.encoder[2].weight]
    twin = copy.deepcopy(model)
    train(model, optimizer, 5)
    matrices = {id(p) for p in hidden_matrices(twin)}
    for parameter in hidden_matrices(twin):
        parameter.requires_grad_(False)
    others = [p for p in twin.parameters() if id(p) not in matrices]
    train(twin, torch.optim.AdamW(others, lr=0.01, weight_decay=0.1), 5)
    for ours, theirs in zip(model.parameters(), twin.parameters()):
        torch.testing.assert_close(ours, theirs)


def test_a_matrix_moves_by_its_rate_whatever_the_size_of_the_gradient():
    for factor in (1e-3, 1e3):
        model, optimizer = make(matrix_lr=0.1, weight_decay=0.0)
        before = model.encoder[2].weight.detach().clone()
        (factor * model(torch.ones(2, 6))).square().sum().backward()
        optimizer.step()
        step = torch.linalg.svdvals(before - model.encoder[2].weight.detach())
        assert 0.06 < step.max() < 0.13


def test_it_learns_and_a_resumed_run_takes_the_same_steps():
    model, optimizer = make(fused=True)
    assert train(model, optimizer, 30) < 0.5 * train(Model(), torch.optim.SGD(Model().parameters(), lr=0.0), 1)
    states = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    train(model, optimizer, 5, seed=2)
    resumed, second = make(seed=3, fused=True)
    resumed.load_state_dict(states[0])
    second.load_state_dict(states[1])
    train(resumed, second, 5, seed=2)
    for ours, theirs in zip(resumed.parameters(), model.parameters()):
        assert torch.equal(ours, theirs)


def test_without_matrices_it_is_refused():
    with pytest.raises(ConfigError, match="encoder with linear layers"):
        Muon(nn.Linear(2, 2).parameters())
    with pytest.raises(ConfigError, match="encoder with linear layers"):
        Muon(Muon.groups(nn.Linear(2, 2)))


@pytest.mark.parametrize("shape", [(3, 6, 12), (2, 40, 9)])
def test_wide_matrices_take_a_shorter_way_to_the_same_result(shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    wide = x if shape[1] < shape[2] else x.mT
    wide = wide / (MARGIN * torch.linalg.svdvals(wide).pow(4).sum(dim=1) ** 0.25)[:, None, None]
    plain = _iterate(wide, wide @ wide.mT)
    ours = orthogonalised(x, torch.float64)
    torch.testing.assert_close(ours if shape[1] < shape[2] else ours.mT, plain, atol=1e-9, rtol=0)
    assert (orthogonalised(x.float(), torch.bfloat16) - ours).norm() < 0.1 * ours.norm()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(1, 4), (2, 3), (3, 6), (6, 12), (9, 40), (32, 32), (96, 192)])
def test_no_matrix_explodes(shape, dtype):
    """Polynomials that fit [0.003, 1] exactly did, in bfloat16, for one small matrix in twenty."""
    g = torch.Generator().manual_seed(3)
    x = torch.randn(100 if shape[0] < 50 else 8, *shape, generator=g)
    u, _, v = torch.linalg.svd(x, full_matrices=False)
    thin = torch.randn(len(x), shape[0], 1, generator=g) @ torch.randn(len(x), 1, shape[1], generator=g)
    kinds = [x, thin, thin + 1e-4 * x, u @ v, (u * torch.logspace(0, -3, shape[0])) @ v]
    for matrices in kinds:
        assert torch.linalg.matrix_norm(orthogonalised(matrices, dtype), 2).max() < 1.3
