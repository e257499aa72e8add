"""The shipped configurations with CR-CTC, made small in YAML, train: their losses fall within a few steps."""

import pytest
import torch
import yaml

from espnet_jst.recipe.runs import HANDED_ON, training_runs
from espnet_jst.tasks.jst import JSTTask
from espnet_jst.weights import read_weights, safe_load
from tests.inference.test_two_encoders import FROM_THE_CORPUS, SMALL
from tests.training.corpus import config, make_corpus

MASKS = {"base": None, "time_warp_frames": 4, "freq_mask_bands": 4, "time_mask_frames": 3}
FEW = {"specaug_conf": MASKS, "optim_conf": {"lr": 0.01}, "max_epoch": 4, "num_iters_per_epoch": 4}
HIERARCHY = {
    **SMALL,
    **FEW,
    "model_conf": {
        "heads": {
            name: {"predictor_conf": {"size": 24}, "joint_size": 24} if name in ("asr", "st") else {}
            for name in ("asr", "st", "asr_ctc", "st_ctc")
        }
    },
    "encoder_conf": {**SMALL["encoder_conf"], "taps": []},
}
SERIALIZED = {
    **FEW,
    "frontend_conf": SMALL["frontend_conf"],
    "encoder_conf": {**SMALL["encoder_conf"], "train_left_chunks": [4], "taps": [1]},
    "model_conf": {
        "heads": {"joint": {"predictor_conf": {"size": 16}, "joint_size": 16}, "ctc": {"reads": "encoder.1"}},
        "regularizers": {"cr_ctc": {"warm_steps": 4}},
    },
    "batch_type": "sorted",
    "keep_nbest_models": [1],
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    torch.set_num_threads(1)
    return make_corpus(tmp_path_factory.mktemp("corpus"))


def train(root, shipped, changes):
    """Every run of a shipped file in order: the runs and what they reported, epoch by epoch."""
    shared = config(root)
    values = {"base": str(shipped), **changes, **{key: shared[key] for key in FROM_THE_CORPUS}}
    path = root / shipped.name
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    found = []
    for run in training_runs(path, root / shipped.stem):
        init = ["--init_param", *run.init] if run.init else []
        JSTTask.main(cmd=["--config", str(run.written(run.folder)), "--output_dir", str(run.folder), *init])
        stats = safe_load(run.folder / "checkpoint.pth")["reporter"]["stats"]
        found.append((run, [stats[epoch] for epoch in sorted(stats)]))
    return found


@pytest.fixture(scope="module")
def hierarchy(root, request):
    return train(root, request.config.rootpath / "conf" / "hent_srt_conformer.yaml", HIERARCHY)


def test_tsot_with_cr_ctc_learns(root, request):
    [(_, epochs)] = train(root, request.config.rootpath / "conf" / "tsot_cr_ctc.yaml", SERIALIZED)
    assert epochs[-1]["train"]["loss"] < 0.7 * epochs[0]["train"]["loss"]
    assert all(epoch["train"]["cr_ctc_ctc"] > 0 for epoch in epochs)
    assert not any("cr_ctc" in key for key in epochs[0]["valid"])


def test_hent_srt_learns_to_recognize_and_then_to_translate_too(hierarchy):
    (_, alone), (_, both) = hierarchy
    assert {"cr_asr_asr_ctc"} == {key for key in alone[0]["train"] if key.startswith("cr_")}
    assert {"cr_asr_asr_ctc", "cr_st_st_ctc"} == {key for key in both[0]["train"] if key.startswith("cr_")}
    for epochs, heads in ((alone, ["asr"]), (both, ["asr", "st"])):
        for head in heads:
            # Weights of the losses change while they warm up: what is validated does not.
            assert epochs[-1]["valid"][f"{head}_rnnt"] < 0.9 * epochs[0]["valid"][f"{head}_rnnt"]
    # The recognizer goes on where it stood.
    assert both[0]["valid"]["asr_rnnt"] < 0.9 * alone[0]["valid"]["asr_rnnt"]


def test_what_the_joint_training_starts_from_is_the_recognizer_alone(hierarchy):
    """Front end, encoder, transducer with its additive joiner and CTC head; nothing of the translation."""
    (first, _), (joint, _) = hierarchy
    weights = read_weights(first.folder / HANDED_ON)
    parts = [value.split(":")[1] for value in joint.init]
    left = {key for key in weights if not any(key.startswith(f"{part}.") for part in parts)}
    assert left == {key for key in left if key.startswith(("normalize.", "frontend.", "token_lists."))}
    assert {"heads.asr.criterion.simple_encoder.weight", "heads.asr_ctc.output.weight"} <= set(weights)
    conf = joint.values["model_conf"]
    warming = {name: head["warm_steps"] for name, head in conf["heads"].items() if head.get("warm_steps")}
    assert warming == {"st": 10000}
    weights_of = {run.name: _weights(run.values["model_conf"]) for run in (first, joint)}
    assert weights_of["pretrain_asr"] == {"asr_ctc": 0.2, "cr_asr": 0.2}
    assert weights_of["train"] == {"asr_ctc": 0.1, "cr_asr": 0.05, "st_ctc": 0.1, "cr_st": 0.05}


def _weights(conf):
    return {
        name: entry["weight"] for name, entry in (conf["heads"] | conf["regularizers"]).items() if "weight" in entry
    }
