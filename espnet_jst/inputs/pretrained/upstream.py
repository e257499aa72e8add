"""The frontend `s3prl_upstream`: frames of any upstream of S3PRL, computed by S3PRL, one utterance at a time."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from espnet_jst.compat import import_s3prl_upstream
from espnet_jst.config import closest, shown
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.inputs.pretrained.conf import UPSTREAM, UpstreamConf
from espnet_jst.inputs.whole import WholeFrontend
from espnet_jst.keys import takes

VARIABLE = "JST_ALLOW_S3PRL"
HOP_SAMPLES = 320


class Upstream(WholeFrontend):
    """Nothing of it is trained, and it is no part of the model: its weights are in no checkpoint. It is read again by
    its name wherever it is used, and has to have the same weights there.

    The frames are S3PRL's: `ceil(samples / 320)`, the last one repeated where the encoder has fewer.

    Raises:
        ConfigError: it was not allowed to run, there is no such upstream or layer, or its weights are others.
    """

    @takes(UpstreamConf)
    def __init__(self, conf: UpstreamConf) -> None:
        super().__init__()
        if os.environ.get(VARIABLE) != "1":
            raise ConfigError(
                f"{UPSTREAM} {shown(conf.upstream)}: upstreams of S3PRL fetch files and may execute code from them. "
                f"Set {VARIABLE}=1 if you trust this one"
            )
        self.conf, self.fs, self.hop_s = conf, conf.fs, conf.hop_s
        self._held: list[nn.Module] = []  # not an attribute of its own: so it is none of this module's parts
        self.register_buffer("place", torch.empty(0), persistent=False)  # on the device that this one is moved to
        self.layer = 0 if conf.layer is None else conf.layer
        self.size, self.digest = conf.size or 0, conf.digest or ""
        if conf.digest is None:
            self._read()

    def output_size(self) -> int:
        """Features of a frame."""
        return self.size

    def written(self) -> dict[str, Any]:
        """Features of a frame, and whose weights make them."""
        return {"size": self.size, "digest": self.digest}

    @torch.no_grad()
    def forward(self, input: Tensor, input_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N) samples in [-1, 1] and their lengths -> (B, T, D) and frame counts, at least one each.

        Raises:
            DataError: S3PRL cannot hear an utterance.
        """
        upstream = (self._held[0] if self._held else self._read()).to(input.device)
        rows: list[Tensor] = []
        for samples, length in zip(input, input_lengths.clamp(min=1).tolist(), strict=True):
            try:
                layers, counts = upstream(samples[None, :length], torch.tensor([length], device=input.device))
            except (AssertionError, RuntimeError, ValueError, IndexError) as error:
                raise DataError(f"{self.conf.upstream} cannot hear {length} samples ({_said(error)})") from error
            rows.append(layers[self.layer][0, : int(counts[self.layer][0])])
        return pad_sequence(rows, batch_first=True), torch.tensor([len(row) for row in rows], device=input.device)

    def _read(self) -> nn.Module:
        """Built where it is used first: its size is not that of the weights which came with a unit set."""
        conf, kind = self.conf, import_s3prl_upstream()
        names = kind.available_names()
        if conf.upstream not in names:
            raise ConfigError(f"S3PRL has no upstream {shown(conf.upstream)}{closest(conf.upstream, names)}")
        path = None if conf.path_or_url is None else str(conf.path_or_url)
        try:
            upstream = kind(conf.upstream, path_or_url=path).eval().requires_grad_(False)
        except Exception as error:  # whatever its own code raises
            raise ConfigError(f"S3PRL cannot make the upstream {conf.upstream} ({_said(error)})") from error
        if conf.layer is not None and conf.layer >= upstream.num_layers:
            raise ConfigError(f"layer is {conf.layer}, and {conf.upstream} has layers 0 to {upstream.num_layers - 1}")
        self.layer = upstream.num_layers - 1 if conf.layer is None else conf.layer
        hop = upstream.downsample_rates[self.layer]
        if hop != HOP_SAMPLES:
            raise ConfigError(
                f"frames of {conf.upstream} are {hop} samples apart: only {HOP_SAMPLES}, 20 ms, are known here"
            )
        size, digest = upstream.hidden_sizes[self.layer], _digest(upstream)
        if conf.digest is not None and (size, digest) != (conf.size, conf.digest):
            raise ConfigError(f"{conf.upstream} has other weights here than where it was used before ({conf.digest})")
        self.size, self.digest = size, digest
        self._held = [upstream]
        return upstream


def _digest(module: nn.Module) -> str:
    hashed = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        hashed.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        hashed.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return hashed.hexdigest()[:16]


def _said(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:200] or type(error).__name__
