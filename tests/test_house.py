"""The figures of a checkout are counted as they are described."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks import house

SOURCE = '''"""Of the transcript."""

from typing import Any

from espnet_jst.text.words import TRANSCRIPT, Word


def public(value: Any, others: dict[str, Any]) -> list[Any]:
    return [value, "transcript", TRANSCRIPT, "the translation"]


def _private(value: Any) -> Any:
    return hasattr(value, "read") or isinstance(value, Word) or isinstance(value, (str, list))


class Public:
    def __call__(self, *values: Any) -> None:
        inner: Any = values

    def _hidden(self, value: Any) -> None: ...
'''


def test_a_module_is_counted_by_its_syntax(tmp_path: Path) -> None:
    (tmp_path / "espnet_jst/text").mkdir(parents=True)
    (tmp_path / "espnet_jst/text/words.py").write_text("from espnet_jst.text import use\n")
    (tmp_path / "espnet_jst/text/use.py").write_text(SOURCE)
    figures = house.figures(tmp_path)
    assert figures["lines"] == "21" and figures["files"] == "2" and figures["longest file"] == "20"
    assert figures["Any in public signatures"] == "4"
    assert figures["places that know a lane's name"] == "2 in 1 files"
    assert figures["hasattr, isinstance of our classes"] == "2"
    assert figures["import circles between files"] == "1 (text.use - text.words)"
    assert figures["import circles between rooms"] == "0"


def test_the_command_prints_a_column_for_each_checkout(tmp_path: Path) -> None:
    for name in ("before", "after"):
        (tmp_path / name / "espnet_jst").mkdir(parents=True)
        (tmp_path / name / "espnet_jst/errors.py").write_text("")
    script = Path(__file__).parents[1] / "benchmarks/house.py"
    command = [sys.executable, script, tmp_path / "before", tmp_path / "after"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[0] == "| | before | after |" and "| files | 1 | 1 |" in lines
