"""Probabilities that a CTC output begins with a sequence (Watanabe et al., 2017), for all next labels at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

NEVER = float("-inf")


@dataclass
class Prefixes:
    """K sequences of B utterances: log-probabilities of all paths to a frame that have written just them.

    Attributes:
        label, blank: of those that end in the last label, and in a blank, (B, K, T + 1); place 0 is before the frames.
        last: the last label, (B, K); -1 for none.
        score: that the output begins with the sequence, (B, K).
    """

    label: Tensor
    blank: Tensor
    last: Tensor
    score: Tensor


class CTCPrefix:
    """Of a batch of utterances. A step is a product of matrices and two cumulative sums, not a loop over frames.

    In double precision: a thousand frames are a probability of e^-1000 and less, and sums of such are what is compared.

    Args:
        log_probs: (B, T, V).
        lengths: valid frames, (B,).
        blank: id of the blank.
    """

    def __init__(self, log_probs: Tensor, lengths: Tensor, *, blank: int = 0) -> None:
        valid = torch.arange(log_probs.size(1), device=log_probs.device) < lengths.to(log_probs.device)[:, None]
        self.log_probs = log_probs.double().clamp(min=-1e4).masked_fill(~valid[..., None], 0.0)
        self.probs = self.log_probs.exp().masked_fill(~valid[..., None], 0.0)
        self.lengths, self.blank = lengths.to(log_probs.device), blank

    def begin(self) -> Prefixes:
        """The empty sequence of each utterance."""
        blanks = torch.nn.functional.pad(self.log_probs[..., self.blank].cumsum(dim=1), (1, 0))[:, None]
        nothing = blanks.new_zeros(blanks.shape[:2])
        return Prefixes(torch.full_like(blanks, NEVER), blanks, nothing.long() - 1, nothing)

    def scores(self, prefixes: Prefixes) -> Tensor:
        """That the output begins with a sequence and each further label, (B, K, V); -inf for the blank."""
        either = torch.logaddexp(prefixes.label, prefixes.blank)[..., :-1]
        scores = self._starts(either)
        # A label like the last one has to come after a blank.
        again = self._enters(prefixes.blank[..., :-1], self._of(prefixes.last))
        after = prefixes.last >= 0
        scores = scores.scatter(2, prefixes.last.clamp(min=0)[..., None], torch.where(after, again, NEVER)[..., None])
        scores[..., self.blank] = NEVER
        return scores

    def ends(self, prefixes: Prefixes) -> Tensor:
        """That the output is the sequence, (B, K)."""
        either = torch.logaddexp(prefixes.label, prefixes.blank)
        return either.gather(2, self.lengths[:, None, None].expand(*either.shape[:2], 1))[..., 0]

    def extend(self, prefixes: Prefixes, hypotheses: Tensor, labels: Tensor) -> Prefixes:
        """The sequences at places (B, N) with one further label each, (B, N)."""
        rows = torch.arange(len(labels), device=labels.device)[:, None]
        label, blank, last = (x[rows, hypotheses] for x in (prefixes.label, prefixes.blank, prefixes.last))
        entering = torch.where((labels == last)[..., None], blank, torch.logaddexp(label, blank))[..., :-1]
        of_label, of_blank = self._of(labels), self.log_probs[:, None, :, self.blank]
        new_label = _recursion(entering, of_label)
        new_blank = _recursion(torch.nn.functional.pad(new_label, (1, 0), value=NEVER)[..., :-1], of_blank)
        new_label, new_blank = (torch.nn.functional.pad(x, (1, 0), value=NEVER) for x in (new_label, new_blank))
        return Prefixes(new_label, new_blank, labels, self._enters(entering, of_label))

    def _starts(self, before: Tensor) -> Tensor:
        """Sum over frames of what came before (B, K, T) and each label in the frame, (B, K, V)."""
        most = before.amax(dim=2, keepdim=True).clamp(min=-1e30)
        return ((before - most).exp() @ self.probs).log() + most

    def _of(self, labels: Tensor) -> Tensor:
        """Log-probabilities of labels (B, N) in every frame, (B, N, T); those of padding are 0."""
        index = labels.clamp(min=0)[:, None].expand(-1, self.log_probs.size(1), -1)
        return self.log_probs.gather(2, index).transpose(1, 2)

    def _enters(self, before: Tensor, label: Tensor) -> Tensor:
        """Sum over valid frames of what came before and one label in the frame, both (B, N, T), as (B, N)."""
        padding = torch.arange(label.size(2), device=label.device) >= self.lengths[:, None]
        return (before + label).masked_fill(padding[:, None], NEVER).logsumexp(dim=2)


def _recursion(entering: Tensor, staying: Tensor) -> Tensor:
    """r[t] = log(exp r[t - 1] + exp entering[t]) + staying[t] over the last axis: without the sum of what stays, it is
    one cumulative sum of what enters.
    """
    total = staying.cumsum(dim=-1)
    return (entering - (total - staying)).logcumsumexp(dim=-1) + total
