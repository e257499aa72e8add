"""Similarity-preserving distillation (arXiv:1907.09682): what is alike for a teacher shall be alike for a student."""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-12  # of a norm, so that frames that are all zero are alike to nothing


def similarities(x: Tensor) -> Tensor:
    """Rows (..., N, D) -> products of all pairs, (..., N, N), each row of them of norm 1."""
    products = x @ x.transpose(-1, -2)
    return products / products.square().sum(dim=-1, keepdim=True).clamp(min=EPSILON**2).sqrt()


def of_positions(student: Tensor, teacher: Tensor, lengths: Tensor) -> Tensor:
    """How much the similarities among the positions of each sequence differ.

    Args:
        student, teacher: (B, T, D) and (B, T, E).
        lengths: valid positions, (B,).

    Returns:
        Squared differences over T^2 valid ones, (B,); what is beyond the lengths and who else is in the batch count for
        nothing.
    """
    valid = (torch.arange(student.size(1), device=student.device) < lengths[:, None])[..., None]
    found = [similarities(x.masked_fill(~valid, 0.0)) for x in (student, teacher)]
    return (found[0] - found[1]).square().sum(dim=(1, 2)) / lengths.clamp(min=1).square()


def of_utterances(student: Tensor, teacher: Tensor, lengths: Tensor) -> Tensor:
    """How much the similarities among the sequences of a batch differ, as published for images.

    Args, Returns:
        As `of_positions`; the mean over the batch is the sum of squared differences over B^2.
    """
    valid = (torch.arange(student.size(1), device=student.device) < lengths[:, None])[..., None]
    found = [similarities(x.masked_fill(~valid, 0.0).flatten(1)) for x in (student, teacher)]
    return (found[0] - found[1]).square().mean(dim=1)
