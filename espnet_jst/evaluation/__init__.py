"""Scores of every lane: quality, latency, significance, RESULTS.md, pictures and the report.

Names are loaded on first use, so that importing this package costs nothing and needs none of the scoring libraries.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from espnet_jst.evaluation.compare import compare_directories
    from espnet_jst.evaluation.directory import score_directory
    from espnet_jst.evaluation.latency import latency_metrics
    from espnet_jst.evaluation.pictures.curves import plot_curves
    from espnet_jst.evaluation.pictures.latency import plot_latency
    from espnet_jst.evaluation.pictures.two_lanes import plot_two_lanes
    from espnet_jst.evaluation.report.page import write_report
    from espnet_jst.evaluation.results import write_results

_HOME = {
    "compare_directories": "compare",
    "latency_metrics": "latency",
    "plot_curves": "pictures.curves",
    "plot_latency": "pictures.latency",
    "plot_two_lanes": "pictures.two_lanes",
    "score_directory": "directory",
    "write_report": "report.page",
    "write_results": "results",
}
__all__ = [
    "compare_directories",
    "latency_metrics",
    "plot_curves",
    "plot_latency",
    "plot_two_lanes",
    "score_directory",
    "write_report",
    "write_results",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
