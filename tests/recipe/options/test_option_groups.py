from __future__ import annotations

from pathlib import Path

import pytest

from espnet_jst.errors import ConfigError
from espnet_jst.recipe.options import Options, parse_options
from espnet_jst.recipe.recipe import check_options


def test_espnets_spellings_of_an_option_are_one():
    assert parse_options(["--stop-stage", "5", "--skip_train", "true"]) == parse_options(
        ["--stop_stage", "5", "--skip-train"]
    )
    assert parse_options(["--stage", "3"]).run.stage == 3


def test_a_later_option_wins_so_that_run_sh_can_be_overridden():
    assert parse_options(["--fs", "8k", "--token_joint", "true", "--token_joint", "false"]).text.token_joint is False


@pytest.mark.parametrize(("text", "rate"), [("8k", 8000), ("16k", 16000), ("16000", 16000), ("22.05k", 22050)])
def test_a_sampling_rate_is_read(text, rate):
    assert Options.of(fs=text).data.fs_hz == rate


@pytest.mark.parametrize("text", ["k", "fast", "-8k"])
def test_what_is_no_sampling_rate_is_refused(text):
    with pytest.raises(ConfigError, match="--fs"):
        _ = Options.of(fs=text).data.fs_hz


def test_folders_have_espnets_names():
    options = Options.of(st_config="conf/train_tsot.yaml", nbpe=60)
    assert options.tokens == {"tgt": Path("data/en_de_token_list/tgt_bpe_unigram60")}
    assert options.exp == Path("exp/st_train_tsot_raw_en_de_bpe60")
    assert options.stats_dir == Path("exp/st_stats_raw_en_de_bpe60")
    assert set(Options.of(token_joint=False).tokens) == {"src", "tgt"}
    assert options.data.every_set == ["train", "valid", "test"]


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """A recipe's folder as working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("conf", "corpus"):
        Path(name).mkdir()
    Path("conf/train.yaml").write_text("max_epoch: 1\n")
    return tmp_path


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("--stage 99 --stop_stage 100", "--stage 99 --stop_stage 100: no stage to run; there are 1 to 16"),
        ("--stage 5 --stop_stage 4", "--stage 5 --stop_stage 4: no stage to run"),
        ("--stage 0", "--stage 0"),
        ("--nj 0", "--nj 0: at least 1"),
        ("--inference_nj -2", "--inference_nj -2: at least 1"),
        ("--ngpu -1", "--ngpu -1: at least 0"),
        ("--st_args=--x='", "--st_args --x=': No closing quotation"),
        ("--feats_type fbank_pitch", "--feats_type fbank_pitch: features are made in the model"),
        ("--ngpu 1000", "--ngpu 1000: this machine has"),
        ("--minutes -5", "--minutes -5.0: at least 0"),
        ("--corpus_dir nowhere", "--corpus_dir nowhere: no such folder"),
        ("--corpus_dir corpus --valid_share 0.5 --test_share 0.5", "--valid_share 0.5 --test_share 0.5: shares"),
        ("--corpus_dir corpus --test_share 0", "--valid_share 0.05 --test_share 0.0: shares"),
        ("--st_config conf/tarin.yaml", "conf/tarin.yaml cannot be read"),
        ("--data_license LICENCE", "--data_license LICENCE: no such file"),
        ("--skip_upload_hf false --hf_repo me", "--hf_repo me: give org/name"),
    ],
)
def test_what_a_later_stage_would_refuse_is_refused_before_the_first(recipe, command, message):
    with pytest.raises(ConfigError) as refused:
        check_options(parse_options(command.split()))
    assert f"{refused.value}".startswith(message)


@pytest.mark.parametrize(
    "command",
    [
        "",
        "--corpus_dir corpus",
        "--stage 3 --corpus_dir was_here",  # which stage 1 has read
        "--stage 12 --st_config conf/gone.yaml",
        "--skip_train true --st_config conf/gone.yaml",
        "--stop_stage 13 --data_license LICENCE",
        "--stop_stage 14 --skip_upload_hf false",
        "--ngpu 8 --num_nodes 2",  # which other machines have
    ],
)
def test_what_no_stage_to_run_needs_is_not_asked_for(recipe, command):
    check_options(parse_options(command.split()))
