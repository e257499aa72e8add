"""The language that an utterance is translated into, as a vector on an encoder's output (LCMA-SRT, ACL 2026).

HENT-SRT from many languages to many picks the wrong one for 85 % of Europarl-ST; with such a vector for 0.8 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from espnet_jst.encoders.conf import TargetLanguagesConf
from espnet_jst.errors import ConfigError
from espnet_jst.keys import takes
from espnet_jst.taps import Tap

TGT_LANG = "tgt_lang"  # in a data set and in a batch


class TargetLanguages(nn.Module):
    """A learned vector a language, on every frame of one encoder's top: what reads it knows the language.

    The weights are called after the languages, so that the order in which a configuration names them says nothing, and
    a model may be trained further with more of them.

    Args:
        size: features of that top.
    """

    @takes(TargetLanguagesConf)
    def __init__(self, *, size: int, conf: TargetLanguagesConf) -> None:
        super().__init__()
        self.at, self.codes = conf.at, tuple(conf.codes)
        for code in self.codes:
            self.register_parameter(f"to_{code}", nn.Parameter(torch.randn(size) * 0.1))

    def forward(self, taps: Mapping[str, Tap], languages: Tensor | None) -> dict[str, Tap]:
        """The taps, that of `at` with the vector of each row's language.

        Args:
            taps: (B, T, D) each.
            languages: places in `codes`, (B,). None: nobody knows them, and the tap is left out.
        """
        others = {name: tap for name, tap in taps.items() if name != self.at}
        if self.at not in taps or languages is None:
            return others
        tap = taps[self.at]
        vectors = torch.stack([self.get_parameter(f"to_{code}") for code in self.codes])
        return {**others, self.at: tap._replace(x=tap.x + vectors[languages][:, None].to(tap.x.dtype))}

    def places(self, codes: Sequence[str | None]) -> Tensor:
        """Languages by name -> what `forward` takes, (B,).

        Raises:
            ConfigError: one is missing or unknown; names those that there are.
        """
        return torch.tensor([place_of(code, self.codes) for code in codes])


def place_of(code: str | None, codes: Sequence[str]) -> int:
    """The place of a language among those of a model.

    Raises:
        ConfigError: it is missing or unknown; names those that there are.
    """
    if code in codes:
        return codes.index(code)
    given = "no target language is given" if code is None else f"the target language {code!r} is unknown"
    raise ConfigError(f"{given}: the model translates into {', '.join(codes)}; give one of them as tgt_lang")
