"""What RESULTS.md says is read back, and nothing else of a text that anybody may have written."""

from __future__ import annotations

from pathlib import Path

from espnet_jst.evaluation import score_directory, write_results
from espnet_jst.evaluation.measured import MAX_CHARS, MAX_ROWS, read_measured
from tests.evaluation.decoded import make_decoded, make_reference

HEADING = "### Translation (de): quality and latency\n"


def test_scores_and_lags_of_a_results_file_come_back(tmp_path: Path) -> None:
    decoded, reference = make_decoded(tmp_path / "exp" / "st_a" / "decode" / "test"), tmp_path / "dump" / "test"
    make_reference(reference)
    scores = score_directory(decoded, reference, src_lang="en", tgt_lang="de", n_bootstrap=0)
    found = read_measured(write_results(tmp_path / "exp").read_text(encoding="utf-8"))
    assert [(row.lane, row.language, row.metric) for row in found] == [
        ("translation", "de", "BLEU"),
        ("transcript", "en", "WER"),
    ]
    for row in found:
        entry = scores["lanes"][row.lane]
        assert row.dataset == "decode/test" and row.laal == f"{entry['latency']['LAAL']:.0f}"
        assert float(row.score.split()[0]) == round(entry["quality"][row.metric]["score"], 2)


def test_what_is_no_such_table_is_left_out() -> None:
    assert read_measured("") == read_measured("|dataset|BLEU|\n|---|---|\n|a|1|\n") == []
    assert read_measured(HEADING + "|a|b|\n|---|---|\n|c|d|\n") == []
    assert read_measured(HEADING + "|dataset|BLEU|\n|---|---|\n|test|1|2|\n### other\n|test|1|\n") == []
    [row] = read_measured(HEADING + "|dataset|BLEU|\n|---|---|\n|" + "x" * 1000 + "|1|\n")
    assert (row.dataset, row.laal) == ("x" * MAX_CHARS, "-")
    assert len(read_measured(HEADING + "|dataset|BLEU|\n" + "|test|1|\n" * 1000)) == MAX_ROWS
