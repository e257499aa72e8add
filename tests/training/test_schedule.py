"""The learning rate rises, falls and ends where it should."""

import math

import pytest
import torch

from espnet_jst.errors import ConfigError
from espnet_jst.training.schedule import WarmupCosine


def make(**conf):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([parameter], lr=0.01)
    return optimizer, WarmupCosine(optimizer, **conf)


def run(optimizer, scheduler, steps):
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_the_rate_rises_linearly_and_falls_as_a_half_cosine():
    optimizer, scheduler = make(warmup_share=0.1)
    scheduler.plan(100)
    rates = run(optimizer, scheduler, 100)
    assert rates[:10] == pytest.approx([0.01 * (i + 1) / 11 for i in range(10)])
    assert rates[10:] == pytest.approx([0.005 * (1 + math.cos(math.pi * i / 90)) for i in range(90)])
    assert max(rates) == rates[10] == 0.01
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.0)


def test_the_final_share_is_kept_after_the_end():
    optimizer, scheduler = make(warmup_steps=0, final_share=0.2, total_steps=10)
    rates = run(optimizer, scheduler, 15)
    assert rates[10:] == pytest.approx([0.002] * 5)


def test_a_resumed_schedule_goes_on_where_it_stopped():
    optimizer, scheduler = make()
    scheduler.plan(40)
    whole = run(optimizer, scheduler, 40)
    optimizer, scheduler = make()
    scheduler.plan(40)
    run(optimizer, scheduler, 17)
    states = optimizer.state_dict(), scheduler.state_dict()
    optimizer, scheduler = make()
    scheduler.plan(40)
    optimizer.load_state_dict(states[0])
    scheduler.load_state_dict(states[1])
    assert run(optimizer, scheduler, 23) == whole[17:]


def test_the_length_of_a_training_is_not_taken_from_the_checkpoint():
    _, scheduler = make()
    scheduler.plan(40)
    _, longer = make()
    longer.plan(80)
    longer.load_state_dict(scheduler.state_dict())
    assert longer.total_steps == 80


def test_a_share_over_one_is_refused():
    with pytest.raises(ConfigError, match=r"warmup_share is 2"):
        make(warmup_share=2)


def test_a_training_of_unknown_length_is_refused_unless_the_length_was_given():
    make(total_steps=10)[1].plan(None)
    with pytest.raises(ConfigError, match=r"scheduler_conf\.total_steps"):
        make()[1].plan(None)
