"""A recipe whose stages 1 to 11 are done: a tiny model with weights and a validation set that can be decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import soundfile

from tests.inference import tiny


def write_trained(folder: Path, conf: dict[str, Any], seconds: Sequence[float], tables: Mapping[str, str]) -> None:
    """Write `exp/st_x` and `dump/raw/valid` below a folder.

    Args:
        conf: of the model.
        seconds: how long utterances u0, u1, ... are.
        tables: file of the set -> what each of its lines says.
    """
    tiny.save(*tiny.tiny_model(conf), folder / "exp" / "st_x")
    valid = folder / "dump" / "raw" / "valid"
    valid.mkdir(parents=True)
    for n, length in enumerate(seconds):
        soundfile.write(folder / f"u{n}.wav", tiny.speech(length, seed=n), 8000)
    lines = {"wav.scp": [f"u{n}.wav" for n in range(len(seconds))]}
    lines |= {name: [line] * len(seconds) for name, line in tables.items()}
    for name, values in lines.items():
        (valid / name).write_text("".join(f"u{n} {value}\n" for n, value in enumerate(values)))
