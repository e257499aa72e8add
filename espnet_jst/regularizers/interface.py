"""What the model asks of a regularizer: a loss for each utterance from taps and from what heads expose."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from espnet_jst.heads.interface import HeadOutput
from espnet_jst.taps import Tap


class Regularizer(nn.Module):
    """A term of the training loss beside those of the heads; validation and decoding do without.

    Attributes:
        needs: names of the heads and taps that it reads: it is left out of a batch that does not reach them all.
        views: differently masked copies of a batch that it compares; 1 for none. The rows of taps and outputs are then
            those of the first view, of the second, and so on.
        weight: its factor in the sum, which `at` may change from step to step.
        part_names: names of its parts.
    """

    needs: tuple[str, ...]
    views: int = 1
    weight: float
    part_names: tuple[str, ...] = ()

    @abstractmethod
    def forward(self, taps: Mapping[str, Tap], outputs: Mapping[str, HeadOutput]) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of each utterance, (B,) - of its views together - and its parts, for the log."""
