"""The hook's file: put there, seen, taken away, and free for every other Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from espnet_jst.bin.jst_hook import main
from tests.hook.hooked import environment


def test_install_twice_and_uninstall_leave_the_folder_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    at = ["--site", str(tmp_path)]
    said = []
    for action in ("status", "install", "install", "status", "uninstall", "uninstall", "status"):
        assert main([action, *at]) == 0
        said.append(capsys.readouterr().out.split(":")[0])
        if action == "install":
            assert [path.name for path in tmp_path.iterdir()] == ["zz_espnet_jst_hook.pth"]
    assert said == [
        "not installed",
        "installed",
        "installed",
        "installed",
        "removed",
        "was not installed",
        "not installed",
    ]
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["install", "--site", str(tmp_path / "none")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_another_program_imports_nothing_of_the_package(tmp_path: Path) -> None:
    code = "import sys; print(sorted(name for name in sys.modules if name.startswith('espnet')), len(sys.meta_path))"
    plain, hooked = (
        subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        for env in (None, environment(tmp_path))
    )
    assert plain.stdout.startswith("[]")
    assert (hooked.stdout, hooked.stderr) == (plain.stdout, "")


def test_the_hook_is_silent_where_the_package_is_gone(tmp_path: Path) -> None:
    (tmp_path / "espnet_jst.py").write_text("")  # found first, and it has no hook
    command = [sys.executable, "-c", "print('fine')", "espnet2.bin.st_train"]
    done = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("fine\n", "")
