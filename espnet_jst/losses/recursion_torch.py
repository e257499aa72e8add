"""The recursion over a lattice, or a band of it, in plain PyTorch: a loop over frames, any device, any dtype."""

from __future__ import annotations

import torch
from torch import Tensor

IMPOSSIBLE = -1e30  # log-probability; minus infinity would give NaN where two of them meet


def usable() -> bool:
    """Always."""
    return True


def occupation(
    blank: Tensor, label: Tensor, first: Tensor, frames: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss of each utterance and its gradients; arguments and results as `recursion_numba.occupation`, as tensors."""
    B, T, R = blank.shape
    work = torch.promote_types(blank.dtype, torch.float64)
    rows = torch.arange(R, device=blank.device)
    first, frames, labels = first.long(), frames.long(), labels.long()
    written = first[..., None] + rows  # labels that a node stands for, (B, T, R)
    inside = written <= labels[:, None, None]
    blank_, label_ = blank.to(work), torch.where(written < labels[:, None, None], label.to(work), IMPOSSIBLE)
    if R > 0:
        label_[..., R - 1] = IMPOSSIBLE  # leads out of the band
    shift = torch.nn.functional.pad(first.diff(dim=1), (1, 0))
    # Within a frame, alpha(r) = logsumexp over k <= r of enter(k) + the labels k..r-1: a cumulative sum of both.
    steps = torch.nn.functional.pad(label_.clamp(min=-1e15)[..., :-1].cumsum(-1), (1, 0))
    alpha: list[Tensor] = []
    enter = blank_.new_full((B, R), IMPOSSIBLE)
    enter[:, 0] = 0.0
    for t in range(T):
        if t > 0:
            source = rows + shift[:, t, None]
            value = (alpha[-1] + blank_[:, t - 1]).gather(1, source.clamp(max=R - 1))
            enter = torch.where(source < R, value, IMPOSSIBLE)
        value = steps[:, t] + (enter - steps[:, t]).logcumsumexp(-1)
        alpha.append(torch.where(inside[:, t], value, IMPOSSIBLE).clamp(min=IMPOSSIBLE))
    forward = torch.stack(alpha, dim=1)
    batch, last = torch.arange(B, device=blank.device), frames - 1
    end = labels - first[batch, last]
    reached = (end >= 0) & (end < R)
    total = (forward + blank_)[batch, last, end.clamp(0, R - 1)]
    total = torch.where(reached, total, IMPOSSIBLE)
    possible = total > 0.5 * IMPOSSIBLE

    beta = blank_.new_full((B, R), IMPOSSIBLE)
    d_blank, d_label = torch.zeros_like(blank_), torch.zeros_like(label_)
    safe = torch.where(possible, total, 0.0)[:, None]
    for t in range(T - 1, -1, -1):
        after = blank_.new_full((B, R), IMPOSSIBLE)
        if t + 1 < T:
            target = rows - shift[:, t + 1, None]
            after = torch.where(target >= 0, beta.gather(1, target.clamp(min=0)), IMPOSSIBLE)
        final = (last == t)[:, None]
        after = torch.where(final, torch.where(rows == end[:, None], 0.0, IMPOSSIBLE), after)
        leave = after + blank_[:, t]
        beta = (leave + steps[:, t]).flip(-1).logcumsumexp(-1).flip(-1) - steps[:, t]
        beta = torch.where(inside[:, t] & (t <= last)[:, None], beta, IMPOSSIBLE).clamp(min=IMPOSSIBLE)
        here = possible[:, None] & inside[:, t] & (t <= last)[:, None]
        d_blank[:, t] = torch.where(here, -(forward[:, t] + leave - safe).clamp(max=0).exp(), 0.0)
        further = forward[:, t, :-1] + label_[:, t, :-1] + beta[:, 1:]
        d_label[:, t, :-1] = torch.where(here[:, :-1], -(further - safe).clamp(max=0).exp(), 0.0)
    loss = torch.where(possible, -total, torch.inf)
    loss = torch.where(total.isnan(), total, loss)
    return loss, d_blank.to(blank.dtype), d_label.to(label.dtype)
