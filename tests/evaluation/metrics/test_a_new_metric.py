"""A new metric is one class: everything that shows metrics shows it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from espnet_jst.bin.jst_score import main
from espnet_jst.evaluation import score_directory, write_report, write_results
from espnet_jst.evaluation.compare import compare_runs, run_statistics
from espnet_jst.evaluation.comparison_table import ComparisonTable, write_table
from espnet_jst.evaluation.metrics import METRICS
from espnet_jst.evaluation.metrics.base import Metric, Statistics, rate
from tests.evaluation.decoded import HYPOTHESES, make_decoded, make_reference

READING = {"src_lang": "en", "tgt_lang": "de"}


class Volume(Metric):
    name = "volume"
    meaning = "words of the translation in percent of the reference's"
    up = True
    unit = "%"
    digits = 1
    source = False

    def statistics(self, texts, decoded=None):
        pairs = zip(texts.hypotheses, texts.references, strict=True)
        rows = [(100.0 * len(texts.units(written)), len(texts.units(wanted))) for written, wanted in pairs]
        return Statistics(np.array(rows), rate)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.setitem(METRICS, "volume", Volume())
    return make_decoded(tmp_path / "exp" / "st_a" / "decode" / "test"), make_reference(tmp_path / "dump" / "test")


def test_it_stands_in_scores_json_with_an_interval(folders):
    score_directory(*folders, **READING, n_bootstrap=100)
    lanes = json.loads((folders[0] / "scores.json").read_text("utf-8"))["lanes"]
    entry = lanes["translation"]["quality"]["volume"]
    assert entry["score"] == pytest.approx(100 * 5 / 7, abs=1e-5)  # "sieben" and "sechzehn" are missing
    assert entry["low"] < entry["score"] < entry["high"]
    assert lanes["transcript"]["quality"]["volume"]["score"] == 100.0


def test_it_stands_in_results_the_report_and_the_terminal(folders, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    names = ["--hyp_dir", str(folders[0]), "--ref_dir", str(folders[1]), "--src_lang", "en", "--tgt_lang", "de"]
    main([*names, "--n_bootstrap", "100"])
    entry = json.loads((folders[0] / "scores.json").read_text("utf-8"))["lanes"]["translation"]["quality"]["volume"]
    shown = f"71.4 ({entry['low']:.1f} to {entry['high']:.1f})"
    assert f"│ {shown} " in capsys.readouterr().out
    results = write_results(tmp_path / "exp").read_text("utf-8")
    assert f"### volume\n\n|dataset|score|\n|---|---|\n|decode/test|{shown}|" in results
    assert results.count("### volume") == 1  # it is for translations
    page = write_report(tmp_path / "exp" / "st_a", tmp_path / "dump").read_text("utf-8")
    assert shown in page and Volume.meaning.replace("'", "&#x27;") in page


def test_it_stands_in_the_table_of_a_comparison_with_interval_and_test(folders, tmp_path):
    other = make_decoded(tmp_path / "other", {**HYPOTHESES, "a1": ("four two seven", "zwei und vierzig sieben")})
    runs = {
        name: [run_statistics(folder, folders[1], timed=True, **READING)]
        for name, folder in (("first", folders[0]), ("other", other))
    }
    scores = {"test": compare_runs(runs, baseline="first", n_bootstrap=100)}
    page = write_table(ComparisonTable("two", "Two", list(runs), [0], scores, {}), tmp_path).read_text("utf-8")
    assert "| volume | mean | interval | difference | p |" in page
    [row] = [line for line in page.splitlines() if line.startswith("| other | 85.7 (85.7) | ")]
    assert " to " in row and "| +14.3 (" in row


def test_what_was_scored_before_it_was_there_is_still_shown(folders, tmp_path, monkeypatch):
    monkeypatch.delitem(METRICS, "volume")
    score_directory(*folders, **READING, n_bootstrap=0)
    monkeypatch.setitem(METRICS, "volume", Volume())
    assert "### volume" not in write_results(tmp_path / "exp").read_text("utf-8")
    assert "<td" in write_report(tmp_path / "exp" / "st_a", tmp_path / "dump").read_text("utf-8")
