"""The recursion over a lattice, or a band of it, in plain PyTorch: a loop over frames, any device, any dtype."""

from __future__ import annotations

import torch
from torch import Tensor

from espnet_jst.losses.backends import IMPOSSIBLE


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
    label_[..., R - 1] = IMPOSSIBLE  # leads out of the band
    shift = torch.nn.functional.pad(first.diff(dim=1), (1, 0))
    spans = _spans(label_)
    alpha: list[Tensor] = []
    enter = blank_.new_full((B, R), IMPOSSIBLE)
    enter[:, 0] = 0.0
    for t in range(T):
        if t > 0:
            source = rows + shift[:, t, None]
            value = (alpha[-1] + blank_[:, t - 1]).gather(1, source.clamp(max=R - 1))
            enter = torch.where(source < R, value, IMPOSSIBLE)
        for k, sums in spans:  # the labels of this frame
            more = torch.logaddexp(enter[:, k:], enter[:, :-k] + sums[:, t])
            enter = torch.cat([enter[:, :k], more], dim=1)
        alpha.append(torch.where(inside[:, t], enter, IMPOSSIBLE).clamp(min=IMPOSSIBLE))
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
        leave = torch.where(inside[:, t], after + blank_[:, t], IMPOSSIBLE)
        beta = leave
        for k, sums in spans:
            more = torch.logaddexp(beta[:, :-k], beta[:, k:] + sums[:, t])
            beta = torch.cat([more, beta[:, -k:]], dim=1)
        beta = torch.where(inside[:, t] & (t <= last)[:, None], beta, IMPOSSIBLE).clamp(min=IMPOSSIBLE)
        here = possible[:, None] & inside[:, t] & (t <= last)[:, None]
        d_blank[:, t] = torch.where(here, -(forward[:, t] + leave - safe).clamp(max=0).exp(), 0.0)
        further = forward[:, t, :-1] + label_[:, t, :-1] + beta[:, 1:]
        d_label[:, t, :-1] = torch.where(here[:, :-1], -(further - safe).clamp(max=0).exp(), 0.0)
    loss = torch.where(possible, -total, torch.inf)
    loss = torch.where(total.isnan(), total, loss)
    return loss, d_blank.to(blank.dtype), d_label.to(label.dtype)


def _spans(label: Tensor) -> list[tuple[int, Tensor]]:
    """Log-probability of k labels in one frame from every row on, (B, T, R - k), for k = 1, 2, 4 and so on below R.

    Label by label is a step a row; by doubling, all ways from row to row in log2(R) steps. (Differences of cumulative
    sums would do it in one, and lose all digits behind a label of probability zero.)
    """
    k, found = 1, []
    while k < label.size(-1):
        if k == 1:
            sums = label[..., :-1]
        else:  # twice as many labels: half of them, and the other half from there on
            sums = sums[..., : -k // 2] + sums[..., k // 2 :]
        found.append((k, sums))
        k *= 2
    return found
