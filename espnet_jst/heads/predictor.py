"""Prediction networks of a transducer: LSTM, or stateless over the last labels (arXiv:2109.07513)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from espnet_jst.heads.conf import LSTMPredictorConf, StatelessPredictorConf
from espnet_jst.keys import takes
from espnet_jst.streams import RowState

NO_LABEL = -1  # has no embedding


@dataclass
class PredictorState(RowState):
    """Tensors with the batch first, so that hypotheses can be selected, merged and kept apart."""

    tensors: tuple[Tensor, ...]

    def clone(self) -> PredictorState:
        """A copy that `put_` may change."""
        return PredictorState(tuple(tensor.clone() for tensor in self.tensors))

    def select(self, index: Tensor) -> PredictorState:
        """The states of `index` (N,), in that order."""
        # By hand: in the innermost loop of every search.
        return PredictorState(tuple(tensor[index] for tensor in self.tensors))

    def put_(self, index: Tensor, other: PredictorState) -> None:
        """Replace the states of `index` (N,) by those of `other`."""
        for mine, theirs in zip(self.tensors, other.tensors, strict=True):
            mine.index_copy_(0, index, theirs)

    def where(self, mask: Tensor, other: PredictorState) -> PredictorState:
        """This state where `mask` (N,) holds, `other` elsewhere."""
        pairs = zip(self.tensors, other.tensors, strict=True)
        return PredictorState(tuple(torch.where(mask.view(-1, *[1] * (a.dim() - 1)), a, b) for a, b in pairs))

    @staticmethod
    def side_by_side(states: Sequence[PredictorState], batch_size: int) -> PredictorState:
        """Several states of the same `batch_size` streams, K each: for every stream first all of the first one."""
        parts = zip(*(state.tensors for state in states))
        joined = (torch.cat([x.view(batch_size, -1, *x.shape[1:]) for x in part], dim=1) for part in parts)
        return PredictorState(tuple(x.flatten(0, 1) for x in joined))


class Predictor(nn.Module):
    """Labels so far -> features of the next step.

    It is made with the keywords `vocab_size`, the number of symbols, and `blank`, the id of the one that starts every
    sequence, and with the keys of `predictor_conf`.

    Attributes:
        output_size: features of a step.
    """

    output_size: int

    @abstractmethod
    def forward(self, targets: Tensor) -> Tensor:
        """Targets (B, U) -> (B, U + 1, D), the first one after no label."""

    @abstractmethod
    def init_state(self, batch_size: int, device: torch.device | str = "cpu") -> PredictorState:
        """State before the first step; the first step feeds the blank."""

    @abstractmethod
    def step(self, labels: Tensor, state: PredictorState) -> tuple[Tensor, PredictorState]:
        """Labels (B,) -> (B, D) and the state after them."""


class LSTMPredictor(Predictor):
    """Embedding and LSTM."""

    @takes(LSTMPredictorConf)
    def __init__(self, *, vocab_size: int, blank: int = 0, conf: LSTMPredictorConf) -> None:
        super().__init__()
        self.blank, self.output_size = blank, conf.size
        self.embedding = nn.Embedding(vocab_size, conf.size)
        self.lstm = nn.LSTM(conf.size, conf.size, conf.layers, batch_first=True)
        self.dropout = nn.Dropout(conf.dropout)

    def forward(self, targets: Tensor) -> Tensor:
        labels = nn.functional.pad(targets, (1, 0), value=self.blank)
        return self.dropout(self.lstm(self.dropout(self.embedding(labels)))[0])

    def init_state(self, batch_size: int, device: torch.device | str = "cpu") -> PredictorState:
        zeros = torch.zeros(batch_size, self.lstm.num_layers, self.output_size, device=device)
        return PredictorState((zeros, zeros))

    def step(self, labels: Tensor, state: PredictorState) -> tuple[Tensor, PredictorState]:
        # Cell by cell: for one step, nn.LSTM spends most of its time on repacking the weights.
        y, hidden, cells = self.embedding(labels), [], []
        for layer, weights in enumerate(self.lstm.all_weights):
            before = tuple(tensor[:, layer] for tensor in state.tensors)
            y, cell = (
                _cell(y, before, weights) if torch.compiler.is_exporting() else torch.lstm_cell(y, before, *weights)
            )
            hidden.append(y)
            cells.append(cell)
        return y, PredictorState((torch.stack(hidden, dim=1), torch.stack(cells, dim=1)))


def _cell(x: Tensor, before: tuple[Tensor, ...], weights: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """`torch.lstm_cell`, whose ONNX graph (torch 2.14) gives something else."""
    (hidden, cell), (of_x, of_hidden, bias_x, bias_hidden) = before, weights
    gates = nn.functional.linear(x, of_x, bias_x) + nn.functional.linear(hidden, of_hidden, bias_hidden)
    enter, forget, new, out = gates.chunk(4, dim=1)
    cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
    return out.sigmoid() * cell.tanh(), cell


class StatelessPredictor(Predictor):
    """Embedding and a convolution over the last labels; the state is those labels.

    Training and every search begin alike: with the blank, and before it what `before` says.
    """

    @takes(StatelessPredictorConf)
    def __init__(self, *, vocab_size: int, blank: int = 0, conf: StatelessPredictorConf) -> None:
        super().__init__()
        self.blank, self.output_size, self.context = blank, conf.size, conf.context
        self.before = blank if conf.before == "blank" else NO_LABEL
        self.embedding = nn.Embedding(vocab_size, conf.size)
        groups = conf.size // conf.group_size
        self.conv = nn.Conv1d(conf.size, conf.size, conf.context, groups=groups, bias=False)
        self.dropout = nn.Dropout(conf.dropout)

    def forward(self, targets: Tensor) -> Tensor:
        labels = nn.functional.pad(targets, (1, 0), value=self.blank)
        return self._features(nn.functional.pad(labels, (self.context - 1, 0), value=self.before))

    def init_state(self, batch_size: int, device: torch.device | str = "cpu") -> PredictorState:
        shape = (batch_size, self.context)
        return PredictorState((torch.full(shape, self.before, dtype=torch.long, device=device),))

    def step(self, labels: Tensor, state: PredictorState) -> tuple[Tensor, PredictorState]:
        context = torch.cat([state.tensors[0][:, 1:], labels[:, None]], dim=1)
        return self._features(context)[:, 0], PredictorState((context,))

    def _features(self, labels: Tensor) -> Tensor:
        if self.before == NO_LABEL:
            y = self.embedding(labels.clamp(min=0)) * labels.ge(0)[..., None]
        else:
            y = self.embedding(labels)
        y = self.conv(y.transpose(1, 2)).transpose(1, 2)
        return self.dropout(y.relu())
