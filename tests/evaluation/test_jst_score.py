import subprocess
import sys

import pytest

from espnet_jst.bin.jst_score import main
from tests.evaluation.decoded import HYPOTHESES, make_decoded, make_reference


@pytest.fixture
def folders(tmp_path):
    return make_decoded(tmp_path / "exp" / "st_x" / "decode" / "test"), make_reference(tmp_path / "dump" / "test")


def arguments(hyp_dir, ref_dir, *more):
    names = ["--hyp_dir", str(hyp_dir), "--ref_dir", str(ref_dir), "--src_lang", "en", "--tgt_lang", "de"]
    return [*names, "--n_bootstrap", "10", *more]


def test_help_loads_no_heavy_library():
    code = (
        "import sys; from espnet_jst.bin.jst_score import get_parser; get_parser().format_help();"
        "print([m for m in ('torch', 'numpy', 'matplotlib', 'sacrebleu', 'jiwer', 'rich') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_both_lanes_are_printed_and_results_written(folders, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    main(arguments(*folders, "--exp_dir", str(tmp_path / "exp"), "--signature", "system=tsot", "beam=4"))
    printed = capsys.readouterr().out
    for expected in ("transcript (en)", "translation (de)", "14.29", "BLEU", "LAAL_CA"):
        assert expected in printed
    assert "`system:tsot|beam:4`" in (tmp_path / "exp" / "RESULTS.md").read_text(encoding="utf-8")


def test_a_second_system_is_compared(folders, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    other = make_decoded(tmp_path / "other", {**HYPOTHESES, "a1": ("four two seven", "zwei und vierzig sieben")})
    main(arguments(*folders, "--compare", str(other)))
    assert "-14.29" in capsys.readouterr().out


def test_bad_data_is_one_message_without_a_traceback(folders, tmp_path, capsys):
    assert main(arguments(tmp_path / "nowhere", folders[1])) == 1
    assert capsys.readouterr().err.startswith("error: nothing to score in")


def test_a_signature_without_a_value_is_refused(folders, capsys):
    with pytest.raises(SystemExit):
        main(arguments(*folders, "--signature", "beam"))
    assert "KEY=VALUE" in capsys.readouterr().err
