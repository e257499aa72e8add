"""The single utterances that conversations are made of: strings of two to five digits, by the code of fsdd_digits."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import soundfile

from espnet_jst.data.kaldi import write_data_dir

DIGITS = Path(__file__).resolve().parents[3] / "fsdd_digits" / "jst1"
sys.path.insert(0, str(DIGITS / "local"))

from digit_strings import FS, SetSpec, compose, load_recordings  # noqa: E402
from german_numbers import transcribe, translate  # noqa: E402

KNOWN, UNHEARD = ("george", "jackson", "lucas", "nicolas"), ("theo", "yweweler")
LENGTHS, SPREAD_DB, SEED = (2, 5), 12.0, 1
SETS = {
    "train": SetSpec(speakers=KNOWN, takes=(10, 49), lengths=LENGTHS, spread_db=SPREAD_DB),
    "dev": SetSpec(speakers=KNOWN, takes=(5, 9), lengths=LENGTHS),
    "test": SetSpec(speakers=KNOWN, takes=(0, 4), lengths=LENGTHS),
    "test_unheard": SetSpec(speakers=UNHEARD, takes=(0, 49), lengths=LENGTHS),
}


COUNTS = {"train": 2000, "dev": 120, "test": 200, "test_unheard": 200}


def make_set(name: str, out: Path) -> None:
    """A data directory of single utterances, as many of each speaker; an utterance that is there is not made again.

    However many conversations there are, they are made of all of these: more of them later add to those that are there.

    Beside the texts: `word_times`, `word_times.ref` and `alignment`, all of the construction.
    """
    recordings, spec = load_recordings(DIGITS / "corpus"), SETS[name]
    tables: dict[str, dict[str, object]] = {}
    (out / "audio").mkdir(parents=True, exist_ok=True)
    for number in range(COUNTS[name]):
        random = np.random.RandomState([SEED, sorted(SETS).index(name), number])
        speaker = spec.speakers[number % len(spec.speakers)]
        digits = random.randint(0, 10, random.randint(spec.lengths[0], spec.lengths[1] + 1))
        takes = random.randint(spec.takes[0], spec.takes[1] + 1, len(digits))
        pieces = [recordings[f"{speaker}-{digit}-{take:02d}"] for digit, take in zip(digits, takes)]
        samples, spans_s = compose(pieces, int(random.randint(2**31 - 1)), spread_db=spec.spread_db)
        key = f"{speaker}-{name}-{number:05d}"
        audio = out / "audio" / f"{key}.wav"
        if not audio.is_file():
            part = audio.with_suffix(".part")
            soundfile.write(part, samples, FS, subtype="PCM_16", format="WAV")
            part.replace(audio)
        target, links = translate(digits.tolist())
        row = {
            "wav.scp": audio.as_posix(),
            "utt2spk": speaker,
            "text.lc.en": " ".join(transcribe(digits.tolist())),
            "text.lc.de": " ".join(target),
            "word_times": " ".join(f"{end:.3f}" for _, end in spans_s),
            "word_times.ref": " ".join(f"{start:.3f}:{end:.3f}" for start, end in spans_s),
            "alignment": " ".join(f"{i}-{j}" for i, j in sorted(links)),
        }
        for table, value in row.items():
            tables.setdefault(table, {})[key] = value
    write_data_dir(out, tables)
