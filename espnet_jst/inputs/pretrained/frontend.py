"""The frontend `pretrained`: frames of a layer, or a weighted sum of layers, of an encoder that is trained already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from espnet_jst.errors import ConfigError
from espnet_jst.inputs.interface import StreamingFrontend
from espnet_jst.inputs.pretrained.architecture import Architecture, read_encoder
from espnet_jst.inputs.pretrained.conf import PretrainedConf
from espnet_jst.keys import takes
from espnet_jst.streams import Waiting, step_whole
from espnet_jst.taps import Tap


class Pretrained(StreamingFrontend):
    """It hears whole utterances: a stream gathers its samples, and at its end has all frames at once."""

    whole = True

    @takes(PretrainedConf)
    def __init__(self, conf: PretrainedConf) -> None:
        super().__init__()
        if conf.architecture is None:
            self.architecture = Architecture.of_model(str(conf.model))
        else:
            self.architecture = Architecture.read(conf.architecture, "architecture")
        self.encoder = self.architecture.build(conf.layer, chunk_s=conf.chunk_s)
        if conf.architecture is None:
            read_encoder(str(conf.model), self.architecture, self.encoder)
        self.trainable = conf.trainable
        self.encoder.requires_grad_(conf.trainable)
        self.weights = nn.Parameter(torch.zeros(self.encoder.layers + 1)) if conf.weighted else None
        self.fs, self.hop_s = conf.fs, conf.hop_s
        if self.encoder.hop_samples != round(conf.hop_s * conf.fs):
            raise ConfigError(
                f"its frames are {self.encoder.hop_samples} samples apart: only 320, 20 ms, are known here"
            )
        self.train(self.training)

    def output_size(self) -> int:
        """Features of a frame."""
        return self.encoder.size

    def written(self) -> dict[str, Any]:
        """Its sizes, in place of the folder that its first weights were read from."""
        return {"model": None, "architecture": self.architecture.as_conf()}

    def train(self, mode: bool = True) -> Self:
        """What is not trained has no dropout either."""
        super().train(mode)
        self.encoder.train(mode and self.trainable)
        return self

    def forward(self, input: Tensor, input_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N) samples in [-1, 1] and their lengths -> (B, T, D) and frame counts, at least one each."""
        with torch.set_grad_enabled(self.trainable and torch.is_grad_enabled()):
            layers, lengths = self.encoder(input, input_lengths)
        if self.weights is None:
            return layers[-1], lengths
        shares = self.weights.softmax(0)
        return sum((share * layer for share, layer in zip(shares, layers, strict=True)), start=torch.zeros(())), lengths

    def init_state(self, batch_size: int, device: torch.device | str = "cpu") -> Waiting:
        return Waiting.none(batch_size, device=device)

    def ready(self, samples: int) -> int:
        """None before the end."""
        return 0

    def step(self, samples: Tap, state: Waiting, last: Sequence[bool]) -> tuple[Tap, Waiting]:
        """See StreamingFrontend."""

        def embed(x: Tensor, lengths: Tensor) -> Tap:
            frames, counts = self(x, lengths)
            return Tap(frames, counts, self.hop_s)

        return step_whole(samples, state, last, embed, self.output_size(), self.hop_s)
