"""Keys of the regularizers: the entries of `model_conf.regularizers`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from espnet_jst.errors import ConfigError
from espnet_jst.keys import Conf, key, required


@dataclass(frozen=True, kw_only=True)
class PosteriorConsistencyConf(Conf):
    """CTC heads whose posteriors agree frame by frame: two heads, or one on two masked views (arXiv:2410.05101)."""

    between: Sequence[str] = required("two CTC heads, or one that is compared with itself on another view")
    weight: float = key(0.1, "factor in the loss", low=0, high=1e6)

    def check(self) -> None:
        """Refuse other numbers of heads."""
        if not 1 <= len(set(self.between)) == len(self.between) <= 2:
            raise ConfigError(f"between names {list(self.between)}: give one CTC head, or two")
