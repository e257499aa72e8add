"""What the taps of a model find alike: linear CKA (arXiv:1905.00414), and what sp-KD would have to teach
(arXiv:1907.09682).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, combinations
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from espnet_jst.config import check_choice, json_text
from espnet_jst.data.kaldi import printable
from espnet_jst.errors import ConfigError
from espnet_jst.evaluation.comparison_table import table_head, table_row
from espnet_jst.evaluation.files import write_text
from espnet_jst.evaluation.pictures.similarity import SimilarityRow, plot_similarity
from espnet_jst.evaluation.shown import number
from espnet_jst.regularizers.similarity import of_positions, similarities
from espnet_jst.taps import Tap


class PairScore(NamedTuple):
    """How alike two taps are.

    Attributes:
        cka: 1 where a rotation and a scale make one of the other, 0 where nothing linear joins them; NaN where a tap is
            the same in all frames.
        sp_kd: `of_positions`, the mean over utterances; 0 where both find the same alike.
    """

    first: str
    second: str
    cka: float
    sp_kd: float


class Moments:
    """Mean and scatter of rows that come in pieces: (D,) and (D, D) in double precision, however many there are.

    Attributes:
        mean: of the rows.
        scatter: sum of the products of all pairs of features, of centred rows.
    """

    def __init__(self, size: int) -> None:
        self.count = 0
        self.mean = torch.zeros(size, dtype=torch.float64)
        self.scatter = torch.zeros(size, size, dtype=torch.float64)

    def add(self, rows: Tensor) -> None:
        """Further rows, (N, D)."""
        if not len(rows):
            return
        rows = rows.to("cpu", torch.float64)  # not every accelerator has double precision
        total, mean = self.count + len(rows), rows.mean(dim=0)
        centred, apart = rows - mean, mean - self.mean
        # Each piece is centred by itself, so that large means cost no digits (Chan, Golub, LeVeque, 1979).
        self.scatter += centred.T @ centred + torch.outer(apart, apart) * (self.count * len(rows) / total)
        self.mean += apart * (len(rows) / total)
        self.count = total


class TapComparison:
    """Compares taps of one rate over any number of utterances, in one pass.

    Args:
        sizes: tap -> features.

    Attributes:
        utterances: those that had a frame.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        ends = accumulate(sizes.values())
        self._places = {tap: slice(end - size, end) for (tap, size), end in zip(sizes.items(), ends)}
        self._moments = Moments(sum(sizes.values()))
        self._losses = dict.fromkeys(combinations(sizes, 2), 0.0)
        self.utterances = 0

    @property
    def frames(self) -> int:
        """How many were compared."""
        return self._moments.count

    @torch.no_grad()
    def add(self, taps: Mapping[str, Tap]) -> None:
        """The taps of a batch; where they end apart, the frames that all of them have."""
        lengths = torch.stack([taps[tap].lengths.cpu() for tap in self._places]).amin(dim=0)
        xs = {tap: taps[tap].x[:, : int(lengths.max())].float() for tap in self._places}
        for first, second in self._losses:
            x, y = xs[first], xs[second]
            self._losses[first, second] += float(of_positions(x, y, lengths.to(x.device)).sum())
        valid = torch.arange(int(lengths.max())) < lengths[:, None]
        self._moments.add(torch.cat([x[valid.to(x.device)] for x in xs.values()], dim=-1))
        self.utterances += int((lengths > 0).sum())

    def scores(self) -> list[PairScore]:
        """Of each pair of taps, in their order."""
        found = []
        for (first, second), loss in self._losses.items():
            x, y = self._places[first], self._places[second]
            cka = linear_cka(*(self._moments.scatter[rows, columns] for rows, columns in ((x, y), (x, x), (y, y))))
            found.append(PairScore(first, second, cka, loss / self.utterances if self.utterances else math.nan))
        return found


def linear_cka(between: Tensor, first: Tensor, second: Tensor) -> float:
    """Linear CKA of scatter matrices of centred features (arXiv:1905.00414, section 3).

    Args:
        between: X^T Y, (D, E).
        first, second: X^T X, (D, D), and Y^T Y, (E, E).
    """
    return float(between.square().sum() / (first.norm() * second.norm()))


def matrices(taps: Mapping[str, Tap]) -> dict[str, Tensor]:
    """What is alike in one utterance, the first of a batch: of every tap the row-normalised X X^T, (T, T)."""
    return {name: similarities(tap.x[0, : int(tap.lengths[0])].float()).cpu() for name, tap in taps.items()}


def taps_to_compare(
    asked: Sequence[str] | None, reads: Collection[str], shifts_s: Mapping[str, float], where: str
) -> list[str]:
    """The taps that are asked for; by default those that heads read, of the rate that most of these have.

    Args:
        reads: taps that heads read.
        shifts_s: seconds from frame to frame of every tap.
        where: which model it is, for messages.

    Raises:
        ConfigError: a tap does not exist, their rates differ, or there is nothing to compare.
    """
    taps = list(dict.fromkeys(asked or reads))
    for tap in taps:
        check_choice(tap, shifts_s, f"{where}: --taps")
    every = ", ".join(f"{tap} of {shift_s:g} s" for tap, shift_s in shifts_s.items())
    alike = [[other for other in taps if math.isclose(shifts_s[tap], shifts_s[other])] for tap in taps]
    [largest, *_] = sorted(alike, key=len, reverse=True)
    if asked and len(largest) < len(taps):
        rates = " and ".join(f"{shifts_s[tap]:g} s of {tap!r}" for tap in taps)
        raise ConfigError(f"{where}: --taps: frames of {rates} cannot be compared: give taps of one rate ({every})")
    if len(largest) < 2:
        reason = "one tap is compared with nothing" if asked else "its heads read no two taps of one rate"
        raise ConfigError(f"{where}: {reason}: give two as --taps ({every})")
    return largest


@dataclass(frozen=True)
class ModelSimilarity:
    """What was found of a model.

    Attributes:
        scores: of each pair of taps.
        matrices: of the utterance that is drawn, those of `matrices`.
        shift_s: seconds from frame to frame of these taps.
        frames: valid ones of all utterances.
        signature: the model, its chunk and its weights.
    """

    name: str
    scores: Sequence[PairScore]
    matrices: Mapping[str, Tensor]
    shift_s: float
    utterances: int
    frames: int
    signature: Mapping[str, Any]


def as_markdown(found: Sequence[ModelSimilarity], drawn: str, skipped: Sequence[str]) -> str:
    """The scores of all models as a page."""
    lines = [
        "# What the branches find alike",
        "",
        "CKA: 1 where a rotation and a scale make one tap of the other, 0 where nothing linear joins them.",
        "sp-KD: how much the similarities among the frames of an utterance differ, 0 where they are the same.",
        "",
        *table_head("model", "taps", "CKA", "sp-KD"),
    ]
    for model in found:
        for first, second, cka, sp_kd in model.scores:
            lines.append(table_row(model.name, f"{first}, {second}", number(cka, 4), f"{sp_kd:.3g}"))
    lines += ["", *table_head("model", *found[0].signature, "utterances", "frames")]
    for model in found:
        lines.append(table_row(*map(str, (model.name, *model.signature.values(), model.utterances, model.frames))))
    lines += ["", f"The picture shows utterance {printable(drawn)}."]
    lines += ["", f"Left out: {len(skipped)}", "", *(f"- {problem}" for problem in skipped)] if skipped else []
    return "\n".join(lines) + "\n"


def write_similarity(
    found: Sequence[ModelSimilarity], folder: Path, *, drawn: str, skipped: Sequence[str] = ()
) -> list[Path]:
    """Write `similarity.md`, `.json` and `.png` into a folder; returns their paths.

    Args:
        drawn: name of the utterance whose matrices the picture shows.
        skipped: what was left out, and why.
    """
    page, data, picture = (folder / f"similarity.{ending}" for ending in ("md", "json", "png"))
    models = {
        model.name: {
            **model.signature,
            "utterances": model.utterances,
            "frames": model.frames,
            "pairs": [score._asdict() for score in model.scores],
        }
        for model in found
    }
    write_text(as_markdown(found, drawn, skipped), page)
    content = {"models": models, "drawn": drawn, "skipped": list(skipped)}
    write_text(json_text(content, indent=1, ensure_ascii=False) + "\n", data)  # all digits: sp-KD may be tiny
    rows = [
        SimilarityRow(
            model.name,
            {tap: matrix.numpy() for tap, matrix in model.matrices.items()},
            model.shift_s,
            {(score.first, score.second): score.cka for score in model.scores},
        )
        for model in found
    ]
    plot_similarity(rows, picture, title=f"what is alike in {printable(drawn)}")
    return [page, data, picture]
