"""The command jst_train: help at once, one message for a mistake."""

import subprocess
import sys

import pytest

from espnet_jst.bin import jst_train
from espnet_jst.config import options_of

LIGHT = """
import sys, time
import espnet_jst
from espnet_jst.bin.jst_train import main
main(["--help"])
heavy = {"torch", "espnet2", "espnet", "numpy", "sentencepiece"} & set(sys.modules)
assert not heavy, heavy
assert time.process_time() < 2
"""


def test_help_needs_neither_torch_nor_espnet():
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--max_train_minutes" in done.stdout and len(done.stdout.splitlines()) < 60


def test_every_option_of_the_short_help_exists():
    from espnet_jst.tasks.jst import JSTTask

    known = {name for action in options_of(JSTTask.get_parser()) for name in action.option_strings}
    named = {word.split("[")[0].strip(",;()") for word in jst_train.HELP.split() if word.startswith("--")}
    assert named - known <= {"--help-all", "--valid_..."}


def test_help_all_lists_espnets_options_and_no_refused_one(capsys):
    jst_train.main(["--help-all"])
    text = capsys.readouterr().out
    assert "--grad_clip" in text and "--curriculum" in text
    assert "--decoder" not in text and "--ctc_conf" not in text


def test_a_mistake_is_one_message_and_status_1(capsys):
    with pytest.raises(SystemExit) as left:
        jst_train.main(["--decoder", "rnn"])
    assert left.value.code == 1
    assert "jst_train: error: --decoder is not read by JSTModel" in capsys.readouterr().err
