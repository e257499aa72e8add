"""Which Python the tools take, whose environment they leave alone, and what continuous integration says that it ran."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def fake_python(path: Path, version: str | None) -> None:
    """A command that answers as a Python of this version would, or that does not run, as a shim of pyenv."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + (f"echo '{version}'\n" if version else "exit 127\n"))
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path):
    """A machine without any Python: commands of the shell in `bin`, an empty home."""
    (tmp_path / "bin").mkdir()
    for name in ("bash", "sh", "grep", "sed", "cat", "head", "cut", "sort", "dirname", "ls", "rm", "tee"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    return tmp_path


def run(machine: Path, *command: str, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess:
    environment = {"PATH": str(machine / "bin"), "HOME": str(machine / "home"), **variables}
    return subprocess.run([*command], cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def found(machine: Path, **variables: str) -> list[str]:
    listed = run(machine, "bash", "-c", ". tools/_pythons; jst_pythons", **variables).stdout.splitlines()
    return [line.replace(str(machine), "") for line in listed]


def test_the_newest_is_found_on_the_path_and_among_those_of_pyenv_and_uv(machine):
    fake_python(machine / "bin" / "python3.13", None)  # a shim that stands there and does not run
    fake_python(machine / "bin" / "python3.11", "3.11")
    fake_python(machine / "bin" / "python3", "3.10")
    assert found(machine) == ["3.11\t/bin/python3.11"]
    fake_python(machine / "home/.pyenv/versions/3.12.1/bin/python", "3.12")
    assert found(machine) == ["3.12\t/home/.pyenv/versions/3.12.1/bin/python", "3.11\t/bin/python3.11"]
    fake_python(machine / "uv" / "cpython-3.13.1-linux" / "bin" / "python3", "3.13")
    assert found(machine, UV_PYTHON_INSTALL_DIR=str(machine / "uv"))[0] == "3.13\t/uv/cpython-3.13.1-linux/bin/python3"


def test_pythons_that_cannot_make_an_environment_are_passed_over(machine):
    fake_python(machine / "bin" / "python3.13", "3.13 (free-threaded)")
    fake_python(machine / "bin" / "python3.12", "3.12 (without venv and ensurepip)")
    fake_python(machine / "home/.pyenv/versions/3.12.4/bin/python", "3.12")
    assert found(machine) == ["3.12\t/home/.pyenv/versions/3.12.4/bin/python"]


def test_where_none_fits_those_that_were_found_are_named(machine):
    fake_python(machine / "bin" / "python3", "3.10")
    fake_python(machine / "home/.pyenv/versions/3.14.0/bin/python", "3.14")
    done = run(machine, "bash", "tools/demo", JST_VENV=str(machine / "venv"))
    assert done.returncode == 1
    assert "no Python 3.11, 3.12 or 3.13 was found" in done.stderr
    assert "3.10\t" in done.stderr and "3.14\t" in done.stderr


def test_an_environment_of_another_checkout_is_left_alone(machine, tmp_path):
    other, venv = tmp_path / "other", tmp_path / "venv"
    other.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    [packages] = venv.glob("lib/python*/site-packages")
    installed = packages / "espnet_jst-0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Name: espnet_jst\nVersion: 0\n")
    (installed / "direct_url.json").write_text(json.dumps({"url": other.as_uri(), "dir_info": {"editable": True}}))
    before = sorted(venv.rglob("*"))
    done = run(machine, "bash", "tools/demo", JST_VENV=str(venv))
    assert done.returncode == 1
    assert f"runs the espnet_jst of {other}" in done.stderr and "--force" in done.stderr
    assert sorted(venv.rglob("*")) == before


def test_an_environment_of_somebody_elses_old_python_is_not_cleared(machine, tmp_path):
    venv = tmp_path / "venv"
    fake_python(venv / "bin" / "python", "3.9")
    (venv / "pyvenv.cfg").write_text("version = 3.9\n")
    done = run(machine, "bash", "tools/test", JST_VENV=str(venv))
    assert done.returncode == 1 and "is Python 3.9" in done.stderr and "--force" in done.stderr
    assert (venv / "bin" / "python").exists()


@pytest.mark.parametrize(
    ("pythons", "ran_on", "says"),
    [
        (["3.13", "3.11"], "3.13", ["Python 3.13: the whole suite.", "Python 3.11: the short suite."]),
        (["3.12"], "3.12", ["Python 3.12: the whole suite.", "Python 3.11 is absent"]),
        (["3.11"], "3.11", ["Python 3.11: the whole suite.", "Python 3.12 and 3.13 are absent"]),
    ],
)
def test_ci_says_which_lines_it_ran(machine, pythons, ran_on, says):
    done = ci(machine, pythons, ran_on)
    assert done.returncode == 0 and all(text in done.stdout for text in says)
    assert ("--short" in done.stdout) == ("the short suite" in done.stdout)


def test_ci_fails_where_a_newer_python_was_there_and_3_11_ran_alone(machine):
    done = ci(machine, ["3.13", "3.11"], "3.11")
    assert done.returncode == 1 and "Python 3.13 is here" in done.stderr


def ci(machine: Path, pythons: list[str], ran_on: str) -> subprocess.CompletedProcess:
    """`.ci/run` of a checkout whose tools/test only says its arguments and leaves an environment of `ran_on`."""
    checkout = machine / "checkout"
    for name in (".ci/run", "tools/_pythons"):
        (checkout / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, checkout / name)
    test = checkout / "tools" / "test"
    test.write_text('#!/bin/sh\necho "tools/test $*"\n')
    test.chmod(0o755)
    for version in pythons:
        fake_python(machine / "bin" / f"python{version}", version)
    fake_python(checkout / ".venv" / "bin" / "python", ran_on)
    return run(machine, "bash", ".ci/run", cwd=checkout)


def test_the_tools_are_shell_that_parses():
    for path in (ROOT / "tools").iterdir():
        if path.is_file() and path.suffix != ".py":
            subprocess.run(["bash", "-n", path], check=True)
    assert os.access(ROOT / ".ci" / "run", os.R_OK)
