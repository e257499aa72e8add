"""CR-CTC: the whole chain on two views, what it costs and trains, its warm-up, and what it refuses."""

import copy

import pytest
import torch

from espnet_jst.errors import ConfigError
from espnet_jst.regularizers.build import parse_regularizers
from espnet_jst.regularizers.cr_ctc import CRCTC
from espnet_jst.regularizers.divergence import symmetric_divergence
from espnet_jst.taps import Tap
from tests.inference import tiny
from tests.regularizers.test_posterior_consistency import outputs

HEADS = {
    "asr": {"kind": "transducer", "lanes": ["transcript"], "predictor": "stateless", "joint_size": 16},
    "asr_ctc": {"kind": "ctc", "lanes": ["transcript"], "weight": 0.1},
    "st": {
        "kind": "transducer", "reads": "hier_encoder", "lanes": ["translation"], "predictor": "stateless",
        "joint_size": 16, "loss": "pruned_rnnt",
    },
    "st_ctc": {"kind": "ctc", "reads": "hier_encoder", "lanes": ["translation"], "weight": 0.1},
}  # fmt: skip
BOTH = {"cr_ctc": {"heads": ["asr_ctc", "st_ctc"], "warm_steps": 0}}


def conf(regularizers=BOTH, **changes):
    values = tiny.config(HEADS, two_encoders=True) | {"specaug": "lhotse_specaug", "specaug_conf": {"prob": 1.0}}
    values["specaug_conf"] |= {"time_mask_frames": 10, "freq_mask_bands": 8}
    values["model_conf"]["regularizers"] = regularizers
    return values | changes


def model(regularizers=BOTH, *, dropout=True, **changes):
    made = copy.deepcopy(tiny.tiny_model(conf(regularizers, **changes))[0]).train()
    for link in made.chain.links:  # one chunk, so that two calls compute the same
        link.encoder.train_contexts = [link.encoder.context]
    if not dropout:
        for module in made.modules():
            if isinstance(getattr(module, "p", None), float):
                module.p = 0.0
    return made


def batch(heads=tuple(HEADS)):
    speech = torch.stack([torch.from_numpy(tiny.speech(2.0, seed=seed)) for seed in range(2)])
    found = {"speech": speech, "speech_lengths": torch.tensor([16000, 9000])}
    for name in heads:
        labels = [[2, 3], [4, -1]] if name.startswith("asr") else [[7, 8], [9, -1]]
        found |= {f"target_{name}": torch.tensor(labels), f"target_{name}_lengths": torch.tensor([2, 1])}
    return found


def sizes(made, data):
    """Rows that each encoder and head computes, and what the model returns."""
    rows = {}
    parts = {"encoder": made.encoder.layers[0], "hier_encoder": made.hier_encoder.layers[0], **made.heads}

    def count(name, read):
        rows[name] = len(read.x if isinstance(read, Tap) else read)

    hooks = [
        part.register_forward_pre_hook(lambda _, args, name=name: count(name, args[0])) for name, part in parts.items()
    ]
    found = made(**data)
    for hook in hooks:
        hook.remove()
    return rows, found


def test_the_whole_chain_runs_on_both_views_and_every_loss_is_the_mean_over_them():
    made, data = model(dropout=False), batch()
    torch.manual_seed(0)
    rows, (loss, stats, weight) = sizes(made, data)
    assert rows == dict.fromkeys(("encoder", "hier_encoder", *HEADS), 4) and weight == 2
    parts = {name: stats[f"{name}_rnnt"] + 0.5 * stats[f"{name}_simple"] for name in ("asr", "st")}
    expected = parts["asr"] + parts["st"] + 0.1 * (stats["asr_ctc_ctc"] + stats["st_ctc_ctc"])
    expected = expected + 0.05 * (stats["cr_ctc_asr_ctc"] + stats["cr_ctc_st_ctc"])
    torch.testing.assert_close(loss.detach(), expected)
    torch.manual_seed(0)  # the same masks, one view after the other
    views, lengths, shift_s = made.speech.embed(data["speech"], data["speech_lengths"], views=2)
    plain, means = model({}, dropout=False), []
    for half in (slice(0, 2), slice(2, 4)):
        view = Tap(views[half], lengths[half], shift_s)
        plain.speech.embed = lambda *_, view=view, **__: view
        means.append(plain(**data)[1])
    for key in ("asr_rnnt", "asr_simple", "asr_ctc_ctc", "st_rnnt", "st_simple", "st_ctc_ctc"):
        torch.testing.assert_close(stats[key], (means[0][key] + means[1][key]) / 2, atol=1e-4, rtol=1e-5)


def test_evaluation_computes_one_view_and_no_divergence():
    made = model().eval()
    rows, (_, stats, weight) = sizes(made, batch())
    assert set(rows.values()) == {2} and weight == 2
    assert not any(key.startswith("cr_ctc") for key in stats)


def test_identical_views_cost_nothing_without_dropout():
    assert float(model(dropout=False, specaug_conf={"prob": 0.0})(**batch())[1]["cr_ctc_st_ctc"]) == 0.0
    for change in ({"dropout": True, "specaug_conf": {"prob": 0.0}}, {"dropout": False}):
        stats = model(**change)(**batch())[1]
        assert stats["cr_ctc_asr_ctc"] > 1e-4 and stats["cr_ctc_st_ctc"] > 1e-4


def test_padding_of_a_batch_does_not_change_it():
    made, data = model(dropout=False), batch()
    tap = made.speech.embed(data["speech"], data["speech_lengths"], views=2)
    context = made.chain.own()

    def losses(rows):
        chosen = tap._replace(x=tap.x[rows], lengths=tap.lengths[rows])
        chosen = chosen._replace(x=chosen.x[:, : int(chosen.lengths.max())])
        taps = made.chain.encode(chosen, context)
        found = {n: made.heads[n](taps[made.specs[n].reads], *targets(data, n, rows)) for n in ("asr_ctc", "st_ctc")}
        return made.regularizers["cr_ctc"](taps, found)[0]

    together, alone = losses([0, 1, 2, 3]), [losses([b, b + 2]) for b in (0, 1)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-4, rtol=1e-5)
    assert (together > 1e-3).all()


def targets(data, name, rows):
    rows = [row % 2 for row in rows]
    return data[f"target_{name}"][rows], data[f"target_{name}_lengths"][rows]


def test_the_translation_trains_the_first_encoder_unless_its_gradient_is_stopped():
    data = batch(heads=["st", "st_ctc"])
    gradients = {}
    for factor in (1.0, 0.25, 0.0):
        values = conf()
        values["model_conf"]["hier_gradient"] = factor
        made = model(dropout=False, **values)
        torch.manual_seed(0)
        loss = made(**data)[0]
        weights = [made.encoder.layers[0].feed_forward2[0].weight, made.hier_encoder.layers[0].feed_forward2[0].weight]
        gradients[factor] = torch.autograd.grad(loss, weights)
    whole = gradients[1.0]
    assert all(gradient.abs().sum() > 0 for gradient in whole)
    torch.testing.assert_close(gradients[0.25][0], 0.25 * whole[0], atol=1e-6, rtol=1e-4)
    assert (gradients[0.0][0] == 0).all()
    for factor in (0.25, 0.0):
        torch.testing.assert_close(gradients[factor][1], whole[1], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("factor", [2, -0.5, "half"])
def test_a_factor_on_the_gradient_is_from_0_to_1(factor):
    values = conf()
    values["model_conf"]["hier_gradient"] = factor
    with pytest.raises(ConfigError, match=f"model_conf: hier_gradient is '?{factor}'?: give a (finite )?number"):
        tiny.tiny_model(values)


def test_the_divergence_alone_trains_both_encoders_and_the_head():
    made = model({"cr_ctc": {"heads": ["st_ctc"], "weight": 100.0, "warm_steps": 0}})
    torch.manual_seed(0)
    loss = made(**batch())[0]
    made.regularizers["cr_ctc"].weight = 0.0
    torch.manual_seed(0)
    difference = loss - made(**batch())[0]
    parts = [made.encoder.layers[0], made.hier_encoder.layers[0], made.heads["st_ctc"].output]
    for part in parts:
        gradients = torch.autograd.grad(difference, list(part.parameters()), retain_graph=True, allow_unused=True)
        assert sum(gradient.abs().sum() for gradient in gradients if gradient is not None) > 0


def test_speech_without_a_translation_still_trains_the_transcript():
    made = model()
    stats = made(**batch(heads=["asr", "asr_ctc"]))[1]
    assert stats["cr_ctc_asr_ctc"] > 0 and stats["cr_ctc_st_ctc"].isnan() and stats["loss"].isfinite()
    stats = made(**batch(heads=["asr"]))[1]
    assert stats["cr_ctc_asr_ctc"].isnan() and stats["loss"].isfinite()


def long_batch(labels):
    """The second utterance has as many labels, in 14 frames."""
    data = batch()
    for name in HEADS:
        long = torch.full((2, labels), -1)
        long[0, :2] = data[f"target_{name}"][0]
        long[1] = torch.tensor([2, 3] if name.startswith("asr") else [7, 8]).repeat(labels // 2)
        data |= {f"target_{name}": long, f"target_{name}_lengths": torch.tensor([2, labels])}
    return data


def test_a_target_longer_than_its_frames_costs_its_ctc_terms_and_nothing_else():
    found = {}
    for labels in (2, 40):
        made = model(dropout=False)
        torch.manual_seed(0)
        loss, found[labels], _ = made(**long_batch(labels))
        loss.backward()
        assert all(p.grad.isfinite().all() for p in made.parameters() if p.grad is not None)
    for head in ("asr_ctc", "st_ctc"):
        assert found[2][f"{head}_too_short"] == 0 and found[40][f"{head}_too_short"] == 0.5
        assert 0 < found[40][f"{head}_ctc"] < found[2][f"{head}_ctc"]
        torch.testing.assert_close(found[40][f"cr_ctc_{head}"], found[2][f"cr_ctc_{head}"])
    for head in ("asr", "st"):
        assert found[40][f"{head}_rnnt"].isfinite() and found[40][f"{head}_rnnt"] > 2 * found[2][f"{head}_rnnt"]


def test_it_is_the_divergence_of_the_first_half_of_the_rows_and_the_second():
    x, lengths = torch.randn(4, 5, 4), [5, 3, 5, 3]
    loss, parts = CRCTC(heads=["a", "b"])({}, outputs({"a": x, "b": 2 * x}, lengths))
    for name, factor in (("a", 1), ("b", 2)):
        one, other = (factor * x).log_softmax(-1).split(2)
        assert torch.equal(parts[name], symmetric_divergence(one, other, torch.tensor([5, 3])))
    assert torch.equal(loss, parts["a"] + parts["b"])


def test_the_weight_rises_from_nothing_by_default():
    term = CRCTC(heads=["a"], weight=0.2)
    assert term.warm_steps == 2000
    found = []
    for step in (0, 500, 2000, 9000):
        term.at(step, 1)
        found.append(term.weight)
    assert found == pytest.approx([0.0, 0.05, 0.2, 0.2])
    assert CRCTC(heads=["a"], weight=0.2, warm_steps=0).weight == 0.2


def test_the_models_steps_reach_the_warm_up():
    made = model({"cr_ctc": {"heads": ["asr_ctc"], "weight": 0.4, "warm_steps": 10}})
    made.at(5, 1)
    assert made.regularizers["cr_ctc"].weight == pytest.approx(0.2)


def test_espnets_specaug_makes_views_too():
    masks = {"apply_time_warp": False, "time_mask_width_ratio_range": [0.0, 0.2]}
    assert model(specaug="specaug", specaug_conf=masks)(**batch())[1]["cr_ctc_asr_ctc"] > 0


def test_the_form_of_earlier_models_is_read():
    old = {"views": {"kind": "posterior_consistency", "between": ["asr_ctc"], "weight": 0.3}}
    spec = parse_regularizers(old)["views"]
    assert spec.kind == "cr_ctc" and spec.conf == {"heads": ["asr_ctc"], "weight": 0.3, "warm_steps": 0}
    assert model(old)(**batch())[1]["views_asr_ctc"] > 0


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"heads": ["asr_ctx"]}, r"regularizers.cr_ctc: the model has no 'asr_ctx' .did you mean 'asr_ctc'"),
        ({"heads": ["asr"]}, "regularizers.cr_ctc: heads: 'asr' is no CTC head"),
        ({"heads": []}, r"heads names \[\]: give CTC heads, each once"),
        ({"heads": ["asr_ctc", "asr_ctc"]}, "give CTC heads, each once"),
        ({"heads": ["asr_ctc"], "weight": -1}, "weight is -1: give a number from 0"),
        ({"heads": ["asr_ctc"], "warm_steps": 0.5}, "warm_steps is 0.5: give a whole number"),
        ({}, "'heads' is missing"),
    ],
)
def test_what_cannot_be_compared_is_one_message(entry, message):
    with pytest.raises(ConfigError, match=message):
        model({"cr_ctc": entry})


@pytest.mark.parametrize(
    ("name", "keys"),
    [(None, {}), ("specaug", {"apply_freq_mask": False, "apply_time_mask": False, "apply_time_warp": True})],
)
def test_views_need_masks(name, keys):
    message = "regularizers.cr_ctc compares differently masked views of a batch: give --specaug lhotse_specaug"
    with pytest.raises(ConfigError, match=message):
        model(specaug=name, specaug_conf=keys)
