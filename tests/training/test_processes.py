"""Two processes on the CPU take the steps that one takes on the same batches, resume, and fail together."""

import argparse
import json

import pytest
import torch

from espnet_jst.errors import ConfigError, JSTError
from espnet_jst.tasks.jst import JSTTask
from espnet_jst.training.checkpoints import CHECKPOINT
from espnet_jst.training.processes import wanted_processes
from espnet_jst.training.usage import CPUClock
from espnet_jst.weights import read_weights, safe_load
from tests.training.corpus import HEADS, make_corpus, write_config

TWO = ("--cpu_processes", "2")
STEADY = {  # nothing random: the processes would draw other numbers
    "specaug": None,
    "specaug_conf": {},
    "preprocessor_conf": {"noise_prob": 0.0},
    "batch_size": 4,
    "model_conf": {"heads": {"joint": {**HEADS["joint"], "predictor_conf": {"size": 16, "dropout": 0.0}}}},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    torch.set_num_threads(1)
    root = make_corpus(tmp_path_factory.mktemp("corpus"))
    write_config(root, "steady.yaml", **STEADY)
    return root


def train(root, name, *options):
    exp = root / name
    command = ["--config", str(root / "steady.yaml"), "--output_dir", str(exp), *options]
    JSTTask.main(cmd=[*command, "--encoder_conf", "dropout=0.0", "--encoder_conf", "train_chunk_frames=[2]"])
    return exp


def test_two_processes_take_the_steps_of_one_and_resume(root):
    # Linear in the gradient: AdamW blows up the rounding of gradients near zero.
    steps = ("--optim", "sgd", "--optim_conf", "lr=0.01", "--scheduler_conf", "total_steps=6")
    one = train(root, "one", "--max_epoch", "2", *steps)
    two = train(root, "two", "--max_epoch", "1", *steps, *TWO)
    two = train(root, "two", "--max_epoch", "2", "--resume", "true", *steps, *TWO)
    expected, weights = (read_weights(exp / "2epoch.pth") for exp in (one, two))
    for key, value in expected.items():
        torch.testing.assert_close(weights[key], value, atol=1e-5, rtol=1e-4)
    for epoch in (1, 2):
        losses = [safe_load(exp / CHECKPOINT)["reporter"]["stats"][epoch]["valid"]["loss"] for exp in (one, two)]
        assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_a_budget_and_the_cpu_seconds_are_shared(root, capfd):
    exp = train(root, "budget", "--max_train_minutes", "0.05", "--max_epoch", "300", *TWO)
    plan = json.loads((exp / "budget.json").read_text())
    assert 1 <= plan["epochs"] < 300
    assert "of 2 processes" in capfd.readouterr().out
    assert (exp / "rank1_training_time.json").is_file()


def test_an_error_of_the_processes_is_one_message(root):
    with pytest.raises(JSTError, match="must be a multiple of"):
        train(root, "wrong", "--encoder_conf", "size=15", *TWO)


def test_a_process_may_be_earlier_than_the_one_that_makes_the_folder(tmp_path):
    CPUClock(tmp_path / "not" / "yet" / "rank1_training_time.json", fresh=True).save(now=True)
    assert CPUClock(tmp_path / "not" / "yet" / "rank1_training_time.json", fresh=False).before["runs"] == 1


def test_two_ways_of_starting_processes_are_refused(root):
    with pytest.raises(ConfigError, match="leave out --dist_world_size"):
        train(root, "refused", *TWO, "--dist_world_size", "2", "--dist_rank", "0")
    with pytest.raises(ConfigError, match="at least 1"):
        train(root, "refused", "--cpu_processes", "0")


def test_a_gpu_and_statistics_take_one_process():
    args = argparse.Namespace(cpu_processes=2, ngpu=0, collect_stats=False, dist_world_size=None)
    assert wanted_processes(args) == 2
    for change in ({"ngpu": 1}, {"collect_stats": True}):
        assert wanted_processes(argparse.Namespace(**{**vars(args), **change})) == 1
