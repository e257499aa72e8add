"""Is a model worth packing? What its scores say of a lane that is empty or all wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espnet_jst.errors import CheckpointError

WRONG_WER, WRONG_CER = 95.0, 50.0  # percent; where words have no blanks between them, CER alone says something
WRONG_BLEU, WRONG_CHRF = 1.0, 15.0


def concerns(exp_dir: Path) -> list[str]:
    """A sentence for each scored set and lane in which the model writes nothing, or next to nothing that is right."""
    found = []
    for path in sorted(exp_dir.rglob("scores.json")):
        try:
            scores = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise CheckpointError(f"{path}: not JSON ({error}); score the directory again") from error
        for lane, entry in (scores.get("lanes") or {}).items():
            if reason := _concern(entry):
                found.append(f"on {'/'.join(path.parts[-3:-1])} its {lane} {reason}")
    return found


def _concern(entry: Mapping[str, Any]) -> str:
    latency, quality = entry.get("latency") or {}, entry.get("quality") or {}
    if latency.get("length_ratio") == 0 or (latency.get("empty") or 0) >= (entry.get("utterances") or 1):
        return "is empty"
    wer, cer, bleu, chrf = (_score(quality, name) for name in ("WER", "CER", "BLEU", "chrF++"))
    if wer is not None and wer >= WRONG_WER and (cer is None or cer >= WRONG_CER):
        return f"is all wrong (WER {wer:.1f})"
    if bleu is not None and bleu < WRONG_BLEU and (chrf is None or chrf < WRONG_CHRF):
        return f"is all wrong (BLEU {bleu:.1f})"
    return ""


def _score(quality: Mapping[str, Any], name: str) -> float | None:
    value = (quality.get(name) or {}).get("score")
    return float(value) if isinstance(value, (int, float)) else None
