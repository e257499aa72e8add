"""Two processes on the CPU take the steps that one takes on the same batches, resume, and fail together."""

import argparse
import json
import subprocess
import sys

import pytest
import torch
from espnet2.train.distributed_utils import free_port

from espnet_jst.errors import ConfigError, JSTError
from espnet_jst.tasks.jst import JSTTask
from espnet_jst.training.checkpoints import CHECKPOINT
from espnet_jst.training.processes import wanted_processes
from espnet_jst.training.usage import CPUClock
from espnet_jst.weights import read_weights, safe_load
from tests.training.corpus import HEADS, make_corpus, write_config

# Linear in the gradient: AdamW blows up the rounding of gradients near zero.
STEPS = ("--optim", "sgd", "--optim_conf", "lr=0.01", "--scheduler_conf", "total_steps=6")
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


def command(root, name, *options):
    start = ["--config", str(root / "steady.yaml"), "--output_dir", str(root / name), *options]
    return [*start, "--encoder_conf", "dropout=0.0", "--encoder_conf", "train_chunk_frames=[2]"]


def train(root, name, *options):
    JSTTask.main(cmd=command(root, name, *options))
    return root / name


@pytest.fixture(scope="module")
def one(root):
    """A training by one process."""
    return train(root, "one", "--max_epoch", "2", *STEPS)


def losses(exp, side):
    return [epoch[side]["loss"] for epoch in safe_load(exp / CHECKPOINT)["reporter"]["stats"].values()]


def assert_same_training(two, one):
    expected, weights = (read_weights(exp / "2epoch.pth") for exp in (one, two))
    for key, value in expected.items():
        torch.testing.assert_close(weights[key], value, atol=1e-5, rtol=1e-4)
    for side in ("train", "valid"):
        assert len(losses(two, side)) == 2
        assert losses(two, side) == pytest.approx(losses(one, side), rel=1e-5)


def test_two_processes_take_the_steps_of_one_and_resume(root, one):
    train(root, "two", "--max_epoch", "1", *STEPS, *TWO)
    assert_same_training(train(root, "two", "--max_epoch", "2", "--resume", "true", *STEPS, *TWO), one)


@pytest.mark.slow
@pytest.mark.parametrize("meeting", ["file", "env"])
def test_two_processes_started_by_hand_take_the_steps_of_one(root, one, meeting):
    flags = (
        "--ngpu",
        "0",
        "--dist_backend",
        "gloo",
        "--dist_world_size",
        "2",
        "--multiprocessing_distributed",
        "false",
    )
    if meeting == "file":
        flags += ("--dist_init_method", f"file://{root / 'meeting'}")
    else:
        flags += ("--dist_master_addr", "127.0.0.1", "--dist_master_port", str(free_port()))
    start = [sys.executable, "-m", "espnet_jst.bin.jst_train"]
    ranks = []
    for rank in ("0", "1"):
        options = ("--max_epoch", "2", *STEPS, *flags, "--dist_rank", rank)
        with open(root / f"{meeting}{rank}.log", "w") as log:
            ranks.append(subprocess.Popen([*start, *command(root, meeting, *options)], stdout=log, stderr=log))
    try:
        ends = [process.wait(timeout=300) for process in ranks]
    finally:
        for process in ranks:
            process.kill()
    assert ends == [0, 0], "".join((root / f"{meeting}{rank}.log").read_text() for rank in (0, 1))
    assert_same_training(root / meeting, one)


UNPICKLE = """
import multiprocessing, pickle, sys

def child(text, answers):
    assert "espnet_jst.tasks.jst" not in sys.modules, "the child must find the task by itself"
    worker = pickle.loads(text)
    from espnet2.tasks.st import encoder_choices
    answers.put((worker.__self__.__name__, encoder_choices.classes["chunk_conformer"].__module__))

if __name__ == "__main__":
    from espnet_jst.tasks.jst import JSTTask
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=child, args=(pickle.dumps(JSTTask.main_worker), answers))
    process.start()
    process.join()
    print(*answers.get(timeout=5))
"""


@pytest.mark.slow
def test_a_spawned_child_that_unpickles_the_worker_knows_the_plugins_choices(tmp_path):
    (tmp_path / "parent.py").write_text(UNPICKLE)
    done = subprocess.run([sys.executable, str(tmp_path / "parent.py")], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["JSTTask", "espnet_jst.encoders.chunk_conformer"], done.stderr


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
