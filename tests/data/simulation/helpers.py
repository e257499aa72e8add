"""Small rooms and short, noise-like utterances, so that a test takes a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from espnet_jst.data.kaldi import write_table
from espnet_jst.data.simulation.conf import SimulationConf
from espnet_jst.data.simulation.corpus import Utterance
from espnet_jst.data.utterances import AudioItem

FS = 8000


def small(**others: Any) -> SimulationConf:
    """Two microphones in a small room with few reflections."""
    values: dict[str, Any] = {
        "array": "custom",
        "microphones_mm": [[80, 0, 0], [-80, 0, 0]],
        "length_m": (3.0, 3.2),
        "width_m": (2.6, 2.8),
        "height_m": (2.3, 2.4),
        "head_m": (1.2, 1.3),
        "distance_m": (0.6, 1.0),
        "rt60_s": (0.12, 0.15),
        "max_order": 6,
        "turns": (4, 5),
        "rooms": 2,
    }
    return SimulationConf(**{**values, **others})


def speech(seconds: float, seed: int) -> np.ndarray:
    """Bursts of noise, float (N,)."""
    rng = np.random.default_rng(seed)
    count = round(seconds * FS)
    return 0.1 * rng.standard_normal(count) * (0.6 + 0.4 * np.sin(np.arange(count) * 40 / FS))


def utterance(name: str, speaker: str, samples: int, language: str = "") -> Utterance:
    """One without a file."""
    return Utterance(AudioItem(name, f"{name}.wav"), speaker, language, samples, 1.0, {"text": f"of {name}"}, {})


def write_corpus(folder: Path, speakers: int = 3, each: int = 3, fs: int = FS) -> Path:
    """A data directory with texts in two languages and times of words."""
    tables: dict[str, dict[str, str]] = {
        n: {} for n in ("wav.scp", "utt2spk", "text.tc.es", "text.tc.en", "word_times")
    }
    for number in range(speakers * each):
        key, seconds = f"u{number}", 0.5 + 0.1 * (number % 4)
        path = folder / "wav" / f"{key}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, speech(seconds, number), fs, subtype="PCM_16")
        values = (str(path), f"s{number % speakers}", f"hola {key}", f"hello {key}", f"0.2 {seconds - 0.1:.2f}")
        for table, value in zip(tables.values(), values, strict=True):
            table[key] = value
    for name, table in tables.items():
        write_table(folder / name, table)
    return folder
