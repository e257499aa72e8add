"""The score files of ESPnet's layout, so that its own result scripts read them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from espnet_jst.evaluation.files import write_text
from espnet_jst.evaluation.quality import EditScore, MetricScore


def sclite_row(score: EditScore) -> list[str]:
    """Snt, Wrd, Corr, Sub, Del, Ins, Err, S.Err as ESPnet prints them: counts, then percent with one decimal."""
    counts = (score.hits, score.substitutions, score.deletions, score.insertions, score.errors)
    sentences = len(score.per_utterance)
    rates = [*map(score.percent, counts), 100.0 * score.sentence_errors / sentences]
    return [str(sentences), str(score.reference_units), *("-" if math.isnan(x) else f"{x:.1f}" for x in rates)]


def write_edit_result(score: EditScore, path: Path) -> None:
    """`score_wer/result.txt`: sclite's summary line, which ESPnet's `show_asr_result.sh` looks for."""
    row = sclite_row(score)
    unit = "Wrd" if score.unit == "word" else "Chr"
    lines = [
        f"| SPKR    | # Snt # {unit} | Corr    Sub    Del    Ins    Err  S.Err |",
        f"| Sum/Avg | {row[0]:>5} {row[1]:>5} | " + " ".join(f"{value:>6}" for value in row[2:]) + " |",
        "",
    ]
    write_text("\n".join(lines), path)


def write_translation_result(scores: Iterable[MetricScore], case: str, path: Path) -> None:
    """`score_bleu/result.<case>.txt`: a heading, then sacrebleu's JSON list, BLEU first.

    ESPnet's `show_translation_result.sh` takes the BLEU score from line 5 and its details from line 7.
    """
    kind = "insensitive" if case.startswith("lc") else "sensitive"
    body = ",\n".join(score.json_text for score in scores)
    write_text(f"Case {kind} BLEU result (single-reference)\n[\n{body}\n]\n", path)
