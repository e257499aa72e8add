"""The recursion over a lattice, or a band of it, as one Triton program an utterance: R lanes, T steps."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from espnet_jst.losses import backends, triton_launch

MOST_ROWS = 2048  # of a band: one lane each


def usable() -> bool:
    """Whether a kernel compiles and computes here: it takes a C compiler and a driver of a version that fits."""
    device = "cpu" if triton_launch.interpreted() else "cuda"
    one = torch.zeros(1, 1, 1, dtype=torch.float32, device=device)
    first, length = torch.zeros(1, 1, device=device).int(), torch.ones(1, device=device).int()
    inputs = one, one, first, length, 0 * length
    loss, *_ = out = _memory(one)
    triton_launch.start(_occupation_kernel, (1,), *inputs, *out, 1, **options(1))
    return bool(loss.isfinite())


def options(rows: int) -> dict[str, int]:
    """Constants of the kernel for a band of `rows`, and how to compile it."""
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
def _occupation_kernel(  # type: ignore[no-untyped-def]
    blank_ptr, label_ptr, first_ptr, frames_ptr, labels_ptr, loss_ptr, d_blank_ptr, d_label_ptr, alpha_ptr, beta_ptr,
    T, R: tl.constexpr, BLOCK_R: tl.constexpr,
):  # fmt: skip
    IMPOSSIBLE = -1e30
    b = tl.program_id(0).to(tl.int64)
    frames, labels = tl.load(frames_ptr + b), tl.load(labels_ptr + b)
    first_ptr += b * T
    offset = b * T * R
    r = tl.arange(0, BLOCK_R)
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
        step = tl.load(label_ptr + offset + t * R + r - 1, mask=(r > 0) & (r < top), other=IMPOSSIBLE).to(tl.float64)
        _, alpha = tl.associative_scan((step, enter), 0, _chain)
        tl.store(alpha_ptr + offset + t * R + r, tl.where(alpha < IMPOSSIBLE, IMPOSSIBLE, alpha), mask=r < top)
        tl.debug_barrier()  # the next frame reads what other lanes have written
        t += 1
    last = frames - 1
    end = labels - tl.load(first_ptr + last)
    reached = (end >= 0) & (end < R)
    where = offset + last * R + tl.where(reached, end, 0)
    total = tl.load(alpha_ptr + where, mask=reached, other=IMPOSSIBLE)
    total += tl.load(blank_ptr + where, mask=reached, other=0.0).to(tl.float64)
    impossible = total <= 0.5 * IMPOSSIBLE
    tl.store(loss_ptr + b, tl.where(impossible, float("inf"), -total))
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
        step = tl.load(label_ptr + offset + t * R + r, mask=r + 1 < top, other=IMPOSSIBLE).to(tl.float64)
        _, beta = tl.associative_scan((step, leave), 0, _chain, reverse=True)
        beta = tl.where(beta < IMPOSSIBLE, IMPOSSIBLE, beta)
        tl.store(beta_ptr + offset + t * R + r, beta, mask=r < top)
        tl.debug_barrier()
        alpha = tl.load(alpha_ptr + offset + t * R + r, mask=r < top, other=IMPOSSIBLE)
        further = tl.load(beta_ptr + offset + t * R + r + 1, mask=r + 1 < top, other=IMPOSSIBLE) + step
        d_blank = -tl.exp(tl.minimum(alpha + leave - total, 0.0))
        d_label = -tl.exp(tl.minimum(alpha + further - total, 0.0))
        tl.store(d_blank_ptr + offset + t * R + r, tl.where(impossible, 0.0, d_blank), mask=r < top)
        tl.store(d_label_ptr + offset + t * R + r, tl.where(impossible, 0.0, d_label), mask=r + 1 < top)
        t -= 1


def occupation(
    blank: Tensor, label: Tensor, first: Tensor, frames: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss of each utterance and its gradients; arguments and results as `recursion_numba.occupation`."""
    B, T, R = blank.shape
    if R <= MOST_ROWS:
        inputs = [x.contiguous() for x in (blank, label, first.int(), frames.int(), labels.int())]
        out = _memory(inputs[0])
        if triton_launch.started(_occupation_kernel, (B,), *inputs, *out, T, **options(R)):
            return out[:3]
    else:
        why = f"a band of {R} rows; at most {MOST_ROWS}"
        triton_launch.refuse(_occupation_kernel.__name__, blank.device, why)
    return backends.without_triton().occupation(blank, label, first, frames, labels)


def _memory(blank: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Loss, gradients by blank and label, alpha and beta.

    Sums are float64: B * R lanes cost nothing, and sums over a thousand frames lose digits in float32.
    """
    alpha, beta = (torch.empty_like(blank, dtype=torch.float64) for _ in range(2))
    loss = torch.empty(blank.size(0), dtype=torch.float64, device=blank.device)
    return loss, torch.zeros_like(blank), torch.zeros_like(blank), alpha, beta
