"""A loss that is not finite makes no update and is written down; too many end the training with status 3."""

import math

import pytest
import soundfile
import torch

from espnet_jst.bin import jst_train
from espnet_jst.data.checks import SKIPPED, read_skipped
from espnet_jst.errors import JSTError, TrainingStoppedError
from espnet_jst.training.guard import LossGuard
from espnet_jst.weights import read_weights
from tests.training.corpus import FS, make_corpus, write_config

ONE_EACH = {"batch_size": 1, "keep_nbest_models": [1], "preprocessor_conf": {}}


def spoil(root, *utterances):
    """Samples that are not numbers in these recordings."""
    for name in utterances:
        path = root / name.rstrip("0123456789") / f"{name}.wav"
        audio, _ = soundfile.read(path, dtype="float32")
        audio[len(audio) // 2] = math.nan
        soundfile.write(path, audio, FS, subtype="FLOAT")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A hundred batches of one utterance, one of which is spoilt."""
    torch.set_num_threads(1)
    root = make_corpus(tmp_path_factory.mktemp("corpus"), train=100)
    spoil(root, "train41")
    write_config(root, **ONE_EACH)
    return root


def train(root, name, *options, config="train.yaml"):
    exp = root / name
    jst_train.main(["--config", str(root / config), "--output_dir", str(exp), *options])
    return exp


def listed(exp):
    return [(problem.utt_id, problem.reason) for problem in read_skipped(exp)]


@pytest.mark.parametrize("epochs", [1, pytest.param(10, marks=pytest.mark.long)])
def test_one_percent_of_bad_batches_is_survived_and_named(root, caplog, epochs):
    exp = train(root, f"{epochs}", "--max_epoch", f"{epochs}")
    assert listed(exp) == [("train41", f"its loss is not finite (epoch {epoch})") for epoch in range(1, epochs + 1)]
    weights = read_weights(exp / "latest.pth")
    assert all(value.isfinite().all() for value in weights.values())
    assert caplog.text.count("utterance 'train41'") == epochs
    assert caplog.text.count("Skipping updating the model") == epochs


@pytest.mark.long
def test_two_percent_of_a_thousand_steps_end_the_training(root, capsys):
    twice = make_corpus(root / "twice", train=100)
    spoil(twice, "train3", "train70")
    write_config(twice, **ONE_EACH)
    with pytest.raises(SystemExit) as caught:
        train(twice, "exp", "--max_epoch", "10")
    assert caught.value.code == 3
    assert "11 of the last" in capsys.readouterr().err
    assert len(listed(twice / "exp")) == 11


def test_a_training_on_bad_audio_alone_ends_with_status_3_and_a_message(tmp_path, capsys):
    make_corpus(tmp_path)
    spoil(tmp_path, *(f"train{number}" for number in range(12)))
    write_config(tmp_path, **ONE_EACH, specaug=None, specaug_conf={})  # a mask may hide the bad sample
    with pytest.raises(SystemExit) as caught:
        train(tmp_path, "exp")
    assert caught.value.code == 3
    message = capsys.readouterr().err
    assert "11 of the last 11 steps made no update" in message and str(tmp_path / "exp" / SKIPPED) in message


def test_only_the_bad_utterance_of_a_batch_is_named(tmp_path):
    make_corpus(tmp_path)
    spoil(tmp_path, "train5")
    write_config(tmp_path, max_epoch=1, batch_size=4)
    assert [name for name, _ in listed(train(tmp_path, "exp"))] == ["train5"]


@pytest.mark.long
def test_a_bad_batch_in_one_of_two_processes_updates_neither(tmp_path):
    make_corpus(tmp_path, train=16)
    spoil(tmp_path, "train1")
    write_config(tmp_path, max_epoch=2, batch_size=4)
    exp = train(tmp_path, "exp", "--cpu_processes", "2")
    lines = [path.read_text().splitlines() for path in exp.glob(f"*{SKIPPED}")]
    assert sum(map(len, lines)) == 2 and "train1" in lines[0][0]
    assert all(value.isfinite().all() for value in read_weights(exp / "latest.pth").values())


def test_the_probe_of_a_time_budget_survives_a_bad_batch(tmp_path):
    make_corpus(tmp_path)
    spoil(tmp_path, "train5")
    write_config(tmp_path, max_epoch=3, batch_size=4)
    exp = train(tmp_path, "exp", "--max_train_minutes", "0.05")
    assert {name for name, _ in listed(exp)} == {"train5"}


def test_every_hundredth_step_may_be_bad_for_ever(tmp_path):
    guard = LossGuard(tmp_path / SKIPPED, fresh=True)
    for step in range(5000):
        guard.step(["u"] if step % 100 == 0 else [], 1)
    assert len(list(read_skipped(tmp_path))) == 50


@pytest.mark.parametrize("every", [1, 90])
def test_more_than_ten_bad_steps_in_a_thousand_are_too_many(every, tmp_path):
    guard = LossGuard(tmp_path / SKIPPED, fresh=True)
    with pytest.raises(TrainingStoppedError, match="11 of the last .*that of u, v;.*--resume true"):
        for step in range(5000):
            guard.step(["u", "v"] if step % every == 0 else [], 1)
    assert len(list(read_skipped(tmp_path))) == 22
    assert TrainingStoppedError.exit_status == 3 and JSTError.exit_status == 1


def test_a_resumed_run_adds_to_the_list_and_a_new_one_begins_it_anew(tmp_path):
    LossGuard(tmp_path / SKIPPED, fresh=True).write(["u"], 1)
    LossGuard(tmp_path / SKIPPED, fresh=False).write(["v"], 2)
    assert [name for name, _ in listed(tmp_path)] == ["u", "v"]
    LossGuard(tmp_path / SKIPPED, fresh=True)
    assert listed(tmp_path) == []
