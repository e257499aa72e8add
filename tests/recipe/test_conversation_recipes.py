"""The recipes of conversations run from single recordings to scores with speakers, on a few conversations."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
import yaml

from espnet_jst.data.corpora.fleurs import read_set
from espnet_jst.data.kaldi import read_table
from espnet_jst.errors import ConfigError
from espnet_jst.evaluation.speakers.segments import read_segments
from tests.recipe.spoken_digits import CORPUS as DIGITS
from tests.recipe.spoken_digits import NAMES as ENGLISH
from tests.recipe.test_telephone_recipes import HEAD, TINY

ROOT = Path(__file__).resolve().parents[2]
SPANISH = ("cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve")
NAMED = {"preprocessor_conf": {"speakers": ["self", "other"]}, "max_epoch": 2}


def copied(root: Path, name: str) -> Path:
    """A copy of a recipe with few conversations, so that nothing is written into the checkout."""
    ignored = shutil.ignore_patterns("__pycache__", "data", "dump", "exp")
    shutil.copytree(ROOT / "egs2" / name, root / "egs2" / name, ignore=ignored)
    digits = root / "egs2" / "fsdd_digits" / "jst1"
    digits.mkdir(parents=True, exist_ok=True)
    for folder in ("corpus", "local"):
        if not (digits / folder).exists():
            (digits / folder).symlink_to(ROOT / "egs2" / "fsdd_digits" / "jst1" / folder)
    shutil.copytree(ROOT / "conf", root / "conf")
    shutil.copy(ROOT / "egs2" / "path.sh", root / "egs2")
    made = root / "egs2" / name / "jst1"
    simulation = made / "conf" / "simulate.yaml"
    cheap = {"max_order": 3, "rooms": 2, "turns": [3, 4]}
    simulation.write_text(yaml.safe_dump({**yaml.safe_load(simulation.read_text("utf-8")), **cheap}), "utf-8")
    return made


def run(recipe: Path, *flags: str, **environment: str) -> str:
    """Run it; returns what it says."""
    values = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "JST_VENV": sys.prefix, **environment}
    command = ["bash", str(recipe / "run.sh"), "--nj", "1", "--inference_nj", "1", "--ngpu", "0", *flags]
    done = subprocess.run(command, env={**os.environ, **values}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.long
def test_digit_conversations_are_trained_and_scored_with_their_speakers(tmp_path: Path) -> None:
    pytest.importorskip("pyroomacoustics")
    recipe = copied(tmp_path, "fsdd_conversations")
    tiny = {**TINY, **NAMED, "frontend_conf": {"fs": 8000, "n_mels": 20}, "batch_size": 4}
    (recipe / "tiny.yaml").write_text(json.dumps(tiny), "utf-8")
    flags = ["--st_config", "tiny.yaml", "--st_tag", "x", "--test_sets", "test test_unheard", "--stop_stage", "13"]
    flags += ["--local_data_opts", "--train 8 --dev 3 --test 3 --nj 1 --sets train dev test test_unheard"]
    said = run(recipe, *flags)
    assert "failed" not in said and " share " not in said  # the sets' keys differ
    tokens = next(recipe.glob("data/en_de_token_list/*/tokens.txt")).read_text("utf-8").splitlines()
    assert {"<self>", "<other>"} <= set(tokens) and len(tokens) == len(set(tokens))
    dumped = recipe / "dump" / "raw" / "test"
    text = read_table(dumped / "text.lc.de")
    assert len(text) == 3 and all(line.startswith(("<self> ", "<other> ")) for line in text.values())
    assert set(read_segments(dumped / "segments.lc.de.jsonl")) == set(text)
    times = read_table(dumped / "word_times")
    assert all(len(times[key].split()) == len(line.split()) for key, line in read_table(dumped / "text.lc.en").items())
    decoded = recipe / "exp" / "st_x" / "decode_st_model_valid.loss.ave_streaming" / "test"
    assert "<" not in (decoded / "text").read_text("utf-8") + (decoded / "src_text").read_text("utf-8")
    scores = json.loads((decoded / "scores.json").read_text("utf-8"))
    for lane, metric in (("transcript", "cpWER"), ("translation", "SAtBLEU")):
        entry = scores["lanes"][lane]["speakers"]
        assert entry["sessions"] == 3 and metric in entry["scores"]
    words = [unit for line in read_table(dumped / "text.lc.en").values() for unit in line.split() if unit[0] != "<"]
    assert scores["lanes"]["transcript"]["quality"]["WER"]["reference_units"] == len(words)
    assert "speakers" in (recipe / "exp" / "st_x" / "RESULTS.md").read_text("utf-8")
    assert " ...\n" not in run(recipe, *flags)  # a second run does nothing


def fleurs(corpus: Path) -> Path:
    """FLEURS of a few sentences in two languages, each read twice: digits, in place of the languages."""
    rows = [line.split("\t") for line in (DIGITS / "segments.tsv").read_text("utf-8").splitlines()[1:]]
    for lang, speaker, names in (("en_us", "george", ENGLISH), ("es_419", "lucas", SPANISH)):
        samples, fs = soundfile.read(DIGITS / f"{speaker}.flac", dtype="int16")
        mine = [row for row in rows if row[1] == speaker]
        for name in ("train", "dev", "test"):
            folder = corpus / lang / "audio" / name
            folder.mkdir(parents=True)
            lines = []
            for number in range(12):
                sentence = number // 2 if number < 10 else number + 10 * (lang == "en_us")  # the last ones are alone
                said = mine[sentence * 7 % 400 : sentence * 7 % 400 + 4]
                soundfile.write(folder / f"{number}.wav", samples[int(said[0][4]) : int(said[-1][5])], fs)
                text = ", ".join(names[int(row[2])] for row in said).capitalize() + "."
                lines.append("\t".join([str(sentence), f"{number}.wav", text, text.lower(), "", "1", "MALE"]))
            (corpus / lang / f"{name}.tsv").write_text("\n".join([*lines, "no line"]) + "\n", "utf-8")
    return corpus


def test_fleurs_pairs_the_sentences_of_two_languages(tmp_path: Path) -> None:
    readings = read_set(fleurs(tmp_path), ("en_us", "es_419"), "dev")
    for reading, lang, other in zip(readings, ("en_us", "es_419"), (SPANISH, ENGLISH)):
        assert len(reading.turns) == 10 and len(reading.audio) == 12
        assert [problem.kind for problem in reading.problems] == ["line-invalid", "text-missing", "text-missing"]
        turn = reading.turns[0]
        assert (turn.utt_id, turn.speaker) == (f"{lang}-0", f"{lang}-male")
        assert set(turn.translations[0].split()) <= set(other) and "," not in turn.transcript
    with pytest.raises(ConfigError, match="give two languages"):
        read_set(tmp_path, ("en_us", "en_us"), "dev")


def test_without_fleurs_it_is_one_message(tmp_path: Path) -> None:
    script = ROOT / "egs2" / "mc_fleurs" / "jst1" / "local" / "data.py"
    command = [sys.executable, str(script), "--data_dir", str(tmp_path), "--fleurs", str(tmp_path / "none")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "FLEURS=FOLDER ./run.sh" in done.stderr


@pytest.mark.long
def test_conversations_of_two_languages_are_trained_and_scored(tmp_path: Path) -> None:
    pytest.importorskip("pyroomacoustics")
    recipe = copied(tmp_path, "mc_fleurs")
    (recipe / "tiny.yaml").write_text(json.dumps({**TINY, **NAMED, "batch_size": 4}), "utf-8")
    flags = ["--st_config", "tiny.yaml", "--st_tag", "x", "--token_type", "word", "--stop_stage", "13"]
    flags += ["--local_data_opts", "--train 8 --dev 3 --test 3 --nj 1"]
    run(recipe, *flags, FLEURS=str(fleurs(tmp_path / "corpus")))
    turns = [json.loads(line)["turns"] for line in (recipe / "data/test/turns.jsonl").read_text("utf-8").splitlines()]
    assert all(len({(turn["speaker"], turn["language"]) for turn in talk}) == 2 for talk in turns)
    said = read_segments(recipe / "dump/raw/test/segments.lc.rm.mul-x-tgt.jsonl")
    words = {
        language: {word for talk in turns for t in talk if t["language"] == language for word in _target(t)}
        for language in ("en_us", "es_419")
    }
    assert len(said) == 3 and words["en_us"] <= set(SPANISH) and words["es_419"] <= set(ENGLISH)
    scores = json.loads(next(recipe.glob("exp/st_x/*/test/scores.json")).read_text("utf-8"))
    assert {"cpWER"} <= set(scores["lanes"]["transcript"]["speakers"]["scores"])


def _target(turn: dict) -> list[str]:
    return turn["texts"]["text.lc.rm.mul-x-tgt"].split()


def sentences(corpus: Path) -> Path:
    """tatoeba_es_en of a few sentences by two voices: digits, in place of the sentences."""
    rows = [line.split("\t") for line in (DIGITS / "segments.tsv").read_text("utf-8").splitlines()[1:]]
    for name in ("train", "dev", "test"):
        (corpus / name).mkdir(parents=True)
        lines = ["id\tspeaker\tspa\teng"]
        for speaker in ("george", "lucas"):
            samples, fs = soundfile.read(DIGITS / f"{speaker}.flac", dtype="int16")
            mine = [row for row in rows if row[1] == speaker]
            for number in range(10):
                said = mine[number * 7 % 400 : number * 7 % 400 + 3]
                key = f"{name}_{speaker}_{number}"
                audio = samples[int(said[0][4]) : int(said[-1][5])]
                soundfile.write(corpus / name / f"{key}.opus", audio, fs, format="OGG", subtype="OPUS")
                texts = (" ".join(names[int(row[2])] for row in said) for names in (SPANISH, ENGLISH))
                lines.append("\t".join([key, speaker, *texts]))
        (corpus / f"{name}.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    return corpus


@pytest.mark.long
def test_conversations_of_sentences_are_trained_by_jstar_and_tsot(tmp_path: Path) -> None:
    pytest.importorskip("pyroomacoustics")
    recipe = copied(tmp_path, "tatoeba_conversations")
    local = tmp_path / "egs2" / "tatoeba_es_en" / "jst1"
    local.mkdir(parents=True)
    (local / "local").symlink_to(ROOT / "egs2" / "tatoeba_es_en" / "jst1" / "local")
    corpus = str(sentences(tmp_path / "corpus"))
    flags = ["--token_joint", "true", "--token_type", "word", "--stop_stage", "13"]
    flags += ["--local_data_opts", "--train 8 --dev 3 --test 3 --nj 1"]
    (recipe / "jstar.yaml").write_text(json.dumps({**TINY, **NAMED, "batch_size": 4}), "utf-8")
    joint = {**HEAD, "reads": "encoder", "lanes": ["transcript", "translation"], "policy": "time"}
    tsot = {key: value for key, value in TINY.items() if not key.startswith("hier")}
    tsot |= {**NAMED, "batch_size": 4, "model_conf": {"heads": {"joint": joint}}}
    (recipe / "tsot.yaml").write_text(json.dumps(tsot), "utf-8")
    for system in ("jstar", "tsot"):
        run(recipe, *flags, "--st_config", f"{system}.yaml", "--st_tag", system, TATOEBA_ES_EN=corpus)
        scores = json.loads(next(recipe.glob(f"exp/st_{system}/*/test/scores.json")).read_text("utf-8"))
        assert {"cpWER"} <= set(scores["lanes"]["transcript"]["speakers"]["scores"])
        assert {"SAtBLEU"} <= set(scores["lanes"]["translation"]["speakers"]["scores"])
