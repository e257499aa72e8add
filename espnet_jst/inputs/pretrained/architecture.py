"""Kinds and sizes of encoders, from the files of a model or from a configuration that may be a stranger's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from espnet_jst.config import check_choice, shown
from espnet_jst.errors import ConfigError
from espnet_jst.inputs.pretrained import espnet_ssl
from espnet_jst.inputs.pretrained.interface import PretrainedEncoder
from espnet_jst.inputs.pretrained.wave import WaveEncoder
from espnet_jst.inputs.pretrained.whisper import WhisperFrames

# What says how large an encoder is and what it computes: nothing else of a configuration is handed on.
_WAVE = (
    *("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act", "layer_norm_eps"),
    *("feat_extract_norm", "feat_extract_activation", "conv_dim", "conv_stride", "conv_kernel", "conv_bias"),
    *("num_conv_pos_embeddings", "num_conv_pos_embedding_groups", "do_stable_layer_norm"),
)
_WHISPER = (
    *("d_model", "encoder_layers", "encoder_attention_heads", "encoder_ffn_dim", "num_mel_bins"),
    *("max_source_positions", "activation_function", "scale_embedding"),
)
SIZES = {
    "wavlm": (*_WAVE, "num_buckets", "max_bucket_distance"),
    "hubert": (*_WAVE, "feat_proj_layer_norm", "conv_pos_batch_norm"),
    "wav2vec2": _WAVE,
    "whisper": _WHISPER,
    espnet_ssl.KIND: espnet_ssl.SIZES,
}
MAX_SIZE = 65_536
EPSILON = 1e-7  # of transformers' feature extractors
Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Architecture:
    """What an encoder is made from.

    Attributes:
        kind: a key of `SIZES`.
        normalize: whether it wants utterances of mean 0 and variance 1.
        sizes: values of the keys in `SIZES`.
        source: the model on the hub, or the name of the folder or file, for people.
        epsilon: added to the variance of an utterance that is normalized: transformers and fairseq differ.
    """

    kind: str
    normalize: bool
    sizes: Mapping[str, Any]
    source: str = ""
    epsilon: float = EPSILON

    def as_conf(self) -> dict[str, Any]:
        """For `frontend_conf.architecture`."""
        conf = {"kind": self.kind, "normalize": self.normalize, "sizes": dict(self.sizes), "source": self.source}
        return conf if self.epsilon == EPSILON else {**conf, "epsilon": self.epsilon}

    @classmethod
    def read(cls, values: Mapping[str, Any], where: str) -> Architecture:
        """What `as_conf` wrote.

        Raises:
            ConfigError: a key or value cannot be used.
        """
        kind, normalize, sizes = values.get("kind"), values.get("normalize"), values.get("sizes")
        if not isinstance(kind, str) or type(normalize) is not bool or not isinstance(sizes, Mapping):
            raise ConfigError(f"{where} is {shown(values)}: a training writes it, give model instead")
        check_choice(kind, SIZES, f"{where}.kind")
        for name, value in sizes.items():
            check_choice(str(name), SIZES[kind], f"{where}.sizes")
            for item in value if isinstance(value, (list, tuple)) else [value]:
                if not isinstance(item, (int, float, str, bool)) or (
                    not isinstance(item, str) and not 0 <= item <= MAX_SIZE
                ):
                    raise ConfigError(f"{where}.sizes.{name} is {shown(value)}: no encoder has such a size")
        epsilon = values.get("epsilon", EPSILON)
        if type(epsilon) is not float or not 0 < epsilon < 1:
            raise ConfigError(f"{where}.epsilon is {shown(epsilon)}: give a small number")
        return cls(kind, normalize, sizes, str(values.get("source", ""))[:200], epsilon)

    @classmethod
    def of_model(cls, model: str | Path) -> Architecture:
        """That of a model in a folder, or on the hub.

        Raises:
            ConfigError: there is none, or it is of a kind that is not known here.
        """
        from transformers import AutoConfig

        try:
            conf = AutoConfig.from_pretrained(str(model))
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(_no_model(model, error)) from error
        known = sorted(set(SIZES) - {espnet_ssl.KIND})  # of transformers
        if conf.model_type not in known:
            raise ConfigError(f"model {model} is of the kind {conf.model_type!r}: give one of {', '.join(known)}")
        sizes = {name: _plain(getattr(conf, name)) for name in SIZES[conf.model_type] if hasattr(conf, name)}
        source = Path(model).resolve().name if Path(model).is_dir() else str(model)
        return cls(conf.model_type, conf.model_type != "whisper" and _normalizes(model), sizes, source)

    def build(self, layers: int | None, *, chunk_s: float = 0.0) -> PretrainedEncoder:
        """The encoder up to a layer (None: all), whose weights are still to be read.

        Raises:
            ConfigError: it has no such layer, or a size cannot be used.
        """
        if self.kind == espnet_ssl.KIND:
            most = espnet_ssl.layers_of(self.sizes)
        else:
            most = self.sizes.get("encoder_layers" if self.kind == "whisper" else "num_hidden_layers")
        if type(most) is not int:
            raise ConfigError(f"architecture.sizes says {shown(most)} layers: give model instead")
        layers = most if layers is None else layers
        if layers > most:
            raise ConfigError(
                f"layer is {layers}, and the {self.kind} encoder has layers 1 to {most} (0: what enters them)"
            )
        if chunk_s and self.kind != "whisper":
            raise ConfigError(
                f"chunk_s: {self.kind} convolves over the whole utterance, only whisper is cut into chunks"
            )
        try:
            if self.kind == "whisper":
                return WhisperFrames(layers, sizes=self.sizes, chunk_s=chunk_s)
            if self.kind == espnet_ssl.KIND:
                return espnet_ssl.EspnetSslEncoder(layers, sizes=self.sizes)
            epsilon = self.epsilon if self.normalize else None
            return WaveEncoder(self.kind, layers, epsilon=epsilon, sizes=self.sizes)
        except (ValueError, TypeError, KeyError, RuntimeError) as error:  # what transformers makes of sizes
            raise ConfigError(f"architecture.sizes cannot be used: {str(error) or type(error).__name__}") from error


def saved_weights(model: str | Path, architecture: Architecture) -> Tensors:
    """The weights that transformers saved, by its names.

    Raises:
        ConfigError: a file is missing or damaged.
    """
    from transformers import AutoModel

    try:
        whole = AutoModel.from_pretrained(str(model))
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ConfigError(_no_model(model, error)) from error
    return whole.encoder.state_dict() if architecture.kind == "whisper" else whole.state_dict()


def fill(encoder: PretrainedEncoder, found: Mapping[str, Tensor], where: str) -> None:
    """Give an encoder its weights; of a larger model the rest is left out.

    Args:
        found: by the names of transformers.
        where: the model and its kind, for the message.

    Raises:
        ConfigError: some are missing, or of another size.
    """
    weights = {name: name.partition(".")[2] for name in encoder.state_dict()}
    missing = [theirs for theirs in weights.values() if theirs not in found]
    if missing:
        raise ConfigError(f"{where} has no {missing[0]}: its weights are not all there")
    try:
        encoder.load_state_dict({ours: found[theirs] for ours, theirs in weights.items()})
    except RuntimeError as error:
        detail = " ".join(str(error).split()).partition(": ")[2][:200]
        raise ConfigError(f"{where} has weights of other sizes than it says ({detail})") from error


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else value


def _normalizes(model: str | Path) -> bool:
    """What the model's `preprocessor_config.json` says: wav2vec 2.0 and its kin were trained with either."""
    from transformers.utils import cached_file

    try:
        path = cached_file(str(model), "preprocessor_config.json", _raise_exceptions_for_missing_entries=False)
    except OSError:
        path = None
    if path is None:
        raise ConfigError(
            f"model {model} has no preprocessor_config.json, which says whether audio is normalized (do_normalize): "
            "put the file of the original model beside its weights"
        )
    return bool(json.loads(Path(path).read_text(encoding="utf-8")).get("do_normalize", True))


def _no_model(model: str | Path, error: Exception) -> str:
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return f"model {model} is no folder of a model as transformers saves it, nor on the hub, nor a file ({first[:200]})"
