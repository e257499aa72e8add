"""Small transducers with lively weights, and encoder frames for them."""

import torch

from espnet_jst.heads.transducer import TransducerHead


def peaky_head(seed, predictor, hat=False):
    """A head of five symbols, frames (3, 6, 6) and their lengths."""
    torch.manual_seed(seed)
    head = TransducerHead(
        encoder_size=6, vocab_size=5, predictor=predictor, predictor_conf={"size": 6}, joint_size=8, hat=hat
    ).eval()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.mul_(2.5)
    return head, 2 * torch.randn(3, 6, 6), torch.tensor([6, 4, 5])
