"""Keys of the regularizers: the entries of `model_conf.regularizers`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from espnet_jst.errors import ConfigError
from espnet_jst.keys import Conf, key, required


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

    between: Sequence[str] = required("the two CTC heads")
    weight: float = key(0.1, "factor in the loss", low=0, high=1e6)

    def check(self) -> None:
        """Refuse other numbers of heads."""
        if not len(set(self.between)) == len(self.between) == 2:
            raise ConfigError(
                f"between names {list(self.between)}: give two CTC heads; one on two views is kind: cr_ctc"
            )
