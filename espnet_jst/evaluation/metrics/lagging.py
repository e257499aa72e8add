"""How far words lag behind the audio: means over the utterances in which something was written, in ms."""

from __future__ import annotations

import numpy as np

from espnet_jst.evaluation.lane_latency import utterance_laal
from espnet_jst.evaluation.lanes import LaneTexts
from espnet_jst.evaluation.metrics.base import Decoded, Metric, Statistics, rate
from espnet_jst.evaluation.shown import LATENCY


class LAAL(Metric):
    """Length-adaptive average lagging (arXiv:2206.05807)."""

    name = "LAAL"
    [meaning] = [column.meaning for column in LATENCY if column.name == "LAAL"]
    up = False
    unit = "ms"
    digits = 0
    timed = True
    ranks = True

    def statistics(self, texts: LaneTexts, decoded: Decoded | None = None) -> Statistics:
        """LAAL and 1; an utterance without words of the lane has no latency: it weighs nothing."""
        laal = utterance_laal(texts, decoded or {})
        rows = [(laal[key], 1.0) if key in laal else (0.0, 0.0) for key in texts.keys]
        return Statistics(np.array(rows, dtype=np.float64), rate)
