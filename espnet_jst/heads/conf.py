"""Keys of the heads and of the predictors, beside those that every entry of `model_conf.heads` has (`heads.spec`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from espnet_jst import registry
from espnet_jst.errors import ConfigError
from espnet_jst.keys import Conf, key, read


@dataclass(frozen=True, kw_only=True)
class TransducerHeadConf(Conf):
    """A transducer over one lane or several serialized lanes."""

    predictor: str = key("lstm", "what reads the labels so far", choices=lambda: registry.names("predictor"))
    predictor_conf: Mapping[str, object] | None = key(None, "keys of the predictor")
    joint_size: int = key(256, "hidden size of the joint network", low=1, high=8192)
    hat: bool = key(False, "the blank has a probability of its own (arXiv:2003.07705)")
    loss: str = key(
        "rnnt",
        "the joint network on the full lattice, or on the band that the additive joiner finds",
        choices=("rnnt", "pruned_rnnt"),
    )
    prune_range: int = key(5, "rows of the band; at most prune_range - 1 labels leave in one frame", low=1, high=1000)
    simple_weight: float = key(
        0.5, "factor of the additive joiner's loss; 0 leaves it out, with rnnt only", low=0, high=1e6
    )
    simple_bias: bool = key(
        False, "a second bias in the additive joiner, of the predictor: it counts in smoothing alone; icefall has one"
    )
    lm_scale: float = key(0.0, "smoothing of the additive loss with the predictor alone", low=0, high=1)
    am_scale: float = key(0.0, "smoothing of the additive loss with the encoder alone", low=0, high=1)
    warm_steps: int = key(
        0,
        "training steps in which the additive loss falls from 1 to simple_weight and the other rises from 0.1 to 1",
        low=0,
    )
    delay_penalty: float = key(
        0.0, "of pruned_rnnt: for each frame that a label comes before the middle", low=-1000, high=1000
    )
    fast_emit: float = key(
        0.0, "of pruned_rnnt: factor on the gradient of labels, less one (arXiv:2010.11148)", low=0, high=1000
    )

    unknown: int | None = key(
        None,
        "id of a label that is never written: searches take it for the blank, as icefall's do with <unk>",
        low=0,
        high=1e6,
    )

    def check(self) -> None:
        """Refuse keys that the predictor does not know, and those of another loss."""
        read(registry.conf_of("predictor", self.predictor), self.predictor_conf, "predictor_conf")
        if self.loss == "rnnt" and (self.delay_penalty or self.fast_emit):
            raise ConfigError("delay_penalty and fast_emit belong to loss: pruned_rnnt")
        if self.loss == "pruned_rnnt" and self.simple_weight == 0:
            raise ConfigError("loss: pruned_rnnt needs simple_weight above 0: the additive joiner finds the band")


@dataclass(frozen=True, kw_only=True)
class CTCHeadConf(Conf):
    """A linear layer and the CTC loss, over one lane."""

    dropout: float = key(0.0, "dropout before the linear layer", low=0, high=1)


@dataclass(frozen=True, kw_only=True)
class AttentionHeadConf(Conf):
    """ESPnet's Transformer decoder, mBART's (arXiv:2001.08210) or Whisper's (arXiv:2212.04356), as wide as the tap that
    it reads, over one lane or several serialized lanes.
    """

    layers: int = key(6, "layers; this and what follows are ESPnet's defaults", low=1, high=128)
    heads: int = key(4, "attention heads", low=1, high=128)
    feed_forward_size: int = key(2048, "hidden size of the feed-forward modules", low=1, high=65536)
    dropout: float = key(0.1, "dropout of labels, positions and modules", low=0, high=1)
    attention_dropout: float = key(0.0, "dropout of attention weights", low=0, high=1)
    label_smoothing: float = key(0.1, "share of a label's probability that all others have", low=0, high=0.9)
    activation: str = key("relu", "of the feed-forward modules; gelu in mBART and Whisper", choices=("relu", "gelu"))
    style: str = key(
        "espnet",
        "what enters for the labels: an embedding and sinusoidal positions, or as in mBART one with learned positions "
        "and a norm, which is the output layer as well; in Whisper without the norm",
        choices=("espnet", "mbart", "whisper"),
    )
    positions: int = key(
        1024,
        "of mbart and whisper: learned positions, the most labels of a sequence with what begins it; 448 in Whisper",
        low=8,
        high=65_536,
    )
    starts: int = key(
        1,
        "of mbart and whisper: learned vectors that begin a sequence: the language in mbart-large-cc25; the end of a "
        "sentence and the language, so 2, in mBART-50; <|startoftranscript|>, language, task and <|notimestamps|>, so "
        "4, in Whisper",
        low=1,
        high=4,
    )
    scale_embedding: bool = key(True, "of mbart: vectors are multiplied by the square root of their size")

    def check(self) -> None:
        """Refuse keys of the other style."""
        if self.style == "espnet" and (self.positions, self.starts) != (1024, 1):
            raise ConfigError("positions and starts belong to style: mbart or whisper")
        if self.style != "mbart" and not self.scale_embedding:
            raise ConfigError(
                "scale_embedding belongs to style: mbart; Whisper's vectors are never scaled, leave it out"
            )


@dataclass(frozen=True, kw_only=True)
class LSTMPredictorConf(Conf):
    """Embedding and LSTM."""

    size: int = key(256, "embedding and hidden size", low=1, high=4096)
    layers: int = key(1, "LSTM layers", low=1, high=128)
    dropout: float = key(0.1, "dropout of the embedding and the output", low=0, high=1)


@dataclass(frozen=True, kw_only=True)
class StatelessPredictorConf(Conf):
    """Embedding and a convolution over the last labels (arXiv:2109.07513)."""

    size: int = key(256, "embedding size", low=1, high=4096)
    context: int = key(2, "number of labels seen; 2 in icefall's recipes", low=1, high=64)
    dropout: float = key(0.0, "dropout of the output", low=0, high=1)
    group_size: int = key(1, "features that the convolution mixes; 4 in icefall's recipes", low=1, high=4096)
    before: str = key(
        "blank",
        "what stands before the blank that a sequence begins with: further blanks, or zero, no embedding at all, as in "
        "icefall's recipes",
        choices=("blank", "zero"),
    )

    def check(self) -> None:
        """Refuse groups that the features do not fill."""
        if self.size % self.group_size:
            raise ConfigError(f"size {self.size} must be a multiple of group_size {self.group_size}")
