"""Groups of data take turns: speech, and text that enters the second encoder."""

import json
import multiprocessing
import os
import signal
import time

import pytest
import torch
import yaml
from espnet2.iterators.sequence_iter_factory import SequenceIterFactory
from espnet2.train.distributed_utils import free_port

from espnet_jst.errors import ConfigError
from espnet_jst.inputs.tokens import TokenInput
from espnet_jst.tasks.jst import JSTTask
from espnet_jst.training.batches import CountedBatches
from espnet_jst.training.checkpoints import CHECKPOINT
from espnet_jst.training.conf import parse_groups
from espnet_jst.training.groups import GroupedBatches, turns
from espnet_jst.weights import read_weights, safe_load
from tests.training.corpus import HEADS, config, make_corpus, write_config
from tests.training.test_batches import Names, names
from tests.training.test_processes import STEADY
from tests.training.test_resume import same, train_in_child

SPEECH_KEYS = [f"s{number}" for number in range(12)]
TEXT_KEYS = [f"t{number}" for number in range(7)]


def counted(keys, **conf):
    base = SequenceIterFactory(Names(), [(key,) for key in keys], seed=3, shuffle=True, collate_fn=lambda items: items)
    return CountedBatches(base, {key: 10 * (number + 1) for number, key in enumerate(keys)}, **conf)


def grouped(share=0.25, steps=None, **conf):
    first = counted(SPEECH_KEYS, **conf)
    if steps:
        first.set_steps(steps)
    return GroupedBatches(first, [(share, counted(TEXT_KEYS, **conf))])


def test_turns_are_even_and_keep_the_shares():
    assert turns([0.5, 0.5], 6) == [0, 1, 0, 1, 0, 1]
    order = turns([0.5, 0.2, 0.3], 100)
    assert [order.count(group) for group in range(3)] == [50, 20, 30]
    for end in range(1, 101):
        assert all(abs(order[:end].count(group) - share * end) < 1 for group, share in enumerate([0.5, 0.2, 0.3]))


def test_an_epoch_is_a_pass_over_the_first_group_and_the_others_go_on_where_they_stopped():
    batches = grouped()
    batches.plan(10)
    assert batches.steps == 16 and not batches.adjustable
    epochs = [[key for [key] in names(batches.build_iter(epoch))] for epoch in (1, 2)]
    for keys in epochs:
        assert len(keys) == len(set(keys)) == 16
        assert sorted(keys, key=lambda key: int(key[1:]))[-1] == "s11" and sum(key[0] == "s" for key in keys) == 12
    texts = [key for keys in epochs for key in keys if key[0] == "t"]
    assert len(set(texts[:7])) == 7
    again = grouped()
    again.plan(10)
    assert [key for [key] in names(again.build_iter(2))] == epochs[1]


def test_steps_may_be_given_and_changed_and_a_group_may_have_none_of_them():
    batches = grouped(steps=8)
    batches.plan(3)
    assert batches.steps == len(names(batches.build_iter(1))) == 8 and batches.adjustable
    batches.set_steps(1)
    assert [key[0] for [key] in names(batches.build_iter(2))] == ["s"]
    batches.set_steps(40)
    assert sum(key[0] == "t" for [key] in names(batches.build_iter(3))) == 10


def test_each_group_has_its_own_curriculum():
    batches = grouped(steps=16, curriculum=1.0, curriculum_start=0.0)
    batches.plan(4)
    first = [key for [key] in names(batches.build_iter(1))]
    assert max(int(key[1:]) for key in first if key[0] == "s") <= 3
    assert max(int(key[1:]) for key in first if key[0] == "t") <= 2


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (3, "it must be a mapping"),
        ({"data": [["f", "text", "text"]], "share": 0.5}, "'shape_files' is missing"),
        ({"data": [["f", "text", "text"]], "shape_files": [], "share": 0.5}, "shape_files is empty: name a file"),
        ({"data": "f", "shape_files": ["f"], "share": 0.5}, "data is 'f': give a list of lists"),
        ({"data": [["f", "text"]], "shape_files": ["f"], "share": 0.5}, r"data: .*give \[file, name, type\]"),
        (
            {"data": [["f", "text", "text"]], "shape_files": ["f"], "share": 1.5},
            "share is 1.5: give a number from 0 to 1",
        ),
        ({"data": [["f", "text", "text"]], "shape_files": ["f"], "share": "0.5"}, "share is '0.5': give a number"),
        ({"data": [["f", "text", "text"]], "shape_files": ["f"], "shares": 0.5}, "did you mean 'share'"),
    ],
)
def test_a_group_that_cannot_be_used_is_one_message(entry, message):
    with pytest.raises(ConfigError, match=message):
        parse_groups({"mt": entry})


def test_the_groups_leave_steps_for_the_first_data_set():
    entry = {"data": [["f", "text", "text"]], "shape_files": ["f"], "share": 0.5}
    with pytest.raises(ConfigError, match="leave no step for the first"):
        parse_groups({"a": entry, "b": entry})


# A whole training: speech with its transcript, and text with its translation, half of the steps each.

MODEL = {
    "heads": {
        "asr": {**HEADS["joint"], "lanes": ["transcript"]},
        "st": {**HEADS["joint"], "lanes": ["translation"], "reads": "hier_encoder"},
    },
    "inputs": {"words": {"kind": "tokens", "into": "hier_encoder", "text": "src_text", "repeat": 4}},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    torch.set_num_threads(1)
    root = make_corpus(tmp_path_factory.mktemp("corpus"))
    lines = (root / "train" / "src_text").read_text().splitlines()
    (root / "train" / "words").write_text("".join(f"{line.split()[0]} {len(line.split()) - 1}\n" for line in lines))
    values = config(root)
    data = values["train_data_path_and_name_and_type"]
    values |= {
        "train_data_path_and_name_and_type": [row for row in data if row[1] in ("speech", "src_text")],
        "train_groups": {
            "mt": {
                "data": [row for row in data if row[1] in ("src_text", "text")],
                "shape_files": [str(root / "train" / "words")],
                "share": 0.5,
            }
        },
        "model_conf": MODEL,
        "hier_encoder": "chunk_conformer",
        "hier_encoder_conf": {**values["encoder_conf"], "subsampling": 1},
        "optim_conf": {"lr": 0.01},
        "max_epoch": 8,
        "keep_nbest_models": [1],
    }
    write_config(root, **values)
    return root


def train(root, name, *options):
    command = [] if "--config" in options else ["--config", str(root / "train.yaml")]
    JSTTask.main(cmd=[*command, "--output_dir", str(root / name), *options])
    return root / name


def history(exp):
    return safe_load(exp / CHECKPOINT)["reporter"]["stats"]


@pytest.fixture(scope="module")
def whole(root):
    """An experiment that nothing disturbed."""
    return train(root, "whole")


def test_the_losses_of_both_groups_fall_and_the_schedule_knows_the_steps(whole, root, capsys):
    stats = history(whole)
    for head in ("asr_rnnt", "st_rnnt"):
        assert stats[8]["train"][head] < 0.7 * stats[1]["train"][head]
    assert stats[1]["train"]["total_count"] == 6 and stats[8]["train"]["total_count"] == 48
    assert safe_load(whole / CHECKPOINT)["schedulers"][0]["last_epoch"] == 48
    assert stats[8]["train"]["optim0_lr0"] < 0.001 < stats[4]["train"]["optim0_lr0"]  # the cosine ends where it should
    train(root, "short", "--max_epoch", "1")
    assert "training took 6 of 6 planned steps" in capsys.readouterr().out


def test_a_batch_of_text_trains_what_is_above_its_input_only(root, monkeypatch):
    reached = []
    embed = TokenInput.embed
    monkeypatch.setattr(
        TokenInput, "embed", lambda self, *args, **views: reached.append(1) or embed(self, *args, **views)
    )
    exp = train(root, "reach", "--max_epoch", "1")
    assert len(reached) == 3
    stats = history(exp)[1]["train"]
    assert all(stats[key] > 0 for key in ("asr_rnnt", "st_rnnt", "loss"))


def test_a_killed_training_goes_on_with_the_turns_of_an_undisturbed_one(root, whole):
    process = train_in_child(root, "killed")
    while process.is_alive() and not (root / "killed" / CHECKPOINT).exists():
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    exp = train(root, "killed", "--resume", "true")
    assert same(exp / "8epoch.pth", whole / "8epoch.pth")


def one_rank(root, rank, port, *options):
    os.environ.update(MASTER_ADDR="localhost", MASTER_PORT=str(port))
    ranks = ("--dist_world_size", "2", "--dist_rank", str(rank), "--dist_backend", "gloo")
    train(root, "two", "--config", str(root / "steady.yaml"), *ranks, *options)


def train_by_two(root, *options):
    # Forked, so that ESPnet need not be imported again.
    context, port = multiprocessing.get_context("fork"), free_port()
    ranks = [context.Process(target=one_rank, args=(root, rank, port, *options)) for rank in range(2)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(120)
    assert [process.exitcode for process in ranks] == [0, 0]


def test_two_processes_take_the_turns_of_one_and_resume(root):
    values = config(root, **yaml.safe_load((root / "train.yaml").read_text()))
    steady = {"dropout": 0.0, "train_chunk_frames": [2]}
    heads = {name: {**head, "predictor_conf": {"size": 16, "dropout": 0.0}} for name, head in MODEL["heads"].items()}
    values |= {
        **STEADY,
        "encoder_conf": {**values["encoder_conf"], **steady},
        "hier_encoder_conf": {**values["hier_encoder_conf"], **steady},
        "model_conf": {**MODEL, "heads": heads},
        "optim": "sgd",  # linear in the gradient
        "scheduler_conf": {"total_steps": 18},
        "max_epoch": 2,
    }
    write_config(root, "steady.yaml", **values)
    one = train(root, "one", "--config", str(root / "steady.yaml"))
    train_by_two(root, "--max_epoch", "1")
    train_by_two(root, "--resume", "true")
    expected, weights = (read_weights(exp / "2epoch.pth") for exp in (one, root / "two"))
    for key, value in expected.items():
        torch.testing.assert_close(weights[key], value, atol=1e-5, rtol=1e-4)
    losses = [[epoch["train"]["loss"] for epoch in history(exp).values()] for exp in (one, root / "two")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_time_budget_measures_every_group(root, capsys):
    exp = train(root, "budget", "--max_train_minutes", "0.05", "--max_epoch", "300", "--curriculum", "0.5")
    out = capsys.readouterr().out
    assert "steps in" in out and (exp / "budget.json").is_file()
    plan = json.loads((exp / "budget.json").read_text())
    assert len(plan["measured"]["sizes"]) == 2 and 1 <= plan["epochs"] < 300
    # Each group's sizes are in its own unit: samples and words.
    assert max(plan["measured"]["sizes"][1]) < 100 < min(plan["measured"]["sizes"][0])


def test_statistics_are_those_of_the_group_that_has_speech(root):
    out = train(root, "stats", "--collect_stats", "true", "--batch_size", "5")
    assert (out / "train" / "batch_keys").read_text().split() == ["speech", "target_asr"]
    assert (out / "train" / "feats_stats.npz").exists()


def test_text_alone_trains_the_second_encoder_and_has_shapes_but_no_features(root):
    values = yaml.safe_load((root / "train.yaml").read_text())
    text = values.pop("train_groups")["mt"]
    values |= {
        "train_data_path_and_name_and_type": text["data"],
        "valid_data_path_and_name_and_type": text["data"],
        "train_shape_file": text["shape_files"],
        "valid_shape_file": text["shape_files"],
        "model_conf": {**MODEL, "heads": {"st": MODEL["heads"]["st"]}},
    }
    path = str(write_config(root, "text.yaml", **values))
    exp = train(root, "text", "--config", path, "--max_epoch", "2", "--keep_nbest_models", "2")
    first, second = (read_weights(exp / f"{epoch}epoch.pth") for epoch in (1, 2))
    moved = {key.split(".")[0] for key, value in first.items() if not torch.equal(value, second[key])}
    assert moved == {"inputs", "hier_encoder", "heads"}
    out = train(root, "text_stats", "--config", path, "--collect_stats", "true")
    assert (out / "train" / "batch_keys").read_text().split() == ["input_words", "target_st"]
    assert not list((out / "train").glob("*.npz"))


def test_groups_with_an_iterator_that_does_not_count_are_refused(root):
    with pytest.raises(ConfigError, match="train_groups need --iterator_type sequence"):
        train(root, "chunks", "--iterator_type", "chunk")
