from __future__ import annotations

from pathlib import Path

import pytest

from espnet_jst.errors import ConfigError
from espnet_jst.recipe.options import RecipeOptions, parse_options


def test_espnets_spellings_of_an_option_are_one():
    assert parse_options(["--stop-stage", "5", "--skip_train", "true"]) == parse_options(
        ["--stop_stage", "5", "--skip-train"]
    )
    assert parse_options(["--stage", "3"]).stage == 3


def test_a_later_option_wins_so_that_run_sh_can_be_overridden():
    assert parse_options(["--fs", "8k", "--token_joint", "true", "--token_joint", "false"]).token_joint is False


@pytest.mark.parametrize(("text", "rate"), [("8k", 8000), ("16k", 16000), ("16000", 16000), ("22.05k", 22050)])
def test_a_sampling_rate_is_read(text, rate):
    assert RecipeOptions(fs=text).fs_hz == rate


@pytest.mark.parametrize("text", ["", "k", "fast", "-8k"])
def test_what_is_no_sampling_rate_is_refused(text):
    with pytest.raises(ConfigError, match="--fs"):
        _ = RecipeOptions(fs=text).fs_hz


def test_folders_have_espnets_names():
    options = RecipeOptions(st_config="conf/train_tsot.yaml", nbpe=60)
    assert options.token_dirs == {"tgt": Path("data/en_de_token_list/tgt_bpe_unigram60")}
    assert options.exp == Path("exp/st_train_tsot_raw_en_de_bpe60")
    assert options.stats_dir == Path("exp/st_stats_raw_en_de_bpe60")
    assert set(RecipeOptions(token_joint=False).token_dirs) == {"src", "tgt"}
    assert options.every_set == ["train", "valid", "test"]
