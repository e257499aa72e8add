"""Where a model runs: checked before it is loaded."""

from __future__ import annotations

from espnet_jst.errors import ConfigError


def check_device(device: str) -> None:
    """Refuse a device that is not there.

    Raises:
        ConfigError: names it and what there is.
    """
    import torch

    try:
        kind, index = torch.device(device).type, torch.device(device).index or 0
    except (RuntimeError, TypeError):
        raise ConfigError(f"device {device!r} is unknown: cpu, cuda or cuda:N") from None
    count = torch.cuda.device_count() if kind == "cuda" and torch.cuda.is_available() else 0
    there = {"cpu": True, "cuda": index < count, "mps": torch.backends.mps.is_available()}
    if not there.get(kind, False):
        gpus = f"{count} GPUs are visible" if count else "no usable GPU is visible to PyTorch"
        raise ConfigError(f"device {device}: {gpus}; use cpu, or check the driver and CUDA_VISIBLE_DEVICES")
