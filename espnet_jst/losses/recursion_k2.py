"""The recursion over a lattice, or a band of it, by k2's compiled one, where k2 is installed and works."""

from __future__ import annotations

import k2
import torch
from torch import Tensor

from espnet_jst.losses.backends import IMPOSSIBLE


def usable() -> bool:
    """Whether k2 computes here; a wheel for another Python installs without complaint."""
    one = torch.zeros(1, 1, 1, dtype=torch.float32)
    return bool(occupation(one, one, torch.zeros(1, 1), torch.ones(1), torch.zeros(1))[0].isfinite())


def occupation(
    blank: Tensor, label: Tensor, first: Tensor, frames: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss of each utterance and its gradients; arguments and results as `recursion_numba.occupation`.

    k2 walks the full lattice, (B, U, T): nodes outside the band are given an impossible probability.
    """
    B, T, R = blank.shape
    U = max(1, int(labels.max()))
    rows = first.long()[..., None] + torch.arange(R, device=blank.device)
    inside = torch.arange(T, device=blank.device)[:, None] < frames[:, None, None]
    # The last row is for what lies outside an utterance.
    place = torch.where(inside & (rows <= labels[:, None, None]), rows, U + 1)
    lattice = blank.new_full((2, B, T, U + 2), IMPOSSIBLE)
    leaves = torch.nn.functional.pad(label[..., :-1], (0, 1), value=IMPOSSIBLE)  # of the band, on its highest row
    py, px = (full.scatter(2, place, x)[..., : U + 1].transpose(1, 2) for full, x in zip(lattice, (blank, leaves)))
    px = torch.nn.functional.pad(px[:, :U], (0, 1), value=IMPOSSIBLE)
    boundary = torch.zeros(B, 4, dtype=torch.int64, device=blank.device)
    boundary[:, 2], boundary[:, 3] = labels, frames
    total, (d_px, d_py) = k2.mutual_information_recursion(px.contiguous(), py.contiguous(), boundary, return_grad=True)
    possible = (total > 0.5 * IMPOSSIBLE) | total.isnan()
    d_blank, d_label = (
        torch.nn.functional.pad(d.transpose(1, 2), (0, U + 2 - d.size(1))).gather(2, place)
        for d in (d_py, d_px[..., :T])
    )
    zero = blank.new_zeros(())
    keep = possible[:, None, None]
    return (
        torch.where(possible, -total, torch.inf),
        torch.where(keep & (place <= U), -d_blank, zero),
        torch.where(keep & (place <= U), -d_label, zero),
    )
