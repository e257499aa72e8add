"""What the training configuration says of the data needs no flag, and a flag that says otherwise is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from espnet_jst.errors import ConfigError
from espnet_jst.recipe.options import Options, parse_options
from espnet_jst.recipe.stages.cleaning import limits
from espnet_jst.text.tags import Tags

CONFIG = {
    "frontend_conf": {"fs": 8000, "hop_s": 0.0125},
    "encoder_conf": {"subsampling": 8},
    "model_conf": {"heads": {"joint": {"tags": "lid"}, "ctc": {}}},
    "preprocessor_conf": {"source_languages": "en fr", "target_languages": ["de"]},
}


@pytest.fixture(autouse=True)
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("conf/train.yaml", CONFIG)


def write(path: str, values: dict) -> None:
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(yaml.safe_dump(values))


def options(flags: str = "") -> Options:
    return parse_options(flags.split())


def test_rate_frames_tags_and_languages_are_those_of_the_configuration():
    found = options()
    assert (found.data.fs_hz, found.data.frame_s) == (8000, 0.1)
    everything = Tags(scheme="lid", source_languages=("en", "fr"), target_languages=("de",))
    assert found.text.tags == everything.all()


def test_the_files_below_a_configuration_and_its_last_run_say_it_too():
    write("conf/own.yaml", {"base": "train.yaml", "runs": {"first": {}, "last": {"encoder_conf": {"subsampling": 4}}}})
    assert options("--st_config conf/own.yaml").data.frame_s == 0.05


@pytest.mark.parametrize(("frontend", "frame_s"), [("kaldi_fbank", 0.1), ("nemo_mel", 0.1), ("somebody_elses", 0.0)])
def test_frames_are_known_of_every_frontend_that_says_its_hop(frontend: str, frame_s: float):
    write("conf/train.yaml", {**CONFIG, "frontend": frontend})
    assert options().data.encoder_frame_s == frame_s


@pytest.mark.parametrize(
    ("encoder", "conf", "frame_s"),
    [
        ("zipformer", {"output_subsampling": 4}, 0.1),
        ("zipformer", {"layers": [2, 2]}, 0.05),
        ("chunk_conformer", {"subsampling": 4, "output_subsampling": 2}, 0.1),
    ],
)
def test_frames_of_the_top_are_counted_through_the_whole_encoder(encoder: str, conf: dict, frame_s: float):
    write("conf/train.yaml", {**CONFIG, "encoder": encoder, "encoder_conf": conf})
    assert options().data.encoder_frame_s == frame_s


@pytest.mark.parametrize(
    ("encoder", "conf", "tokens"),
    [
        ("chunk_conformer", {}, 4),
        ("chunk_conformer", {"subsampling": 2}, 2),
        ("zipformer", {"output_subsampling": 2}, 4),
        ("mbart", {}, 1),
        ("chunk_conformer", {"subsampling": "many"}, 1),
        ("somebody_elses", {}, 1),
    ],
)
def test_tokens_of_a_frame_are_those_of_the_whole_encoder(encoder: str, conf: dict, tokens: int):
    write("conf/train.yaml", {**CONFIG, "encoder": encoder, "encoder_conf": conf})
    assert options().text.frame_tokens == tokens


def test_a_flag_that_says_the_same_is_taken():
    assert options("--fs 8k --encoder_frame_s 0.1 --tag_scheme lid --src_lang fr").data.fs_hz == 8000


def test_texts_of_several_languages_are_called_after_none_of_them():
    several = {"preprocessor_conf": {"source_languages": ["fr", "it"], "target_languages": ["de", "es"]}}
    write("conf/train.yaml", several)
    assert options("--src_lang mul --tgt_lang mul-x-tgt").text.src_lang == "mul"
    with pytest.raises(ConfigError, match="--src_lang pl: .*source_languages has fr, it"):
        options("--src_lang pl --tgt_lang mul-x-tgt")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--fs 16k", "--fs 16k: conf/train.yaml: frontend_conf.fs is 8000"),
        ("--encoder_frame_s 0.04", "--encoder_frame_s 0.04: conf/train.yaml: hop_s times subsampling is 0.1"),
        ("--tag_scheme task", "--tag_scheme task: conf/train.yaml: tags of the heads is lid"),
        ("--tgt_lang nl", "--tgt_lang nl: conf/train.yaml: preprocessor_conf.target_languages has de"),
    ],
)
def test_a_flag_that_contradicts_the_configuration_is_refused(flags: str, message: str):
    with pytest.raises(ConfigError) as refused:
        options(flags)
    assert f"{refused.value}".startswith(message)


@pytest.mark.parametrize(
    "flags", ["--st_config conf/gone.yaml", "--st_config conf/silent.yaml", "--finetune model.zip", "--st_args=--x"]
)
def test_the_flags_count_where_the_configuration_says_nothing(flags: str):
    write("conf/silent.yaml", {"optim": "adam"})
    over = "--st_args=--frontend_conf=fs=16000" if flags.startswith("--st_args") else flags
    frame = "" if flags.startswith("--st_args") else "--encoder_frame_s 0.08"
    found = options(f"{over} --fs 16k {frame}")
    assert (found.data.fs_hz, found.data.frame_s) == (16000, 0.08)


def test_reading_it_imports_neither_espnet_nor_torch():
    import subprocess
    import sys

    code = (
        "import sys; from espnet_jst.recipe.options import parse_options; parse_options([]);"
        "print({'torch', 'espnet2'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


@pytest.mark.parametrize("flags", ["", "--finetune model.zip"])
def test_the_tags_of_speakers_are_symbols_that_texts_may_hold(flags: str):
    write("conf/train.yaml", {"preprocessor_conf": {"speakers": ["self", "other"]}})
    text = options(flags).text
    assert text.tags == ["<asr>", "<st>", "<self>", "<other>"] and text.speaker_tags == ["<self>", "<other>"]
    assert limits(options(flags).data, text).tags == ("<asr>", "<st>")
    assert options(f"--tgt_lang none {flags}").text.tags == ["<self>", "<other>"]
