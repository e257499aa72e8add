"""A trained model, ready to decode."""

from __future__ import annotations

import argparse
import copy
import warnings
from pathlib import Path

import torch

from espnet_jst.compat import float32_by_default
from espnet_jst.encoders.chain import FIRST
from espnet_jst.errors import ConfigError
from espnet_jst.inference.device import check_device
from espnet_jst.inputs.tokens import TokenInput
from espnet_jst.inputs.unit_input import UnitIds, UnitInput
from espnet_jst.model import JSTModel
from espnet_jst.streams import device_of
from espnet_jst.tasks.arguments import build_tokenizers, inputs_of
from espnet_jst.units.unit_set import UnitSet


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


def reading_units(model: JSTModel, args: argparse.Namespace) -> JSTModel:
    """A model that was trained on units of speech, with what makes them from audio; the parameters are the same.

    Raises:
        ConfigError: it was trained on text.
        CheckpointError: its unit set is missing or damaged.
    """
    specs = inputs_of(args)
    name = next(name for name, spec in specs.items() if spec.into == FIRST and spec.shares is None)
    conf, owner = specs[name].conf, model.inputs[name]
    if not conf.get("unit_set") or not isinstance(owner, TokenInput):
        raise ConfigError("the model reads text: translate with espnet-jst translate, or give it as mt_model")
    tokenizers = build_tokenizers(args)
    tokenizer = tokenizers[specs[name].vocabulary_in(tokenizers)]
    units = UnitSet.load(conf["unit_set"])
    heard = UnitInput(units, conf.get("unit_case", "rm"), lambda text: tokenizer.encode([text]), owner)
    return _hearing(model, heard.eval().to(device_of(model)))


def given_units(model: JSTModel) -> JSTModel | None:
    """What `reading_units` gave, for units in place of audio; None of any other model."""
    return _hearing(model, model.source.ids) if isinstance(model.source, UnitInput) else None


def _hearing(model: JSTModel, source: UnitInput | UnitIds) -> JSTModel:
    """A copy with the same parameters that hears something else."""
    model = copy.copy(model)
    model._modules = dict(model._modules)  # torch's copy has the dictionary of the original
    model.source, model.fs = source, source.fs
    return model


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
