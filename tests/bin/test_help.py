"""Help is instant: no torch, no ESPnet."""

from __future__ import annotations

import subprocess
import sys

import pytest

from espnet_jst.bin import cli

LIGHT = """
import runpy, sys
sys.argv = ["x", *{arguments!r}]
try:
    runpy.run_module({module!r}, run_name="__main__")
except SystemExit as error:
    status = error.code
heavy = sorted({{"torch", "espnet", "espnet2", "numpy", "rich"}} & set(sys.modules))
assert not heavy, heavy
sys.exit(status)
"""


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("espnet_jst.bin.cli", ["--help"]),
        ("espnet_jst.bin.cli", ["--version"]),
        ("espnet_jst.bin.cli", ["transcribe", "--help"]),
        ("espnet_jst.bin.cli", ["doctor", "--help"]),
        ("espnet_jst.bin.cli", ["convert-pipes", "--help"]),
        ("espnet_jst.bin.jst_inference", ["--help"]),
        ("espnet_jst.bin.jst_align", ["--help"]),
        ("espnet_jst.bin.jst_report", ["--help"]),
        ("espnet_jst.bin.jst_diagnose", ["--help"]),
        ("espnet_jst.bin.cli", ["import-icefall", "--help"]),
        ("espnet_jst.bin.cli", ["similarity", "--help"]),
        ("espnet_jst.bin.cli", ["simulate", "--help"]),
        ("espnet_jst.bin.cli", ["conversations", "--help"]),
        ("espnet_jst.bin.cli", ["beams", "--help"]),
        ("espnet_jst.bin.cli", ["serve", "--help"]),
        ("espnet_jst.bin.cli", ["export", "--help"]),
        ("espnet_jst.bin.cli", ["models", "--help"]),
    ],
)
def test_help_imports_nothing_heavy(module: str, arguments: list[str]) -> None:
    code = LIGHT.format(module=module, arguments=arguments)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_every_command_is_listed_in_the_help(capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name}" in shown for name in cli.COMMANDS)


def test_a_mistyped_command_names_the_closest(capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["transcibe"]) == 2
    assert "did you mean 'transcribe'" in capsys.readouterr().err


def test_no_command_shows_the_usage(capsys: pytest.CaptureFixture) -> None:
    assert cli.main([]) == 2
    assert "usage" in capsys.readouterr().out
