"""The frontend `trained`: frames of a layer of an encoder that this package has trained before."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from espnet_jst import registry
from espnet_jst.config import check_keys, shown
from espnet_jst.encoders.chain import FIRST, Chain, Link
from espnet_jst.encoders.conf import ChunkConformerConf
from espnet_jst.errors import ConfigError
from espnet_jst.inputs.conf import TrainedConf
from espnet_jst.inputs.interface import StreamingFrontend
from espnet_jst.inputs.speech import SpeechInput, SpeechState
from espnet_jst.keys import read, takes
from espnet_jst.streams import RowState
from espnet_jst.taps import Tap
from espnet_jst.untrusted.config_file import read_yaml
from espnet_jst.weights import load_strict, read_weights

CHOICES = ("frontend", "normalize", "encoder")
WEIGHTS = "valid.loss.ave.pth"
WHERE = "architecture"


@dataclass
class TrainedState(RowState):
    """States of the features and of the encoder."""

    speech: SpeechState
    encoders: dict[str, RowState]


class Trained(StreamingFrontend):
    """Features, their normalization, and the first layers of the first encoder, which hears chunks or whole utterances.
    Nothing of it is trained further.
    """

    @takes(TrainedConf)
    def __init__(self, conf: TrainedConf) -> None:
        super().__init__()
        parts = dict(conf.architecture) if conf.architecture is not None else _parts(Path(str(conf.model)))
        check_keys(parts, [name for choice in CHOICES for name in (choice, f"{choice}_conf")], WHERE)
        if conf.layer is not None:
            parts["encoder_conf"] = _cut(parts, conf.layer)
        self.parts = parts
        self.frontend: StreamingFrontend = _made("frontend", parts)
        if self.frontend.channels > 1:
            raise ConfigError(f"{WHERE}: a model of {self.frontend.channels} channels cannot be read, one of one can")
        size = self.frontend.output_size()
        self.normalize = _normalize(parts, size) if parts.get("normalize") else None
        self.encoder = _made("encoder", parts, input_size=size)
        self.speech = SpeechInput(self.frontend, self.normalize)
        self.chain = Chain([Link(FIRST, self.encoder, None)], self.frontend.hop_s)
        self.context = self.chain.given(conf.chunk_s)
        self.size, self.hop_s = self.chain.sizes[FIRST], self.chain.shifts_s[FIRST]
        self.fs, self.begin_s, self.whole = self.frontend.fs, self.frontend.begin_s, self.context.hears_whole
        if conf.architecture is None:
            file = Path(str(conf.model)) / WEIGHTS
            found, own = read_weights(file), self.state_dict()
            load_strict(self, {name: found[name] for name in own if name in found}, file)
        self.requires_grad_(False)
        self.eval()

    def output_size(self) -> int:
        """Features of a frame."""
        return self.size

    def written(self) -> dict[str, Any]:
        """Its parts and sizes, in place of the folder that its weights were read from."""
        return {"model": None, "layer": None, "architecture": self.parts}

    def train(self, mode: bool = True) -> Self:
        """It stays as it is, without dropout."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, input: Tensor, input_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N) samples in [-1, 1] and their lengths -> (B, T, D) and frame counts."""
        top = self.chain.encode(self.speech.embed(input, input_lengths), self.context)[FIRST]
        return top.x, top.lengths

    def init_state(self, batch_size: int, device: torch.device | str = "cpu") -> TrainedState:
        encoders = self.chain.init_state(batch_size, self.context, device)
        return TrainedState(self.speech.init_state(batch_size, device), encoders)

    @torch.no_grad()
    def step(self, samples: Tap, state: TrainedState, last: Sequence[bool]) -> tuple[Tap, TrainedState]:
        tap, speech = self.speech.step(samples, state.speech, last)
        taps, encoders = self.chain.step(tap, state.encoders, last)
        return taps[FIRST], TrainedState(speech, encoders)

    def ready(self, samples: int) -> int:
        return self.chain.ready(self.speech.ready(samples), self.context)[FIRST]


def _parts(folder: Path) -> dict[str, Any]:
    """The parts of a trained model up to its first encoder."""
    if not (folder / "config.yaml").is_file() or not (folder / WEIGHTS).is_file():
        raise ConfigError(f"model {folder}: there is no config.yaml with {WEIGHTS}: give the folder of an experiment")
    conf = read_yaml(folder / "config.yaml")
    if not conf.get("frontend") or not conf.get("encoder"):
        raise ConfigError(f"model {folder} hears no speech (it has no frontend): give another experiment")
    parts = {name: conf.get(name) for choice in CHOICES for name in (choice, f"{choice}_conf")}
    # Statistics are among the weights.
    normalize = {key: value for key, value in (parts["normalize_conf"] or {}).items() if key != "stats_file"}
    return {**parts, "normalize_conf": normalize}


def _cut(parts: Mapping[str, Any], layer: int) -> dict[str, Any]:
    """The encoder without the layers above, and without what follows the last one."""
    conf = dict(parts.get("encoder_conf") or {})
    if parts.get("encoder") != "chunk_conformer":
        raise ConfigError(
            f"layer: of encoder {shown(parts.get('encoder'))} the last one alone can be read: leave it out"
        )
    most = read(ChunkConformerConf, conf, "encoder_conf").layers
    if layer > most:
        raise ConfigError(f"layer is {layer}, and the encoder has layers 1 to {most}")
    return {**conf, "layers": layer, "taps": [], "output_subsampling": 1}


def _made(choice: str, parts: Mapping[str, Any], **given: Any) -> Any:
    name, conf = parts.get(choice), parts.get(f"{choice}_conf") or {}
    if name not in registry.names(choice) or not isinstance(conf, Mapping):
        raise ConfigError(f"{WHERE}.{choice} is {shown(name)}: use {' or '.join(registry.names(choice))}")
    keys = registry.conf_of(choice, name)
    if missing := [key for key in keys.written if key not in conf]:
        raise ConfigError(f"{WHERE}.{choice}_conf has no {missing[0]}: give model instead")
    read(keys, conf, f"{WHERE}.{choice}_conf")
    return registry.load(choice, name)(**given, **conf)


def _normalize(parts: Mapping[str, Any], size: int) -> Any:
    """A normalization whose statistics are read with the weights; its constructor wants a file of them."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "feats_stats.npz"
        np.savez(file, count=np.array(1), sum=np.zeros(size), sum_square=np.ones(size))
        conf = {**(parts.get("normalize_conf") or {}), "stats_file": str(file)}
        return _made("normalize", {**parts, "normalize_conf": conf})
