"""The demo's last recording is long."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile

TOOL = Path(__file__).parents[2] / "tools" / "_long_string.py"


def test_the_longest_recordings_are_joined(tmp_path: Path) -> None:
    for name, seconds in [("a", 3.0), ("b", 5.0), ("c", 2.0), ("d", 6.0)]:
        soundfile.write(tmp_path / f"{name}.wav", np.full(int(seconds * 8000), 0.1 * seconds), 8000)
    subprocess.run([sys.executable, str(TOOL), str(tmp_path), str(tmp_path / "out.wav")], check=True)
    samples, fs = soundfile.read(tmp_path / "out.wav")
    assert fs == 8000 and len(samples) == round(15.2 * fs)
    np.testing.assert_allclose(samples[[0, 50_000, 60_000]], [0.6, 0.0, 0.5], atol=1e-3)
