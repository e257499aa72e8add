"""BLEU, chrF++ and TER by sacrebleu, with the signatures that make the numbers reproducible."""

from __future__ import annotations

import contextlib
import json
import math
import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import sacrebleu.metrics
from sacrebleu.metrics.base import Metric as Sacrebleu
from sacrebleu.metrics.base import Signature
from sacrebleu.significance import PairedTest

from espnet_jst.config import json_text
from espnet_jst.evaluation.lanes import UNSPACED, LaneTexts
from espnet_jst.evaluation.metrics.base import Decoded, Metric, Score, Statistics
from espnet_jst.evaluation.metrics.error_rate import spaced
from espnet_jst.evaluation.shown import number
from espnet_jst.evaluation.small_samples import are_few


class TranslationMetric(Metric):
    """A metric of sacrebleu, against one reference or several."""

    source = False

    @abstractmethod
    def sacrebleu(self, texts: LaneTexts) -> Sacrebleu:
        """sacrebleu's metric for these texts."""

    def statistics(self, texts: LaneTexts, decoded: Decoded | None = None) -> Statistics:
        """sacrebleu's, which have the length of the reference in column 1.

        sacrebleu does not offer them in public, and its own tests of significance know neither small sets nor several
        seeds: here alone we call what is private there.
        """
        metric = self.sacrebleu(texts)
        rows = metric._extract_corpus_statistics(texts.hypotheses, reference_sets(texts))

        def score(sums: np.ndarray) -> float:
            return float(metric._compute_score_from_stats(sums.tolist()).score)

        return Statistics(np.asarray(rows, dtype=np.float64), score)

    def score(self, texts: LaneTexts, *, n_bootstrap: int = 0, seed: int = 12345) -> Score:
        """sacrebleu's corpus score; intervals, which take their time, only of lanes that the metric is for."""
        metric = self.sacrebleu(texts)
        score = metric.corpus_score(texts.hypotheses, reference_sets(texts))
        signature, low, high, confidence = str(metric.get_signature()), math.nan, math.nan, {}
        n_bootstrap = n_bootstrap if self.suits(texts.lane) else 0
        if n_bootstrap and are_few(texts.references):
            low, high = self.interval(self.statistics(texts), n_bootstrap, seed)
        elif n_bootstrap > 1:
            signature, mean, half = _resampled(metric, texts, n_bootstrap, seed)
            if half > 0.0:  # sacrebleu gives mean and half width, which may leave the scale
                low, high = np.clip((mean - half, mean + half), *self.limits).tolist()
            if mean > 0.0:
                confidence = _confidence(f"{mean:.2f}", f"{half:.2f}")
        own = json.loads(score.format(signature=signature, is_json=True))
        verbose = {"verbose": own["verbose_score"]} if "verbose_score" in own else {}
        details = {"signature": signature, **verbose}
        espnet = json_text(own | confidence, indent=1, ensure_ascii=False)
        return Score(name=self.name, score=float(score.score), low=low, high=high, details=details, espnet=espnet)

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
        single = all("nrefs:1|" in score.details["signature"] for score in scores)
        body = ",\n".join(score.espnet for score in scores)
        return f"Case {kind} BLEU result ({'single-reference' if single else 'multi-references'})\n[\n{body}\n]\n"


class BLEU(TranslationMetric):
    """BLEU, with the tokenizer of the language."""

    name = "BLEU"
    meaning = "agreement with the reference, 0 to 100, more is better"
    up = True
    limits = (0.0, 100.0)

    def sacrebleu(self, texts: LaneTexts) -> Sacrebleu:
        """None is sacrebleu's default tokenizer, "13a"."""
        return sacrebleu.metrics.BLEU(lowercase=texts.lowercase, tokenize=texts.tokenize)

    def columns(self, entry: Mapping[str, Any]) -> dict[str, str]:
        """The score, and precisions and lengths."""
        return {"bleu_score": number(entry["score"], 1), "verbose_score": entry.get("verbose", "")}


class ChrF(TranslationMetric):
    """chrF++: characters, and words up to two."""

    name = "chrF++"
    meaning = BLEU.meaning
    up = True
    limits = BLEU.limits
    ranks = True

    def sacrebleu(self, texts: LaneTexts) -> Sacrebleu:
        """Nothing depends on the language."""
        return sacrebleu.metrics.CHRF(word_order=2, lowercase=texts.lowercase)


class TER(TranslationMetric):
    """Translation edit rate."""

    name = "TER"
    meaning = "edits in percent of the reference, less is better"
    up = False
    limits = (0.0, math.inf)
    unit = "%"

    def sacrebleu(self, texts: LaneTexts) -> Sacrebleu:
        """Units are counted where words do not stand between blanks."""
        kind = UnitTER if texts.tokenize in UNSPACED else sacrebleu.metrics.TER
        return kind(case_sensitive=not texts.lowercase)


class UnitTER(sacrebleu.metrics.TER):
    """TER over the units of a text (`text.units`), which its signature names."""

    def _preprocess_segment(self, sent: str) -> str:
        return super()._preprocess_segment(spaced(sent))

    def get_signature(self) -> Signature:
        """sacrebleu's signature, with what a unit is."""
        signature = super().get_signature()
        signature.info["tok"] = f"{signature.info['tok']}-units"
        return signature


def reference_sets(texts: LaneTexts) -> list[tuple[str, ...]]:
    """References as sacrebleu takes them: the first of each utterance, the second of each ..."""
    return [texts.references, *texts.further]


def _resampled(metric: Sacrebleu, texts: LaneTexts, n_bootstrap: int, seed: int) -> tuple[str, float, float]:
    """Signature, mean and half width of the interval of sacrebleu's own bootstrap."""
    # Not corpus_score(n_bootstrap=...): sacrebleu 2.6.0 fails there when a resample holds empty hypotheses only.
    with sacrebleu_seed(seed):
        test = PairedTest([("", texts.hypotheses)], {"": metric}, reference_sets(texts), "bs", n_bootstrap)
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
