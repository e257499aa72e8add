"""Weights remember the token lists that they were trained with: a label has a meaning only together with its list.

A digest of each list is a buffer of the model, so that it is saved, averaged, packed and loaded as the weights are, and
cannot be lost on the way. Weights of earlier versions have none and are taken as they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from espnet_jst.errors import CheckpointError

PREFIX = "token_lists."
NAMES = {"tgt": "token_list", "src": "src_token_list"}


class TokenLists(nn.Module):
    """Digests of the token lists of a model.

    Args:
        lists: tokens of each vocabulary that is used, "tgt" and "src".
        used: vocabulary of each part of the model that has one, such as "heads.asr".
    """

    def __init__(self, lists: Mapping[str, Sequence[str]], used: Mapping[str, str]) -> None:
        super().__init__()
        self.used = dict(used)
        for name, tokens in lists.items():
            self.register_buffer(name, mark(tokens))


def mark(tokens: Sequence[str]) -> Tensor:
    """The SHA-256 of a token list as 32 whole numbers, (32,) float32: what averages and half precision keep exactly."""
    content = "".join(f"{token}\n" for token in tokens).encode("utf-8")
    return torch.tensor(list(hashlib.sha256(content).digest()), dtype=torch.float32)


def marks_in(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The marks among the weights of a whole model: vocabulary -> mark; none where they are of an earlier version."""
    return {key.removeprefix(PREFIX): value for key, value in state.items() if key.startswith(PREFIX)}


def check_marks(state: Mapping[str, Tensor], own: Mapping[str, Tensor], where: object) -> None:
    """Refuse weights of other token lists.

    Args:
        state: weights of a whole model.
        own: marks of the lists of the configuration, by vocabulary.
        where: the file of the weights, for the message.

    Raises:
        CheckpointError: names the file and the lists that differ.
    """
    found = marks_in(state)
    if found and own:
        other = [name for name in {**found, **own} if not same_mark(found.get(name), own.get(name))]
        if other:
            raise CheckpointError(other_lists(where, other))


def other_lists(where: object, names: Sequence[str]) -> str:
    """The message for weights of other token lists."""
    lists = " and ".join(NAMES.get(name, name) for name in sorted(names, reverse=True))
    return (
        f"{where} was trained with another {lists} than the configuration's, so its labels would mean other words: use "
        "the config.yaml and token list that it was trained with, or train again (another --output_dir or --st_tag)"
    )


def same_mark(first: Tensor | None, second: Tensor | None) -> bool:
    """Whether two marks are of the same list."""
    if first is None or second is None or first.shape != second.shape:
        return False
    return torch.equal(first.detach().float().cpu(), second.detach().float().cpu())
