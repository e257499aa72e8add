"""Does a pack work where nothing else of its experiment is? Loaded from an empty folder by a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espnet_jst.errors import CheckpointError
from espnet_jst.inputs.spec import reads_text

_TIMEOUT_S = 900


def verify(pack: str | Path, trial: str | Path, config: Mapping[str, Any]) -> dict[str, str]:
    """Copy a packed zip into an empty folder and decode one utterance there, offline.

    The process has another current folder, an empty pack cache and no network for the hub.

    Args:
        pack: the zip.
        trial: a recording; for a model that hears text, a file of lines.
        config: its configuration: one of several target languages is tried, the first.

    Returns:
        {lane: words joined by spaces}.

    Raises:
        CheckpointError: the pack does not load or decode; with the end of what the process wrote.
    """
    hears_text = reads_text(config)
    languages = ((config.get("model_conf") or {}).get("tgt_langs") or {}).get("codes") or []
    program = ["translate"] if hears_text else ["transcribe", "--format", "json"]
    flags = ["--tgt_lang", languages[0]] if languages else []
    package_parent = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory(prefix="jst-verify-") as scratch:
        moved = Path(scratch) / "moved" / "pack.zip"
        elsewhere = Path(scratch) / "elsewhere"
        moved.parent.mkdir()
        elsewhere.mkdir()
        shutil.copyfile(pack, moved)
        search = os.pathsep.join(filter(None, [str(package_parent), os.environ.get("PYTHONPATH", "")]))
        alone = {"JST_CACHE": str(Path(scratch) / "cache"), "HF_HUB_OFFLINE": "1", "PYTHONPATH": search}
        command = [sys.executable, "-m", f"espnet_jst.bin.{program[0]}", "--model", str(moved), *program[1:], *flags]
        command.append(str(Path(trial).resolve()))
        try:
            done = subprocess.run(
                command, cwd=elsewhere, env={**os.environ, **alone}, capture_output=True, text=True, timeout=_TIMEOUT_S
            )
        except subprocess.TimeoutExpired as error:
            raise CheckpointError(f"{pack}: did not decode {trial} within {_TIMEOUT_S} s") from error
    if done.returncode != 0:
        raise CheckpointError(f"{pack}: does not decode {trial} from an empty folder:\n{done.stderr.strip()[-2000:]}")
    return {"text": done.stdout.strip()} if hears_text else json.loads(done.stdout.strip().splitlines()[-1])["text"]
