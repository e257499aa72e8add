"""What units are clusters of: the frames of a frontend, as a unit set names it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from espnet_jst import registry
from espnet_jst.config import check_keys, closest, shown
from espnet_jst.errors import ConfigError
from espnet_jst.inputs.interface import StreamingFrontend
from espnet_jst.inputs.pretrained.conf import UPSTREAM
from espnet_jst.keys import read
from espnet_jst.units.kmeans import assign
from espnet_jst.units.unit_set import UnitSet
from espnet_jst.weights import limit_parameters, load_strict

LOG_MEL = {"frontend": "log_mel", "center": True}  # a frame in 20 ms, as pretrained encoders have
S3PRL = "s3prl:"
KEYS = ("frontend", "frontend_conf", "center")


class UnitFeatures(nn.Module):
    """Utterances to frames, nothing of which is trained.

    Args:
        features: `frontend` and `frontend_conf` as of a training; with `center` the mean of every utterance is taken
            off, so that loudness and channel make no units.
        trusted: whether the frontend may read what its configuration names; a unit set's own has it all.

    Attributes:
        fs: sampling rate in Hz.
        hop_s: seconds from one frame to the next.
    """

    def __init__(self, features: Mapping[str, Any], *, trusted: bool = False) -> None:
        super().__init__()
        where = "features of a unit set"
        check_keys(features, KEYS, where)
        name, conf = features.get("frontend"), features.get("frontend_conf") or {}
        known = registry.names("frontend")
        if not isinstance(name, str) or name not in known or not isinstance(conf, Mapping):
            raise ConfigError(f"{where}: frontend {shown(name)}: use {' or '.join(known)}{closest(str(name), known)}")
        keys = registry.conf_of("frontend", name)
        missing = [] if trusted else [key for key in keys.written if key not in conf]
        if missing:
            raise ConfigError(f"{where}: frontend_conf has no {missing[0]}: learn the units again")
        read(keys, conf, f"{where}: frontend_conf of {name}")
        self.frontend: StreamingFrontend = registry.load("frontend", name)(**conf)
        if self.frontend.channels > 1:
            raise ConfigError(f"{where}: frontend {name} takes several channels, and units are of one: use another")
        self.center = bool(features.get("center", False))
        self.description = {
            "frontend": name,
            "frontend_conf": {
                key: value for key, value in {**conf, **self.frontend.written()}.items() if value is not None
            },
            "center": self.center,
        }
        self.fs, self.hop_s = self.frontend.fs, self.frontend.hop_s
        self.requires_grad_(False)
        self.eval()

    @torch.inference_mode()
    def forward(self, speech: Sequence[np.ndarray]) -> list[Tensor]:
        """Samples of each utterance, (N,) float32 at `fs` -> its frames, (T, D), float32 on the same device.

        Raises:
            DataError: as the frontend's.
        """
        device = next(chain(self.parameters(), self.buffers())).device
        lengths = torch.tensor([len(samples) for samples in speech], device=device)
        padded = torch.zeros(len(speech), int(lengths.max()), device=device)
        for row, samples in enumerate(speech):
            padded[row, : len(samples)] = torch.from_numpy(samples).to(device)
        frames, counts = self.frontend(padded, lengths)
        rows = [frames[row, :count] for row, count in enumerate(counts.tolist())]
        return [row - row.mean(0) for row in rows] if self.center else rows


class UnitReader(nn.Module):
    """Utterances to the units of a set.

    Args:
        units: the set, with the weights of its features.

    Raises:
        ConfigError: its features cannot be made.
        CheckpointError: its weights are others.
    """

    centroids: Tensor

    def __init__(self, units: UnitSet) -> None:
        super().__init__()
        self.units = units
        with limit_parameters(sum(tensor.numel() for tensor in units.weights.values()), "the unit set"):
            self.features = UnitFeatures(units.features)
        load_strict(self.features, units.weights, "the unit set")
        self.register_buffer("centroids", units.centroids, persistent=False)

    def forward(self, speech: Sequence[np.ndarray]) -> list[list[int]]:
        """Samples of each utterance, at `features.fs` -> a unit a frame."""
        return [assign(frames, self.centroids).tolist() for frames in self.features(speech)]


def parse_features(text: str, fs: int) -> dict[str, Any]:
    """What `--kmeans_feature` names, in the manner of ESPnet's `asr2.sh`.

    Args:
        text: "log_mel"; or "MODEL/LAYER", what the frontend `pretrained` takes as its model, or an experiment of ours,
            and the layer; "MODEL/LAYER@SECONDS" is a Whisper whose frames see chunks of so many; or "s3prl:NAME/LAYER"
            or "s3prl:NAME:PATH/LAYER", an upstream of S3PRL, its checkpoint, and the layer.
        fs: sampling rate of the recordings in Hz.

    Raises:
        ConfigError: it names neither.
    """
    if text == "log_mel":
        return {**LOG_MEL, "frontend_conf": {"fs": fs, "hop_s": 0.02, "window_s": 0.04}}
    model, _, place = text.rpartition("/")
    layer, _, chunk = place.partition("@")
    if chunk:
        return _in_chunks(parse_features(f"{model}/{layer}", fs), chunk, text)
    if model.startswith(S3PRL) and layer.isdigit():
        upstream, _, path = model.removeprefix(S3PRL).partition(":")
        conf = {"upstream": upstream, "path_or_url": path or None, "layer": int(layer)}
        return {"frontend": UPSTREAM, "frontend_conf": conf, "center": False}
    if not model or not layer.isdigit():
        raise ConfigError(
            f"--kmeans_feature {text}: give log_mel, or MODEL/LAYER, a folder that transformers saved (a name on the "
            "hub, an original checkpoint) and the number of a layer, such as models/wavlm-large/21"
        )
    if not Path(model).exists() and model.count("/") > 1:
        raise ConfigError(f"--kmeans_feature {text}: there is no folder or file {model}")
    if (Path(model) / "config.yaml").is_file():  # an experiment of ours
        return {"frontend": "trained", "frontend_conf": {"model": model, "layer": int(layer)}, "center": False}
    return {"frontend": "pretrained", "frontend_conf": {"model": model, "layer": int(layer)}, "center": False}


def _in_chunks(features: dict[str, Any], chunk: str, text: str) -> dict[str, Any]:
    """Features whose frames see their own chunk of so many seconds and those before; the frontend refuses others.

    Raises:
        ConfigError: it is no number, or of features that know no chunks.
    """
    try:
        chunk_s = float(chunk)
    except ValueError:
        raise ConfigError(f"--kmeans_feature {text}: behind @ are the seconds of a chunk, such as 5@0.64") from None
    if features["frontend"] != "pretrained":
        raise ConfigError(f"--kmeans_feature {text}: only a Whisper's frames are cut into chunks: leave out @{chunk}")
    return {**features, "frontend_conf": {**features["frontend_conf"], "chunk_s": chunk_s}}


def unit_set(features: UnitFeatures, centroids: Tensor) -> UnitSet:
    """A unit set of these features."""
    weights = {name: value.detach().cpu() for name, value in features.state_dict().items()}
    return UnitSet(features.description, centroids.cpu(), weights)
