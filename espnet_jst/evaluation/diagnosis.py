"""What each policy will cost and teach, before any training: one table over policies, as text, JSON and picture."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from espnet_jst.config import json_text
from espnet_jst.data.kaldi import check_same_keys, read_table
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.text.align.pharaoh import read_pharaoh
from espnet_jst.text.align.scores import aer
from espnet_jst.text.diagnose import SerializationReport, diagnose
from espnet_jst.text.links import Link
from espnet_jst.text.policies import exact_gamma
from espnet_jst.text.serialize import serialize
from espnet_jst.text.units import split_units

if TYPE_CHECKING:
    from rich.table import Table

    from espnet_jst.text.tokenizer import Tokenizer

COMPARED = ("align", "0.5", "0.3", "0.0", "eager")

_COLUMNS: dict[str, Callable[[SerializationReport], str]] = {
    "tags a sentence": lambda report: f"{report.tags_per_sentence:.1f}",
    "premature words": lambda report: f"{100 * report.premature_share:.1f} %",
    "extra wait (words)": lambda report: f"{report.extra_wait:.2f}",
    "source heard": lambda report: f"{report.heard_share:.2f}",
    "burst median": lambda report: str(report.burst_quantile(0.5)),
    "90 %": lambda report: str(report.burst_quantile(0.9)),
    "99 %": lambda report: str(report.burst_quantile(0.99)),
    "longest": lambda report: str(report.longest_burst),
    "prune_range for 99 %": lambda report: str(report.longest_bursts().prune_range()),
}


def compare_policies(
    sources: Sequence[Sequence[str]],
    targets: Sequence[Sequence[str]],
    alignments: Sequence[Collection[Link]],
    *,
    reference: Sequence[Collection[Link]] | None = None,
    policies: Sequence[str] = COMPARED,
    tokenizer: Tokenizer | None = None,
    names: Sequence[str] | None = None,
) -> dict[str, SerializationReport]:
    """Serialize a corpus under each policy and measure it.

    Args:
        reference: links that premature words and waits are measured by; default: `alignments`, by which "align" and
            "eager" are never premature.
        policies: "align", "eager" or a gamma of INTER such as "0.5".
        tokenizer: what bursts are counted in; words where it is missing.

    Returns:
        Policy -> report.

    Raises:
        ConfigError: an unknown policy.
        DataError: a link outside of its sentence (named), or different numbers of sentences.
    """
    chosen = {policy: _policy(policy) for policy in policies}
    # The first label of a burst is the tag, which need not be one of the tokenizer's.
    labels_of = (lambda burst: 1 + len(tokenizer.encode(burst[1:]))) if tokenizer is not None else len
    names = names or [f"sentence {index}" for index in range(len(sources))]
    reports = {}
    for policy, (kind, gamma) in chosen.items():
        serialized = []
        for name, source, target, links in zip(names, sources, targets, alignments, strict=True):
            try:
                serialized.append(serialize(source, target, links, policy=kind, gamma=gamma, strict=True))
            except DataError as error:
                raise DataError(f"{name}: {error}") from error
        reports[policy] = diagnose(serialized, alignments if reference is None else reference, labels_of=labels_of)
    return reports


def read_and_compare(
    src: str | Path,
    tgt: str | Path,
    alignment: str | Path,
    *,
    reference: str | Path | None = None,
    policies: Sequence[str] = COMPARED,
    tokenizer: Tokenizer | None = None,
    sample: int = 0,
) -> tuple[dict[str, SerializationReport], str]:
    """`compare_policies` on files.

    Args:
        src, tgt, alignment, reference: Kaldi-style files of the same utterances.
        sample: most utterances, evenly spaced; 0: all.

    Returns:
        Policy -> report, and a line that says what was measured.
    """
    sides = {str(path): read_table(path) for path in (src, tgt)}
    links = {str(path): read_pharaoh(path) for path in (alignment, reference) if path is not None}
    check_same_keys({**sides, **links})
    source, target = sides[str(src)], sides[str(tgt)]
    keys = list(source)[:: -(-len(source) // sample) if sample else 1]
    followed = [links[str(alignment)][key] for key in keys]
    gold = followed if reference is None else [links[str(reference)][key] for key in keys]
    reports = compare_policies(
        [split_units(source[key]) for key in keys],
        [split_units(target[key]) for key in keys],
        followed,
        reference=gold,
        policies=policies,
        tokenizer=tokenizer,
        names=keys,
    )
    unit = "pieces" if tokenizer is not None else "words"
    by = "the links that the policies follow"
    if reference is not None:
        by = f"{Path(reference).name} (AER of the links that the policies follow: {aer(followed, gold):.3f})"
    return reports, f"{len(keys)} sentences, bursts in {unit}, measured by {by}"


def diagnosis_rows(reports: Mapping[str, SerializationReport]) -> tuple[list[str], list[list[str]]]:
    """Titles of the columns, and one row a policy."""
    return ["policy", *_COLUMNS], [
        [policy_name(policy), *(show(report) for show in _COLUMNS.values())] for policy, report in reports.items()
    ]


def diagnosis_table(reports: Mapping[str, SerializationReport], title: str) -> Table:
    """The table for a terminal."""
    from rich.table import Table

    titles, rows = diagnosis_rows(reports)
    table = Table(title=title, title_justify="left")
    for index, name in enumerate(titles):
        table.add_column(name, justify="right" if index else "left")
    for row in rows:
        table.add_row(*row)
    return table


def write_diagnosis(reports: Mapping[str, SerializationReport], directory: str | Path, title: str) -> list[Path]:
    """Write `diagnosis.md`, `diagnosis.json` and `diagnosis.png`; returns their paths."""
    from espnet_jst.evaluation.pictures.policies import plot_policies

    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    titles, rows = diagnosis_rows(reports)
    lines = [titles, ["---"] * len(titles), *rows]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    figures = {
        policy: {**report.as_dict(), "prune_range_99": report.longest_bursts().prune_range()}
        for policy, report in reports.items()
    }
    paths = [directory / f"diagnosis.{ending}" for ending in ("md", "json", "png")]
    paths[0].write_text(f"{title}\n\n{table}", encoding="utf-8")
    paths[1].write_text(json_text({"title": title, "policies": figures}, indent=1) + "\n", encoding="utf-8")
    plot_policies(reports, paths[2], title=title)
    return paths


def policy_name(policy: str) -> str:
    """A policy as it is written in tables: "INTER 0.5", "ALIGN block", "ALIGN eager"."""
    return {"align": "ALIGN block", "eager": "ALIGN eager"}.get(policy) or f"INTER {policy}"


def _policy(name: str) -> tuple[str, float]:
    """(policy, gamma) of `serialize`."""
    if name in ("align", "eager"):
        return name, 0.0
    try:
        exact_gamma(name)
    except ConfigError as error:
        raise ConfigError(f"policy {name!r}: choose align, eager, or a gamma of INTER from 0 to 1") from error
    return "inter", float(name)
