"""Keys of the frontend `pretrained`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from espnet_jst.errors import ConfigError
from espnet_jst.keys import Conf, key

FS, HOP_S = 16_000, 0.02


@dataclass(frozen=True, kw_only=True)
class PretrainedConf(Conf):
    """An encoder that is trained already, WavLM, HuBERT, wav2vec 2.0 or Whisper: its frames are the features."""

    model: Path | str | None = key(
        None,
        "folder that transformers saved, a name on the Hugging Face hub, or an original checkpoint (.pt) of WavLM "
        "(HuBERT and wav2vec 2.0: as S3PRL converts them); its weights are the first ones",
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
