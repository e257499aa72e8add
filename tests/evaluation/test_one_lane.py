"""A corpus, or a model, with one lane alone is scored, told, drawn and compared without the other."""

from __future__ import annotations

import pytest

from espnet_jst.errors import DataError
from espnet_jst.evaluation import compare_directories, score_directory, write_report, write_results
from espnet_jst.evaluation.compare import compare_runs, run_statistics
from espnet_jst.evaluation.comparison_table import ComparisonTable, write_table
from espnet_jst.evaluation.metrics import METRICS
from tests.evaluation.decoded import HYPOTHESES, make_decoded, make_reference

LANES = {  # lane -> language, its reference, its hypotheses; those of the other
    "transcript": ({"src_lang": "en"}, "text.lc.en", "src_text", "text.lc.de", "text"),
    "translation": ({"tgt_lang": "de"}, "text.lc.de", "text", "text.lc.en", "src_text"),
}
OWN = {"transcript": ("WER", "CER"), "translation": ("BLEU", "chrF++", "TER", "RIBES")}
BETTER = {**HYPOTHESES, "a1": ("four two seven", "zwei und vierzig sieben")}


@pytest.fixture(params=LANES)
def corpus(request, tmp_path):
    """(lane, languages, decode directory, references) where the other lane is nowhere."""
    languages, _, _, other_reference, other_text = LANES[request.param]
    reference = make_reference(tmp_path / "dump" / "test")
    decoded = make_decoded(tmp_path / "exp" / "st_a" / "decode" / "test")
    (reference / other_reference).unlink()
    (decoded / other_text).unlink()
    return request.param, languages, decoded, reference


def test_it_is_scored_with_its_own_files(corpus):
    lane, languages, decoded, reference = corpus
    scores = score_directory(decoded, reference, **languages, n_bootstrap=10)
    assert list(scores["lanes"]) == [lane]
    assert scores["lanes"][lane]["latency"]["LAAL"] is not None and scores["lane_gap_ms"] is None
    assert (decoded / "score_wer").exists() is (lane == "transcript")
    assert (decoded / "score_bleu").exists() is (lane == "translation")


def test_results_and_the_report_have_its_tables_alone(corpus, tmp_path):
    lane, languages, decoded, reference = corpus
    score_directory(decoded, reference, **languages, n_bootstrap=10)
    results = write_results(tmp_path / "exp").read_text("utf-8")
    [other] = set(LANES) - {lane}
    assert f"### {lane.capitalize()} (" in results and other not in results.lower()
    assert [name for name in METRICS if f"### {name}\n" in results] == [*OWN[lane], "length ratio"]
    page = write_report(tmp_path / "exp" / "st_a", tmp_path / "dump").read_text("utf-8")
    assert f'<h4 class="{lane}">' in page and f'<h4 class="{other}">' not in page
    assert f"LAAL {lane} (ms)" in page and f"LAAL {other} (ms)" not in page


def test_systems_are_compared_on_it(corpus, tmp_path):
    lane, languages, decoded, reference = corpus
    better = make_decoded(tmp_path / "better", BETTER)
    (better / LANES[lane][4]).unlink()
    found = compare_directories(decoded, better, reference, **languages, n_bootstrap=20)
    assert list(found) == [lane] and list(found[lane]) == [*OWN[lane], "length ratio", "LAAL"]
    runs = {
        name: [run_statistics(folder, reference, timed=True, **languages)]
        for name, folder in (("first", decoded), ("better", better))
    }
    scores = {"test": compare_runs(runs, baseline="first", n_bootstrap=20)}
    page = write_table(ComparisonTable("two", "Two", list(runs), [0], scores, {}), tmp_path).read_text("utf-8")
    assert f"| system | {' | '.join(OWN[lane])} | length ratio {lane} | LAAL {lane}, ms |" in page
    assert (tmp_path / "two_test.png").stat().st_size > 5000


def test_a_model_of_both_lanes_is_scored_on_the_one_that_has_references(corpus):
    lane, _, decoded, reference = corpus
    make_decoded(decoded)
    (decoded / "signature.json").write_text('{"lanes": "transcript+translation"}')
    assert list(score_directory(decoded, reference, src_lang="en", tgt_lang="de", n_bootstrap=0)["lanes"]) == [lane]


def test_a_lane_that_is_named_needs_its_language(corpus):
    _, languages, decoded, reference = corpus
    [other] = set(LANES) - {corpus[0]}
    with pytest.raises(DataError, match=f"lane {other}: give its language"):
        score_directory(decoded, reference, **languages, lanes=[other])
