"""Word alignments as text: Pharaoh's `i-j` pairs, alone or behind an utterance id as in Kaldi's files."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from espnet_jst.errors import DataError
from espnet_jst.text.lines import read_lines
from espnet_jst.text.links import Link

EMPTY = "-"


def parse_pharaoh(text: str) -> set[Link]:
    """Links of "0-0 1-2": source position, target position, from 0; "-" and "" are no links.

    Raises:
        DataError: a pair is not two numbers joined by "-".
    """
    pairs = text.split()
    if pairs == [EMPTY]:
        return set()
    links: set[Link] = set()
    for pair in pairs:
        source, _, target = pair.partition("-")
        if not (source.isdecimal() and target.isdecimal()):
            raise DataError(f"{pair!r} is not a link: write source-target positions such as 0-2, or - for no links")
        links.add((int(source), int(target)))
    return links


def format_pharaoh(links: Collection[Link]) -> str:
    """Text of the links, in order; "-" where there are none (an empty value would be lost in a Kaldi file)."""
    return " ".join(f"{i}-{j}" for i, j in sorted(links)) or EMPTY


def read_pharaoh(path: str | Path) -> dict[str, set[Link]]:
    """Links by utterance, of lines such as `utt1 0-0 1-2`.

    Raises:
        DataError: the file is missing, an utterance occurs twice or a pair is malformed; names file and line.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"alignment file {path} does not exist: run the alignment stage, or correct the path")
    alignments: dict[str, set[Link]] = {}
    for number, line in enumerate(read_lines(path), 1):
        utterance, _, text = line.strip().partition(" ")
        if not utterance:
            continue
        if utterance in alignments:
            raise DataError(f"{path} line {number}: {utterance} occurs twice: keep one line for each utterance")
        try:
            alignments[utterance] = parse_pharaoh(text)
        except DataError as error:
            raise DataError(f"{path} line {number} ({utterance}): {error}") from error
    return alignments


def write_pharaoh(path: str | Path, alignments: Mapping[str, Collection[Link]]) -> None:
    """Write one line an utterance, in the order given; the file appears only when it is complete."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    lines: Iterable[str] = (f"{utterance} {format_pharaoh(links)}\n" for utterance, links in alignments.items())
    partial.write_text("".join(lines), encoding="utf-8")
    os.replace(partial, path)
