"""Word times of a decoding against true ones (`word_times.ref`: "utt start:end start:end ...", seconds)."""

from __future__ import annotations

import statistics
from pathlib import Path

from espnet_jst.config import json_text
from espnet_jst.data.kaldi import read_table, write_table
from espnet_jst.errors import DataError
from espnet_jst.evaluation.files import read_words
from espnet_jst.text.lanes import TRANSCRIPT
from espnet_jst.text.words import unit_words

Span = tuple[float, float]


def read_spans(path: Path) -> dict[str, list[Span]]:
    """Start and end of each source word.

    Raises:
        DataError: a word is not "start:end".
    """
    spans = {}
    for key, value in read_table(path).items():
        try:
            pairs = [word.split(":") for word in value.split() if word != "-"]
            spans[key] = [(float(start), float(end)) for start, end in pairs]
        except ValueError:
            raise DataError(f"{key}: {path}: {value!r} is not 'start:end' for each word; correct it") from None
    return spans


def write_ends(truth: Path, out: Path) -> Path:
    """The ends alone ("utt 0.30 0.70"), the form that scoring and INTER TIME read. Returns `out`."""
    ends = {key: " ".join(f"{end:.3f}" for _, end in spans) or "-" for key, spans in read_spans(truth).items()}
    write_table(out, ends)
    return out


def time_errors(decoded: dict[str, list[Span]], truth: dict[str, list[Span]]) -> dict:
    """Median distance of starts and ends in seconds, over utterances with as many words as the truth."""
    starts: list[float] = []
    ends: list[float] = []
    used = 0
    for key, spans in truth.items():
        found = decoded.get(key, [])
        if spans and len(found) == len(spans):
            used += 1
            starts += [abs(a[0] - b[0]) for a, b in zip(found, spans)]
            ends += [abs(a[1] - b[1]) for a, b in zip(found, spans)]
    return {
        "utterances": len(truth),
        "used": used,
        "words": len(ends),
        "median_start_s": statistics.median(starts) if starts else None,
        "median_end_s": statistics.median(ends) if ends else None,
    }


def write_time_errors(words: Path, truth: Path, out: Path) -> dict:
    """Compare `words.jsonl` with the truth and write the figures as JSON. Returns them."""
    decoded = {
        key: [(unit.start_s, unit.end_s) for word in utterance.lane(TRANSCRIPT) for unit in unit_words(word)]
        for key, utterance in read_words(words).items()
    }
    errors = time_errors(decoded, read_spans(truth))
    out.write_text(json_text(errors, indent=1) + "\n", encoding="utf-8")
    return errors
