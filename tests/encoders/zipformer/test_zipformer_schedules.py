"""What changes while a training goes on: who is told, the published windows and rates, and where chance comes from."""

import pytest
import torch

from espnet_jst.encoders.interface import ChunkContext
from espnet_jst.encoders.zipformer.dropout import SharedDropout
from espnet_jst.encoders.zipformer.shapers import Shaper
from espnet_jst.encoders.zipformer.zipformer import Zipformer
from espnet_jst.taps import Tap
from tests.encoders.systems import FEATURES, WHOLE, on_features, shake, zipformer
from tests.inference import tiny

REGULARIZED = {"dropout": (0.3, 0.1), "skips": True, "feature_mask": 0.125, "balancers": True, "whitening": True}


def test_the_models_hook_reaches_everything_that_has_a_schedule():
    values = tiny.config(tiny.TWO_HEADS, two_encoders=True, zipformer=True)
    values["hier_encoder_conf"]["batch_scale"] = 3.0
    model, _ = tiny.tiny_model(values)
    model.at(70, 2)
    for encoder, batches in ((model.encoder, 70), (model.hier_encoder, 210)):
        shapers = [module for module in encoder.modules() if isinstance(module, Shaper)]
        assert len(shapers) > 10 and {shaper.batches for shaper in shapers} == {batches}
    model.at(0, 1)


def test_one_stack_after_the_other_is_warmed_up_and_one_layer_after_the_other():
    """Stack i of N in batches 4000 (i + 1) / (N + 1) to 4000 (i + 2) / (N + 1): 0.5 to 0.035 sqrt(downsampling)."""
    module = zipformer(**REGULARIZED).train()
    windows = [[(1000, 2000)], [(2000, 2500), (2500, 3000)], [(3000, 4000)]]
    for stack, factor, layers in zip(module.stacks, (1, 2, 4), windows, strict=True):
        for layer, (begin, end) in zip(stack.layers, layers, strict=True):
            final = 0.035 * factor**0.5
            expected = {0: 0.5, begin: 0.5, (begin + end) / 2: (0.5 + final) / 2, end: final, 99999: final}
            for step, rate in expected.items():
                module.at(int(step), 1)
                assert layer.bypass.skip.rate == pytest.approx(rate)


def test_rates_fall_as_published_and_are_zero_in_evaluation():
    module = zipformer(**REGULARIZED).train()
    attention, feed_forward, dropout = {}, {}, {}
    for step in (0, 4000, 16000, 20000, 50000):
        module.at(step, 1)
        layer = module.stacks[1].layers[0]
        attention[step] = round(layer.attention_skip.rate, 6), round(layer.conv_skip.rate, 6)
        feed_forward[step] = round(layer.feed_forward_skip.rate, 6)
        [dropout[step]] = {round(own.rate, 6) for own in module.modules() if isinstance(own, SharedDropout)}
    assert attention == {0: (0.2,) * 2, 4000: (0.05,) * 2, 16000: (0,) * 2, 20000: (0,) * 2, 50000: (0,) * 2}
    assert feed_forward[0] == 0.1 and feed_forward[4000] == 0.01 and feed_forward[50000] == 0
    assert dropout == {0: 0.3, 4000: 0.26, 16000: 0.14, 20000: 0.1, 50000: 0.1}
    module.at(0, 1)
    rated = [own for own in module.eval().modules() if hasattr(own, "rate")]
    assert rated and all(own.rate == 0 for own in rated)


def test_batches_are_counted_in_those_of_the_published_schedules():
    module = zipformer(**REGULARIZED, batch_scale=10.0).train()
    module.at(400, 1)
    assert module.stacks[0].layers[0].attention_skip.rate == pytest.approx(0.05)


@torch.no_grad()
def test_features_beyond_the_unmasked_ones_are_masked_for_some_utterances():
    module = on_features(downsampling=[1, 1], unmasked_sizes=[8, 8], feature_mask=0.125, **WHOLE).train()
    torch.manual_seed(0)
    masked = module.encode(whole(torch.randn(4000, 2, FEATURES)), module.context)["last_stack"].x == 0
    assert not masked[..., :8].any()
    first, second = masked[:, :, 8:12].all(dim=(1, 2)), masked[:, :, 12:].all(dim=(1, 2))
    assert first.float().mean().item() == pytest.approx(0.125, abs=0.02)
    assert second.float().mean().item() == pytest.approx(1 - 0.875**2, abs=0.02)
    assert second[first].all()


def whole(x):
    return Tap(x, torch.full((x.size(0),), x.size(1)), 0.01)


def trained(module: Zipformer, x: torch.Tensor, seed: int):
    """Output and gradients of a training step."""
    torch.manual_seed(seed)
    module.zero_grad()
    y = module.encode(whole(x), module.context)[""].x
    y.square().mean().backward()
    return [y.detach(), *(weight.grad.clone() for weight in module.parameters())]


@pytest.mark.parametrize("chunk", [(0, -1), (4, 0), (4, 2), (8, -1)])
def test_without_regularizers_a_training_step_is_what_evaluation_would_be(chunk):
    """Output and gradients of what enters: chance and savings of memory change nothing."""
    quiet = {"dropout": (0.0, 0.0), "skips": False, "feature_mask": 0.0, "balancers": False, "whitening": False}
    module, context, found = shake(on_features(**quiet)), ChunkContext(*chunk), []
    for training in (True, False):
        x = torch.randn(2, 50, FEATURES, generator=torch.Generator().manual_seed(1)).requires_grad_()
        y = module.train(training).encode(Tap(x, torch.tensor([50, 33]), 0.01), context)[""].x[:, :33]
        y.square().mean().backward()
        found.append((y.detach(), x.grad))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)
    front = shake(zipformer(**quiet))
    x = torch.randn(2, 50, FEATURES)
    outputs = [front.train(training).encode(whole(x), context)[""].x for training in (True, False)]
    torch.testing.assert_close(*outputs, atol=1e-5, rtol=1e-4)


def test_chance_comes_from_the_seed_alone_and_evaluation_knows_none():
    module, x = zipformer(**REGULARIZED).train(), torch.randn(3, 50, FEATURES)
    first, again, other = (trained(module, x, seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.allclose(first[0], other[0])
    with torch.no_grad():
        module.eval()
        outputs = []
        for step in (0, 30000):
            module.at(step, 1)
            torch.manual_seed(step)
            outputs.append(module.encode(whole(x), module.context)[""].x)
        assert torch.equal(*outputs)
