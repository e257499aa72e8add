from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from espnet_jst.data import kaldi
from espnet_jst.errors import ConfigError
from espnet_jst.recipe import training
from espnet_jst.recipe.options import RecipeOptions
from espnet_jst.recipe.training import distributed_flags, spaced, start_on_nodes, train_command, training_stages

OPTIONS = RecipeOptions(token_type="word", nj=2)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def data_of(command: list[str], side: str) -> list[str]:
    return [value for flag, value in pairwise(command) if flag == f"--{side}_data_path_and_name_and_type"]


def test_training_reads_speech_both_texts_and_links():
    assert data_of(train_command(OPTIONS), "valid") == [
        "dump/raw/valid/wav.scp,speech,sound",
        "dump/raw/valid/text.lc.de,text,text",
        "dump/raw/valid/text.lc.en,src_text,text",
        "dump/raw/valid/alignment,alignment,text",
    ]


def test_word_times_are_read_where_both_training_sets_have_them():
    kaldi.write_table(OPTIONS.raw / "train" / "word_times", {"a": "0.5"})
    assert len(data_of(train_command(OPTIONS), "train")) == 4
    kaldi.write_table(OPTIONS.raw / "valid" / "word_times", {"b": "0.5"})
    assert data_of(train_command(OPTIONS), "train")[-1] == "dump/raw/train/word_times,word_times,text"


def test_a_token_list_of_the_source_is_given_only_where_it_is_not_joint():
    assert "--src_token_list" not in train_command(OPTIONS)
    command = train_command(replace(OPTIONS, token_joint=False))
    assert command[command.index("--src_token_list") + 1] == "data/en_de_token_list/src_word/tokens.txt"


@pytest.mark.parametrize(("normalize", "skipped"), [("none", True), ("running_mvn", False), ("global_mvn", False)])
def test_statistics_are_collected_where_normalization_needs_them(normalize, skipped):
    stats, train = training_stages(replace(OPTIONS, feats_normalize=normalize))
    assert (stats.number, train.number) == (10, 11)
    assert bool(stats.skip) is skipped
    assert (stats.outputs[0] in train.inputs) is not skipped


def test_statistics_come_from_evenly_spaced_utterances():
    keys = [f"{number:03d}" for number in range(100)]
    assert spaced(keys, 4) == ["000", "025", "050", "075"]
    assert spaced(keys, 0) == spaced(keys, 500) == keys
    assert len(spaced(keys, 99)) == len(set(spaced(keys, 99))) == 99


def flags_of(options: RecipeOptions) -> dict[str, str]:
    flags = distributed_flags(options)
    return dict(zip(flags[::2], flags[1::2]))


def test_one_gpu_and_one_machine_need_no_flags():
    for ngpu in (0, 1):
        assert flags_of(replace(OPTIONS, ngpu=ngpu)) == {}
        assert start_on_nodes(replace(OPTIONS, ngpu=ngpu)) == []


def test_several_gpus_of_one_machine_are_espnets_processes():
    assert flags_of(replace(OPTIONS, ngpu=4)) == {"--multiprocessing_distributed": "true"}


def test_several_machines_meet_in_a_new_file_each_time(tmp_path):
    first, second = (flags_of(replace(OPTIONS, ngpu=2, num_nodes=2)) for _ in range(2))
    assert first["--dist_init_method"].startswith(f"file://{tmp_path / OPTIONS.exp}/.dist_init_")
    assert first["--dist_init_method"] != second["--dist_init_method"]
    assert (first["--dist_launcher"], first.get("--dist_backend")) == ("slurm", None)
    assert flags_of(replace(OPTIONS, num_nodes=2))["--dist_backend"] == "gloo"


def test_several_machines_without_slurm_are_refused_with_the_way_to_start_them_by_hand(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match=r"--num_nodes 2 needs Slurm.*--dist_rank R"):
        start_on_nodes(replace(OPTIONS, num_nodes=2))


def test_a_file_below_the_configuration_is_an_input_of_the_training():
    Path("own.yaml").write_text("base: below.yaml\n")
    Path("below.yaml").write_text("optim: adam\n")
    stages = training_stages(replace(OPTIONS, st_config="own.yaml"))
    assert all(Path("below.yaml") in stage.inputs for stage in stages)


def test_a_training_that_goes_on_with_other_options_says_which(monkeypatch, capsys):
    monkeypatch.setattr(training, "run_logged", lambda *_, **__: None)
    Path("own.yaml").write_text("max_epoch: 3\n")
    options = replace(OPTIONS, st_config="own.yaml", st_tag="x")
    training.train(options)
    (options.exp / "checkpoint.pth").touch()
    training.train(options)
    assert capsys.readouterr().out == ""
    Path("own.yaml").write_text("max_epoch: 4\n")
    training.train(replace(options, seed=1))
    said = capsys.readouterr().out
    assert "goes on with the training in exp/st_x" in said and "--seed, --st_config" in said and "--force" in said
    training.train(replace(options, seed=2, force=True))
    assert capsys.readouterr().out == ""


def test_corrupted_links_are_trained_on_and_nothing_else_sees_them():
    base = OPTIONS.raw / "train"
    kaldi.write_table(base / "alignment", {f"u{n}": "0-0 1-1 2-2 3-3" for n in range(50)})
    kaldi.write_table(base / "text.lc.de", {f"u{n}": "null eins zwei drei" for n in range(50)})
    options = replace(OPTIONS, corrupt_links=0.1)
    statistics, corrupt, train = training_stages(options)
    assert corrupt.run() == "20 of 200"
    assert data_of(train_command(options), "train")[-1] == "dump/raw/train/alignment.corrupt0.1,alignment,text"
    assert data_of(train_command(options), "valid")[-1] == "dump/raw/valid/alignment,alignment,text"
    assert corrupt.outputs[0] in train.inputs
    assert corrupt.outputs[0] not in statistics.inputs
    assert kaldi.read_table(base / "alignment")["u0"] == "0-0 1-1 2-2 3-3"
