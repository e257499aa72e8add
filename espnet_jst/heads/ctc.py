"""CTC head (Graves et al., 2006) over one lane."""

from __future__ import annotations

from itertools import groupby

import torch
from rapidfuzz.distance import Levenshtein
from torch import Tensor, nn

from espnet_jst.heads.conf import CTCHeadConf
from espnet_jst.heads.interface import FRAMES, Head, HeadOutput
from espnet_jst.keys import takes
from espnet_jst.losses.backends import IMPOSSIBLE
from espnet_jst.losses.checks import check_labels, checked
from espnet_jst.taps import Tap


class CTCHead(Head):
    """A linear layer and the CTC loss."""

    exposes = {"log_probs": FRAMES}

    @takes(CTCHeadConf)
    def __init__(self, *, encoder_size: int, vocab_size: int, blank: int = 0, conf: CTCHeadConf) -> None:
        super().__init__()
        self.blank, self.vocab_size = blank, vocab_size
        self.dropout = nn.Dropout(conf.dropout)
        self.output = nn.Linear(encoder_size, vocab_size)

    def log_probs(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, V)."""
        return self.output(self.dropout(x)).float().log_softmax(dim=-1)

    @property
    def part_names(self) -> tuple[str, ...]:
        return ("ctc", "too_short") if self.training else ("ctc", "too_short", "error")

    def forward(self, tap: Tap, targets: Tensor, target_lengths: Tensor) -> HeadOutput:
        """See Head; the log-probabilities are exposed, (B, T, V).

        In evaluation mode the parts have `error` too: edits of the best path over labels, so that its mean is the share
        of wrong labels.

        An utterance with more labels (and blanks between equal ones) than frames has no path: it gets zero and is
        counted in `too_short`, so that it cannot stop a training that has run for hours.

        Raises:
            DataError: a label or length is wrong, or the loss is NaN, or no path has a probability though there are
                enough frames (a masked label); the message names the utterance.
        """
        x, lengths = tap.x, tap.lengths
        check_labels(targets, lengths, target_lengths, frames=x.size(1), vocab_size=self.vocab_size, blank=self.blank)
        log_probs = self.log_probs(x)
        loss = nn.functional.ctc_loss(
            log_probs.clamp(min=IMPOSSIBLE).transpose(0, 1),  # PyTorch's gradient is NaN where one is -inf
            targets.clamp(min=0),
            lengths,
            target_lengths,
            blank=self.blank,
            reduction="none",
            zero_infinity=True,
        )
        checked(torch.where(loss < -0.5 * IMPOSSIBLE, loss, loss + torch.inf), "CTC")
        valid = torch.arange(targets.size(1), device=targets.device) < target_lengths[:, None]
        repeats = ((targets[:, 1:] == targets[:, :-1]) & valid[:, 1:]).sum(1)
        too_short = (target_lengths + repeats > lengths).float()
        parts = {"ctc": loss.detach(), "too_short": too_short}
        if not self.training:
            edits = self._edits(log_probs.detach(), lengths, targets, target_lengths)
            parts["error"] = edits / target_lengths.float().mean().clamp(min=1.0)
        return HeadOutput(loss, parts, {"log_probs": tap._replace(x=log_probs)})

    def score(self, tap: Tap, targets: Tensor, target_lengths: Tensor) -> Tensor:
        """See Head; minus infinity for more labels than frames."""
        log_probs = self.log_probs(tap.x).clamp(min=IMPOSSIBLE).transpose(0, 1)
        lengths = tap.lengths, target_lengths
        return -nn.functional.ctc_loss(log_probs, targets.clamp(min=0), *lengths, blank=self.blank, reduction="none")

    def _edits(self, log_probs: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> Tensor:
        """Edit distance of the best path to the labels, (B,)."""
        best = log_probs.argmax(dim=-1).tolist()
        edits = []
        for path, frames, labels, count in zip(best, lengths.tolist(), targets.tolist(), target_lengths.tolist()):
            found = [label for label, _ in groupby(path[:frames]) if label != self.blank]
            edits.append(Levenshtein.distance(found, labels[:count]))
        return torch.tensor(edits, dtype=torch.float32, device=log_probs.device)
