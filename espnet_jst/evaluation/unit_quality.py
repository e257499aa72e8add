"""How good a file of units is: use, bits a second, and what the units know of phones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import log2
from pathlib import Path
from typing import TYPE_CHECKING, Any

from espnet_jst.config import read_json
from espnet_jst.data.frame_labels import read_labels
from espnet_jst.data.unit_files import about_file, read_units
from espnet_jst.errors import DataError
from espnet_jst.evaluation.files import some_names
from espnet_jst.units.alphabet import without_repeats
from espnet_jst.units.conf import MOST_CLUSTERS
from espnet_jst.units.quality import phone_agreement, usage

if TYPE_CHECKING:
    from rich.table import Table


def unit_quality(
    units_file: str | Path,
    labels_file: str | Path | None = None,
    *,
    hop_s: float = 0.02,
    label_hop_s: float | None = None,
    layout: str = "auto",
) -> dict[str, Any]:
    """Measure a file of units, a unit a frame, alone and against labels.

    A frame has the label in its middle. Frames without one are left out, and so are utterances that have no labels, or
    labels of another length; they are counted and named.

    Args:
        units_file: see `read_units`.
        labels_file: see `read_labels`.
        hop_s: seconds from a unit to the next.
        label_hop_s: seconds of a label of Kaldi text; by default as of a unit.
        layout: see `read_labels`.

    Raises:
        DataError: a file cannot be read, or no frame is left.
    """
    path = Path(units_file)
    table = read_units(path)
    sequences = list(table.values())
    most = max((unit for units in sequences for unit in units), default=-1)
    if most < 0:
        raise DataError(f"{path}: holds no unit")
    if most >= MOST_CLUSTERS:
        raise DataError(f"{path}: unit {most}: there are never more than {MOST_CLUSTERS}, so these are no units")
    clusters = read_json(about_file(path)).get("clusters")
    frames = usage(sequences, most + 1)
    runs = usage([without_repeats(units) for units in sequences], most + 1)
    found: dict[str, Any] = {
        "units_file": str(path),
        "clusters": clusters if isinstance(clusters, int) else None,
        "utterances": len(table),
        "hop_s": hop_s,
        "frames": frames.frames,
        "runs": runs.frames,
        "used": frames.used,
        "perplexity": frames.perplexity,
        "bits_per_s": log2(frames.perplexity) / hop_s,
        "runs_perplexity": runs.perplexity,
        "runs_bits_per_s": log2(runs.perplexity) * runs.frames / (frames.frames * hop_s),
    }
    if labels_file is not None:
        found["labels"] = _against(table, Path(labels_file), hop_s, label_hop_s or hop_s, layout)
    return found


def _against(
    table: Mapping[str, list[int]], path: Path, hop_s: float, label_hop_s: float, layout: str
) -> dict[str, Any]:
    labels, counts = read_labels(path, label_hop_s, layout), Counter[tuple[int, str]]()
    missing = [key for key in table if key not in labels]
    wrong: dict[str, float] = {}
    unlabelled = 0
    for key, units in table.items():
        own = labels.get(key)
        if own is None:
            continue
        apart = own.too_long_s(len(units), hop_s)
        if apart:
            wrong[key] = round(apart, 3)
            continue
        names = own.of_frames(len(units), hop_s)
        counts.update((unit, name) for unit, name in zip(units, names, strict=True) if name is not None)
        unlabelled += names.count(None)
    if not counts:
        raise DataError(_nothing(path, table, missing, wrong))
    return {
        "file": str(path),
        "utterances": len(table) - len(missing) - len(wrong),
        "frames": counts.total(),
        "kinds": len({name for _, name in counts}),
        **phone_agreement(counts)._asdict(),
        "frames_without_label": unlabelled,
        "utterances_without_labels": missing,
        "labels_of_another_length": wrong,
        "labels_without_units": [key for key in labels if key not in table],
    }


def _nothing(path: Path, table: Mapping[str, list[int]], missing: list[str], wrong: Mapping[str, float]) -> str:
    if len(missing) == len(table):
        return f"{path} has labels of none of {len(table)} utterances ({some_names(missing)})"
    if wrong:
        key, apart = next(iter(wrong.items()))
        return (
            f"{path} fits no utterance: its labels of {key} end {abs(apart):g} s {'after' if apart > 0 else 'before'} "
            "its units; --hop_s and --label_hop_s say how long a unit and a label are"
        )
    return f"{path} has a label at none of the frames of {len(table) - len(missing)} utterances"


def quality_table(found: Mapping[str, Any]) -> Table:
    """For people."""
    from rich.table import Table
    from rich.text import Text

    title = Text(f"{found['units_file']}: {found['utterances']} utterances")  # no markup: a name may have brackets
    table = Table("", "", "", title=title, title_justify="left")
    known = f" of {found['clusters']}" if found["clusters"] else ""
    table.add_row("units used", f"{found['used']}{known}", f"in {found['frames']} frames, {found['runs']} runs")
    table.add_row("perplexity", f"{found['perplexity']:.1f}", f"of runs {found['runs_perplexity']:.1f}")
    table.add_row("bits a second", f"{found['bits_per_s']:.1f}", f"of runs {found['runs_bits_per_s']:.1f}")
    labels = found.get("labels")
    if labels:
        table.add_section()
        table.add_row("PNMI", f"{labels['pnmi']:.3f}", f"{labels['kinds']} labels, {labels['frames']} frames")
        table.add_row("phone purity", f"{labels['phone_purity']:.3f}", "frames that have their unit's first label")
        table.add_row("cluster purity", f"{labels['cluster_purity']:.3f}", "frames that have their label's first unit")
    return table


def remarks(found: Mapping[str, Any]) -> list[str]:
    """What was left out, a line each."""
    labels = found.get("labels") or {}
    lines = []
    for key, what in (
        ("utterances_without_labels", "utterances have no labels and are left out"),
        ("labels_of_another_length", "utterances have labels of another length and are left out"),
        ("labels_without_units", "utterances have labels and no units"),
    ):
        if labels.get(key):
            lines.append(f"{len(labels[key])} {what}: {some_names(list(labels[key]))}")
    if labels.get("frames_without_label"):
        lines.append(f"{labels['frames_without_label']} frames have no label and are left out")
    return lines
