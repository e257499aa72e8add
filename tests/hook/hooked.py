"""A Python with the hook, for a subprocess: the hook's file lies in a folder of the test, never in site-packages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from espnet_jst.hook.install import install

ROOT = Path(__file__).resolve().parents[2]


def environment(folder: Path) -> dict[str, str]:
    """Variables under which Python treats `folder` as a site-packages folder that has the hook."""
    install(folder)
    (folder / "sitecustomize.py").write_text(f"import site\nsite.addsitedir({str(folder)!r})\n", encoding="utf-8")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]), "HF_HUB_OFFLINE": "1"}


def run(program: str, *arguments: object, env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess:
    """`python -m espnet2.bin.<program>`, which must end well."""
    command = [sys.executable, "-m", f"espnet2.bin.{program}", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done
