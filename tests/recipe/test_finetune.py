"""`--finetune`: what does not fit is said before the training, and what it comes from is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from espnet_jst.data import kaldi
from espnet_jst.errors import ConfigError
from espnet_jst.hub.about import read_base
from espnet_jst.hub.card import CardInfo
from espnet_jst.hub.pack import pack
from espnet_jst.recipe.finetune import training_config
from espnet_jst.recipe.fit import misfits
from espnet_jst.recipe.options import Options
from espnet_jst.text.token_list import read_tokens
from espnet_jst.text.train_tokenizer import train_tokenizer
from tests.inference import tiny
from tests.recipe.stages.one_stage import do

OPTIONS = Options.of(fs="8k", token_type="word", finetune="base.zip", st_config="finetune.yaml", st_tag="further")
BASE_TEXT = ["one two three", "eins zwei drei und"]


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch) -> Path:
    """A folder with a base model for English and German numbers, packed, and a training configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JST_CACHE", str(tmp_path / "cache"))
    train_tokenizer([line.split() for line in BASE_TEXT], "t", vocab_size=30, model_type="word", tags=["<asr>", "<st>"])
    config = tiny.config({"joint": tiny.SERIALIZED["joint"]})
    del config["src_token_list"], config["src_token_type"]
    config |= {
        "token_list": read_tokens("t/tokens.txt"),
        "token_type": "bpe",
        "bpemodel": str(tmp_path / "t/bpe.model"),
    }
    tiny.save(*tiny.tiny_model(config), Path("exp/base"))
    (tmp_path / "data_license").write_text("The numbers are by Doe.")
    card = CardInfo(name="numbers", languages=("en", "de"), dataset="numbers", license="cc-by-sa-4.0")
    pack(Path("exp/base"), "base.zip", wav=None, card=card, data_license="data_license", say=lambda _: None)
    Path("finetune.yaml").write_text("optim: adamw\n")
    return tmp_path


def texts(source: list[str], target: list[str], options: Options = OPTIONS) -> None:
    folder = options.data.raw / options.data.train_set
    for name, lines in zip(options.text.files, (source, target)):
        kaldi.write_table(folder / name, {f"u{n}": line for n, line in enumerate(lines)})


def copy(options: Options = OPTIONS) -> None:
    do(options, "token list")


def test_a_text_that_the_model_can_write_is_taken_without_a_word(recipe: Path, capsys) -> None:
    texts(["one two", "three"], ["eins zwei", "drei"])
    copy()
    assert capsys.readouterr().out == "" and misfits(OPTIONS.tokens["tgt"]) == []


def test_words_that_the_model_cannot_write_are_said_before_the_training(recipe: Path, capsys) -> None:
    texts(["one two three"] * 9 + ["one four"], ["eins zwei"] * 10)
    copy()
    warning = capsys.readouterr().out
    assert "cannot write 1 of 29 words of the transcript" in warning and "four" in warning
    assert "translation" not in warning
    assert len(misfits(OPTIONS.tokens["tgt"])) == 1


def test_a_text_of_which_it_can_write_nearly_nothing_is_refused_and_a_flag_allows_it(recipe: Path, capsys) -> None:
    texts(["kadi aba", "ngɔ one"], ["un deux", "trois"])
    with pytest.raises(ConfigError, match=r"base.zip.*3 of 4 words of the transcript.*--finetune_anyway true"):
        copy()
    assert not any(Path("data").rglob("tokens.txt"))  # a later stage would go on with them
    copy(OPTIONS.changed(finetune_anyway=True))
    assert "3 of 3 words of the translation" in capsys.readouterr().out


def test_other_languages_than_the_models_are_said(recipe: Path, capsys) -> None:
    options = OPTIONS.changed(src_lang="fr", tgt_lang="de")
    texts(["one"], ["eins"], options)
    copy(options)
    assert "was trained for en -> de and is trained further for fr -> de" in capsys.readouterr().out


def test_a_regional_code_is_the_same_language(recipe: Path, capsys) -> None:
    for source, target in (("en_US", "de-AT"), ("eng", "deu"), ("en_US.UTF-8", "ger")):
        options = OPTIONS.changed(src_lang=source, tgt_lang=target)
        texts(["one"], ["eins"], options)
        copy(options)
    assert capsys.readouterr().out == ""


def test_the_experiment_keeps_what_it_began_with(recipe: Path) -> None:
    path = training_config("base.zip", {"optim": "adamw"}, OPTIONS.exp, fs=8000)
    about, license = read_base(path.parent)
    assert about is not None
    assert (about.name, about.license, about.dataset) == ("numbers", "cc-by-sa-4.0", "numbers")
    assert len(about.sha256) == 64 and "by Doe" in license
    Path("base.zip").unlink()  # may be gone when the pack is made
    assert json.loads((path.parent / "base.json").read_text())["languages"] == ["en", "de"]
