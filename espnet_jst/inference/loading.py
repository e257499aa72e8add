"""A trained model, ready to decode."""

from __future__ import annotations

import argparse
import copy
import warnings
from pathlib import Path

import torch

from espnet_jst.compat import float32_by_default
from espnet_jst.errors import ConfigError
from espnet_jst.inference.device import check_device
from espnet_jst.model import JSTModel


def load_model(
    st_train_config: str | Path | None, st_model_file: str | Path | None, device: str = "cpu"
) -> tuple[JSTModel, argparse.Namespace]:
    """The model in evaluation mode and its training arguments; loading is strict.

    Raises:
        CheckpointError, ConfigError: see JSTTask.load_model; the device is not there.
    """
    check_device(device)
    from espnet_jst.tasks.jst import JSTTask

    with float32_by_default():
        model, args = JSTTask.load_model(st_train_config, st_model_file, device)
    return model.eval(), args


def quantized(model: JSTModel) -> JSTModel:
    """A copy whose encoders' linear layers have 8-bit weights and quantize their inputs as they come.

    Raises:
        ConfigError: the model is not on a CPU.
    """
    if any(parameter.device.type != "cpu" for parameter in model.parameters()):
        raise ConfigError("quantize_model=True runs on a CPU only: leave out --quantize_model or --ngpu")
    model = copy.deepcopy(model)
    with warnings.catch_warnings():
        # PyTorch points to torchao, one dependency more; this is what ESPnet's --quantize_asr_model calls too.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=UserWarning)
        for link in model.chain.links:
            torch.ao.quantization.quantize_dynamic(link.encoder, {torch.nn.Linear}, dtype=torch.qint8, inplace=True)
    return model
