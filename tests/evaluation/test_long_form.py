"""Words of a whole recording are cut at the reference segments, and their lag is that of LongYAAL."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
from pathlib import Path

import pytest

from espnet_jst.evaluation import score_directory
from espnet_jst.evaluation.long_form import long_yaal
from espnet_jst.evaluation.resegmentation import places_of
from espnet_jst.evaluation.results import write_results

OMNISTEVAL = os.environ.get("OMNISTEVAL_PYTHON")  # of an environment that has omnisteval 0.1.10
MARKS = ["?", ",", "."]
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "eleven", "twenty-one", *MARKS]
SCORED = """
import json, sys
from omnisteval.alignment import Word
from omnisteval.resegment import resegment
from omnisteval.scoring import evaluate_instances
cases = json.load(sys.stdin)
found = []
for case in cases:
    said = [[Word(w, seq_id=n) for n, s in enumerate(case["segments"]) for w in s["words"].lower().split()]]
    heard = [[Word(w, emission_cu=cu, emission_ca=ca) for w, cu, ca in zip(case["words"], case["cu"], case["ca"])]]
    end = max(s["offset"] + s["duration"] for s in case["segments"])
    cut = [dict(s, time_to_recording_end=end - s["offset"]) for s in case["segments"]]
    instances, _ = resegment(said, heard, cut, [s["words"] for s in case["segments"]])
    scores, *_ = evaluate_instances(instances, is_longform=True)
    found.append([scores["bleu"], scores.get("long_yaal"), scores.get("ca_long_yaal")])
    found[-1].append([i.prediction for i in instances])
json.dump(found, sys.stdout)
"""


def made(folder: Path, segments: list[dict], words: list[str], heard_s: list[float], compute_s: float) -> dict:
    """The scores of one recording with a translation, by a data directory and a decode directory."""
    ref, hyp = folder / "dump" / "test", folder / "exp" / "st_x" / "decode" / "test"
    for path in (ref, hyp):
        path.mkdir(parents=True)
    lines = [{"session_id": "talk", "speaker": "self", **segment} for segment in segments]
    (ref / "segments.lc.de.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    (ref / "text.lc.de").write_text("talk " + " ".join(s["words"] for s in segments) + "\n", encoding="utf-8")
    (hyp / "text").write_text("talk " + " ".join(words) + "\n", encoding="utf-8")
    shown = [
        {"text": text, "lane": "translation", "start_s": at, "end_s": at, "emission_s": at}
        for text, at in zip(words, heard_s, strict=True)
    ]
    duration_s = max(segment["end_time"] for segment in segments) + 1.0
    chunks = [{"audio_s": at, "elapsed_s": compute_s} for at in [*sorted({*heard_s}), duration_s]]
    line = {"utt_id": "talk", "duration_s": duration_s, "words": shown, "compute_s": chunks}
    (hyp / "words.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    return score_directory(hyp, ref, tgt_lang="de", n_bootstrap=0)["lanes"]["translation"]


def talk(seed: int) -> tuple[list[dict], list[str], list[float]]:
    """Segments of a talk, and what a system with errors and gaps wrote of it and when, in s.

    The first word is right, and a word: OmniSTEval loses words before the first pair, where a mark follows or is lost.
    """
    draw = random.Random(seed)
    segments, words, heard, at = [], [], [], 0.0
    for _ in range(draw.randint(2, 12)):
        said = draw.choices(WORDS[: -len(MARKS)], k=1) + draw.choices(WORDS, k=draw.randint(0, 8))
        begin, at = at + draw.choice((0.0, 0.7)), at + 0.7 + 0.4 * len(said)
        segments.append({"words": " ".join(said), "start_time": round(begin, 2), "end_time": round(at, 2)})
        for n, word in enumerate(said):
            kinds = draw.choices(("right", "wrong", "lost", "twice"), (8, 2, 1, 1))
            kinds = kinds if words else ["right"]
            written = {"right": [word], "wrong": [draw.choice(WORDS)], "lost": [], "twice": [word, word]}[kinds[0]]
            words += written
            heard += [begin + 0.4 * (n + 1) + draw.random()] * len(written)
    return segments, words, [round(0.32 * math.ceil(value / 0.32), 2) for value in sorted(heard)]


def test_words_stay_with_the_segment_that_says_them() -> None:
    references = [["one", "two"], [], ["three", "four"]]
    assert places_of(references, ["one", "two", "three", "four"]) == [0, 0, 2, 2]
    assert places_of(references, ["one", "four"]) == [0, 2]
    # Nothing like it follows or precedes "zzz": it stays with what was before; "threes" is more like "three".
    assert places_of(references, ["one", "two", "zzz", "threes", "three", "four"]) == [0, 0, 0, 2, 2, 2]
    assert places_of(references, ["?"]) == [0] and places_of(references, []) == []


def test_a_mark_is_no_partner_of_a_word() -> None:
    assert places_of([["a", "."], ["b"]], [".", "b"]) == [0, 1]
    assert places_of([["é"], ["x"]], ["e\u0301"]) == [0]


def test_words_after_the_end_of_the_recording_do_not_count() -> None:
    assert long_yaal([1000.0, 2000.0, 9000.0], 3000.0, 9000.0, 3) == 1000.0
    assert long_yaal([-500.0], 1000.0, 5000.0, 2) == -500.0
    assert math.isnan(long_yaal([9000.0], 3000.0, 9000.0, 3)) and math.isnan(long_yaal([], 3000.0, 9000.0, 3))


def test_a_recording_is_scored_by_its_segments(tmp_path: Path) -> None:
    segments = [
        {"words": "eins zwei", "start_time": 0.0, "end_time": 2.0},
        {"words": "drei vier", "start_time": 3.0, "end_time": 5.0},
    ]
    entry = made(tmp_path, segments, ["eins", "zwei", "drei", "vier"], [1.0, 2.0, 4.0, 5.0], compute_s=0.25)[
        "long_form"
    ]
    assert (entry["recordings"], entry["segments"], entry["empty"]) == (1, 2, 0)
    # d - (i - 1) 1000 ms: 1000, 1000; 1000 in the second, whose last word was shown at the end of the recording.
    assert entry["LongYAAL"] == pytest.approx(1000.0) and entry["LongYAAL_CA"] == pytest.approx(1250.0)
    assert entry["quality"]["BLEU"]["score"] == 0.0 or entry["quality"]["BLEU"]["score"] > 50
    text = write_results(tmp_path / "exp").read_text(encoding="utf-8")
    assert "### Translation: unsegmented recordings" in text and "|1000.0|1250.0|" in text


@pytest.mark.skipif(not OMNISTEVAL, reason="set OMNISTEVAL_PYTHON to a Python that has omnisteval 0.1.10")
def test_segments_and_longyaal_are_those_of_omnisteval(tmp_path: Path) -> None:
    cases, ours = [], []
    for seed in range(40):
        segments, words, heard = talk(seed)
        entry = made(tmp_path / str(seed), segments, words, heard, compute_s=0.1)["long_form"]
        ours.append([entry["quality"]["BLEU"]["score"], entry["LongYAAL"], entry["LongYAAL_CA"]])
        cut = [
            {
                "words": s["words"],
                "offset": 1000 * s["start_time"],
                "duration": 1000 * (s["end_time"] - s["start_time"]),
            }
            for s in segments
        ]
        end_s = segments[-1]["end_time"] + 1.0
        shown_s = [min(value, end_s) for value in heard]
        clock_s = dict(_finished(sorted({*shown_s}), 0.1))
        cases.append(
            {
                "segments": cut,
                "words": words,
                "cu": [1000 * value for value in shown_s],
                "ca": [1000 * clock_s[value] for value in shown_s],
            }
        )
        own = places_of([s["words"].split() for s in segments], words)
        ours[-1].append([" ".join(w for w, p in zip(words, own) if p == n) for n in range(len(segments))])
    done = subprocess.run(
        [OMNISTEVAL, "-c", SCORED], input=json.dumps(cases), capture_output=True, text=True, check=True
    )
    for found, theirs in zip(ours, json.loads(done.stdout), strict=True):
        assert found[3] == theirs[3]
        assert found[:3] == pytest.approx(theirs[:3], abs=0.1, nan_ok=True)


def _finished(ends: list[float], compute_s: float) -> list[tuple[float, float]]:
    """When each chunk was done: it waits for the one before it."""
    done, at = [], 0.0
    for end in ends:
        at = max(at, end) + compute_s
        done.append((end, at))
    return done
