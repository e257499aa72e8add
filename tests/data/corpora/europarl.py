"""Europarl-ST of a few speeches in its own layout; what is said are spoken digits, of the digits recipe."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

from espnet_jst.data.corpora.europarl_st import SETS

CORPUS = Path(__file__).resolve().parents[3] / "egs2" / "fsdd_digits" / "jst1" / "corpus"
FS = 8000
DIGITS = {
    "de": ["null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"],
    "en": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
    "fr": ["zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"],
}
SPEAKERS = {"train": ("george", "jackson"), "dev": ("lucas",), "test": ("nicolas",)}
Segment = tuple[str, list[int]]  # a line of segments.lst, and the digits
SEGMENTS = {"train": 30, "dev": 8, "test": 4}


def make_europarl(corpus: Path, *, suffix: str = ".flac") -> Path:
    """Speeches of the languages of `DIGITS`, one a speaker, each translated into the two others.

    A segment has one to three digits; its text is written with punctuation and capitals. `suffix` is that of the
    recordings, which hold FLAC whatever they are called.
    """
    with (CORPUS / "segments.tsv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    for src in DIGITS:
        (corpus / src / "audios").mkdir(parents=True, exist_ok=True)
        for name in SETS:
            spoken = {f"{src}.20080924.3.1-{speaker}": speaker for speaker in SPEAKERS[name]}
            lines = [
                line for speech, speaker in spoken.items() for line in _segments(speech, speaker, rows, SEGMENTS[name])
            ]
            for speech, speaker in spoken.items():
                shutil.copyfile(CORPUS / f"{speaker}.flac", corpus / src / "audios" / f"{speech}{suffix}")
            for tgt in DIGITS.keys() - {src}:
                _write(corpus / src / tgt / name, spoken, lines, (src, tgt))
    return corpus


def _segments(speech: str, speaker: str, rows: list[dict[str, str]], count: int) -> list[Segment]:
    mine = [row for row in rows if row["speaker"] == speaker]
    found = []
    for number in range(count):
        first = 7 + number * len(mine) // count
        said = mine[first : first + 1 + number % 3]
        times = (int(said[0]["start_sample"]) / FS, int(said[-1]["end_sample"]) / FS)
        found.append((f"{speech} {times[0]:.2f} {times[1]:.2f}", [int(row["digit"]) for row in said]))
    return found


def _write(
    folder: Path, speeches: dict[str, str], lines: list[tuple[str, list[int]]], languages: tuple[str, str]
) -> None:
    files = {"segments.lst": [line for line, _ in lines], "speeches.lst": [*speeches]}
    files["speakers.lst"] = [f"Anna Maria {speaker} {number}" for number, speaker in enumerate(speeches.values())]
    for code in languages:
        texts = [", ".join(DIGITS[code][digit] for digit in digits).capitalize() + "." for _, digits in lines]
        files[f"segments.{code}"] = texts
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_text("".join(f"{line}\n" for line in content), encoding="utf-8")
