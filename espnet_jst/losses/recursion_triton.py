"""The recursion over a lattice, or a band of it, in Triton: two programs an utterance, R lanes, T steps.

One program walks forward and one backward, at the same time; what a path through each node weighs is then computed for
all nodes at once.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import triton
import triton.language as tl
from torch import Tensor

from espnet_jst.losses import backends, triton_launch

MOST_ROWS = 2048  # of a band: one lane each


def usable() -> bool:
    """Whether kernels compile and compute here: it takes a C compiler and a driver of a version that fits."""
    device = "cpu" if triton_launch.interpreted() else "cuda"
    one, zero = torch.zeros(1, 1, 1, device=device), torch.zeros(1, dtype=torch.int32, device=device)
    found = _computed(triton_launch.start, one, one, zero[:, None], zero + 1, zero)
    return found is not None and bool(found[0].isfinite())


def options(rows: int) -> dict[str, int]:
    """Constants of both kernels for a band of `rows`, and how to compile them."""
    block = triton.next_power_of_2(rows)
    return {"R": rows, "BLOCK_R": block, "num_warps": min(8, max(1, block // 64))}


@triton.jit
def _logaddexp(a, b):  # type: ignore[no-untyped-def]
    return tl.maximum(a, b) + tl.log(1.0 + tl.exp(-tl.abs(a - b)))  # NaN gets through by the difference


@triton.jit
def _chain(step_a, value_a, step_b, value_b):  # type: ignore[no-untyped-def]
    """x -> logaddexp(x + step, value), one after the other."""
    return step_a + step_b, _logaddexp(value_a + step_b, value_b)


@triton.jit
def _walk_kernel(  # type: ignore[no-untyped-def]
    blank_ptr, label_ptr, first_ptr, frames_ptr, labels_ptr, total_ptr, alpha_ptr, beta_ptr,
    T, R: tl.constexpr, BLOCK_R: tl.constexpr,
):  # fmt: skip
    """alpha: log-probability of all ways to a node; beta: from it to the end; total: of all paths."""
    IMPOSSIBLE = -1e30
    b = tl.program_id(0).to(tl.int64)
    frames, labels = tl.load(frames_ptr + b), tl.load(labels_ptr + b)
    first_ptr += b * T
    offset = b * T * R
    r = tl.arange(0, BLOCK_R)
    last = frames - 1
    end = labels - tl.load(first_ptr + last)
    if tl.program_id(1) == 0:
        t = frames * 0
        while t < frames:
            first = tl.load(first_ptr + t)
            top = tl.minimum(R, labels - first + 1)
            before = tl.maximum(t - 1, 0)
            source = r + first - tl.load(first_ptr + before)
            came = (t > 0) & (source < R) & (r < top)
            enter = tl.load(alpha_ptr + offset + before * R + source, mask=came, other=IMPOSSIBLE)
            enter += tl.load(blank_ptr + offset + before * R + source, mask=came, other=0.0).to(tl.float64)
            enter = tl.where((t == 0) & (r == 0), 0.0, enter)
            step = tl.load(label_ptr + offset + t * R + r - 1, mask=(r > 0) & (r < top), other=IMPOSSIBLE)
            _, alpha = tl.associative_scan((step.to(tl.float64), enter), 0, _chain)
            tl.store(alpha_ptr + offset + t * R + r, tl.where(alpha < IMPOSSIBLE, IMPOSSIBLE, alpha), mask=r < top)
            tl.debug_barrier()  # the next frame reads what other lanes have written
            t += 1
        reached = (end >= 0) & (end < R)
        where = offset + last * R + tl.where(reached, end, 0)
        total = tl.load(alpha_ptr + where, mask=reached, other=IMPOSSIBLE)
        tl.store(total_ptr + b, total + tl.load(blank_ptr + where, mask=reached, other=0.0).to(tl.float64))
    else:
        t = last
        while t >= 0:
            first = tl.load(first_ptr + t)
            top = tl.minimum(R, labels - first + 1)
            after = tl.minimum(t + 1, last)
            goal = r - (tl.load(first_ptr + after) - first)
            goes = (t < last) & (goal >= 0) & (r < top)
            leave = tl.load(beta_ptr + offset + after * R + goal, mask=goes, other=IMPOSSIBLE)
            leave = tl.where((t == last) & (r == end), 0.0, leave)
            leave += tl.load(blank_ptr + offset + t * R + r, mask=r < top, other=0.0).to(tl.float64)
            step = tl.load(label_ptr + offset + t * R + r, mask=r + 1 < top, other=IMPOSSIBLE)
            _, beta = tl.associative_scan((step.to(tl.float64), leave), 0, _chain, reverse=True)
            tl.store(beta_ptr + offset + t * R + r, tl.where(beta < IMPOSSIBLE, IMPOSSIBLE, beta), mask=r < top)
            tl.debug_barrier()
            t -= 1


@triton.jit
def _taken_kernel(  # type: ignore[no-untyped-def]
    blank_ptr, label_ptr, first_ptr, frames_ptr, labels_ptr, total_ptr, alpha_ptr, beta_ptr, d_blank_ptr, d_label_ptr,
    T, R: tl.constexpr, BLOCK_R: tl.constexpr,
):  # fmt: skip
    """Gradients by the columns of one frame: less the probability of a path through its blanks and labels."""
    IMPOSSIBLE = -1e30
    t, b = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64)
    r = tl.arange(0, BLOCK_R)
    last, labels = tl.load(frames_ptr + b) - 1, tl.load(labels_ptr + b)
    first = tl.load(first_ptr + b * T + t)
    after = tl.minimum(t + 1, last)
    goal = r - (tl.load(first_ptr + b * T + after) - first)
    total = tl.load(total_ptr + b)
    possible = (t <= last) & (total > 0.5 * IMPOSSIBLE)
    top = tl.where(possible, tl.minimum(R, labels - first + 1), 0)
    here = b * T * R + t * R + r
    alpha = tl.load(alpha_ptr + here, mask=r < top, other=IMPOSSIBLE)
    goes = (t < last) & (goal >= 0) & (r < top)
    leave = tl.load(beta_ptr + (b * T + after) * R + goal, mask=goes, other=IMPOSSIBLE)
    leave = tl.where((t == last) & (r + first == labels), 0.0, leave)
    leave += tl.load(blank_ptr + here, mask=r < top, other=0.0).to(tl.float64)
    further = tl.load(beta_ptr + here + 1, mask=r + 1 < top, other=IMPOSSIBLE)
    further += tl.load(label_ptr + here, mask=r + 1 < top, other=0.0).to(tl.float64)
    d_blank, d_label = (
        -tl.exp(tl.minimum(alpha + leave - total, 0.0)),
        -tl.exp(tl.minimum(alpha + further - total, 0.0)),
    )
    tl.store(d_blank_ptr + here, tl.where(r < top, d_blank, 0.0), mask=r < R)
    tl.store(d_label_ptr + here, tl.where(r + 1 < top, d_label, 0.0), mask=r < R)


def occupation(
    blank: Tensor, label: Tensor, first: Tensor, frames: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss of each utterance and its gradients; arguments and results as `recursion_numba.occupation`."""
    R = blank.size(2)
    found = None
    if R > MOST_ROWS:
        triton_launch.refuse(_walk_kernel.__name__, blank.device, f"a band of {R} rows; at most {MOST_ROWS}")
    else:
        found = _computed(triton_launch.started, blank, label, first, frames, labels)
    return found or backends.without_triton().occupation(blank, label, first, frames, labels)


def _computed(
    start: Callable[..., bool], blank: Tensor, label: Tensor, first: Tensor, frames: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor, Tensor] | None:
    """As `occupation`; None where a kernel has not been started."""
    B, T, R = blank.shape
    inputs = [x.contiguous() for x in (blank, label, first.int(), frames.int(), labels.int())]
    # float64: B * R lanes cost little, and sums over a thousand frames lose digits in float32.
    total = torch.empty(B, dtype=torch.float64, device=blank.device)
    walked = total, *(torch.empty(B, T, R, dtype=torch.float64, device=blank.device) for _ in range(2))
    taken = torch.empty_like(inputs[0]), torch.empty_like(inputs[1])
    if not start(_walk_kernel, (B, 2), *inputs, *walked, T, **options(R)):
        return None
    if not start(_taken_kernel, (T, B), *inputs, *walked, *taken, T, **options(R)):
        return None
    return torch.where(total <= 0.5 * backends.IMPOSSIBLE, torch.inf, -total), *taken
