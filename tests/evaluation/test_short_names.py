"""Decoding runs have short names in tables, and measures are explained beside them."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path

from espnet_jst.evaluation import score_directory, write_report, write_results
from espnet_jst.evaluation.metrics import explained
from espnet_jst.evaluation.results import short_names
from espnet_jst.evaluation.shown import LATENCY
from tests.evaluation.decoded import make_decoded, make_reference

MODEL = "st_model_valid.loss.ave"


def test_what_all_runs_share_is_left_out():
    names = [f"decode_{MODEL}_streaming/test", f"decode_{MODEL}_offline/test", f"decode_{MODEL}_offline/valid"]
    assert list(short_names(names).values()) == ["streaming/test", "whole utterances/test", "whole utterances/valid"]


def test_what_differs_is_kept():
    names = [f"decode_{MODEL}_streaming/test", f"decode_beam_{MODEL}_streaming/test", "beam_by_hand/test"]
    assert list(short_names(names).values()) == ["streaming, decode/test", "streaming, decode_beam/test", names[2]]
    other = [f"decode_{MODEL}_streaming/test", "decode_st_model_3epoch_streaming/test"]
    assert list(short_names(other).values()) == ["streaming, valid.loss.ave/test", "streaming, 3epoch/test"]


def test_two_runs_never_have_one_name():
    names = ["streaming/test", f"decode_{MODEL}_streaming/test"]
    assert list(short_names(names).values()) == names


def make_runs(tmp_path) -> Path:
    reference = make_reference(tmp_path / "dump" / "test")
    for mode in ("streaming", "offline"):
        folder = make_decoded(tmp_path / "exp" / "st_a" / f"decode_{MODEL}_{mode}" / "test")
        score_directory(folder, reference, src_lang="en", tgt_lang="de", n_bootstrap=0)
    return tmp_path / "exp" / "st_a"


def test_results_and_report_use_them_name_the_folders_and_explain_every_measure(tmp_path):
    exp = make_runs(tmp_path)
    results = write_results(exp.parent).read_text("utf-8")
    report = write_report(exp, tmp_path / "dump").read_text("utf-8")
    assert "|streaming/test|" in results and "|whole utterances/test|" in results
    assert f"- streaming/test: folder `decode_{MODEL}_streaming/test`" in results
    assert "<h2>streaming/test</h2>" in report and f"(decode_{MODEL}_streaming/test)" in report
    told = explained(["WER", *(column.name for column in LATENCY)])
    assert len(told) == 1 + len(LATENCY)
    for key, meaning in told:
        assert key in results and meaning in results and meaning.replace("'", "&#x27;") in report


def test_the_summary_of_an_experiment_tells_its_runs_apart(tmp_path, capsys, monkeypatch):
    exp = make_runs(tmp_path)
    shutil.copytree(exp / f"decode_{MODEL}_streaming", exp / f"decode_beam_{MODEL}_streaming")
    tool = Path(__file__).parents[2] / "tools" / "_summary.py"
    runpy.run_path(str(tool))["main"](exp)
    said = capsys.readouterr().out
    assert "streaming, decode_beam" in said and "streaming, decode " in said and "LAAL: how far words lag" in said
