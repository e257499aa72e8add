"""Digit strings composed from single recordings: a seed and recording ids determine every sample.

Random numbers come from `numpy.random.RandomState`, whose streams NumPy keeps unchanged from version to version
(NEP 19), so that the committed test lists keep their meaning.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

FS = 8000
KNOWN_SPEAKERS = ("george", "jackson", "lucas", "nicolas", "yweweler")
UNHEARD_SPEAKERS = ("theo",)
PEAK_DBFS = (-20.0, -2.0)
SILENCE_S = (0.0, 0.2)
NOISE_DBFS = (-70.0, -45.0)
NOISY_SNR_DB = (10.0, 20.0)


@dataclass(frozen=True, kw_only=True)
class SetSpec:
    """What a set is drawn from.

    Attributes:
        speakers: speakers of its strings, equally likely.
        takes: recordings of each digit, first and last number.
        lengths: shortest and longest string in digits.
        snr_db: range of the signal-to-noise ratio; None for noise at a level of its own (NOISE_DBFS).
        spread_db: a digit is at most so much weaker than it was recorded; 0 keeps the levels of the recordings. The
            unheard speaker's recordings differ by up to 39 dB, those of the others by far less.
    """

    speakers: tuple[str, ...]
    takes: tuple[int, int]
    lengths: tuple[int, int] = (2, 7)
    snr_db: tuple[float, float] | None = None
    spread_db: float = 0.0


SETS = {
    "train": SetSpec(speakers=KNOWN_SPEAKERS, takes=(10, 49), lengths=(1, 7), spread_db=24.0),
    "valid": SetSpec(speakers=KNOWN_SPEAKERS, takes=(5, 9)),
    "test": SetSpec(speakers=KNOWN_SPEAKERS, takes=(0, 4)),
    "test_unheard": SetSpec(speakers=UNHEARD_SPEAKERS, takes=(0, 49)),
    "test_noisy": SetSpec(speakers=KNOWN_SPEAKERS, takes=(0, 4), snr_db=NOISY_SNR_DB),
}


@dataclass(frozen=True)
class DigitString:
    """One line of a list: utterance id, seed of silences, peak and noise, ids of the recordings in order."""

    utt_id: str
    seed: int
    recordings: tuple[str, ...]

    @property
    def speaker(self) -> str:
        return self.recordings[0].split("-")[0]

    @property
    def digits(self) -> list[int]:
        return [int(recording.split("-")[1]) for recording in self.recordings]


def draw_list(name: str, count: int, seed: int) -> list[DigitString]:
    """Draw `count` strings of a set; the same seed gives the same list, and a longer list begins with a shorter one."""
    spec = SETS[name]
    strings = []
    random = np.random.RandomState(0)
    for number in range(count):
        random.seed([seed, sorted(SETS).index(name), number])
        speaker = spec.speakers[random.randint(len(spec.speakers))]
        digits = random.randint(0, 10, random.randint(spec.lengths[0], spec.lengths[1] + 1))
        takes = random.randint(spec.takes[0], spec.takes[1] + 1, len(digits))
        recordings = tuple(f"{speaker}-{digit}-{take:02d}" for digit, take in zip(digits, takes))
        strings.append(DigitString(f"{speaker}-{name}-{number:05d}", int(random.randint(2**31 - 1)), recordings))
    return strings


def write_list(path: str | Path, strings: Iterable[DigitString]) -> None:
    """Write a list as TSV: utt_id, seed, recordings separated by blanks."""
    with open(path, "w", encoding="utf-8", newline="\n") as stream:
        stream.write("utt_id\tseed\trecordings\n")
        for string in strings:
            stream.write(f"{string.utt_id}\t{string.seed}\t{' '.join(string.recordings)}\n")


def read_list(path: str | Path) -> list[DigitString]:
    """Read a list written by `write_list`."""
    with open(path, encoding="utf-8", newline="") as stream:
        rows = csv.DictReader(stream, delimiter="\t")
        return [DigitString(row["utt_id"], int(row["seed"]), tuple(row["recordings"].split())) for row in rows]


def load_recordings(corpus: str | Path) -> dict[str, np.ndarray]:
    """All recordings of the corpus: id ("george-0-00") -> float32 samples in [-1, 1)."""
    corpus = Path(corpus)
    files: dict[str, np.ndarray] = {}
    recordings = {}
    with open(corpus / "segments.tsv", encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            if row["file"] not in files:
                files[row["file"]] = soundfile.read(corpus / row["file"], dtype="float32")[0]
            recordings[row["id"]] = files[row["file"]][int(row["start_sample"]) : int(row["end_sample"])]
    return recordings


def compose(
    pieces: Sequence[np.ndarray], seed: int, *, snr_db: tuple[float, float] | None = None, spread_db: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Join recordings with silences, set the peak, add white noise.

    Args:
        pieces: recordings in order, float, 8 kHz.
        seed: determines silences, peak and noise.
        snr_db: range of the ratio of the speech's mean power (silences left out) to the noise's; None for a noise
            level in NOISE_DBFS.
        spread_db: largest attenuation of a single recording; small ones are likelier.

    Returns:
        samples: (N,) int16.
        spans_s: start and end of each recording in seconds, (len(pieces), 2).
    """
    random = np.random.RandomState(seed)
    silences = np.round(random.uniform(*SILENCE_S, len(pieces) + 1) * FS).astype(int)
    peak = 10 ** (random.uniform(*PEAK_DBFS) / 20)
    level = random.uniform(*(snr_db or NOISE_DBFS))
    lengths = np.array([len(piece) for piece in pieces])
    starts = np.cumsum(silences[:-1] + np.concatenate([[0], lengths[:-1]]))
    speech = np.zeros(int(silences.sum() + lengths.sum()))
    # Drawn from a stream of their own, so that lists without a spread keep every sample.
    weaker = 10 ** (-spread_db / 20 * np.random.RandomState([seed, 1]).uniform(size=len(pieces)) ** 2)
    for start, piece, factor in zip(starts, pieces, weaker):
        speech[start : start + len(piece)] = factor * piece
    speech *= peak / max(float(np.abs(speech).max()), 1e-9)
    power = float(np.square(speech).sum() / lengths.sum())
    noise_rms = 10 ** (level / 20) if snr_db is None else np.sqrt(power) * 10 ** (-level / 20)
    speech += noise_rms * random.standard_normal(len(speech))
    samples = np.clip(np.round(speech * 32768), -32768, 32767).astype(np.int16)
    return samples, np.stack([starts, starts + lengths], axis=1) / FS
