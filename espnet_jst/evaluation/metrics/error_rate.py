"""WER and CER by jiwer: errors in percent of the reference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jiwer
import numpy as np

from espnet_jst.config import check_choice
from espnet_jst.evaluation.lanes import LaneTexts, check_pairs
from espnet_jst.evaluation.metrics.base import Decoded, Metric, Score, Statistics, rate
from espnet_jst.text.units import canonical, split_units


@dataclass(frozen=True)
class EditScore:
    """Counts of an edit-distance score over a test set.

    Attributes:
        hits, substitutions, deletions, insertions: counts over the set.
        sentence_errors: utterances with at least one error.
        per_utterance: (errors, reference units) of each utterance, for the bootstrap.
    """

    hits: int
    substitutions: int
    deletions: int
    insertions: int
    sentence_errors: int
    per_utterance: tuple[tuple[int, int], ...]

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference_units(self) -> int:
        """Words or characters of the references."""
        return self.hits + self.substitutions + self.deletions

    @property
    def rate(self) -> float:
        """Errors in percent of the reference; NaN when something was written and every reference is empty."""
        return self.percent(self.errors)

    def percent(self, count: int) -> float:
        """A count in percent of the reference units."""
        if not self.reference_units:
            return math.nan if count else 0.0
        return 100.0 * count / self.reference_units

    def sclite_row(self) -> list[str]:
        """Snt, Wrd, Corr, Sub, Del, Ins, Err, S.Err as ESPnet prints them: counts, then percent with one decimal."""
        counts = (self.hits, self.substitutions, self.deletions, self.insertions, self.errors)
        sentences = len(self.per_utterance)
        rates = [*map(self.percent, counts), 100.0 * self.sentence_errors / sentences]
        return [str(sentences), str(self.reference_units), *("-" if math.isnan(x) else f"{x:.1f}" for x in rates)]


def edit_score(
    references: Sequence[str], hypotheses: Sequence[str], *, unit: str = "word", language: str | None = None
) -> EditScore:
    """WER (`unit="word"`) or CER (`unit="char"`, single spaces counted) of a test set.

    In scripts without blanks a character is a word, and blanks that they do not need are not counted; `language` says
    that a text is of a language with blanks whatever its script.

    Empty texts are allowed: an empty hypothesis is all deletions, an empty reference all insertions.

    Raises:
        DataError: the lists are empty or differ in length.
        ConfigError: the unit is unknown.
    """
    check_choice(unit, ("word", "char"), "unit")
    check_pairs(references, hypotheses)
    process = jiwer.process_words if unit == "word" else jiwer.process_characters
    prepare = spaced if unit == "word" else canonical
    wanted, written = ([prepare(text, language) for text in texts] for texts in (references, hypotheses))
    output = process(wanted, written)
    rows = []
    for reference, chunks in zip(output.references, output.alignments, strict=True):
        wrong = sum(
            max(c.ref_end_idx - c.ref_start_idx, c.hyp_end_idx - c.hyp_start_idx) for c in chunks if c.type != "equal"
        )
        rows.append((wrong, len(reference)))
    return EditScore(
        hits=output.hits,
        substitutions=output.substitutions,
        deletions=output.deletions,
        insertions=output.insertions,
        sentence_errors=sum(wrong > 0 for wrong, _ in rows),
        per_utterance=tuple(rows),
    )


def spaced(text: str, language: str | None = None) -> str:
    """A text with a blank between all that counts as a word."""
    return " ".join(split_units(text, language))


class ErrorRate(Metric):
    """Errors for each unit of the reference."""

    meaning = "errors in percent of the reference's words, characters"
    up = False
    limits = (0.0, math.inf)
    unit = "%"
    source = True
    counted: str  # unit of `edit_score`

    def statistics(self, texts: LaneTexts, decoded: Decoded | None = None) -> Statistics:
        """100 times the errors, and the units of the reference."""
        found = edit_score(texts.references, texts.hypotheses, unit=self.counted, language=texts.language)
        rows = [(100.0 * wrong, units) for wrong, units in found.per_utterance]
        row = found.sclite_row()
        details = {"errors": found.errors, "reference_units": found.reference_units, "row": row}
        return Statistics(np.array(rows, dtype=np.float64), rate, details)

    def columns(self, entry: Mapping[str, Any]) -> dict[str, str]:
        """sclite's summary, as in ESPnet's RESULTS.md."""
        return dict(zip(("Snt", "Wrd", "Corr", "Sub", "Del", "Ins", "Err", "S.Err"), entry["row"], strict=True))

    def espnet_file(self, case: str) -> str:
        """Of each metric its own."""
        return f"score_{self.name.lower()}/result.txt"

    def espnet_text(self, scores: Sequence[Score], case: str) -> str:
        """sclite's summary line, which ESPnet's `show_asr_result.sh` looks for."""
        row, unit = scores[0].details["row"], "Wrd" if self.counted == "word" else "Chr"
        lines = [
            f"| SPKR    | # Snt # {unit} | Corr    Sub    Del    Ins    Err  S.Err |",
            f"| Sum/Avg | {row[0]:>5} {row[1]:>5} | " + " ".join(f"{value:>6}" for value in row[2:]) + " |",
            "",
        ]
        return "\n".join(lines)


class WER(ErrorRate):
    """Word error rate."""

    name = "WER"
    counted = "word"
    ranks = True


class CER(ErrorRate):
    """Character error rate, single spaces counted."""

    name = "CER"
    counted = "char"
