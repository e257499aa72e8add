"""A head that begins as the decoder of a Whisper, in a recipe: token lists, weights, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from espnet_jst.data.kaldi import write_table
from espnet_jst.errors import ConfigError
from espnet_jst.recipe.options import Options
from espnet_jst.recipe.recipe import check_options
from espnet_jst.recipe.stages.tokens import tokens_stage
from espnet_jst.recipe.stages.whisper_decoder import init_flag, weights_stage
from espnet_jst.text.tokenizer import Tokenizer
from tests.hub.whisper.small_whisper import make_whisper
from tests.hub.whisper.test_whisper_start import CONFIG, ENTRY

TEXTS = {
    "text.lc.es": ["la casa pequeña está junto al río", "uno dos tres"],
    "text.lc.en": ["the small house stands by the river", "one two three"],
}


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Options:
    """A training set of two texts, and a small Whisper."""
    monkeypatch.chdir(tmp_path)
    make_whisper(Path("small"))
    Path("train.yaml").write_text(json.dumps(CONFIG))
    for name, lines in TEXTS.items():
        write_table(Path("dump/raw/train") / name, {f"u{n}": line for n, line in enumerate(lines)})
    return Options.of(
        whisper_decoder="small", src_lang="es", tgt_lang="en", st_config="train.yaml", corpus_dir="mine",
        valid_set="train", token_joint=False,
    )  # fmt: skip


def test_token_lists_have_its_pieces_and_the_head_its_weights(written: Options) -> None:
    data, text, training = written.data, written.text, written.training
    said = tokens_stage(data, text, training, skip="").run(joint=text.joint, tags=text.tags)
    assert said.count("tokens in") == 2
    lists = {side: Tokenizer.load(folder) for side, folder in written.tokens.items()}
    for side, name in (("src", "text.lc.es"), ("tgt", "text.lc.en")):
        for line in TEXTS[name]:
            assert lists[side].decode(lists[side].encode(line.split())) == line.split()
        assert {*text.tags} <= {*lists[side].tokens}
    assert "▁the" in lists["tgt"].tokens and "▁the" not in lists["src"].tokens
    stage = weights_stage(data, text, training, written.exp, skip="")
    assert {file.name for file in stage.inputs} == {
        "train.yaml", "tokens.txt", "config.json", "tokenizer.json", "model.safetensors"
    }  # fmt: skip
    assert "<|es|><|translate|>" in stage.run(**stage.uses)
    file, source, target = init_flag(training, *stage.outputs).split(":")
    assert stage.outputs == [Path(file)] and source == target == "heads.st" and "small" in written.exp.name
    state = torch.load(file, weights_only=True)
    rows = state["heads.st.decoder.embed.embedding.weight"]
    assert rows.shape == (len(lists["tgt"].tokens), 16) and all(name.startswith("heads.st.") for name in state)


def test_fewer_pieces_make_another_experiment(written: Options) -> None:
    fewer = written.changed(whisper_pieces=5)
    assert fewer.exp != written.exp and fewer.tokens != written.tokens
    stage = tokens_stage(fewer.data, fewer.text, fewer.training, skip="")
    assert stage.uses["pieces"] == 5 and stage.run(**stage.uses).count("tokens in") == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"whisper_pieces": -1}, "whisper_pieces"),
        ({"token_type": "char"}, "--whisper_decoder has pieces of its own: give --token_type bpe"),
        ({"kmeans_feature": "log_mel"}, "--whisper_decoder has pieces of its own: .*and no --kmeans_feature"),
        ({"whisper_decoder": "nowhere"}, "nowhere: the folder has no config.json: give that of a Whisper"),
        ({"finetune": "model"}, "--finetune model has weights of its own: leave out --whisper_decoder"),
        ({"st_config": "other.yaml"}, "other.yaml: model_conf.heads.st has not the sizes of small.* layers 2, not 5"),
        ({"st_config": "runs.yaml"}, "--whisper_decoder: runs.yaml names runs"),
    ],
)
def test_what_cannot_begin_as_its_decoder_is_said_before_the_first_stage(
    written: Options, changes: dict[str, Any], message: str
) -> None:
    Path("other.yaml").write_text(json.dumps({"model_conf": {"heads": {"st": {**ENTRY, "layers": 5}}}}))
    Path("runs.yaml").write_text(json.dumps({**CONFIG, "runs": {"first": {}, "train": {}}}))
    Path("mine").mkdir()
    check_options(written)
    with pytest.raises(ConfigError, match=message):
        check_options(written.changed(**changes))
