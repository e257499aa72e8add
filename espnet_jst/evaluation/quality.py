"""Quality of one lane: WER and CER by jiwer, BLEU, chrF++ and TER by sacrebleu with their signatures."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jiwer
import numpy as np
from sacrebleu.metrics import BLEU, CHRF, TER
from sacrebleu.metrics.base import Metric
from sacrebleu.significance import PairedTest

from espnet_jst.config import check_choice
from espnet_jst.errors import DataError
from espnet_jst.evaluation.lanes import UNSPACED
from espnet_jst.evaluation.significance import UNLIMITED, interval
from espnet_jst.evaluation.small_samples import FEW
from espnet_jst.text.units import canonical, split_units

TRANSLATION_METRICS = ("BLEU", "chrF++", "TER")


@dataclass(frozen=True)
class EditScore:
    """Counts of an edit-distance score over a test set.

    Attributes:
        unit: "word" (WER) or "char" (CER).
        hits, substitutions, deletions, insertions: counts over the set.
        sentence_errors: utterances with at least one error.
        per_utterance: (errors, reference units) of each utterance, for the bootstrap.
    """

    unit: str
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
    _check_pairs(references, hypotheses)
    process = jiwer.process_words if unit == "word" else jiwer.process_characters
    prepare = _spaced if unit == "word" else canonical
    wanted, written = ([prepare(text, language) for text in texts] for texts in (references, hypotheses))
    output = process(wanted, written)
    rows = []
    for reference, chunks in zip(output.references, output.alignments, strict=True):
        wrong = sum(
            max(c.ref_end_idx - c.ref_start_idx, c.hyp_end_idx - c.hyp_start_idx) for c in chunks if c.type != "equal"
        )
        rows.append((wrong, len(reference)))
    return EditScore(
        unit=unit,
        hits=output.hits,
        substitutions=output.substitutions,
        deletions=output.deletions,
        insertions=output.insertions,
        sentence_errors=sum(wrong > 0 for wrong, _ in rows),
        per_utterance=tuple(rows),
    )


def word_differences(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[str, range, range]]:
    """A minimal edit alignment: ("equal", "substitute", "insert" or "delete", reference words, hypothesis words)."""
    output = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
    return [
        (c.type, range(c.ref_start_idx, c.ref_end_idx), range(c.hyp_start_idx, c.hyp_end_idx))
        for c in output.alignments[0]
    ]


def matching_words(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[int, int]]:
    """(reference index, hypothesis index) of the words that are equal in a minimal edit alignment."""
    chunks = word_differences(reference, hypothesis)
    return [pair for kind, found, written in chunks if kind == "equal" for pair in zip(found, written, strict=True)]


@dataclass(frozen=True)
class MetricScore:
    """One sacrebleu score.

    Attributes:
        name: "BLEU", "chrF++" or "TER".
        score: 0 to 100 (TER may be above).
        signature: sacrebleu's signature, which makes the number reproducible.
        verbose: BLEU's precisions and lengths; empty for the others.
        low, high: 95 % interval, NaN where none was asked for or it is not defined.
        json_text: sacrebleu's own JSON of this score.
    """

    name: str
    score: float
    signature: str
    verbose: str
    low: float
    high: float
    json_text: str


class UnitTER(TER):
    """TER over the units of a text, where words do not stand between blanks."""

    def _preprocess_segment(self, sent: str) -> str:
        return super()._preprocess_segment(_spaced(sent))

    def get_signature(self) -> Any:
        """sacrebleu's signature, with what a unit is."""
        signature = super().get_signature()
        signature.info["tok"] = f"{signature.info['tok']}-units"
        return signature


def make_metric(name: str, *, lowercase: bool = False, tokenize: str | None = None) -> Metric:
    """sacrebleu's metric of that name ("BLEU", "chrF", "chrF++", "TER").

    `tokenize` is BLEU's tokenizer, None for sacrebleu's default. One for a language without blanks lets TER count units
    of the text (`text.units`), which its signature names.

    Raises:
        ConfigError: the name is unknown.
    """
    check_choice(name, ("BLEU", "chrF", "chrF++", "TER"), "metric")
    if name == "BLEU":
        return BLEU(lowercase=lowercase, tokenize=tokenize)
    if name == "TER":
        return (UnitTER if tokenize in UNSPACED else TER)(case_sensitive=not lowercase)
    return CHRF(word_order=2 if name == "chrF++" else 0, lowercase=lowercase)


def translation_scores(
    references: Sequence[str],
    hypotheses: Sequence[str],
    *,
    lowercase: bool = False,
    tokenize: str | None = None,
    n_bootstrap: int = 0,
    seed: int = 12345,
    metrics: Sequence[str] = TRANSLATION_METRICS,
) -> dict[str, MetricScore]:
    """BLEU, chrF++ and TER of a test set against one reference each.

    Args:
        lowercase: compare without case.
        tokenize: BLEU's tokenizer ("13a" by default, "zh" for Chinese, "char" for scripts without spaces); see
            `lanes.bleu_tokenizer`.
        n_bootstrap: resamples for the 95 % interval (sacrebleu's bootstrap, or `small_samples`); 0 for none.
        seed: of the bootstrap.

    Raises:
        DataError: the lists are empty or differ in length.
    """
    _check_pairs(references, hypotheses)
    pairs = list(references), list(hypotheses)
    return {name: _score(name, *pairs, lowercase, tokenize, n_bootstrap, seed) for name in metrics}


def summable(
    metric: Metric, references: Sequence[str], hypotheses: Sequence[str]
) -> tuple[np.ndarray, Callable[[np.ndarray], float]]:
    """Statistics of each utterance, (N, S), and the function that gives the corpus score of their sum."""
    rows = metric._extract_corpus_statistics(list(hypotheses), [list(references)])

    def score(sums: np.ndarray) -> float:
        return float(metric._compute_score_from_stats(sums.tolist()).score)

    return np.asarray(rows, dtype=np.float64), score


def are_few(references: Sequence[str]) -> bool:
    """Whether a score over these is one of `small_samples`; to an empty reference nothing is compared."""
    return sum(bool(text.strip()) for text in references) < FEW


def score_limits(name: str) -> tuple[float, float]:
    """Least and largest value of a metric; only of qualities are they known."""
    if name in ("WER", "CER", "TER"):
        return 0.0, math.inf
    return (0.0, 100.0) if name in ("BLEU", "chrF", "chrF++") else UNLIMITED


def _score(
    name: str,
    references: list[str],
    hypotheses: list[str],
    lowercase: bool,
    tokenize: str | None,
    n_bootstrap: int,
    seed: int,
) -> MetricScore:
    metric = make_metric(name, lowercase=lowercase, tokenize=tokenize)
    score = metric.corpus_score(hypotheses, [references])
    signature, low, high = str(metric.get_signature()), math.nan, math.nan
    if n_bootstrap and are_few(references):
        statistics = summable(metric, references, hypotheses)
        low, high = interval(*statistics, limits=score_limits(name), n_bootstrap=n_bootstrap, seed=seed)
    elif n_bootstrap > 1:
        # Not corpus_score(n_bootstrap=...): sacrebleu 2.6.0 fails there when a resample holds empty hypotheses only.
        with sacrebleu_seed(seed):
            test = PairedTest([("system", hypotheses)], {name: metric}, [references], "bs", n_bootstrap)
        signatures, scores = test()
        [key] = signatures
        result: Any = scores[key][0]
        signature = str(signatures[key])
        score._mean, score._ci = float(result.mean), float(result.ci)
        if score._ci > 0.0:  # sacrebleu gives mean and half width, which may leave the scale
            low, high = np.clip((score._mean - score._ci, score._mean + score._ci), *score_limits(name)).tolist()
    return MetricScore(
        name=name,
        score=float(score.score),
        signature=signature,
        verbose=score._verbose,
        low=low,
        high=high,
        json_text=score.format(signature=signature, is_json=True),
    )


@contextlib.contextmanager
def sacrebleu_seed(seed: int) -> Iterator[None]:
    """sacrebleu takes the seed of its bootstrap from the environment only."""
    before = os.environ.get("SACREBLEU_SEED")
    os.environ["SACREBLEU_SEED"] = str(seed)
    try:
        yield
    finally:
        if before is None:
            del os.environ["SACREBLEU_SEED"]
        else:
            os.environ["SACREBLEU_SEED"] = before


def _spaced(text: str, language: str | None = None) -> str:
    return " ".join(split_units(text, language))


def _check_pairs(references: Sequence[str], hypotheses: Sequence[str]) -> None:
    if not references or len(references) != len(hypotheses):
        raise DataError(
            f"{len(references)} references and {len(hypotheses)} hypotheses; give one hypothesis for each reference"
        )
