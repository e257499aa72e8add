"""A teacher labels a set without texts, which joins the labelled one as the training set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

from espnet_jst.data.kaldi import read_table, write_table
from espnet_jst.data.texts import Texts
from espnet_jst.errors import ConfigError
from espnet_jst.evaluation.files import DecodedUtterance
from espnet_jst.jobs.command import run_jobs
from espnet_jst.recipe.options import Options
from espnet_jst.recipe.recipe import check_options
from espnet_jst.recipe.stage import StageError
from espnet_jst.recipe.stages import decoding
from espnet_jst.recipe.stages.labelling import labels
from espnet_jst.text.lanes import TRANSCRIPT, TRANSLATION
from espnet_jst.text.words import Word
from tests.inference import tiny
from tests.recipe.second_run import make_recipe, options_for, replace_programs, run

FLAGS = "--train_set both --labelled_set train --unlabelled_set more --teacher decoded"
TEXTS = Texts("text.lc.en", "text.lc.de")


def word(text: str, lane: str, confidence: float | None, **more) -> Word:
    return Word(text, lane, 0.0, 0.5, 0.5, confidence=confidence, **more)


def decoded(**confidences: float) -> None:
    """A decode directory: one word a lane, with that confidence."""
    Path("decoded").mkdir(exist_ok=True)
    with open("decoded/words.jsonl", "w") as file:
        for key, confidence in confidences.items():
            words = [word("one", TRANSCRIPT, 0.99), word("eins", TRANSLATION, confidence)]
            entry = {"utt_id": key.replace("_", "-"), "duration_s": 1.0, "words": [w.as_dict() for w in words]}
            file.write(json.dumps(entry) + "\n")


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    make_recipe(tmp_path)
    replace_programs(monkeypatch)
    for path in Path("corpus/more").glob("text.*"):
        path.unlink()
    decoded(more_0=0.9, more_1=0.5, more_2=0.8)
    return tmp_path


def test_sure_labels_join_what_people_wrote_and_the_others_are_listed(recipe: Path):
    assert run(options_for(FLAGS))[:2] == ["1", "2"]
    texts = read_table("data/both/text.lc.de")
    assert texts["more-0"] == texts["more-2"] == "eins" and "more-1" not in texts and len(texts) == 8 + 2
    assert (
        read_table("data/both/wav.scp").keys()
        == texts.keys()
        == read_table("dump/raw/both/wav.scp").keys()
        | {
            "train-1"  # too long a text, as without a teacher
        }
    )
    skipped = [json.loads(line) for line in Path("data/both/skipped.jsonl").read_text().splitlines()]
    kinds = {entry["utt_id"]: entry["kind"] for entry in skipped}
    assert kinds == {"more-1": "label-unsure"} | {f"more-{n}": "label-missing" for n in range(3, 7)}
    assert run(options_for(FLAGS)) == []


@pytest.mark.parametrize(
    ("flags", "count"), [("--min_confidence 0.85", 1), ("--min_confidence 0.4", 3), ("--teacher_args=--beam_size=2", 2)]
)
def test_another_demand_labels_again(recipe: Path, flags: str, count: int):
    run(options_for(FLAGS))
    assert "2" in run(options_for(f"{FLAGS} {flags}"))
    assert len(read_table("data/both/text.lc.de")) == 8 + count


def test_another_teacher_labels_again_and_one_that_is_never_sure_is_one_message(recipe: Path):
    run(options_for(FLAGS))
    decoded(more_0=0.9)
    assert "2" in run(options_for(FLAGS))
    with pytest.raises(StageError, match="no label is left .first: more-0: transcript: confidence 0.99"):
        run(options_for(f"{FLAGS} --min_confidence 1"))


def test_an_utterance_of_both_sets_is_named(recipe: Path):
    path = Path("corpus/more/wav.scp")
    path.write_text(path.read_text().replace("more-0 ", "train-0 "))
    decoded(train_0=1.0)
    with pytest.raises(StageError, match="train-0 is in data/train and in the set that is labelled"):
        run(options_for(FLAGS))


def test_a_model_is_a_teacher(recipe: Path, monkeypatch: pytest.MonkeyPatch):
    stub = decoding.run_jobs
    by_teacher = lambda jobs, **more: (run_jobs if "--model_tag" in jobs[0].command else stub)(jobs, **more)  # noqa: E731
    monkeypatch.setattr(decoding, "run_jobs", by_teacher)
    tiny.save(*tiny.tiny_model(tiny.config(tiny.TWO_HEADS, two_encoders=True)), recipe / "exp" / "st_teacher")
    for number in range(2):
        soundfile.write(f"corpus/audio/more-{number}.wav", tiny.speech(1.5, seed=number), 8000)
    write_table(Path("corpus/more/wav.scp"), {f"more-{n}": f"corpus/audio/more-{n}.wav" for n in range(2)})
    run(options_for(f"{FLAGS} --teacher exp/st_teacher --min_confidence 0"))
    words = Path("data/both/labelling/decoded/words.jsonl").read_text().splitlines()
    said = {entry["utt_id"]: entry["words"] for entry in map(json.loads, words)}
    for lane, name in TEXTS.by_lane.items():
        texts = read_table(f"data/both/{name}")
        for key in ("more-0", "more-1"):
            assert texts[key] == " ".join(w["text"] for w in said[key] if w["lane"] == lane)


def test_times_and_speakers_are_those_of_the_words():
    words = (
        word("one", TRANSCRIPT, None, speaker="self"),
        word("two", TRANSCRIPT, None, speaker="self"),
        word("six", TRANSCRIPT, None, speaker="other"),
        word("eins", TRANSLATION, None, speaker="self"),
    )
    tables, problems = labels({"a": DecodedUtterance("a", 1.0, words)}, TEXTS, 1.0)
    assert not problems and tables["word_times"] == {"a": "0.500 0.500 0.500"}
    assert tables["text.lc.en"]["a"] == "<self> one two <other> six" and tables["text.lc.de"]["a"] == "<self> eins"
    _, problems = labels({"a": DecodedUtterance("a", 1.0, words[:3])}, TEXTS, 0.0)
    assert [problem.kind for problem in problems] == ["label-empty"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"teacher": "x"}, "go together"),
        ({"unlabelled_set": "more"}, "go together"),
        ({"teacher": "x", "unlabelled_set": "more"}, "give it a new name"),
        ({"teacher": "x", "unlabelled_set": "more", "train_set": "both", "min_confidence": 2.0}, "a probability"),
        ({"teacher": "x", "unlabelled_set": "more", "train_set": "both", "corpus_dir": "c"}, "split the corpus first"),
    ],
)
def test_what_cannot_be_labelled_is_refused_before_the_first_stage(options: dict, message: str):
    with pytest.raises(ConfigError, match=message):
        check_options(Options.of(**options, src_lang="en", tgt_lang="de", skip_train=True))


def test_segments_of_people_and_whole_files_of_the_teacher_go_together(recipe: Path):
    folder = Path("corpus/train")
    keys = [*read_table(folder / "wav.scp")]
    write_table(folder / "segments", {f"{key}": f"{key} 0 0.9" for key in keys})
    run(options_for(FLAGS))
    assert read_table("data/both/segments")["more-0"] == "more-0 0 1.0000"
    assert {"more-0", "train-0"} <= read_table("dump/raw/both/wav.scp").keys()
