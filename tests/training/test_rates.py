"""Learning rates of parts of a model."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from espnet_jst.errors import ConfigError
from espnet_jst.training.muon import Muon
from espnet_jst.training.rates import factors_of, parse_factors, scale_rates
from espnet_jst.training.scaled_adam import ScaledAdam
from espnet_jst.training.schedule import WarmupCosine


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict(
            {"input": nn.Linear(2, 4), "layers": nn.ModuleList(nn.Linear(4, 4) for _ in range(3))}
        )
        self.head = nn.Linear(4, 2)


def rates(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, float]:
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {names[id(p)]: group["lr"] for group in optimizer.param_groups for p in group["params"]}


def test_the_longest_name_counts_and_layers_lie_between_two_factors() -> None:
    found = factors_of(
        Model(), parse_factors({"encoder": 0.1, "encoder.layers": [0.01, 1], "encoder.layers.0.bias": 2})
    )
    assert found["head.weight"] == 1.0 and found["encoder.input.weight"] == 0.1
    assert [found[f"encoder.layers.{n}.weight"] for n in range(3)] == pytest.approx([0.01, 0.1, 1.0])
    assert found["encoder.layers.0.bias"] == 2.0
    assert parse_factors({"encoder": {"layers": 0.5}}) == {"encoder.layers": 0.5}  # as a command line gives them


@pytest.mark.parametrize("optim", ["adamw", "muon", "scaled_adam"])
def test_every_parameter_has_its_share_of_the_schedule(optim: str) -> None:
    model = Model()
    optimizers = {
        "adamw": lambda: torch.optim.AdamW(model.parameters(), lr=1.0),
        "muon": lambda: Muon(Muon.groups(model), lr=1.0, matrix_lr=10.0),
        "scaled_adam": lambda: ScaledAdam(ScaledAdam.groups(model), lr=1.0),
    }
    optimizer = optimizers[optim]()
    before = rates(optimizer, model)
    scale_rates(optimizer, model, parse_factors({"encoder": 0.1}))
    schedule = WarmupCosine(optimizer, warmup_steps=3, total_steps=10)
    for step in range(5):
        for name, rate in rates(optimizer, model).items():
            share = schedule.factor(step) * (0.1 if name.startswith("encoder") else 1.0)
            assert rate == pytest.approx(before[name] * share)
        sum(p.sum() for p in model.parameters()).backward()
        old = {name: p.detach().clone() for name, p in model.named_parameters()}
        optimizer.step()
        assert all(not torch.equal(old[name], p) for name, p in model.named_parameters())
        schedule.step()


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ({"encoder": 0}, "lr_factors.encoder is 0: give a factor .* --freeze_param"),
        ({"encoder": "slow"}, "lr_factors.encoder is 'slow'"),
        ({"encoder.layers": [0.1, 0.2, 0.3]}, "lr_factors.encoder.layers is"),
        ({"encoder": [0.1, 0.2]}, "encoder has two factors, and no numbered layers"),
        ({"encodr": 0.1}, "the model has no encodr .did you mean 'encoder'"),
    ],
)
def test_what_names_nothing_or_is_no_factor_is_refused(factors: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        factors_of(Model(), parse_factors(factors))
