"""What is wrong with a training configuration is said before the first stage."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path

import pytest
import yaml

from espnet_jst.bin import jst_recipe, jst_train
from espnet_jst.errors import ConfigError, JSTError
from espnet_jst.recipe import preview
from espnet_jst.recipe.experiment import options_of
from espnet_jst.recipe.options import Options
from espnet_jst.recipe.preview import check_training

OPTIONS = Options.of(fs="8k", st_config="conf/train.yaml", st_tag="x")
GOOD = {
    "frontend_conf": {"fs": 8000, "n_mels": 16},
    "encoder": "chunk_conformer",
    "encoder_conf": {"size": 16, "layers": 1, "heads": 2, "feed_forward_size": 16, "subsampling": 4, "taps": [1]},
    "model_conf": {
        "heads": {
            "joint": {"kind": "transducer", "lanes": ["transcript", "translation"], "predictor_conf": {"size": 16}},
            "ctc": {"kind": "ctc", "reads": "encoder.1", "lanes": ["transcript"]},
        }
    },
    "optim": "adamw",
    "scheduler": "warmupcosine",
    "num_workers": 0,
}


def changed(path: str, value: object) -> dict:
    """The good configuration with another value at a dotted path."""
    values = yaml.safe_load(yaml.safe_dump(GOOD))
    *folders, last = path.split(".")
    place = values
    for name in folders:
        place = place.setdefault(name, {})
    place[last] = value
    return values


@pytest.fixture(autouse=True)
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()
    write(GOOD)
    return tmp_path


def write(values: dict) -> None:
    Path("conf/train.yaml").write_text(yaml.safe_dump(values))


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, list[str]]]:
    """The options that `jst_train` is called with, which accepts everything."""
    seen: list[dict[str, list[str]]] = []
    monkeypatch.setattr(preview, "run_logged", lambda command, log: seen.append(options_of(command)))
    return seen


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real `jst_train`, without the start of a process each time."""

    def run(command: Sequence[str], log: Path) -> None:
        with redirect_stderr(io.StringIO()) as said:
            try:
                jst_train.main(list(command[3:]))
            except SystemExit as left:
                if left.code:
                    raise JSTError(f"{said.getvalue().strip().splitlines()[-1]} (log: {log})") from None
            except TypeError as error:
                raise JSTError(f"TypeError: {error} (log: {log})") from None

    monkeypatch.setattr(preview, "run_logged", run)


@pytest.mark.slow
def test_a_configuration_that_can_be_trained_passes(in_this_process: None):
    check_training(OPTIONS)
    check_training(OPTIONS.changed(st_tag="y", src_token_type="char", minutes=3))
    with pytest.raises(ConfigError, match="'stats_file' is missing"):
        check_training(OPTIONS.changed(feats_normalize="none"))
    write(changed("normalize", "none"))
    check_training(OPTIONS.changed(feats_normalize="none"))
    assert not list(Path("exp").rglob("config.yaml"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("max_epochs", 3, r"unknown key 'max_epochs' \(did you mean 'max_epoch'\?\)"),
        ("encoder", "conformr", "'conformr' is not one of"),
        ("encoder_conf.sizes", 3, r"encoder_conf of chunk_conformer: unknown key 'sizes' \(did you mean 'size'\?\)"),
        ("frontend_conf.mels", 3, "frontend_conf of log_mel: unknown key 'mels'"),
        ("normalize_conf.prior", 3, "normalize_conf of running_mvn: unknown key 'prior'"),
        ("preprocessor_conf.gain", 3, "preprocessor_conf: unknown key 'gain'"),
        ("model_conf.head", {}, "model_conf: unknown key 'head'"),
        ("model_conf.heads", {}, "model_conf.heads is empty"),
        (
            "model_conf.heads.ctc.kind",
            "ctcc",
            r"model_conf.heads.ctc: kind: 'ctcc' is not one of attention, ctc, transducer",
        ),
        ("model_conf.heads.ctc.reads", "encoder.9", "'encoder.9' is not one of encoder, encoder.1"),
        ("model_conf.heads.ctc.lanes", ["speaker"], "model_conf.heads.ctc.lanes: 'speaker' is not one of"),
        ("model_conf.heads.joint.prune_ranges", 3, "model_conf.heads.joint: unknown key 'prune_ranges'"),
        ("model_conf.heads.joint.tags", "lid", "tag scheme 'lid' needs source_languages"),
        ("model_conf.heads.ctc.vocabulary", "src", "vocabulary 'src' needs --src_token_list"),
        ("scheduler_conf.warmup", 3, r"unknown key 'warmup' \(did you mean 'warmup_steps'\?\)"),
        ("optim_conf.lr", "1e-3", "lr is '1e-3': give a number"),
        ("decoder", "rnn", "decoder is not read by JSTModel"),
    ],
)
def test_what_training_would_refuse_is_refused_before_the_first_stage(
    in_this_process: None, path: str, value: object, message: str
):
    write(changed(path, value))
    with pytest.raises(ConfigError, match=f"--st_config conf/train.yaml: .*{message}"):
        check_training(OPTIONS)
    assert not Path("exp").exists()


def test_a_head_that_writes_what_the_corpus_lacks_is_said_without_a_try():
    with pytest.raises(
        ConfigError, match=r"heads.joint writes the translation, and --tgt_lang none says.*leave the lane"
    ):
        check_training(OPTIONS.changed(tgt_lang="none"))
    with pytest.raises(ConfigError, match=r"heads.ctc writes the transcript, and --src_lang none"):
        check_training(OPTIONS.changed(src_lang="none"))


@pytest.mark.parametrize("none", [None, "none"])
def test_a_configuration_without_normalization_wants_the_recipe_without(
    commands: list[dict[str, list[str]]], none: str | None
):
    write(changed("normalize", none))
    with pytest.raises(ConfigError, match="normalize is none, and --feats_normalize running_mvn would take its place"):
        check_training(OPTIONS)
    check_training(OPTIONS.changed(feats_normalize="none"))
    assert "normalize" not in commands[0]


def test_files_of_a_group_are_there_or_are_made_by_the_stages(commands: list[dict[str, list[str]]]):
    group = {"data": [["mt/text", "src_text", "text"]], "shape_files": ["dump/raw/mt/shape"], "share": 0.5}
    write(changed("train_groups", {"mt": group}))
    with pytest.raises(ConfigError, match="train_groups.mt: there is no file mt/text, and it is not in data or dump"):
        check_training(OPTIONS)
    Path("mt").mkdir()
    Path("mt/text").write_text("a b\n")
    check_training(OPTIONS)
    assert len(commands) == 1


@pytest.mark.slow
def test_word_times_that_the_corpus_lacks_are_missed_before_the_audio_is_read(in_this_process: None):
    write(changed("model_conf.heads.joint.policy", "time"))
    check_training(OPTIONS)  # nobody knows yet what local/data.py will write
    with pytest.raises(ConfigError, match="head 'joint' needs the data 'word_times'"):
        check_training(OPTIONS.changed(stage=3))
    for name in ("train", "valid"):
        path = Path("data") / name / "word_times"
        path.parent.mkdir(parents=True)
        path.write_text("a 0.5\n")
    check_training(OPTIONS.changed(stage=3))


def test_a_configuration_that_passed_is_not_tried_again_until_something_changes(commands: list):
    for _ in range(2):
        check_training(OPTIONS)
    assert len(commands) == 1
    write(changed("max_epoch", 7))
    check_training(OPTIONS)
    check_training(OPTIONS.changed(nj=3, inference_args="--beam_size 4"))
    assert len(commands) == 2
    check_training(OPTIONS.changed(tag_scheme="lid"))
    assert len(commands) == 3


def test_one_that_did_not_pass_is_tried_again(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise JSTError("jst_train: error: no (log: /tmp/x/train.log)")

    monkeypatch.setattr(preview, "run_logged", refuse)
    for _ in range(2):
        with pytest.raises(ConfigError, match=re.escape("--st_config conf/train.yaml: no") + "$"):
            check_training(OPTIONS)


def test_the_try_waits_for_no_other_process(commands: list):
    far = "--dist_world_size 2 --dist_rank 0 --cpu_processes 2 --multiprocessing_distributed true"
    check_training(OPTIONS.changed(st_args=f"--seed 3 {far} --max_epoch 2", ngpu=0))
    assert commands[0]["seed"] == ["3"] and commands[0]["max_epoch"] == ["2"] and commands[0]["ngpu"] == ["0"]
    assert not [name for name in commands[0] if name.startswith(("dist_", "cpu_", "multiprocessing_"))]


def test_a_rate_that_stage_3_does_not_make_is_refused_without_a_try(commands: list):
    with pytest.raises(ConfigError, match="frontend_conf.fs is 8000, and stage 3 makes audio of --fs 16000"):
        check_training(OPTIONS.changed(fs="16k"))
    write({key: value for key, value in GOOD.items() if key != "frontend_conf"})
    with pytest.raises(ConfigError, match="frontend_conf.fs is 16000, and stage 3 makes audio of --fs 8000"):
        check_training(OPTIONS)
    check_training(OPTIONS.changed(st_args="--frontend_conf fs=8000"))
    assert len(commands) == 1


def test_a_serialized_head_without_a_joint_list_is_refused(commands: list):
    with pytest.raises(ConfigError, match=r"heads\.joint writes both lanes into one stream"):
        check_training(OPTIONS.changed(token_joint=False))


@pytest.mark.parametrize(
    ("flags", "tried"),
    [
        ([], True),
        (["--stage", "3"], True),
        (["--stop_stage", "9"], False),
        (["--stage", "11"], False),  # which says so itself
        (["--skip_train", "true"], False),
    ],
)
def test_it_is_tried_where_a_training_is_part_of_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, flags: list[str], tried: bool
):
    def refuse(_: Options) -> None:
        raise ConfigError("tried")

    monkeypatch.setattr(preview, "check_training", refuse)
    assert jst_recipe.main(["--st_config", "conf/train.yaml", *flags]) == 1
    assert ("error: tried" in capsys.readouterr().err) is tried
