"""A head and the encoders under it as the three graphs of a streaming NeMo transducer, which sherpa-onnx runs.

Tensors go by position there, and every state begins with zeros. Two caches of floats and a counter travel with the
encoder: their shapes may be any, so all of our state is in the first one, in a row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from espnet2.layers.global_mvn import GlobalMVN
from torch import Tensor, nn

from espnet_jst.encoders.chain import FIRST, Link, tap_name
from espnet_jst.encoders.fixed import COUNTER, FixedStep
from espnet_jst.errors import ConfigError
from espnet_jst.export.graphs import ROWS, Part
from espnet_jst.heads.predictor import LSTMPredictor, Predictor, PredictorState, StatelessPredictor
from espnet_jst.heads.transducer import TransducerHead
from espnet_jst.inputs.normalize import RunningMVN, RunningState

ENCODER, DECODER, JOINER = "encoder.onnx", "decoder.onnx", "joiner.onnx"
CACHES = ["cache_last_channel", "cache_last_time", "cache_last_channel_len"]


class Normalized(nn.Module):
    """Features of a window, of which the first `hop` are new to the mean and the others will come again.

    Its state: sum and number of frames of a running mean; nothing otherwise.
    """

    def __init__(self, normalize: nn.Module | None, features: int, hop: int) -> None:
        super().__init__()
        self.normalize, self.hop = normalize, hop
        self.shapes: list[tuple[int, ...]] = [(features,), (1,)] if isinstance(normalize, RunningMVN) else []
        if not isinstance(normalize, (RunningMVN, GlobalMVN, type(None))):
            raise ConfigError(f"normalize: {type(normalize).__name__}; running_mvn and global_mvn can be exported")

    def forward(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """(N, W, F), state -> the same shape, the state after `hop` frames."""
        norm = self.normalize
        if isinstance(norm, RunningMVN):
            first, after = norm.full(x[:, : self.hop], RunningState(*state))
            ahead, _ = norm.full(x[:, self.hop :], after)
            return torch.cat([first, ahead], dim=1), [after.total, after.count]
        if isinstance(norm, GlobalMVN):
            x = x - norm.mean.to(x) if norm.norm_means else x
            x = x / norm.std.to(x) if norm.norm_vars else x
        return x, state


class StreamingEncoder(nn.Module):
    """(N, F, W) features, the state -> (N, J, T) frames as the joint network wants them, the state.

    A step is a chunk of the encoder that the head reads; one below it, whose chunk is shorter, has several.

    Args:
        normalize: what the features go through first.
        steps: the encoders up to the one that the head reads.
        links: their places in the chain.
        reads: tap that the head reads.
        projection: of the joint network.

    Attributes:
        features: of a frame that goes in.
        window, hop: frames of features that a step reads, and from the begin of one step to that of the next.
        frames: that it gives.
    """

    def __init__(
        self,
        normalize: nn.Module | None,
        steps: dict[str, FixedStep],
        links: Sequence[Link],
        reads: str,
        projection: nn.Module,
    ) -> None:
        super().__init__()
        self.steps, self.each, self.projection = nn.ModuleDict(steps), steps, projection
        self.links, self.reads = [(link.name, link.reads) for link in links], reads
        self.names = {name: [tap_name(name, tap) for tap in step.tap_sizes] for name, step in steps.items()}
        frames = {
            tap_name(name, tap): step.shapes.frames * step.shapes.factor // size.factor
            for name, step in steps.items()
            for tap, size in step.tap_sizes.items()
        }
        self.chunks: dict[str, int] = {}  # of each encoder in a step
        above = 1
        for name, below in reversed(self.links):
            self.chunks[name] = above
            above *= steps[name].shapes.hop // frames[below] if below is not None else 1
        first = steps[FIRST].shapes
        self.features, self.hop, self.frames = first.features, first.hop * self.chunks[FIRST], frames[reads]
        self.window = self.hop + first.window - first.hop
        self.normalized = Normalized(normalize, first.features, self.hop)
        self.shapes = [*self.normalized.shapes]
        for name, step in steps.items():
            self.shapes += [shape for key, shape in step.shapes.state.items() if (name, key) != (FIRST, COUNTER)]

    @property
    def cache_size(self) -> int:
        """Numbers of the whole state, without the first encoder's counter."""
        return sum(map(math.prod, self.shapes))

    def forward(
        self, audio_signal: Tensor, length: Tensor, cache_last_channel: Tensor, cache_last_time: Tensor,
        cache_last_channel_len: Tensor,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        """The arguments of NeMo's encoder; `length` and the second cache have nothing to say here."""
        parts = self._parts(cache_last_channel)
        own = [next(parts) for _ in self.normalized.shapes]
        x, after = self.normalized(audio_signal.transpose(1, 2), own)
        counter, taps = cache_last_channel_len, dict[str, Tensor]()
        for name, below in self.links:
            keys = list(self.each[name].shapes.state)
            state = [cache_last_channel_len if (name, key) == (FIRST, COUNTER) else next(parts) for key in keys]
            state = [part.long() if key == COUNTER else part for key, part in zip(keys, state, strict=True)]
            found, state = self._run(name, x if below is None else taps[below], state)
            taps |= found
            for key, part in zip(keys, state, strict=True):
                if (name, key) == (FIRST, COUNTER):
                    counter = part
                else:
                    after.append(part.float())
        y = self.projection(taps[self.reads])
        cache = torch.cat([part.reshape(part.size(0), -1) for part in after], dim=1)
        return y.transpose(1, 2), torch.full_like(length, self.frames), cache[:, None, None], cache_last_time, counter

    def _run(self, name: str, x: Tensor, state: list[Tensor]) -> tuple[dict[str, Tensor], list[Tensor]]:
        """The chunks of an encoder in a step: its taps, and the state after them."""
        step, names = self.each[name], self.names[name]
        shapes = step.shapes
        count = torch.full_like(x[:, 0, 0], shapes.heard(shapes.window, True), dtype=torch.long)
        found: list[Sequence[Tensor]] = []
        for chunk in range(self.chunks[name]):
            begin = chunk * shapes.hop
            made = step(x[:, begin : begin + shapes.window], count, *state)
            state = list(made[len(names) :])
            found.append(made[: len(names)])
        return {tap: torch.cat(pieces, dim=1) for tap, pieces in zip(names, zip(*found), strict=True)}, state

    def _parts(self, cache: Tensor) -> Iterator[Tensor]:
        parts = cache[:, 0, 0].split([math.prod(shape) for shape in self.shapes], dim=1)
        return iter([part.reshape(-1, *shape) for part, shape in zip(parts, self.shapes, strict=True)])


class Decoder(nn.Module):
    """A predictor in the arguments of NeMo's: targets (N, 1) and their lengths, two states (layers, N, size).

    The blank is the last symbol there. What a predictor without layers keeps, its last labels, travels as floats, so
    that zeros are what it begins with.
    """

    def __init__(self, head: TransducerHead) -> None:
        super().__init__()
        self.predictor: Predictor = head.predictor
        self.projection, self.blank, self.last = head.joint.predictor_proj, head.blank, head.vocab_size - 1
        if isinstance(head.predictor, LSTMPredictor):
            self.state = head.predictor.lstm.num_layers, head.predictor.output_size
        elif isinstance(head.predictor, StatelessPredictor):
            self.state = 1, head.predictor.context
        else:
            raise ConfigError(f"predictor {type(head.predictor).__name__}; lstm and stateless can be exported")

    def forward(self, targets: Tensor, target_length: Tensor, state0: Tensor, state1: Tensor) -> tuple[Tensor, ...]:
        """-> (N, J, 1), lengths, states."""
        label = targets[:, 0].long()
        label = torch.where(label == self.last, self.blank, label + (label >= self.blank))
        if isinstance(self.predictor, StatelessPredictor):
            before = (state0[0] + self.predictor.before).round().long()
            y, after = self.predictor.step(label, PredictorState((before,)))
            states = ((after.tensors[0] - self.predictor.before).float()[None], state1)
        else:
            y, after = self.predictor.step(label, PredictorState((state0.transpose(0, 1), state1.transpose(0, 1))))
            states = (after.tensors[0].transpose(0, 1), after.tensors[1].transpose(0, 1))
        return self.projection(y)[..., None], target_length, *states


class Joiner(nn.Module):
    """(N, J, 1) of the encoder and of the predictor -> (N, V, 1, 1) logits, the blank's last."""

    order: Tensor

    def __init__(self, head: TransducerHead) -> None:
        super().__init__()
        self.joint = head.joint
        self.register_buffer("order", torch.tensor(order(head)), persistent=False)

    def forward(self, encoder_outputs: Tensor, decoder_outputs: Tensor) -> Tensor:
        logits = self.joint.logits((encoder_outputs + decoder_outputs)[..., 0])
        return logits[:, self.order, None, None]


def order(head: TransducerHead) -> list[int]:
    """Our symbols in the order of NeMo's, the blank last."""
    return [*(index for index in range(head.vocab_size) if index != head.blank), head.blank]


def parts_of(encoder: StreamingEncoder, head: TransducerHead) -> list[Part]:
    """The three graphs."""
    decoder = Decoder(head)
    layers, size = decoder.state
    states = [torch.randn(layers, ROWS, size) for _ in range(2)]
    if isinstance(head.predictor, StatelessPredictor):
        states[0] = torch.randint(head.vocab_size, (layers, ROWS, size)) - float(head.predictor.before)
    joined = torch.randn(ROWS, head.joint.output.in_features, 1)
    # Counters among the floats, of upper encoders, are none of their example.
    cache = 0.1 * torch.rand(ROWS, 1, 1, encoder.cache_size)
    length = torch.full((ROWS,), encoder.window)
    return [
        Part(
            ENCODER,
            encoder,
            ["audio_signal", "length", *CACHES],
            ["outputs", "encoded_lengths", *(f"{name}_next" for name in CACHES)],
            [
                torch.randn(ROWS, encoder.features, encoder.window),
                length,
                cache,
                torch.zeros(ROWS, 1, 1, 1),
                torch.tensor([0, 1, 4]),
            ],
        ),
        Part(
            DECODER,
            decoder,
            ["targets", "target_length", "states.0", "states.1"],
            ["outputs", "prednet_lengths", "states_next.0", "states_next.1"],
            [torch.arange(ROWS, dtype=torch.int32)[:, None], torch.ones(ROWS, dtype=torch.int32), *states],
            batch_axes=[0, 0, 1, 1],
        ),
        Part(
            JOINER,
            Joiner(head),
            ["encoder_outputs", "decoder_outputs"],
            ["outputs"],
            [joined, torch.randn_like(joined)],
        ),
    ]
