"""How much is written: what a blank penalty changes before anything else."""

from __future__ import annotations

import math

import numpy as np

from espnet_jst.evaluation.lanes import LaneTexts
from espnet_jst.evaluation.metrics.base import Decoded, Metric, Statistics, rate
from espnet_jst.evaluation.shown import LATENCY


class LengthRatio(Metric):
    """Words of all hypotheses for each word of all references; right is 1."""

    name = "length ratio"
    [meaning] = [column.meaning for column in LATENCY if column.name == "length ratio"]
    up = True
    limits = (0.0, math.inf)
    digits = 3

    def statistics(self, texts: LaneTexts, decoded: Decoded | None = None) -> Statistics:
        """Words written, and those of the reference."""
        pairs = zip(texts.hypotheses, texts.references, strict=True)
        rows = [(len(texts.units(written)), len(texts.units(wanted))) for written, wanted in pairs]
        return Statistics(np.array(rows, dtype=np.float64), rate)
