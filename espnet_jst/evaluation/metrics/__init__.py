"""The metrics, in the order of the tables; a further one is a class and a line here."""

from __future__ import annotations

from collections.abc import Iterable

from espnet_jst.config import check_choice
from espnet_jst.evaluation.metrics.base import Metric
from espnet_jst.evaluation.metrics.error_rate import CER, WER
from espnet_jst.evaluation.metrics.lagging import LAAL
from espnet_jst.evaluation.metrics.length import LengthRatio
from espnet_jst.evaluation.metrics.translation import BLEU, TER, ChrF
from espnet_jst.evaluation.metrics.word_order import RIBES
from espnet_jst.evaluation.shown import LATENCY, LatencyColumn
from espnet_jst.text.lanes import Lane

METRICS: dict[str, Metric] = {
    metric.name: metric for metric in (WER(), CER(), BLEU(), ChrF(), TER(), RIBES(), LengthRatio(), LAAL())
}


def text_metrics() -> list[Metric]:
    """Those that need no times: what scores.json calls quality."""
    return [metric for metric in METRICS.values() if not metric.timed]


def lane_metrics(lane: Lane) -> list[Metric]:
    """Those of the tables of a lane, without times."""
    return [metric for metric in text_metrics() if metric.suits(lane)]


def headline(lane: Lane) -> Metric:
    """The metric that stands for a lane in a summary.

    Raises:
        ConfigError: the lane names one that does not exist.
    """
    check_choice(lane.headline, [metric.name for metric in text_metrics()], f"lane {lane.name}: headline")
    return METRICS[lane.headline]


def explained(names: Iterable[str]) -> list[tuple[str, str]]:
    """(Names, what they mean) of some metrics and columns of latency, in the order of the tables."""
    wanted, groups = set(names), dict[str, dict[str, None]]()
    told: list[Metric | LatencyColumn] = [*METRICS.values(), *LATENCY]
    for item in told:
        groups.setdefault(item.meaning, {})[item.name] = None
    return [(", ".join(group), meaning) for meaning, group in groups.items() if wanted & group.keys()]
