"""BLEU, chrF++ and TER by sacrebleu, with the signatures that make the numbers reproducible."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import sacrebleu.metrics
from sacrebleu.metrics.base import Metric as Sacrebleu
from sacrebleu.significance import PairedTest

from espnet_jst.config import check_choice
from espnet_jst.evaluation.lanes import UNSPACED, LaneTexts
from espnet_jst.evaluation.metrics.base import Decoded, Metric, Score, Statistics, check_pairs
from espnet_jst.evaluation.metrics.error_rate import spaced
from espnet_jst.evaluation.shown import number
from espnet_jst.evaluation.significance import interval
from espnet_jst.evaluation.small_samples import are_few

LIMITS = {"BLEU": (0.0, 100.0), "chrF": (0.0, 100.0), "chrF++": (0.0, 100.0), "TER": (0.0, math.inf)}


class UnitTER(sacrebleu.metrics.TER):
    """TER over the units of a text, where words do not stand between blanks."""

    def _preprocess_segment(self, sent: str) -> str:
        return super()._preprocess_segment(spaced(sent))

    def get_signature(self) -> Any:
        """sacrebleu's signature, with what a unit is."""
        signature = super().get_signature()
        signature.info["tok"] = f"{signature.info['tok']}-units"
        return signature


def make_metric(name: str, *, lowercase: bool = False, tokenize: str | None = None) -> Sacrebleu:
    """sacrebleu's metric of that name ("BLEU", "chrF", "chrF++", "TER").

    `tokenize` is BLEU's tokenizer, None for sacrebleu's default. One for a language without blanks lets TER count units
    of the text (`text.units`), which its signature names.

    Raises:
        ConfigError: the name is unknown.
    """
    check_choice(name, LIMITS, "metric")
    if name == "BLEU":
        return sacrebleu.metrics.BLEU(lowercase=lowercase, tokenize=tokenize)
    if name == "TER":
        return (UnitTER if tokenize in UNSPACED else sacrebleu.metrics.TER)(case_sensitive=not lowercase)
    return sacrebleu.metrics.CHRF(word_order=2 if name == "chrF++" else 0, lowercase=lowercase)


def summable(metric: Sacrebleu, references: Sequence[str], hypotheses: Sequence[str]) -> Statistics:
    """Statistics of each utterance, and the corpus score of their sum.

    sacrebleu offers neither in public, and its own tests of significance know no small sets and no several seeds: the
    only place that calls what is private there.
    """
    rows = metric._extract_corpus_statistics(list(hypotheses), [list(references)])

    def score(sums: np.ndarray) -> float:
        return float(metric._compute_score_from_stats(sums.tolist()).score)

    return Statistics(np.asarray(rows, dtype=np.float64), score)


def translation_score(
    name: str,
    references: Sequence[str],
    hypotheses: Sequence[str],
    *,
    lowercase: bool = False,
    tokenize: str | None = None,
    n_bootstrap: int = 0,
    seed: int = 12345,
) -> Score:
    """A metric of `make_metric` over a test set, against one reference each.

    Args:
        lowercase: compare without case.
        tokenize: BLEU's tokenizer ("13a" by default, "zh" for Chinese, "char" for scripts without spaces); see
            `lanes.bleu_tokenizer`.
        n_bootstrap: resamples for the 95 % interval (sacrebleu's bootstrap, or `small_samples`); 0 for none.
        seed: of the bootstrap.

    Raises:
        DataError: the lists are empty or differ in length.
    """
    check_pairs(references, hypotheses)
    metric = make_metric(name, lowercase=lowercase, tokenize=tokenize)
    score = metric.corpus_score(list(hypotheses), [list(references)])
    signature, low, high, confidence = str(metric.get_signature()), math.nan, math.nan, {}
    if n_bootstrap and are_few(references):
        rows, of_sums, _ = summable(metric, references, hypotheses)
        low, high = interval(rows, of_sums, limits=LIMITS[name], n_bootstrap=n_bootstrap, seed=seed)
    elif n_bootstrap > 1:
        signature, mean, half = _resampled(metric, references, hypotheses, n_bootstrap, seed)
        if half > 0.0:  # sacrebleu gives mean and half width, which may leave the scale
            low, high = np.clip((mean - half, mean + half), *LIMITS[name]).tolist()
        if mean > 0.0:
            confidence = _confidence(f"{mean:.2f}", f"{half:.2f}")
    own = json.loads(score.format(signature=signature, is_json=True))
    verbose = {"verbose": own["verbose_score"]} if "verbose_score" in own else {}
    return Score(
        name=name,
        score=float(score.score),
        low=low,
        high=high,
        details={"signature": signature, **verbose},
        espnet=json.dumps(own | confidence, indent=1, ensure_ascii=False),
    )


def _resampled(
    metric: Sacrebleu, references: Sequence[str], hypotheses: Sequence[str], n_bootstrap: int, seed: int
) -> tuple[str, float, float]:
    """Signature, mean and half width of the interval of sacrebleu's own bootstrap."""
    # Not corpus_score(n_bootstrap=...): sacrebleu 2.6.0 fails there when a resample holds empty hypotheses only.
    with sacrebleu_seed(seed):
        test = PairedTest([("", list(hypotheses))], {"": metric}, [list(references)], "bs", n_bootstrap)
    signatures, scores = test()
    [(name, signature)] = signatures.items()
    result: Any = scores[name][0]
    return str(signature), float(result.mean), float(result.ci)


def _confidence(mean: str, half: str) -> dict[str, Any]:
    """What sacrebleu's JSON says of an interval."""
    return {"confidence_mean": float(mean), "confidence_var": float(half), "confidence": f"μ = {mean} ± {half}"}


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


class TranslationMetric(Metric):
    """A metric of sacrebleu."""

    source = False

    def __init__(self) -> None:
        self.limits = LIMITS[self.name]

    def statistics(self, texts: LaneTexts, decoded: Decoded | None = None) -> Statistics:
        """sacrebleu's, which have the length of the reference in column 1."""
        metric = make_metric(self.name, lowercase=texts.lowercase, tokenize=texts.tokenize)
        return summable(metric, texts.references, texts.hypotheses)

    def score(self, texts: LaneTexts, *, n_bootstrap: int = 0, seed: int = 12345) -> Score:
        """sacrebleu's corpus score; intervals, which take their time, only of lanes that the metric is for."""
        return translation_score(
            self.name,
            texts.references,
            texts.hypotheses,
            lowercase=texts.lowercase,
            tokenize=texts.tokenize,
            n_bootstrap=n_bootstrap if self.suits(texts.lane) else 0,
            seed=seed,
        )

    def columns(self, entry: Mapping[str, Any]) -> dict[str, str]:
        """The score with one decimal, as ESPnet has it."""
        return {"score": number(entry["score"], 1)}

    def espnet_file(self, case: str) -> str:
        """One for all of them."""
        return f"score_bleu/result.{case}.txt"

    def espnet_text(self, scores: Sequence[Score], case: str) -> str:
        """A heading, then sacrebleu's JSON list, BLEU first.

        ESPnet's `show_translation_result.sh` takes the BLEU score from line 5 and its details from line 7.
        """
        kind = "insensitive" if case.startswith("lc") else "sensitive"
        body = ",\n".join(score.espnet for score in scores)
        return f"Case {kind} BLEU result (single-reference)\n[\n{body}\n]\n"


class BLEU(TranslationMetric):
    """BLEU, with the tokenizer of the language."""

    name = "BLEU"
    meaning = "agreement with the reference, 0 to 100, more is better"
    up = True

    def columns(self, entry: Mapping[str, Any]) -> dict[str, str]:
        """The score, and precisions and lengths."""
        return {"bleu_score": number(entry["score"], 1), "verbose_score": entry.get("verbose", "")}


class ChrF(TranslationMetric):
    """chrF++: characters, and words up to two."""

    name = "chrF++"
    meaning = BLEU.meaning
    up = True
    ranks = True


class TER(TranslationMetric):
    """Translation edit rate."""

    name = "TER"
    meaning = "edits in percent of the reference, less is better"
    up = False
    unit = "%"
