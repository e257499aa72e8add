"""What the model asks of a regularizer: a loss for each utterance from taps and from what heads expose."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping

from torch import Tensor, nn

from espnet_jst.heads.interface import Head, HeadOutput
from espnet_jst.heads.spec import HeadSpec
from espnet_jst.taps import Tap


class Regularizer(nn.Module):
    """A term of the training loss beside those of the heads; validation and decoding do without.

    Attributes:
        needs: names of the heads and taps that it reads.
        views: differently masked copies of a batch that it compares; 1 for none. The rows of taps and outputs are then
            those of the first view, of the second, and so on.
        whole: taps of which it also reads what they are with the whole utterance at hand, without a gradient, under
            `encoders.chain.whole_name`; they are there for a batch that chunks were drawn for.
        weight: its factor in the sum, which may change from step to step.
        part_names: names of its parts.
    """

    needs: tuple[str, ...]
    views: int = 1
    whole: tuple[str, ...] = ()
    weight: float | Tensor
    part_names: tuple[str, ...] = ()

    @abstractmethod
    def check(self, heads: Mapping[str, Head], shifts_s: Mapping[str, float], specs: Mapping[str, HeadSpec]) -> None:
        """Refuse what it cannot compare, before a training.

        Args:
            heads: the heads by name; those that it needs are there.
            shifts_s: seconds from frame to frame of every tap, and of the tap that each head reads.
            specs: configurations of the heads.

        Raises:
            ConfigError: names the key and what to change.
        """

    def applies(self, reached: Collection[str]) -> bool:
        """Whether a batch has a part in it that reaches these heads and taps: by default, all that it reads."""
        return all(need in reached for need in self.needs)

    @abstractmethod
    def forward(self, taps: Mapping[str, Tap], outputs: Mapping[str, HeadOutput]) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of each utterance, (B,) - of its views together - and its parts, for the log."""
