import json
import re

import pytest

from espnet_jst.errors import DataError
from espnet_jst.evaluation import compare_directories, score_directory
from tests.evaluation.decoded import HYPOTHESES, make_decoded, make_reference, write_table

LANGUAGES = {"src_lang": "en", "tgt_lang": "de", "n_bootstrap": 20}


@pytest.fixture
def folders(tmp_path):
    return make_decoded(tmp_path / "exp" / "st_x" / "decode" / "test"), make_reference(tmp_path / "dump" / "test")


def test_both_lanes_are_scored(folders):
    scores = score_directory(*folders, **LANGUAGES)
    transcript, translation = (scores["lanes"][lane] for lane in ("transcript", "translation"))
    assert transcript["quality"]["WER"]["score"] == pytest.approx(100 / 7, abs=1e-5)
    assert transcript["quality"]["WER"]["row"] == ["3", "7", "85.7", "14.3", "0.0", "0.0", "14.3", "33.3"]
    assert translation["quality"]["WER"]["errors"] == 2
    assert translation["quality"]["BLEU"]["signature"].startswith("nrefs:1|case:lc")
    assert (transcript["language"], translation["reference"]) == ("en", "text.lc.de")
    assert transcript["interval_method"].startswith("widest of")  # of three utterances


def test_latency_is_counted_at_the_chunks_end_and_never_after_the_audio(folders):
    scores = score_directory(*folders, **LANGUAGES)
    transcript, translation = (scores["lanes"][lane]["latency"] for lane in ("transcript", "translation"))
    # a1: 640, 1280 - 1000, 1920 - 2000; a2: 640, 280; a3: 640, 530
    assert transcript["LAAL"] == pytest.approx(((640 + 280 - 80) / 3 + 460 + 585) / 3, abs=1e-3)
    assert transcript["FTL_P50"] == 640.0
    assert translation["LTL_P90"] == 0.0
    assert translation["empty"] == 1 and translation["skipped"]["YAAL"] == 3 and translation["YAAL"] is None


def test_computation_is_added_and_the_real_time_factor_reported(folders):
    latency = score_directory(*folders, **LANGUAGES)["lanes"]["transcript"]["latency"]
    assert latency["LAAL_CA"] == pytest.approx(latency["LAAL"] + 100.0, abs=1e-3)
    assert latency["RTF"] == pytest.approx((5 + 4 + 3) * 0.1 / 6.5, abs=1e-5)


def test_the_files_of_espnet_are_written(folders):
    hyp_dir, ref_dir = folders
    scores = score_directory(hyp_dir, ref_dir, **LANGUAGES)
    lines = (hyp_dir / "score_bleu" / "result.lc.txt").read_text(encoding="utf-8").splitlines()
    bleu = scores["lanes"]["translation"]["quality"]["BLEU"]["score"]
    assert lines[4].startswith(' "score": ') and float(lines[4].split()[1].rstrip(",")) == pytest.approx(
        bleu, abs=0.006
    )
    assert lines[6].strip().startswith('"verbose_score"')  # ESPnet's script takes lines 5 and 7
    assert [entry["name"] for entry in json.loads("\n".join(lines[1:]))] == ["BLEU", "chrF2++", "TER"]
    sums = [line for line in (hyp_dir / "score_wer" / "result.txt").read_text().splitlines() if "Avg" in line]
    assert sums[0].replace("|", " ").split() == ["Sum/Avg", "3", "7", "85.7", "14.3", "0.0", "0.0", "14.3", "33.3"]
    assert (hyp_dir / "score_cer" / "result.txt").exists()


def test_scores_json_is_what_was_returned_and_strict_json(folders):
    hyp_dir, ref_dir = folders
    scores = score_directory(hyp_dir, ref_dir, **LANGUAGES, signature={"system": "tsot", "beam": 4})
    text = (hyp_dir / "scores.json").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON")) == scores
    assert scores["signature"] == {"system": "tsot", "beam": 4}
    latency = json.loads((hyp_dir / "latency.json").read_text(encoding="utf-8"))
    assert set(latency["laal_by_utterance"]["translation"]) == {"a1", "a2"}


def test_a_lane_that_the_model_does_not_have_is_not_scored(folders):
    (folders[0] / "signature.json").write_text('{"lanes": "transcript"}')
    assert list(score_directory(*folders, **LANGUAGES)["lanes"]) == ["transcript"]


def test_the_signature_is_taken_from_the_directory_when_none_is_given(folders):
    (folders[0] / "signature.json").write_text('{"chunk_s": 0.64}')
    assert score_directory(*folders, **LANGUAGES)["signature"] == {"chunk_s": 0.64}


def test_missing_hypotheses_count_as_empty_and_are_listed(tmp_path, folders):
    partial = make_decoded(tmp_path / "partial", {key: HYPOTHESES[key] for key in ("a2", "a3")})
    scores = score_directory(partial, folders[1], **LANGUAGES)
    assert scores["missing_hypotheses"]["transcript"] == ["a1"]
    assert scores["lanes"]["transcript"]["quality"]["WER"]["errors"] == 3
    assert scores["lanes"]["transcript"]["latency"]["missing"] == ["a1"]


def test_hypotheses_of_another_set_are_refused_by_name(folders):
    with (folders[0] / "text").open("a") as stream:
        stream.write("b7 null\n")
    with pytest.raises(DataError, match="b7"):
        score_directory(*folders, **LANGUAGES)


def test_words_of_another_set_are_refused_by_name(folders):
    with (folders[0] / "words.jsonl").open("a") as stream:
        stream.write('{"utt_id": "b7", "duration_s": 1.0, "words": []}\n')
    with pytest.raises(DataError, match="b7"):
        score_directory(*folders, **LANGUAGES)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ('{"utt_id": "a', "words.jsonl:4: not JSON"),
        ('{"utt_id": "a4", "words": []}', "duration_s"),
        ('{"utt_id": "a4", "duration_s": 1, "words": [{"text": "x"}]}', "incomplete"),
        ('{"utt_id": "a1", "duration_s": 1, "words": []}', "twice"),
        ('{"utt_id": "a4", "duration_s": NaN, "words": []}', "words.jsonl:4: not JSON"),
    ],
)
def test_a_damaged_line_of_words_is_named(folders, line, named):
    with (folders[0] / "words.jsonl").open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(DataError, match=named):
        score_directory(*folders, **LANGUAGES)


def test_a_directory_with_one_lane_is_scored_on_that_lane(folders):
    (folders[0] / "src_text").unlink()
    assert list(score_directory(*folders, **LANGUAGES)["lanes"]) == ["translation"]


def test_nothing_to_score_names_what_was_looked_for(tmp_path):
    with pytest.raises(DataError, match=r"src_text with text\.lc\.en"):
        score_directory(tmp_path, tmp_path, **LANGUAGES)


def test_a_named_lane_without_its_file_is_an_error(folders):
    (folders[0] / "src_text").unlink()
    with pytest.raises(DataError, match="src_text"):
        score_directory(*folders, **LANGUAGES, lanes=["transcript"])


def test_without_words_only_quality_is_scored(folders):
    (folders[0] / "words.jsonl").unlink()
    scores = score_directory(*folders, **LANGUAGES)
    assert scores["lanes"]["transcript"]["latency"] is None
    assert not (folders[0] / "latency.json").exists()


def test_a_text_that_differs_from_the_streamed_words_is_counted(folders):
    write_table(folders[0] / "src_text", {"a1": "four two seven", "a2": "zero seven", "a3": "one six"})
    assert score_directory(*folders, **LANGUAGES)["lanes"]["transcript"]["latency"]["text_differs"] == 1


def test_word_lags_are_measured_against_reference_end_times(folders):
    write_table(folders[1] / "word_times", {"a1": "0.40 1.04 1.50", "a2": "0.44 0.88", "a3": "0.5"})
    latency = score_directory(*folders, **LANGUAGES)["lanes"]["transcript"]["latency"]
    # a1: "seven" is wrong, so 240 and 240; a2: 200 and 400
    assert latency["word_lag"] == {"mean": 270.0, "P50": 240.0, "P90": 352.0, "words": 4}
    assert latency["word_ends_unusable"] == ["a3"]


def test_the_gap_between_the_lanes_follows_the_alignment(folders):
    write_table(folders[1] / "alignment", {"a1": "0-2 1-0 2-3", "a2": "0-0 1-1", "a3": "-"})
    # a1: vierzig - four, zwei - two; a2: null - zero, sieben - seven
    gap = score_directory(*folders, **LANGUAGES)["lane_gap_ms"]
    assert gap["words"] == 4
    assert gap["mean"] == pytest.approx((3000 - 640 + 3000 - 1280 + 2000 - 640 + 2000 - 1280) / 4)


def test_two_directories_are_compared_lane_by_lane(tmp_path, folders):
    better = make_decoded(tmp_path / "better", {**HYPOTHESES, "a1": ("four two seven", "zwei und vierzig sieben")})
    found = compare_directories(folders[0], better, folders[1], **LANGUAGES)
    assert found["transcript"]["WER"]["first"] == pytest.approx(100 / 7, abs=1e-5)
    assert found["transcript"]["WER"]["second"] == 0.0
    assert found["translation"]["BLEU"]["second"] > found["translation"]["BLEU"]["first"]
    assert found["transcript"]["LAAL"]["first"] == found["transcript"]["LAAL"]["second"]
    assert found["transcript"]["LAAL"]["p_value"] == 1.0


@pytest.mark.parametrize("kind", ["nothing written", "nothing to write", "neither"])
def test_files_hold_no_nan_whatever_is_empty(tmp_path, folders, kind):
    hypotheses = HYPOTHESES if kind == "nothing to write" else dict.fromkeys(HYPOTHESES, ("", ""))
    empty = make_decoded(tmp_path / "exp" / "st_x" / "decode" / "empty", hypotheses)
    if kind != "nothing written":
        for name in ("text.lc.en", "text.lc.de"):
            write_table(folders[1] / name, dict.fromkeys(HYPOTHESES, ""))
    score_directory(empty, folders[1], **LANGUAGES)
    found = compare_directories(folders[0], empty, folders[1], **LANGUAGES)
    json.dumps(found, allow_nan=False)
    for path in (path for path in empty.rglob("*") if path.is_file()):
        assert not re.search(r"\b(NaN|nan|Infinity|inf)\b", path.read_text(encoding="utf-8")), path
