import pytest

from espnet_jst.bin.jst_report import main
from tests.evaluation.report.experiment import make_experiment


def test_the_page_is_written_beside_the_results_and_its_size_printed(tmp_path, capsys):
    exp, data = make_experiment(tmp_path)
    assert main([str(exp), "--data_dir", str(data)]) == 0
    assert (exp / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    size = (exp / "report.html").stat().st_size
    assert capsys.readouterr().out == f"{exp / 'report.html'}: {size / 1000:.0f} kB\n"


def test_an_experiment_that_was_not_scored_is_one_message(tmp_path, capsys):
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"error: no scores.json below {tmp_path}; run the scoring stage first\n"


def test_no_utterances_at_all_cannot_be_asked_for(capsys):
    with pytest.raises(SystemExit):
        main(["exp", "--worst", "0"])
    assert "give 1 or more" in capsys.readouterr().err
