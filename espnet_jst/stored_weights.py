"""Weights in fewer bytes: float16, or int8 with a factor for each row. They are float32 again when they are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from espnet_jst.config import check_choice
from espnet_jst.errors import CheckpointError

KINDS = ("fp32", "fp16", "int8")
FACTOR = "@factor"  # behind the name of a matrix of int8: its factors
LEAST_ROW = 16  # numbers of a row that its factor is worth; vectors and the like are stored as they are
LARGEST = 127


class Rounding(NamedTuple):
    """How far stored matrices are from what they were.

    Attributes:
        error: norm of all differences by the norm of all weights.
        worst: the same of the matrix that lost most.
        name: its name.
    """

    error: float
    worst: float
    name: str

    def __str__(self) -> str:
        return f"matrices differ by {self.error:.2%} of their norm, at most by {self.worst:.2%} ({self.name})"


def stored(state: Mapping[str, Tensor], kind: str) -> dict[str, Tensor]:
    """The tensors that a file holds: of int8 each matrix, and each kernel, as rows of whole numbers with their factors.

    Raises:
        ConfigError: the kind is unknown.
    """
    check_choice(kind, KINDS, "weights")
    if kind == "fp32":
        return dict(state)
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        if not value.is_floating_point():
            found[name] = value
        elif kind == "fp16":
            found[name] = value.half() if value.abs().amax() <= torch.finfo(torch.float16).max else value
        elif value.dim() > 1 and value[0].numel() >= LEAST_ROW:
            rows = value.float().flatten(1)
            factor = rows.abs().amax(dim=1, keepdim=True).clamp(min=1e-30) / LARGEST
            found[name] = (rows / factor).round().to(torch.int8).view(value.shape)
            found[f"{name}{FACTOR}"] = factor[:, 0]
        else:
            found[name] = value
    return found


def restored(tensors: Mapping[str, Tensor], where: object) -> dict[str, Tensor]:
    """Weights as a model takes them, from what `stored` made.

    Raises:
        CheckpointError: factors belong to nothing, or do not fit.
    """
    found = {name: value for name, value in tensors.items() if not name.endswith(FACTOR)}
    for name, factor in tensors.items():
        if not name.endswith(FACTOR):
            continue
        of = name.removesuffix(FACTOR)
        rows = found.get(of)
        fits = rows is not None and rows.dtype == torch.int8 and rows.dim() > 1 and factor.shape == rows.shape[:1]
        if rows is None or not fits or not factor.is_floating_point():
            raise CheckpointError(f"{where}: {name} fits no rows of int8 in {of}: fetch the file again")
        found[of] = rows.float() * factor.float().view(-1, *[1] * (rows.dim() - 1))
    return {name: value.float() if value.dtype == torch.float16 else value for name, value in found.items()}


def rounding(state: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> Rounding:
    """What weights have lost in the tensors that `stored` made of them."""
    again = restored(tensors, "what was stored")
    lost, whole, worst = 0.0, 0.0, (0.0, "none")
    for name, value in state.items():
        if value.is_floating_point() and value.dim() > 1:
            difference = float((again[name].double() - value.double()).square().sum())
            norm = float(value.double().square().sum())
            lost, whole = lost + difference, whole + norm
            worst = max(worst, ((difference / norm) ** 0.5 if norm else 0.0, name))
    return Rounding((lost / whole) ** 0.5 if whole else 0.0, *worst)
