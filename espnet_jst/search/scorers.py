"""What a beam search adds to the labels' log-probabilities: a language model, phrases that are likely to be said."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from espnet_jst.errors import ConfigError
from espnet_jst.heads.predictor import PredictorState


class LabelScorer(ABC):
    """A score for every next label, given the labels so far. The state has the hypotheses first, as a predictor's."""

    @abstractmethod
    def init_state(self, count: int, device: torch.device | str = "cpu") -> PredictorState:
        """State of `count` hypotheses without labels."""

    @abstractmethod
    def scores(self, state: PredictorState) -> Tensor:
        """State of N hypotheses -> what each next label adds, (N, V) in nats; the blank's column is not read."""

    @abstractmethod
    def step(self, labels: Tensor, state: PredictorState) -> PredictorState:
        """The state after one further label each, (N,)."""

    def final(self, state: PredictorState) -> Tensor:
        """What the end of the utterance adds, (N,)."""
        return torch.zeros(state.tensors[0].size(0), device=state.tensors[0].device)


class PhraseBias(LabelScorer):
    """A bonus for every label of certain phrases, taken back where a phrase is broken off (Aho-Corasick).

    A completed phrase keeps its bonus: in the end a hypothesis has `bonus` for every label of every occurrence, without
    those of a shorter phrase that the occurrence begins with, which counts by itself.

    Args:
        phrases: label ids of each phrase.
        vocab_size: number of symbols.
        bonus: nats for each label; 1 to 2 are usual.

    Raises:
        ConfigError: a phrase is empty or has a label that is not in the vocabulary.
    """

    def __init__(self, phrases: Sequence[Sequence[int]], vocab_size: int, *, bonus: float = 1.5) -> None:
        children: list[dict[int, int]] = [{}]
        own = [0]  # labels that a phrase ending in a node earns
        since = [0]  # labels since the last phrase that the node's labels begin with
        for phrase in phrases:
            if not phrase or not all(0 <= label < vocab_size for label in phrase):
                raise ConfigError(f"phrase {list(phrase)} must hold labels of the vocabulary of {vocab_size}")
            node = 0
            for label in phrase:
                if label not in children[node]:
                    children[node][label] = len(children)
                    children.append({})
                    own.append(0)
                    since.append(0)
                node = children[node][label]
            own[node] = -1  # an end; what it earns is known when all phrases are in the tree
        following = torch.zeros(len(children), vocab_size, dtype=torch.int32)
        earned = torch.zeros(len(children))
        queue: deque[tuple[int, int]] = deque([(0, 0)])
        while queue:
            node, fallback = queue.popleft()
            if node:
                following[node] = following[fallback]
                if own[node]:
                    own[node], since_end = since[node], 0
                else:
                    since_end = since[node]
                earned[node] = own[node] + earned[fallback]
                since[node] = since_end
            for label, child in children[node].items():
                since[child] = since[node] + 1
                queue.append((child, int(following[fallback, label]) if node else 0))
            for label, child in children[node].items():
                following[node, label] = child
        open_labels = bonus * torch.tensor(since, dtype=torch.float32)
        self.following, self.open, self.reached = following, open_labels, open_labels + bonus * earned

    def init_state(self, count: int, device: torch.device | str = "cpu") -> PredictorState:
        self.following, self.open, self.reached = (x.to(device) for x in (self.following, self.open, self.reached))
        return PredictorState((torch.zeros(count, dtype=torch.long, device=device),))

    def scores(self, state: PredictorState) -> Tensor:
        [node] = state.tensors
        return self.reached[self.following[node].long()] - self.open[node, None]

    def step(self, labels: Tensor, state: PredictorState) -> PredictorState:
        [node] = state.tensors
        return PredictorState((self.following[node, labels].long(),))

    def final(self, state: PredictorState) -> Tensor:
        return -self.open[state.tensors[0]]


class LanguageModel(LabelScorer):
    """Shallow fusion with a recurrent language model of ESPnet (`espnet2.bin.lm_train --lm seq_rnn`).

    Args:
        lm: ESPnet's SequentialRNNLM over the same token list; `<sos/eos>` is its last symbol.
        weight: factor of its log-probabilities.
    """

    def __init__(self, lm: Any, *, weight: float = 0.3) -> None:
        self.lm, self.weight = lm.eval(), weight

    def init_state(self, count: int, device: torch.device | str = "cpu") -> PredictorState:
        vocab_size = self.lm.decoder.out_features
        return self._step(torch.full((count,), vocab_size - 1, device=device), None)

    def scores(self, state: PredictorState) -> Tensor:
        return state.tensors[0]

    def step(self, labels: Tensor, state: PredictorState) -> PredictorState:
        hidden = tuple(x.transpose(0, 1).contiguous() for x in state.tensors[1:])
        return self._step(labels, hidden if self.lm.rnn_type == "LSTM" else hidden[0])

    @torch.no_grad()
    def _step(self, labels: Tensor, hidden: Any) -> PredictorState:
        y, hidden = self.lm(labels[:, None], hidden)
        hidden = hidden if isinstance(hidden, tuple) else (hidden,)
        scores = self.weight * y[:, -1].float().log_softmax(-1)
        return PredictorState((scores, *(x.transpose(0, 1) for x in hidden)))
