"""What the model asks of a head: a loss for each utterance, and what others may tie to it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from espnet_jst.taps import Tap

FRAMES, LABELS = "frames", "labels"  # what a sequence runs over


class HeadOutput(NamedTuple):
    """What a head makes of a batch.

    Attributes:
        loss: of each utterance in nats, (B,).
        parts: what it is made of, for the log: (B,) each, without gradients.
        exposed: sequences that a regularizer may read, by name, with gradients: those of `Head.exposes`.
    """

    loss: Tensor
    parts: dict[str, Tensor]
    exposed: dict[str, Tap]


class Head(nn.Module):
    """One prediction on a tap: parameters and loss. What searches it stands in `search/`.

    It is made with the keywords `encoder_size`, the features of its tap, `vocab_size`, and the keys of its entry.

    Attributes:
        blank: id of the blank symbol.
        vocab_size: number of symbols, blank included.
        most_labels: that a sequence may have; None: any number.
        exposes: what `HeadOutput.exposed` holds, and whether it runs over the FRAMES of the tap or over the LABELS.
    """

    exposes: ClassVar[Mapping[str, str]] = {}
    blank: int
    vocab_size: int
    most_labels: int | None = None

    @property
    @abstractmethod
    def part_names(self) -> tuple[str, ...]:
        """Names of the parts of its loss in this mode, which are reported as NaN for a batch that it has no part in."""

    @abstractmethod
    def forward(self, tap: Tap, targets: Tensor, target_lengths: Tensor) -> HeadOutput:
        """Loss of a batch.

        Args:
            tap: what the head reads.
            targets: label ids, (B, U), padding -1.
            target_lengths: valid labels, (B,).

        Raises:
            DataError: a label or a length is wrong; `index` is the utterance's place in the batch.
            NonFiniteLossError: the loss of some utterances is not a number.
        """

    @abstractmethod
    def score(self, tap: Tap, targets: Tensor, target_lengths: Tensor) -> Tensor:
        """Log-probability of whole sequences given all frames, (B,), for a search that chooses among them.

        Args:
            tap, targets, target_lengths: as in `forward`; a sequence may be empty.
        """
