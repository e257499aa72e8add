"""Join the longest recordings of a test set into one long string: `python tools/_long_string.py AUDIO_DIR OUT.wav`."""

import sys
from pathlib import Path

import numpy as np
import soundfile

SECONDS = 12.0
PAUSE_S = 0.4


def main(folder: Path, out: Path) -> None:
    by_length = sorted(folder.glob("*.wav"), key=lambda path: (-soundfile.info(path).frames, path.name))
    parts: list[np.ndarray] = []
    length, fs = 0, 0
    for path in by_length:
        samples, fs = soundfile.read(path, dtype="int16")
        pause = np.zeros(round(PAUSE_S * fs), dtype=np.int16)
        parts += [samples, pause]
        length += len(samples) + len(pause)
        if length >= SECONDS * fs:
            break
    soundfile.write(out, np.concatenate(parts), fs)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
