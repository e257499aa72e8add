"""`espnet-jst score` on a set whose references name speakers, and on one whose references do not."""

import json

import pytest

from espnet_jst.bin.jst_score import main
from espnet_jst.errors import DataError
from espnet_jst.evaluation import compare_directories, score_directory
from espnet_jst.evaluation.speakers import scores as speaker_scores
from espnet_jst.evaluation.speakers.segments import read_segments, segments_name
from tests.evaluation.decoded import lane_texts, make_decoded, make_reference, write_table
from tests.evaluation.speakers.conversations import write_segments

LANGUAGES = {"src_lang": "en", "tgt_lang": "de", "n_bootstrap": 20}
# of tests.evaluation.decoded: a1 has one word of seven wrong
SAID = {"a1": [("self", "four two"), ("other", "seven")], "a2": [("other", "zero seven")], "a3": [("self", "one six")]}
NAMES = {"a1": ["self", "self", "other"], "a2": ["self", "self"], "a3": ["self", "other"]}
LINE = '{"session_id": "a1", "speaker": "self", "words": "four", "start_time": 0.0, "end_time": 1.0}'


def name_speakers(hyp_dir, names):
    """Give the words of the transcript speakers."""
    path = hyp_dir / "words.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        spoken = [word for word in line["words"] if word["lane"] == "transcript"]
        for word, speaker in zip(spoken, names[line["utt_id"]], strict=True):
            word["speaker"] = speaker
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return hyp_dir


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.setattr(speaker_scores, "has_meeteval", lambda: False)
    hyp_dir = name_speakers(make_decoded(tmp_path / "exp" / "st_x" / "decode" / "test"), NAMES)
    ref_dir = make_reference(tmp_path / "dump" / "test")
    write_segments(ref_dir / "segments.lc.en.jsonl", SAID)
    return hyp_dir, ref_dir


def spoken(scores):
    return scores["lanes"]["transcript"]["speakers"]


def test_a_set_with_speakers_has_their_scores_with_intervals(folders):
    found = score_directory(*folders, **LANGUAGES)
    assert json.loads((folders[0] / "scores.json").read_text("utf-8")) == found
    entry = spoken(found)
    assert (entry["reference"], entry["sessions"], entry["words_without_speaker"]) == ("segments.lc.en.jsonl", 3, 0)
    rate = entry["scores"]["cpWER"]
    # a1: "seven" is "nine"; a3: "six" is the other's: one deleted, one inserted
    assert rate["score"] == pytest.approx(300 / 7, abs=1e-5) and rate["low"] < rate["score"] < rate["high"]
    # a1 3 of 3; a2 none, renamed 2; a3 1 of 2
    assert entry["scores"]["attribution"]["score"] == pytest.approx(400 / 7, abs=1e-5)
    assert entry["scores"]["attribution, renamed"]["score"] == pytest.approx(600 / 7, abs=1e-5)
    assert set(entry["scores"]) == {"cpWER", "attribution", "attribution, renamed"}
    assert "speakers" not in found["lanes"]["translation"]


def test_tags_of_speakers_are_no_words_on_either_side_and_have_no_times(folders):
    hyp_dir, ref_dir = folders
    write_table(ref_dir / "word_times", {"a1": "0.5 1.0 1.5", "a2": "0.5 1.0", "a3": "0.5 1.0"})
    plain = score_directory(*folders, **LANGUAGES)["lanes"]
    said = {"a1": "<self> four two <other> seven", "a2": "<other> zero seven", "a3": "<self> one six"}
    write_table(ref_dir / "text.lc.en", said)
    write_table(ref_dir / "word_times", {"a1": "0.5 0.5 1.0 1.5 1.5", "a2": "0.5 0.5 1.0", "a3": "0.5 0.5 1.0"})
    assert score_directory(*folders, **LANGUAGES)["lanes"] == plain
    assert plain["transcript"]["latency"]["word_lag"]["words"] and not plain["transcript"]["latency"]["text_differs"]
    write_table(
        hyp_dir / "src_text", {"a1": "<self> four two nine", "a2": "zero <self> seven", "a3": "one <other> six"}
    )
    assert score_directory(*folders, **LANGUAGES)["lanes"] == plain  # as ESPnet's own programs write them


def test_without_references_of_speakers_nothing_is_added(folders):
    (folders[1] / "segments.lc.en.jsonl").unlink()
    found = score_directory(*folders, **LANGUAGES)
    assert all("speakers" not in entry for entry in found["lanes"].values())


def test_the_command_prints_a_table_and_what_is_missing(folders, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    names = ["--hyp_dir", str(folders[0]), "--ref_dir", str(folders[1]), "--src_lang", "en", "--tgt_lang", "de"]
    assert main([*names, "--n_bootstrap", "10", "--exp_dir", str(tmp_path / "exp")]) == 0
    results = (tmp_path / "exp" / "RESULTS.md").read_text("utf-8")
    for text in (capsys.readouterr().out, results):
        assert "cpWER" in text and "42.86" in text
        assert "without ORC-WER and tcpWER; meeteval is not installed: pip install 'espnet_jst[multispk]'" in text
    assert "### Transcript: speakers" in results and "### Translation: speakers" not in results


def test_two_systems_are_compared_over_sessions(folders, tmp_path):
    right = {name: [speaker for speaker, text in turns for _ in text.split()] for name, turns in SAID.items()}
    better = name_speakers(make_decoded(tmp_path / "better"), right)
    found = compare_directories(folders[0], better, folders[1], **LANGUAGES)["transcript"]
    assert found["cpWER"]["first"] == pytest.approx(300 / 7, abs=1e-5)
    assert found["cpWER"]["second"] == pytest.approx(100 / 7, abs=1e-5)
    assert found["attribution"]["second"] == 100.0 and 0.0 < found["attribution"]["p_value"] <= 1.0
    assert "cpWER" not in compare_directories(folders[0], better, folders[1], **LANGUAGES)["translation"]


def test_sessions_of_one_side_are_listed(folders):
    write_segments(folders[1] / "segments.lc.en.jsonl", {"a1": SAID["a1"], "a2": SAID["a2"], "b7": [("self", "one")]})
    entry = spoken(score_directory(*folders, **LANGUAGES))
    assert (entry["missing_sessions"], entry["sessions_without_reference"]) == (["b7"], ["a3"])
    assert entry["scores"]["cpWER"]["errors"] == 2  # one of a1, and "one", which was not written
    assert any("count as empty: b7" in note for note in entry["notes"])
    assert any("are not scored: a3" in note for note in entry["notes"])


def test_words_without_a_speaker_are_counted_and_named(folders):
    name_speakers(folders[0], {**NAMES, "a3": ["self", None]})
    entry = spoken(score_directory(*folders, **LANGUAGES))
    assert entry["words_without_speaker"] == 1
    assert any("1 words that name no speaker" in note and note.endswith(": a3") for note in entry["notes"])


def test_without_words_it_is_said_that_speakers_are_not_scored(folders):
    (folders[0] / "words.jsonl").unlink()
    entry = spoken(score_directory(*folders, **LANGUAGES))
    assert entry["scores"] == {} and "there is no words.jsonl" in entry["notes"][0]


def test_references_of_another_set_are_refused(folders):
    write_segments(folders[1] / "segments.lc.en.jsonl", {"b7": [("self", "one")]})
    with pytest.raises(DataError, match=r"none of its sessions was decoded: b7; words\.jsonl has a1, a2, a3"):
        score_directory(*folders, **LANGUAGES)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ('{"session_id": "a', r"jsonl:2: not JSON"),
        ("[1]", r"jsonl:2: holds \[1\], not an object"),
        (LINE.replace('"speaker": "self", ', ""), r"jsonl:2: key 'speaker' is missing"),
        (LINE.replace('"self"', '" "'), r"jsonl:2: speaker is ' '; give a text that is not empty"),
        (LINE.replace('"self"', "3"), r"jsonl:2: speaker is 3"),
        (LINE.replace("1.0", '"one"'), r"jsonl:2: end_time is 'one'; give seconds"),
        (LINE.replace("1.0", "NaN"), r"jsonl:2: end_time is nan"),
        (LINE.replace("0.0", "2.0"), r"jsonl:2: from 2.0 to 1.0 s"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, line, named):
    path = tmp_path / "segments.lc.en.jsonl"
    path.write_text(f"{LINE}\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=named):
        read_segments(path)


def test_a_file_that_is_missing_or_empty_is_named(tmp_path):
    path = tmp_path / "segments.lc.en.jsonl"
    with pytest.raises(DataError, match=r"segments\.lc\.en\.jsonl: no such file"):
        read_segments(path)
    path.write_text("\n")
    with pytest.raises(DataError, match="holds no segment"):
        read_segments(path)
    path.write_bytes(b"\xff\n")
    with pytest.raises(DataError, match="not UTF-8"):
        read_segments(path)


def test_segments_are_in_order_of_their_starts(tmp_path):
    path = tmp_path / "segments.lc.en.jsonl"
    write_segments(path, {"a1": [("self", "late", 3, 4), ("other", "early", 0, 5)]})
    assert [segment.words for segment in read_segments(path)["a1"]] == ["early", "late"]


def test_the_file_is_called_as_the_text_is():
    texts = lane_texts(["-"], ["-"])  # text.lc
    assert segments_name(texts.lane, texts.reference_file) == "segments.lc.jsonl"
