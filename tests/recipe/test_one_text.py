"""A corpus with a transcript alone: from a data directory as ESPnet's recognition recipes have it to a pack."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile
import yaml

from espnet_jst.data.kaldi import read_table
from tests.recipe.spoken_digits import make_corpus, recipe, write_config

HEADS = {
    "asr": {"kind": "transducer", "lanes": ["transcript"], "predictor_conf": {"size": 16}, "joint_size": 16},
    "ctc": {"kind": "ctc", "lanes": ["transcript"], "weight": 0.3},
}


@pytest.mark.long
def test_a_transcript_alone_becomes_a_model_that_is_scored_and_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JST_CACHE", str(tmp_path / "cache"))
    make_corpus(tmp_path / "mine", "text")
    write_config(tmp_path / "train.yaml", model_conf={"heads": HEADS})
    flags = ["--tgt_lang", "none", "--corpus_dir", "mine", "--valid_share", "0.15", "--test_share", "0.15"]
    flags += ["--token_type", "word", "--st_config", "train.yaml", "--st_tag", "x", "--fs", "8k"]
    said = recipe(tmp_path, *flags)
    assert "word alignment: skip (one text: nothing is aligned)" in said
    assert "up to date" not in said and "failed" not in said
    exp = tmp_path / "exp" / "st_x"
    [decoded] = exp.glob("decode*/test")
    assert set(json.loads((decoded / "scores.json").read_text())["lanes"]) == {"transcript"}
    assert (decoded / "text").read_text() == (decoded / "src_text").read_text()
    results = (exp / "RESULTS.md").read_text()
    assert "WER" in results and "BLEU" not in results
    data = yaml.safe_load((exp / "config.yaml").read_text())["train_data_path_and_name_and_type"]
    assert [name for _, name, _ in data] == ["speech", "src_text"]
    pack = exp / "st_x_valid.loss.ave.zip"
    from espnet_jst.inference import Speech2Text

    model = Speech2Text.from_pretrained(str(pack))
    samples, fs = soundfile.read(tmp_path / next(iter(read_table(tmp_path / "dump/raw/test/wav.scp").values())))
    assert set(model(samples, fs=fs)[0][3].lanes) == {"transcript"}
    assert "stage 3: format audio of train: up to date" in (again := recipe(tmp_path, *flags))
    assert " ...\n" not in again
