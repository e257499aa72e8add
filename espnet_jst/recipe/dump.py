"""The dump directory of a set: its tables, what is written beside them, and one line on what became of it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from espnet_jst.data import checks, kaldi
from espnet_jst.data.checks import Problem
from espnet_jst.data.texts import Texts, segments_file
from espnet_jst.data.utterances import OPTIONAL, optional_tables
from espnet_jst.text.lines import read_lines

UTT2AUDIO = "utt2audio"  # a digest of the samples of each utterance: what later stages know other audio by
TABLES = ("wav.scp", "utt2num_samples", UTT2AUDIO)


def set_tables(texts: Texts, directory: Path) -> list[str]:
    """The tables of a formatted set: those that each has, and the optional ones that are there."""
    names = ["wav.scp", "utt2num_samples", *texts.names, "utt2spk"]
    extras = (UTT2AUDIO, *optional_tables(texts))
    return names + [extra for extra in extras if extra not in names and (directory / extra).exists()]


def write_tables(out: Path, tables: Mapping[str, Mapping[str, object]], *, keep: Sequence[str] = ()) -> None:
    """Write a dump directory; optional tables of an earlier run that are none of these go, but for those to keep."""
    for name in OPTIONAL:
        if name not in tables and name not in keep:
            (out / name).unlink(missing_ok=True)
    kaldi.write_data_dir(out, tables)
    (out / "feats_type").write_text("raw\n", encoding="utf-8")


def copy_segments(source: Path, out: Path, names: Mapping[str, str], keys: Collection[str]) -> None:
    """Hand on the references with speakers of a set (`evaluation.speakers`), as far as its utterances are kept.

    Args:
        names: text of `source` -> what it is called in `out`.
    """
    for given, name in names.items():
        there, target = source / segments_file(given), out / segments_file(name)
        if not there.is_file():
            target.unlink(missing_ok=True)
            continue
        kaldi.write_lines(target, (line for line in read_lines(there) if _session(line) in keys))


def _session(line: str) -> str | None:
    """The utterance of a segment; None of a line that is none, which scoring would refuse."""
    try:
        return json.loads(line)["session_id"]
    except (ValueError, KeyError, TypeError):
        return None


def summary(
    kept: int, problems: Sequence[Problem], changed: Mapping[str, int] | None = None, *, listed: str = checks.SKIPPED
) -> str:
    """One line: how many were kept, changed and left out, and where the list is."""
    parts = [f"{kept} utterances"]
    parts += [f"{count} {what}" for what, count in sorted((changed or {}).items())]
    if problems:
        left_out = len({problem.utt_id for problem in problems})
        parts.append(f"{left_out} left out (listed in {listed}; first: {problems[0]})")
    return ", ".join(parts)
