"""What a result was made with: versions, date and commit, without importing what it names."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from espnet_jst.version import installed

PACKAGES = ("espnet", "torch", "espnet_jst", "sacrebleu", "jiwer")


def environment() -> dict[str, str]:
    """Date, Python, package versions ("none" where not installed), Git hash and commit date ("none" outside a
    checkout)."""
    return {
        "date": time.strftime("%a %b %d %H:%M:%S %Z %Y"),
        "python": sys.version.replace("\n", " "),
        **{package: installed(package, "none") for package in PACKAGES},
        "git_hash": _git("rev-parse", "HEAD"),
        "commit_date": _git("log", "-1", "--format=%cd"),
    }


def _git(*arguments: str) -> str:
    try:
        answer = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, timeout=10, env={**os.environ, "LC_ALL": "C"}
        )
    except (OSError, subprocess.TimeoutExpired):
        return "none"
    return answer.stdout.strip() if answer.returncode == 0 and answer.stdout.strip() else "none"
