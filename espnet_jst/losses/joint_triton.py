"""Output layer of the joint network, log-sum-exp and gather as Triton kernels: logits stay in registers.

Untested on a GPU: the tests run the kernels in Triton's interpreter. Layers wider than MOST_FEATURES do not fit into
the registers, and take the chunks of PyTorch.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from espnet_jst.losses import joint_chunks

MOST_FEATURES = 1024
ROWS, SYMBOLS = 32, 64  # tile of nodes and of the vocabulary
TILES = 16  # tiles of nodes that a program of the weight's gradient sums before it adds them to the others


@triton.jit
def _tile(hidden_ptr, rows, N, J: tl.constexpr, BLOCK_J: tl.constexpr):  # type: ignore[no-untyped-def]
    j = tl.arange(0, BLOCK_J)
    return tl.load(hidden_ptr + rows[:, None] * J + j[None, :], mask=(rows[:, None] < N) & (j[None, :] < J), other=0.0)


@triton.jit
def _columns_kernel(  # type: ignore[no-untyped-def]
    hidden_ptr, weight_ptr, bias_ptr, labels_ptr, blanks_ptr, nexts_ptr, norm_ptr, N,
    V: tl.constexpr, J: tl.constexpr, BLANK: tl.constexpr, FACTORIZED: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_V: tl.constexpr, BLOCK_J: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0).to(tl.int64) * BLOCK_N + tl.arange(0, BLOCK_N)
    hidden = _tile(hidden_ptr, rows, N, J, BLOCK_J)
    labels = tl.load(labels_ptr + rows, mask=rows < N, other=0)
    top = tl.full((BLOCK_N,), float("-inf"), tl.float32)
    total = tl.zeros((BLOCK_N,), tl.float32)
    blanks = tl.zeros((BLOCK_N,), tl.float32)
    nexts = tl.zeros((BLOCK_N,), tl.float32)
    for start in range(0, V, BLOCK_V):
        v = start + tl.arange(0, BLOCK_V)
        weight = _tile(weight_ptr, v, V, J, BLOCK_J)
        bias = tl.load(bias_ptr + v, mask=v < V, other=float("-inf"))
        logits = tl.dot(hidden, tl.trans(weight), input_precision=PRECISION) + bias[None, :]
        blanks += tl.sum(tl.where(v[None, :] == BLANK, logits, 0.0), axis=1)
        nexts += tl.sum(tl.where(v[None, :] == labels[:, None], logits, 0.0), axis=1)
        if FACTORIZED:
            logits = tl.where(v[None, :] == BLANK, float("-inf"), logits)
        higher = tl.maximum(top, tl.max(logits, axis=1))
        total = total * tl.exp(top - higher) + tl.sum(tl.exp(logits - higher[:, None]), axis=1)
        top = higher
    tl.store(blanks_ptr + rows, blanks, mask=rows < N)
    tl.store(nexts_ptr + rows, nexts, mask=rows < N)
    tl.store(norm_ptr + rows, top + tl.log(total), mask=rows < N)


@triton.jit
def _d_logits(  # type: ignore[no-untyped-def]
    hidden, weight, rows, v, bias_ptr, labels_ptr, norm_ptr, d_blank_ptr, d_label_ptr, d_norm_ptr, N,
    V: tl.constexpr, BLANK: tl.constexpr, FACTORIZED: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Gradient by a tile of logits, which are made again."""
    inside = rows < N
    labels = tl.load(labels_ptr + rows, mask=inside, other=0)
    norm = tl.load(norm_ptr + rows, mask=inside, other=0.0)
    d_blank = tl.load(d_blank_ptr + rows, mask=inside, other=0.0)
    d_label = tl.load(d_label_ptr + rows, mask=inside, other=0.0)
    d_norm = tl.load(d_norm_ptr + rows, mask=inside, other=0.0)
    bias = tl.load(bias_ptr + v, mask=v < V, other=float("-inf"))
    logits = tl.dot(hidden, tl.trans(weight), input_precision=PRECISION) + bias[None, :]
    shared = tl.exp(logits - norm[:, None]) * d_norm[:, None]
    if FACTORIZED:
        shared = tl.where(v[None, :] == BLANK, 0.0, shared)
    shared += tl.where(v[None, :] == BLANK, d_blank[:, None], 0.0)
    return shared + tl.where(v[None, :] == labels[:, None], d_label[:, None], 0.0)


@triton.jit
def _d_hidden_kernel(  # type: ignore[no-untyped-def]
    hidden_ptr, weight_ptr, bias_ptr, labels_ptr, norm_ptr, d_blank_ptr, d_label_ptr, d_norm_ptr, out_ptr, N,
    V: tl.constexpr, J: tl.constexpr, BLANK: tl.constexpr, FACTORIZED: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_V: tl.constexpr, BLOCK_J: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0).to(tl.int64) * BLOCK_N + tl.arange(0, BLOCK_N)
    hidden = _tile(hidden_ptr, rows, N, J, BLOCK_J)
    total = tl.zeros((BLOCK_N, BLOCK_J), tl.float32)
    for start in range(0, V, BLOCK_V):
        v = start + tl.arange(0, BLOCK_V)
        weight = _tile(weight_ptr, v, V, J, BLOCK_J)
        d_logits = _d_logits(
            hidden, weight, rows, v, bias_ptr, labels_ptr, norm_ptr, d_blank_ptr, d_label_ptr, d_norm_ptr, N,
            V, BLANK, FACTORIZED, PRECISION,
        )  # fmt: skip
        total += tl.dot(d_logits, weight, input_precision=PRECISION)
    j = tl.arange(0, BLOCK_J)
    tl.store(out_ptr + rows[:, None] * J + j[None, :], total, mask=(rows[:, None] < N) & (j[None, :] < J))


@triton.jit
def _d_weight_kernel(  # type: ignore[no-untyped-def]
    hidden_ptr, weight_ptr, bias_ptr, labels_ptr, norm_ptr, d_blank_ptr, d_label_ptr, d_norm_ptr,
    d_weight_ptr, d_bias_ptr, N,
    V: tl.constexpr, J: tl.constexpr, BLANK: tl.constexpr, FACTORIZED: tl.constexpr, PRECISION: tl.constexpr,
    TILES: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_V: tl.constexpr, BLOCK_J: tl.constexpr,
):  # fmt: skip
    v = tl.program_id(0) * BLOCK_V + tl.arange(0, BLOCK_V)
    weight = _tile(weight_ptr, v, V, J, BLOCK_J)
    d_weight = tl.zeros((BLOCK_V, BLOCK_J), tl.float32)
    d_bias = tl.zeros((BLOCK_V,), tl.float32)
    for tile in range(TILES):
        rows = (tl.program_id(1).to(tl.int64) * TILES + tile) * BLOCK_N + tl.arange(0, BLOCK_N)
        hidden = _tile(hidden_ptr, rows, N, J, BLOCK_J)
        d_logits = _d_logits(
            hidden, weight, rows, v, bias_ptr, labels_ptr, norm_ptr, d_blank_ptr, d_label_ptr, d_norm_ptr, N,
            V, BLANK, FACTORIZED, PRECISION,
        )  # fmt: skip
        d_weight += tl.dot(tl.trans(d_logits), hidden, input_precision=PRECISION)
        d_bias += tl.sum(d_logits, axis=0)
    j = tl.arange(0, BLOCK_J)
    where = d_weight_ptr + v[:, None] * J + j[None, :]
    tl.atomic_add(where, d_weight, mask=(v[:, None] < V) & (j[None, :] < J))
    tl.atomic_add(d_bias_ptr + v, d_bias, mask=v < V)


def columns(
    hidden: Tensor, weight: Tensor, bias: Tensor, labels: Tensor, *, blank: int, factorized: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """As `joint_chunks.columns`."""
    if not _fits(hidden):
        return joint_chunks.columns(hidden, weight, bias, labels, blank=blank, factorized=factorized)
    out = tuple(hidden.new_empty(labels.numel()) for _ in range(3))
    if labels.numel():
        tensors = [x.contiguous() for x in (hidden, weight, bias, labels)]
        grid = (triton.cdiv(labels.numel(), ROWS),)
        _columns_kernel[grid](*tensors, *out, labels.numel(), **_constants(hidden, weight, blank, factorized))
    return out  # type: ignore[return-value]


def gradients(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    labels: Tensor,
    norm: Tensor,
    d_blank: Tensor,
    d_label: Tensor,
    d_norm: Tensor,
    *,
    blank: int,
    factorized: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """As `joint_chunks.gradients`."""
    inputs = (hidden, weight, bias, labels, norm, d_blank, d_label, d_norm)
    if not _fits(hidden):
        return joint_chunks.gradients(*inputs, blank=blank, factorized=factorized)
    d_hidden, d_weight, d_bias = torch.empty_like(hidden), torch.zeros_like(weight), torch.zeros_like(bias)
    N, V = labels.numel(), weight.size(0)
    if N:
        tensors, constants = [x.contiguous() for x in inputs], _constants(hidden, weight, blank, factorized)
        rows = triton.cdiv(N, ROWS)
        _d_hidden_kernel[(rows,)](*tensors, d_hidden, N, **constants)
        grid = (triton.cdiv(V, SYMBOLS), triton.cdiv(rows, TILES))
        _d_weight_kernel[grid](*tensors, d_weight, d_bias, N, TILES=TILES, **constants)
    return d_hidden, d_weight, d_bias


def _fits(hidden: Tensor) -> bool:
    return hidden.dtype == torch.float32 and hidden.size(1) <= MOST_FEATURES


def _constants(hidden: Tensor, weight: Tensor, blank: int, factorized: bool) -> dict[str, Any]:
    return {
        "V": weight.size(0),
        "J": hidden.size(1),
        "BLANK": blank,
        "FACTORIZED": factorized,
        # As PyTorch's own products: one rounding to TF32 only where the user allows it.
        "PRECISION": "tf32" if torch.backends.cuda.matmul.allow_tf32 else "tf32x3",
        "BLOCK_N": ROWS,
        "BLOCK_V": SYMBOLS,
        "BLOCK_J": max(16, triton.next_power_of_2(hidden.size(1))),
    }
