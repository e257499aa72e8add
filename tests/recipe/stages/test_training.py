from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from espnet_jst.data import kaldi
from espnet_jst.errors import ConfigError
from espnet_jst.recipe.options import Options
from espnet_jst.recipe.stages import training
from espnet_jst.recipe.stages.statistics import spaced, stats_file
from espnet_jst.recipe.stages.training import distributed_flags, start_on_nodes
from espnet_jst.recipe.training_files import TrainingFiles
from tests.recipe.stages.one_stage import do, numbered

OPTIONS = Options.of(token_type="word", nj=2)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files_of(options: Options) -> TrainingFiles:
    return TrainingFiles.of(options.data, options.text, corrupt=options.training.corrupt_links)


def data_of(options: Options, side: str) -> list[str]:
    return [
        value for flag, value in pairwise(files_of(options).flags) if flag == f"--{side}_data_path_and_name_and_type"
    ]


def test_training_reads_speech_both_texts_and_links():
    assert data_of(OPTIONS, "valid") == [
        "dump/raw/valid/wav.scp,speech,sound",
        "dump/raw/valid/text.lc.de,text,text",
        "dump/raw/valid/text.lc.en,src_text,text",
        "dump/raw/valid/alignment,alignment,text",
    ]


def test_word_times_are_read_where_both_training_sets_have_them():
    kaldi.write_table(OPTIONS.data.raw / "train" / "word_times", {"a": "0.5"})
    assert len(data_of(OPTIONS, "train")) == 4
    kaldi.write_table(OPTIONS.data.raw / "valid" / "word_times", {"b": "0.5"})
    assert data_of(OPTIONS, "train")[-1] == "dump/raw/train/word_times,word_times,text"


def test_a_token_list_of_the_source_is_given_only_where_it_is_not_joint():
    assert "--src_token_list" not in files_of(OPTIONS).flags
    command = files_of(OPTIONS.changed(token_joint=False)).flags
    assert command[command.index("--src_token_list") + 1] == "data/en_de_token_list/src_word/tokens.txt"


@pytest.mark.parametrize(("normalize", "skipped"), [("none", True), ("running_mvn", False), ("global_mvn", False)])
def test_statistics_are_collected_where_normalization_needs_them(normalize, skipped):
    stats, train = numbered(OPTIONS.changed(feats_normalize=normalize), 10, 11)
    assert (stats.number, train.number) == (10, 11)
    assert bool(stats.skip) is skipped
    assert (stats.outputs[0] in train.inputs) is not skipped


def test_statistics_come_from_evenly_spaced_utterances():
    keys = [f"{number:03d}" for number in range(100)]
    assert spaced(keys, 4) == ["000", "025", "050", "075"]
    assert spaced(keys, 0) == spaced(keys, 500) == keys
    assert len(spaced(keys, 99)) == len(set(spaced(keys, 99))) == 99


def flags_of(options: Options) -> dict[str, str]:
    flags = distributed_flags(options.run, options.exp)
    return dict(zip(flags[::2], flags[1::2]))


def test_one_gpu_and_one_machine_need_no_flags():
    for ngpu in (0, 1):
        assert flags_of(OPTIONS.changed(ngpu=ngpu)) == {}
        assert start_on_nodes((OPTIONS.changed(ngpu=ngpu)).run) == []


def test_several_gpus_of_one_machine_are_espnets_processes():
    assert flags_of(OPTIONS.changed(ngpu=4)) == {"--multiprocessing_distributed": "true"}


def test_several_machines_meet_in_a_new_file_each_time(tmp_path):
    first, second = (flags_of(OPTIONS.changed(ngpu=2, num_nodes=2)) for _ in range(2))
    assert first["--dist_init_method"].startswith(f"file://{tmp_path / OPTIONS.exp}/.dist_init_")
    assert first["--dist_init_method"] != second["--dist_init_method"]
    assert (first["--dist_launcher"], first.get("--dist_backend")) == ("slurm", None)
    assert flags_of(OPTIONS.changed(num_nodes=2))["--dist_backend"] == "gloo"


def test_several_machines_without_slurm_are_refused_with_the_way_to_start_them_by_hand(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match=r"--num_nodes 2 needs Slurm.*--dist_rank R"):
        start_on_nodes((OPTIONS.changed(num_nodes=2)).run)


def test_a_file_below_the_configuration_is_an_input_of_the_training():
    Path("own.yaml").write_text("base: below.yaml\n")
    Path("below.yaml").write_text("optim: adam\n")
    stages = numbered(OPTIONS.changed(st_config="own.yaml"), 10, 11)
    assert all(Path("below.yaml") in stage.inputs for stage in stages)


def start(options: Options, capsys: pytest.CaptureFixture) -> str:
    """Train with a program that does nothing but leave a checkpoint; returns what the terminal said."""
    stats = stats_file(options.stats_dir)
    stats.parent.mkdir(parents=True, exist_ok=True)
    stats.touch()
    do(options, "train")
    (options.exp / "checkpoint.pth").write_text(f"{options.training.seed}")
    return capsys.readouterr().out


@pytest.fixture
def trained(monkeypatch, capsys) -> tuple[Options, list[list[str]]]:
    """An experiment that was trained once, and the commands that ran."""
    commands: list[list[str]] = []
    monkeypatch.setattr(training, "run_logged", lambda command, *_, **__: commands.append(list(command)))
    Path("own.yaml").write_text("max_epoch: 3\n")
    options = OPTIONS.changed(st_config="own.yaml", st_tag="x", minutes=5)
    assert start(options, capsys) == ""
    return options, commands


def resumed(command: list[str]) -> bool:
    return command[len(command) - command[::-1].index("--resume")] == "true"


def test_a_training_goes_on_where_only_its_length_or_its_place_changed(trained, capsys):
    options, commands = trained
    Path("own.yaml").write_text("max_epoch: 4\nnum_workers: 2\n")
    for longer in (options, options.changed(minutes=6), options.changed(minutes=0, ngpu=1, nj=7)):
        assert start(longer, capsys) == ""
        assert resumed(commands[-1])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "--seed"),
        ({"feats_normalize": "global_mvn"}, "--normalize"),
        ({"feats_normalize": "none"}, "--normalize"),
        ({"st_args": "--optim_conf lr=0.1"}, "--optim_conf"),
        ({"minutes": 4}, "--max_train_minutes"),
        ({"token_joint": False}, "--src_token_list"),
    ],
)
def test_a_training_with_another_option_begins_again_and_keeps_the_model_before(trained, capsys, change, named):
    options, commands = trained
    said = start(options.changed(**change), capsys)
    assert said.startswith("The training in exp/st_x begins again: ") and named in said
    assert not resumed(commands[-1])
    assert (options.exp / "earlier" / "checkpoint.pth").read_text() == "0"


@pytest.mark.parametrize("file", ["own.yaml", "dump/raw/train/text.lc.de", "data/en_de_token_list/tgt_word/tokens.txt"])
def test_a_training_with_other_files_begins_again(trained, capsys, file):
    options, commands = trained
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text("optim: adam\nmax_epoch: 3\n")
    assert "begins again" in start(options, capsys)
    assert not resumed(commands[-1])


def test_force_begins_again_and_leaves_no_checkpoint_to_go_on_from(trained, capsys):
    options, commands = trained
    do(options.changed(force=True), "train")
    assert not resumed(commands[-1])
    assert "begins again. The model before is in exp/st_x/earlier" in capsys.readouterr().out
    assert not (options.exp / "checkpoint.pth").exists()  # as after a kill before the first epoch


def test_corrupted_links_are_trained_on_and_nothing_else_sees_them():
    base = OPTIONS.data.raw / "train"
    kaldi.write_table(base / "alignment", {f"u{n}": "0-0 1-1 2-2 3-3" for n in range(50)})
    kaldi.write_table(base / "text.lc.de", {f"u{n}": "null eins zwei drei" for n in range(50)})
    options = OPTIONS.changed(corrupt_links=0.1)
    statistics, corrupt, train = numbered(options, 10, 11)
    assert corrupt.run(**corrupt.uses) == "20 of 200"
    assert data_of(options, "train")[-1] == "dump/raw/train/alignment.corrupt0.1,alignment,text"
    assert data_of(options, "valid")[-1] == "dump/raw/valid/alignment,alignment,text"
    assert corrupt.outputs[0] in train.inputs
    assert corrupt.outputs[0] not in statistics.inputs
    assert kaldi.read_table(base / "alignment")["u0"] == "0-0 1-1 2-2 3-3"


def test_a_run_that_hears_text_reads_no_speech_and_no_statistics():
    Path("conf").mkdir()
    runs = {"mt": {"input_size": 8}, "train": {}}
    Path("conf/two.yaml").write_text(yaml.safe_dump({"runs": runs}), encoding="utf-8")
    mt, train = [stage for stage in numbered(OPTIONS.changed(st_config="conf/two.yaml"), 11, 11)]
    audio, stats = (OPTIONS.data.raw / "train" / "wav.scp", "feats_stats.npz")
    assert audio not in mt.inputs and not any(path.name == stats for path in mt.inputs)
    assert audio in train.inputs and any(path.name == stats for path in train.inputs)
    assert OPTIONS.data.raw / "train" / "text.lc.en" in mt.inputs


def test_a_recipe_ends_with_a_model_that_hears_speech():
    Path("text.yaml").write_text("input_size: 8\n", encoding="utf-8")
    options = OPTIONS.changed(st_config="text.yaml")
    with pytest.raises(ConfigError, match="its model hears text, and a recipe ends with one that hears speech"):
        training.check(options.training, options.run, options.text)


def test_target_languages_are_read_where_both_training_sets_have_them():
    kaldi.write_table(OPTIONS.data.raw / "train" / "utt2tgt_lang", {"a": "de"})
    assert not any("tgt_lang" in data for data in data_of(OPTIONS, "train"))
    kaldi.write_table(OPTIONS.data.raw / "valid" / "utt2tgt_lang", {"b": "de"})
    assert "dump/raw/train/utt2tgt_lang,tgt_lang,text" in data_of(OPTIONS, "train")
    assert not any("src_lang" in data for data in data_of(OPTIONS, "train"))
    for name in ("train", "valid"):
        kaldi.write_table(OPTIONS.data.raw / name / "utt2lang", {"a": "en"})
    assert "dump/raw/valid/utt2lang,src_lang,text" in data_of(OPTIONS, "valid")
