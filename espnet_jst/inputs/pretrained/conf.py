"""Keys of the frontends `pretrained` and `s3prl_upstream`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from espnet_jst.errors import ConfigError
from espnet_jst.keys import Conf, key

FS, HOP_S = 16_000, 0.02
UPSTREAM = "s3prl_upstream"


@dataclass(frozen=True, kw_only=True)
class PretrainedConf(Conf):
    """An encoder that is trained already, WavLM, HuBERT, wav2vec 2.0, Whisper or ESPnet's own: its frames are the
    features.
    """

    model: Path | str | None = key(
        None,
        "folder that transformers saved, a name on the Hugging Face hub, an original checkpoint (.pt) of WavLM "
        "(HuBERT and wav2vec 2.0: as S3PRL converts them), or one of ESPnet's task ssl (.pth, with its config.yaml "
        "beside it); its weights are the first ones",
    )
    layer: int | None = key(
        None,
        "whose frames are read: what layer N gives, before any norm behind the last one; 0 is what enters layer 1. By "
        "default the last one; layers above are left out",
        low=0,
        high=1000,
    )
    weighted: bool = key(False, "a learned weighted sum of the layers 0 to `layer`, as S3PRL's, in place of that one")
    trainable: bool = key(False, "train the encoder further; else it is as it was read, without dropout")
    chunk_s: float = key(
        0.0,
        "Whisper's frames attend to their own chunk of so many seconds and to those before; 0: to the whole utterance",
        low=0,
        high=30,
    )
    fs: int = key(FS, "sampling rate in Hz: that of these models", low=FS, high=FS)
    hop_s: float = key(HOP_S, "frame shift in seconds: that of these models", low=HOP_S, high=HOP_S)
    architecture: Mapping[str, Any] | None = key(
        None, "its sizes: written by a training, so that a trained model needs nothing but its own files"
    )
    written: ClassVar[tuple[str, ...]] = ("architecture",)

    def check(self) -> None:
        """Refuse neither a model nor sizes."""
        if self.model is None and self.architecture is None:
            raise ConfigError(
                "model is missing: give the folder of a model as transformers saves it, its name, or a checkpoint"
            )


@dataclass(frozen=True, kw_only=True)
class UpstreamConf(Conf):
    """Any upstream of S3PRL, as it is, for units and for frames that are computed once. No pack can hold it."""

    upstream: str = key("", "its name in S3PRL, such as wavlm_large, data2vec or hubert_local")
    path_or_url: Path | str | None = key(None, "its checkpoint, of those whose name ends in _local, _url or _custom")
    layer: int | None = key(
        None, "whose frames are read: S3PRL's hidden_states[layer]; by default the last", low=0, high=1000
    )
    fs: int = key(FS, "sampling rate in Hz: that of these models", low=FS, high=FS)
    hop_s: float = key(HOP_S, "frame shift in seconds: upstreams with another one are refused", low=HOP_S, high=HOP_S)
    size: int | None = key(None, "features of a frame: written by a training", low=1, high=65_536)
    digest: str | None = key(None, "of its weights: written by a training, so that others are refused")
    written: ClassVar[tuple[str, ...]] = ("size", "digest")

    def check(self) -> None:
        """Refuse no name, and half of what a training writes."""
        if not self.upstream:
            raise ConfigError("upstream is missing: give a name in S3PRL, such as wavlm_large")
        if (self.size is None) != (self.digest is None):
            raise ConfigError("size and digest are written by a training, both of them: leave them out")
