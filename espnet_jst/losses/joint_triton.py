"""Output layer of the joint network, log-sum-exp and gather as Triton kernels: logits stay in registers.

Every product is cut along J as well as along nodes and vocabulary, so that the shared memory that a program takes does
not depend on the model: at most `SHARED_BYTES`, which all GPUs since Turing have. What cannot be started is done by
`joint_torch`.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from espnet_jst.losses import joint_torch, triton_launch

BLOCKS = {"BLOCK_N": 64, "BLOCK_V": 64, "BLOCK_J": 32}  # tile of nodes, vocabulary and hidden layer
OPTIONS = {"num_warps": 4, "num_stages": 3}
SHARED_BYTES = 64 << 10  # at most, of a program: the tiles of both factors once a stage, and what the compiler adds


@triton.jit
def _logits(  # type: ignore[no-untyped-def]
    hidden_ptr, weight_ptr, bias_ptr, rows, v, N,
    V: tl.constexpr, J: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_V: tl.constexpr, BLOCK_J: tl.constexpr,
):  # fmt: skip
    """A tile of logits; -inf beyond the vocabulary."""
    total = tl.zeros((BLOCK_N, BLOCK_V), tl.float32)
    for start in range(0, J, BLOCK_J):
        j = start + tl.arange(0, BLOCK_J)
        inside = (rows[:, None] < N) & (j[None, :] < J)
        hidden = tl.load(hidden_ptr + rows[:, None] * J + j[None, :], mask=inside, other=0.0)
        inside = (v[None, :] < V) & (j[:, None] < J)
        weight = tl.load(weight_ptr + v[None, :] * J + j[:, None], mask=inside, other=0.0)
        total = tl.dot(hidden, weight, total, input_precision=PRECISION)
    return total + tl.load(bias_ptr + v, mask=v < V, other=float("-inf"))[None, :]


@triton.jit
def _columns_kernel(  # type: ignore[no-untyped-def]
    hidden_ptr, weight_ptr, bias_ptr, labels_ptr, blanks_ptr, nexts_ptr, norm_ptr, N,
    V: tl.constexpr, J: tl.constexpr, BLANK: tl.constexpr, FACTORIZED: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_V: tl.constexpr, BLOCK_J: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0).to(tl.int64) * BLOCK_N + tl.arange(0, BLOCK_N)
    labels = tl.load(labels_ptr + rows, mask=rows < N, other=0)
    top = tl.full((BLOCK_N,), float("-inf"), tl.float32)
    total = tl.zeros((BLOCK_N,), tl.float32)
    blanks = tl.zeros((BLOCK_N,), tl.float32)
    nexts = tl.zeros((BLOCK_N,), tl.float32)
    for start in range(0, V, BLOCK_V):
        v = start + tl.arange(0, BLOCK_V)
        logits = _logits(
            hidden_ptr, weight_ptr, bias_ptr, rows, v, N, V, J, PRECISION, BLOCK_N, BLOCK_V, BLOCK_J
        )  # fmt: skip
        blanks += tl.sum(tl.where(v[None, :] == BLANK, logits, 0.0), axis=1)
        nexts += tl.sum(tl.where(v[None, :] == labels[:, None], logits, 0.0), axis=1)
        if FACTORIZED:
            logits = tl.where(v[None, :] == BLANK, float("-inf"), logits)
        higher = tl.maximum(top, tl.max(logits, axis=1))
        # While all logits so far are -inf, 0 is subtracted: -inf less -inf would be NaN.
        shift = tl.where(higher == float("-inf"), 0.0, higher)
        total = total * tl.exp(top - shift) + tl.sum(tl.exp(logits - shift[:, None]), axis=1)
        top = higher
    tl.store(blanks_ptr + rows, blanks, mask=rows < N)
    tl.store(nexts_ptr + rows, nexts, mask=rows < N)
    tl.store(norm_ptr + rows, top + tl.log(total), mask=rows < N)


@triton.jit
def _d_logits_kernel(  # type: ignore[no-untyped-def]
    hidden_ptr, weight_ptr, bias_ptr, labels_ptr, norm_ptr, d_blank_ptr, d_label_ptr, d_norm_ptr, out_ptr, N,
    V: tl.constexpr, J: tl.constexpr, BLANK: tl.constexpr, FACTORIZED: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_V: tl.constexpr, BLOCK_J: tl.constexpr,
):  # fmt: skip
    # Neighbours share a tile of the weight, which is the larger factor.
    rows = tl.program_id(0).to(tl.int64) * BLOCK_N + tl.arange(0, BLOCK_N)
    v = tl.program_id(1) * BLOCK_V + tl.arange(0, BLOCK_V)
    inside = rows < N
    labels = tl.load(labels_ptr + rows, mask=inside, other=0)
    norm = tl.load(norm_ptr + rows, mask=inside, other=0.0)
    d_blank = tl.load(d_blank_ptr + rows, mask=inside, other=0.0)
    d_label = tl.load(d_label_ptr + rows, mask=inside, other=0.0)
    d_norm = tl.load(d_norm_ptr + rows, mask=inside, other=0.0)
    logits = _logits(
        hidden_ptr, weight_ptr, bias_ptr, rows, v, N, V, J, PRECISION, BLOCK_N, BLOCK_V, BLOCK_J
    )  # fmt: skip
    shared = tl.exp(logits - norm[:, None]) * d_norm[:, None]
    if FACTORIZED:
        shared = tl.where(v[None, :] == BLANK, 0.0, shared)
    shared += tl.where(v[None, :] == BLANK, d_blank[:, None], 0.0)
    shared += tl.where(v[None, :] == labels[:, None], d_label[:, None], 0.0)
    tl.store(out_ptr + rows[:, None] * V + v[None, :], shared, mask=inside[:, None] & (v[None, :] < V))


def columns(*inputs: Tensor, blank: int, factorized: bool) -> tuple[Tensor, Tensor, Tensor]:
    """As `joint_torch.columns`, of the same arguments."""
    hidden, _weight, _bias, labels = inputs
    blanks, nexts, norm = (hidden.new_empty(labels.numel()) for _ in range(3))
    grid = (triton.cdiv(labels.numel(), BLOCKS["BLOCK_N"]),)
    if _started(_columns_kernel, grid, inputs, (blanks, nexts, norm), blank, factorized):
        return blanks, nexts, norm
    return joint_torch.columns(*inputs, blank=blank, factorized=factorized)


def d_logits(*inputs: Tensor, blank: int, factorized: bool) -> Tensor:
    """As `joint_torch.d_logits`, of the same arguments."""
    hidden, weight, *_ = inputs
    N, V = hidden.size(0), weight.size(0)
    grid = triton.cdiv(N, BLOCKS["BLOCK_N"]), triton.cdiv(V, BLOCKS["BLOCK_V"])
    out = hidden.new_empty(N, V)
    if _started(_d_logits_kernel, grid, inputs, (out,), blank, factorized):
        return out
    del out
    return joint_torch.d_logits(*inputs, blank=blank, factorized=factorized)


def _started(
    kernel: Any, grid: tuple[int, ...], inputs: tuple[Tensor, ...], out: tuple[Tensor, ...], blank: int, hat: bool
) -> bool:
    hidden, weight, *_ = inputs
    if hidden.dtype != torch.float32:
        triton_launch.refuse(kernel.__name__, hidden.device, f"{hidden.dtype}; it computes in float32")
        return False
    constants = {
        "V": weight.size(0),
        "J": hidden.size(1),
        "BLANK": blank,
        "FACTORIZED": hat,
        # As PyTorch's own products: one rounding to TF32 only where the user allows it.
        "PRECISION": "tf32" if torch.backends.cuda.matmul.fp32_precision == "tf32" else "tf32x3",
    }
    tensors = [x.contiguous() for x in inputs]
    return triton_launch.started(
        kernel, grid, *tensors, *out, hidden.size(0), shared_bytes=SHARED_BYTES, **constants, **BLOCKS, **OPTIONS
    )
