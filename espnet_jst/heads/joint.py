"""The joint network of a transducer (arXiv:1211.3711, in the additive form that every toolkit uses)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid


class JointNetwork(nn.Module):
    """logits = output(tanh(encoder_proj(h) + predictor_proj(g))).

    The three layers are public, so that a loss can fuse them.

    Args:
        encoder_size: features of the encoder output.
        predictor_size: features of the predictor output.
        joint_size: hidden size.
        vocab_size: number of symbols, blank included.
        hat: the blank has a probability of its own, sigmoid of its logit, and the labels share what is left
            (arXiv:2003.07705, eq. 6-7); otherwise all share one softmax.
        blank: id of the blank; read with `hat` only.
    """

    def __init__(
        self,
        encoder_size: int,
        predictor_size: int,
        joint_size: int,
        vocab_size: int,
        *,
        hat: bool = False,
        blank: int = 0,
    ) -> None:
        super().__init__()
        self.hat, self.blank = hat, blank
        self.encoder_proj = nn.Linear(encoder_size, joint_size)
        self.predictor_proj = nn.Linear(predictor_size, joint_size, bias=False)
        self.output = nn.Linear(joint_size, vocab_size)

    def forward(self, encoder_out: Tensor, predictor_out: Tensor) -> Tensor:
        """(..., encoder_size) and (..., predictor_size), broadcastable -> logits (..., vocab_size)."""
        return self.logits(self.encoder_proj(encoder_out) + self.predictor_proj(predictor_out))

    def logits(self, projected: Tensor) -> Tensor:
        """Sum of both projections (..., joint_size) -> logits (..., vocab_size), whose softmax is the distribution."""
        logits = self.output(projected.tanh())
        return factorized_log_probs(logits, self.blank) if self.hat else logits


def factorized_log_probs(logits: Tensor, blank: int = 0) -> Tensor:
    """Logits (..., V) -> log-probabilities of the hybrid autoregressive transducer (arXiv:2003.07705, eq. 6-7).

    The blank's probability is the sigmoid of its logit; the labels share what is left by a softmax of theirs.
    """
    is_blank = torch.arange(logits.size(-1), device=logits.device) == blank
    labels = logits.masked_fill(is_blank, -torch.inf).log_softmax(dim=-1)
    stop = logits[..., blank, None]
    return torch.where(is_blank, logsigmoid(stop), labels + logsigmoid(-stop))
