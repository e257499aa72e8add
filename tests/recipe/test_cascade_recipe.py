"""A recipe of two runs, a text transducer and a recognizer, decodes and scores them as a cascade."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from espnet_jst.data.kaldi import read_table, write_table
from tests.recipe.spoken_digits import make_corpus, recipe, write_config

GERMAN = ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")
ENGLISH = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SIZES = {"kind": "transducer", "predictor_conf": {"size": 16}, "joint_size": 16}
RUNS = {
    "mt": {
        "input_size": 16,
        "encoder_conf": {"subsampling": 1},
        "model_conf": {
            "inputs": {"src_text": {"kind": "tokens", "repeat": 4, "into": "encoder"}},
            "heads": {"st": {**SIZES, "lanes": ["translation"]}},
        },
    },
    "train": {"model_conf": {"heads": {"asr": {**SIZES, "lanes": ["transcript"]}}}},
}


@pytest.mark.long
def test_two_runs_make_a_cascade_that_is_decoded_and_scored(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    make_corpus(corpus, "text.lc.en")
    english = read_table(corpus / "text.lc.en")
    words = dict(zip(ENGLISH, GERMAN, strict=True))
    german = {key: " ".join(words[word] for word in text.split()) for key, text in english.items()}
    links = {key: " ".join(f"{i}-{i}" for i in range(len(text.split()))) for key, text in english.items()}
    write_table(corpus / "text.lc.de", german)
    write_table(corpus / "alignment", links)
    write_config(tmp_path / "two.yaml", runs=json.loads(json.dumps(RUNS)))  # YAML without aliases
    (tmp_path / "decode.yaml").write_text(yaml.safe_dump({"mt_model": "mt", "blank_penalty": 8.0, "max_symbols": 2}))
    flags = ["--corpus_dir", "corpus", "--src_lang", "en", "--tgt_lang", "de", "--src_case", "lc", "--tgt_case", "lc"]
    flags += ["--token_joint", "true", "--token_type", "word", "--st_config", "two.yaml", "--st_exp", "exp/x"]
    flags += ["--inference_config", "decode.yaml", "--stop_stage", "13"]
    flags += ["--valid_share", "0.15", "--test_share", "0.15"]
    recipe(tmp_path, *flags)
    [out] = (tmp_path / "exp/x").glob("decode_*_streaming/test")
    signature = json.loads((out / "signature.json").read_text())
    assert signature["system"] == "asr:transducer,mt.st:transducer" and signature["mt_checkpoint"]
    scores = json.loads((out / "scores.json").read_text())["lanes"]
    assert set(scores) == {"transcript", "translation"}
    entries = [json.loads(line) for line in (out / "words.jsonl").read_text("utf-8").splitlines()]
    assert {word["lane"] for entry in entries for word in entry["words"]} == {"transcript", "translation"}
    again = recipe(tmp_path, *flags)
    assert "up to date" in again and "train mt" not in again.replace("train mt: up to date", "")
