"""In which arithmetic a model trains: `--train_dtype`."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from typing import Any

import torch

from espnet_jst.config import check_choice, options_of
from espnet_jst.training.hooks import ModelOptimizer

TRAIN_DTYPES = ("float32", "bfloat16", "auto", "float64")
WIDE = 128  # columns from which on a CPU's products in bfloat16 gain more than conversions cost: docs/performance.md


class Float32Arguments(argparse.Namespace):
    """Arguments whose `train_dtype` is that of weights and data; `vars` has the one that was asked for.

    ESPnet makes weights and data in what `--train_dtype` says and writes `vars` into config.yaml.
    """

    @property
    def train_dtype(self) -> str:
        """ "float32" where only products are to be bfloat16."""
        asked = vars(self)["train_dtype"]
        return "float32" if asked in ("bfloat16", "auto") else asked


def offer_training_dtypes(parser: argparse.ArgumentParser) -> None:
    """Give ESPnet's `--train_dtype` our choices."""
    [action] = [action for action in options_of(parser) if action.dest == "train_dtype"]
    action.choices = TRAIN_DTYPES
    action.help = (
        "Of matrix products and convolutions in training: bfloat16, or auto, which is bfloat16 where the processor or "
        "the GPU has it and matrices are wide enough to gain. Losses, weights, optimizer and checkpoints are float32 "
        "then; validation is too"
    )


def has_bfloat16(device: str) -> bool:
    """Whether "cpu" or "cuda" multiplies bfloat16 faster than float32: AVX512-BF16 or AMX, or a GPU since Ampere."""
    if device == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    # Private, and the only ones that ask the processor the way PyTorch's own library does.
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in checks)


def training_dtype(asked: str, device: str, columns: int = WIDE) -> torch.dtype:
    """The dtype of matrix products and convolutions in training.

    Args:
        asked: one of TRAIN_DTYPES; "auto" is bfloat16 where the device has it and it pays.
        device: "cpu" or "cuda".
        columns: the smaller side of a matrix, where that is largest in the model.

    Raises:
        ConfigError: `asked` is none of TRAIN_DTYPES.
    """
    check_choice(asked, TRAIN_DTYPES, "--train_dtype")
    if asked == "auto":
        asked = "bfloat16" if has_bfloat16(device) and (device == "cuda" or columns >= WIDE) else "float32"
    return torch.bfloat16 if asked == "bfloat16" else torch.float32


def set_training_dtype(model: Any, optimizers: Sequence[Any], asked: str, device: str) -> None:
    """Tell a model and its optimizers, and the log, which dtype `--train_dtype` means on a device."""
    sides = [min(weight.shape) for weight in model.parameters() if weight.ndim == 2]
    dtype = training_dtype(asked, device, max(sides, default=0))
    model.train_dtype, model.rounded = dtype, dtype == torch.bfloat16 and device == "cpu"
    for optimizer in optimizers:
        if isinstance(optimizer, ModelOptimizer):
            optimizer.product_dtype = training_dtype(asked, device)  # batches of products pay at any width
    if asked == "auto" and dtype == torch.float32:
        able = has_bfloat16(device)
        reason = f"matrices of fewer than {WIDE} columns gain nothing" if able else f"this {device} has none"
        logging.info(f"--train_dtype auto: float32 and not bfloat16: {reason}")
    elif asked == "bfloat16" and not has_bfloat16(device):
        logging.warning(f"--train_dtype bfloat16: this {device} has no such arithmetic, and float32 would be faster")
    else:
        logging.info(f"training in {str(dtype).removeprefix('torch.')}; losses, weights and checkpoints in float32")
