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

_TIMEOUT_S = 900


def trial_language(config: Mapping[str, Any]) -> str | None:
    """The language that a model of this configuration is tried out in; None where it has none to choose of."""
    codes = ((config.get("model_conf") or {}).get("tgt_langs") or {}).get("codes") or [None]
    return codes[0]


def verify(pack: str | Path, wav: str | Path, *, tgt_lang: str | None = None) -> dict[str, str]:
    """Copy a packed zip into an empty folder and decode one utterance there, offline.

    Args:
        tgt_lang: language to translate into, of a model that has several.

    The process has another current folder, an empty pack cache and no network for the hub.

    Returns:
        {lane: words joined by spaces}.

    Raises:
        CheckpointError: the pack does not load or decode; with the end of what the process wrote.
    """
    package_parent = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory(prefix="jst-verify-") as scratch:
        moved = Path(scratch) / "moved" / "pack.zip"
        elsewhere = Path(scratch) / "elsewhere"
        moved.parent.mkdir()
        elsewhere.mkdir()
        shutil.copyfile(pack, moved)
        search = os.pathsep.join(filter(None, [str(package_parent), os.environ.get("PYTHONPATH", "")]))
        alone = {"JST_CACHE": str(Path(scratch) / "cache"), "HF_HUB_OFFLINE": "1", "PYTHONPATH": search}
        command = [sys.executable, "-m", "espnet_jst.bin.transcribe", "--model", str(moved), "--format", "json"]
        command += ["--tgt_lang", tgt_lang] if tgt_lang else []
        command.append(str(Path(wav).resolve()))
        try:
            done = subprocess.run(
                command, cwd=elsewhere, env={**os.environ, **alone}, capture_output=True, text=True, timeout=_TIMEOUT_S
            )
        except subprocess.TimeoutExpired as error:
            raise CheckpointError(f"{pack}: did not decode {wav} within {_TIMEOUT_S} s") from error
    if done.returncode != 0:
        raise CheckpointError(f"{pack}: does not decode {wav} from an empty folder:\n{done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])["text"]
