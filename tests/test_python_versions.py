"""What the newest Python takes and an older one of those that are supported does not."""

from __future__ import annotations

import ast
from pathlib import Path

import espnet_jst

ROOT = Path(espnet_jst.__file__).parent


def test_no_dataclass_has_a_default_that_python_3_11_takes_for_mutable() -> None:
    found = []
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and any("dataclass" in ast.dump(entry) for entry in node.decorator_list):
                values = [entry.value for entry in node.body if isinstance(entry, ast.AnnAssign)]
                found += [f"{path.name}: {node.name}" for value in values if value and _proxy(value)]
    assert not found, "a mapping has no hash before 3.12: field(default_factory=dict)"


def _proxy(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and ast.unparse(value.func).endswith("MappingProxyType")
