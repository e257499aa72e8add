from __future__ import annotations

import importlib.metadata

import pytest

from espnet_jst.bin import jst_doctor
from espnet_jst.recipe import doctor_environment
from espnet_jst.recipe.doctor_environment import check_environment


def test_a_package_that_is_missing_or_of_another_version_is_named_with_the_command() -> None:
    installed = importlib.metadata.version("numpy")
    lines = ["numpy<1", "numpy>=1", "no_such_package_at_all>=3", 'no_such_either; extra == "test"']
    problems = check_environment(lines)
    assert [(problem.utt_id, problem.kind) for problem in problems] == [
        ("numpy", "package-version"),
        ("no_such_package_at_all", "package-missing"),
    ]
    assert problems[0].reason == f"version {installed} does not fit <1"
    assert "'no_such_package_at_all>=3'" in problems[1].fix


def test_without_a_directory_the_command_looks_at_the_packages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(doctor_environment, "requirements", lambda: ["numpy<1", "rich"])
    assert jst_doctor.main([]) == 1
    assert "package-version" in (shown := capsys.readouterr().out)
    assert "1 of the packages" in shown
    monkeypatch.setattr(doctor_environment, "requirements", lambda: ["rich"])
    assert jst_doctor.main([]) == 0
