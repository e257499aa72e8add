"""The packs that lie in the project's own tree, found by name: egs2/<corpus>/<task>1/model/<name>.zip."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def packs() -> dict[str, Path]:
    """Name -> packed zip, in the order of the names; none where the package was installed without its recipes."""
    return {path.stem: path for path in sorted(ROOT.glob("egs2/*/*/model/*.zip"), key=lambda path: path.stem)}
