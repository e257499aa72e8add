"""Keys of the regularizers: the entries of `model_conf.regularizers`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from espnet_jst.errors import ConfigError
from espnet_jst.keys import Conf, key, required

SHARE = (
    "gradient that it is to have, as a share of that of all other terms where it begins to act: the weight follows; "
    "null: the weight is fixed"
)


@dataclass(frozen=True, kw_only=True)
class CRCTCConf(Conf):
    """CTC heads that agree with themselves on another view, warped alike and masked for itself (arXiv:2410.05101)."""

    heads: Sequence[str] = required("CTC heads; one that shall have a weight of its own gets an entry of its own")
    weight: float = key(0.05, "factor in the loss; the default is that of HENT-SRT (arXiv:2506.02157)", low=0, high=1e6)
    warm_steps: int = key(
        2000,
        "training steps in which the weight rises from 0: at the start the divergence can spike (icefall's pull "
        "request 2075 and its default); 0 is the whole weight at once",
        low=0,
    )

    def check(self) -> None:
        """Refuse an empty list and a head named twice."""
        if not 1 <= len(set(self.heads)) == len(self.heads):
            raise ConfigError(f"heads names {list(self.heads)}: give CTC heads, each once")


@dataclass(frozen=True, kw_only=True)
class PosteriorConsistencyConf(Conf):
    """Two CTC heads on taps of one rate whose posteriors agree frame by frame."""

    between: Sequence[str] = required("the two CTC heads, student and teacher where only one learns")
    weight: float = key(0.1, "factor in the loss", low=0, high=1e6)
    detach: str = key(
        "none", "which of both does not learn from it; none: each learns", choices=("teacher", "student", "none")
    )

    def check(self) -> None:
        """Refuse other numbers of heads."""
        if not len(set(self.between)) == len(self.between) == 2:
            raise ConfigError(
                f"between names {list(self.between)}: give two CTC heads; one on two views is kind: cr_ctc"
            )


@dataclass(frozen=True, kw_only=True)
class SPKDConf(Conf):
    """Two branches that find the same things alike (similarity-preserving distillation, arXiv:1907.09682).

    arXiv:2405.13514 uses it between the encoders and between the decoders of a multi-decoder; which layers, direction
    and weights it has could not be read, so they are keys.
    """

    between: Sequence[str] = required(
        "student and teacher: two taps of one rate ([encoder, hier_encoder], [encoder.5, hier_encoder.2]), or what two "
        "heads of the same labels expose ([streaming.predictor, offline.predictor])"
    )
    axis: str = key(
        "time",
        "what is compared with each other: the positions of each utterance, or the utterances of a batch, as published "
        "for images",
        choices=("time", "batch"),
    )
    detach: str = key(
        "teacher", "which of both does not learn from it; none: each learns", choices=("teacher", "student", "none")
    )
    share: float | None = key(0.1, SHARE, low=1e-6, high=1e3)
    weight: float = key(
        1000.0, "factor in the loss; with a share what it begins with (3000 in arXiv:1907.09682)", low=0, high=1e9
    )

    def check(self) -> None:
        """Refuse other numbers of sequences, and a weight that could not follow."""
        if not len(set(self.between)) == len(self.between) == 2:
            raise ConfigError(f"between names {list(self.between)}: give a student and a teacher")
        check_weight(self.weight, self.share)


@dataclass(frozen=True, kw_only=True)
class WholeContextConf(Conf):
    """A layer by chunks that learns from itself with the whole utterance at hand (dual-mode training, arXiv:2010.06030,
    which compares what the heads say).
    """

    tap: str = required("what is compared, such as encoder, or encoder.5 where that is a tap; further ones are entries")
    distance: str = key(
        "normed",
        "mean squared difference of frames of mean 0 and variance 1 over their features, as the targets of data2vec "
        "are (arXiv:2202.03555); squared: of the frames as they are",
        choices=("normed", "squared"),
    )
    share: float | None = key(0.1, SHARE, low=1e-6, high=1e3)
    weight: float = key(1.0, "factor in the loss; with a share what it begins with", low=0, high=1e9)

    def check(self) -> None:
        """Refuse a weight that could not follow."""
        check_weight(self.weight, self.share)


def check_weight(weight: float, share: float | None) -> None:
    """Refuse a weight that could not follow a share.

    Raises:
        ConfigError: says what to give.
    """
    if share is not None and not weight:
        raise ConfigError("weight is 0 and would stay so: give more, or share: null")
