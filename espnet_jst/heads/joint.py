"""The joint network of a transducer (arXiv:1211.3711, in the additive form that every toolkit uses)."""

from __future__ import annotations

from torch import Tensor, nn

from espnet_jst.losses.rnnt import factorized_log_probs


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
    """

    def __init__(
        self, encoder_size: int, predictor_size: int, joint_size: int, vocab_size: int, *, hat: bool = False
    ) -> None:
        super().__init__()
        self.hat = hat
        self.encoder_proj = nn.Linear(encoder_size, joint_size)
        self.predictor_proj = nn.Linear(predictor_size, joint_size, bias=False)
        self.output = nn.Linear(joint_size, vocab_size)

    def forward(self, encoder_out: Tensor, predictor_out: Tensor) -> Tensor:
        """(..., encoder_size) and (..., predictor_size), broadcastable -> logits (..., vocab_size)."""
        return self.output((self.encoder_proj(encoder_out) + self.predictor_proj(predictor_out)).tanh())

    def log_probs(self, logits: Tensor, *, blank: int = 0, blank_penalty: float = 0.0) -> Tensor:
        """Logits (..., vocab_size) -> log-probabilities in float32, with `blank_penalty` off the blank's logit."""
        logits = logits.float()
        if blank_penalty:
            logits = logits.clone()
            logits[..., blank] -= blank_penalty
        return factorized_log_probs(logits, blank) if self.hat else logits.log_softmax(dim=-1)
