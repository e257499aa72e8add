"""Which encoders have a step in fixed shapes, and those steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import torch
from torch import Tensor

from espnet_jst.encoders.chunked import ChunkedEncoder
from espnet_jst.encoders.chunked import bias_of as attention_bias
from espnet_jst.encoders.conformer_layer import LayerState
from espnet_jst.encoders.fixed import COUNTER, FixedStep, StepShapes, counted
from espnet_jst.encoders.interface import ChunkContext, StreamingEncoder
from espnet_jst.encoders.subsampling import InputStep
from espnet_jst.encoders.zipformer.extent import Extent, bias_of
from espnet_jst.encoders.zipformer.frontend import SIDE
from espnet_jst.encoders.zipformer.layer import LayerState as ZipformerState
from espnet_jst.encoders.zipformer.zipformer import Zipformer
from espnet_jst.errors import ConfigError


def fixed_step(encoder: StreamingEncoder, context: ChunkContext, input_size: int) -> FixedStep:
    """The step of an encoder under a context.

    Args:
        input_size: features of what it reads.

    Raises:
        ConfigError: it has none: the kind of encoder, or a context without an end.
    """
    if not context.chunk_frames:
        raise ConfigError("it hears whole utterances, and a step needs a chunk")
    if context.left_chunks < 0:
        raise ConfigError("its left context is all that was heard, and a step needs an end of it: give left_chunks")
    if isinstance(encoder, Zipformer):
        return ZipformerStep(encoder, context, input_size)
    if isinstance(encoder, ChunkedEncoder):
        return ChunkedStep(encoder, context, input_size)
    raise ConfigError(
        f"{type(encoder).__name__} has no step in fixed shapes; ChunkConformer, ChunkWhisper and Zipformer have"
    )


class ChunkedStep(FixedStep):
    """Of layers of attention by chunks. Its state: keys and values (B, layers, 2, H, S, D / H), inputs of the layers'
    convolutions (B, layers, K - 1, D), the place of the next frame (B,), and what each convolution below the layers saw
    last; each of these where the encoder has such.
    """

    def __init__(self, encoder: ChunkedEncoder, context: ChunkContext, input_size: int) -> None:
        super().__init__()
        self.encoder, self.tap_sizes = encoder, encoder.tap_sizes
        frames, factor = context.chunk_frames * encoder.joined, encoder.subsampling
        self.frames, self.left = frames, context.left_chunks * frames
        self.input = encoder.input if isinstance(encoder.input, InputStep) else None
        first = encoder.layer_states(1)
        heads, _, size = first[0].keys_values.shape[2:]
        self.remembers = first[0].conv.size(1)
        state: dict[str, tuple[int, ...]] = {COUNTER: (), "keys_values": (len(first), 2, heads, self.left, size)}
        if self.remembers:
            state["convolutions"] = (len(first), *first[0].conv.shape[1:])
        if encoder.places:
            state["place"] = ()
        if self.input is not None:
            for number, before in enumerate(self.input.init_state(1).before, start=1):
                state[f"subsampling{number}"] = tuple(before.shape[1:])
        window = frames * factor
        self.shapes = StepShapes(
            window=window, hop=window, features=input_size, frames=frames, factor=factor, lost=1 - factor, state=state
        )

    def forward(self, x: Tensor, count: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """See FixedStep."""
        encoder = self.encoder
        cached, keys_values, *before = state
        convolutions = before.pop(0) if self.remembers else None
        first = before.pop(0) if encoder.places else None
        after: list[Tensor] = []
        if self.input is None:
            x = encoder.input(x)
        else:
            x, after = self.input.full(x, before)
        S, T = self.left, self.frames
        if first is not None:
            x = encoder.placed(x, first.long())
            after.insert(0, (first + T) % encoder.places)
        place = torch.arange(S + T)
        mask = (place >= S - cached[:, None]) & (place < S + count[:, None])
        each = keys_values.unbind(1)
        none = [x[:, :0]] * len(each)
        layers = [
            LayerState(kv.transpose(0, 1), conv)
            for kv, conv in zip(each, none if convolutions is None else convolutions.unbind(1), strict=True)
        ]
        taps, layers = encoder.run_layers(x, attention_bias(mask[:, None, None]), layers)
        if encoder.output is not None:
            taps[""] = encoder.join(taps[""] * (torch.arange(T) < count[:, None])[..., None])
        keys_values = torch.stack([one.keys_values.transpose(0, 1)[:, :, :, T:] for one in layers], dim=1)
        if convolutions is not None:
            after.insert(0, torch.stack([one.conv for one in layers], dim=1))
        return *(taps[name] for name in self.tap_sizes), counted(cached, T, S), keys_values, *after


class ZipformerStep(FixedStep):
    """Of a Zipformer. Its state: what the front end keeps (B, 3, F, C), and for each stack of what `ZipformerState` has
    those of all layers, (B, layers, S, ...).
    """

    def __init__(self, encoder: Zipformer, context: ChunkContext, input_size: int) -> None:
        super().__init__()
        self.encoder, self.tap_sizes = encoder, encoder.tap_sizes
        chunk = context.chunk_frames * encoder.joined
        self.frames, self.left = chunk, context.left_chunks * chunk
        front, state = encoder.frontend, dict[str, tuple[int, ...]]({COUNTER: ()})
        if front is not None:
            state["frontend"] = tuple(front.init_state(1).before.shape[1:])
        self.names = [field.name for field in fields(ZipformerState)]
        for number, stack in enumerate(encoder.each):
            layer = stack.each[0].init_state(1, self.left // stack.factor, "cpu")
            for name in self.names:
                state[f"{name}_{number}"] = (len(stack.each), *getattr(layer, name).shape[1:])
        factor, lost, ahead = (1, 0, 0) if front is None else (2, 7, 7 + 2 * SIDE)
        self.shapes = StepShapes(
            window=factor * chunk + ahead,
            hop=factor * chunk,
            features=input_size,
            frames=chunk,
            factor=factor,
            lost=lost,
            state=state,
        )

    def forward(self, x: Tensor, count: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """See FixedStep."""
        encoder, T = self.encoder, self.frames
        cached, *rest = state
        after = []
        if encoder.frontend is not None:
            y = encoder.frontend.convolutions(x)
            y = y * (torch.arange(y.size(1)) < count[:, None])[..., None, None]
            y = torch.cat([rest.pop(0), y], dim=1)
            after.append(y[:, T : T + SIDE])
            x = encoder.frontend.convnext(y)
        lengths = count.clamp(max=T)
        x = x * (torch.arange(T) < lengths[:, None])[..., None]
        states = self._layers(rest)
        factors = dict.fromkeys(encoder.factors)
        extents = {factor: self._extent(factor, lengths, cached) for factor in factors}
        x, lower, made = encoder.run_stacks(x, lengths, extents, states)
        moved = [old.moved_on(new, old.keys.size(1), None) for old, new in zip(states, made, strict=True)]
        top = encoder.join(x, lengths)
        return top, lower, counted(cached, T, self.left), *after, *self._stacked(moved)

    def _extent(self, factor: int, lengths: Tensor, cached: Tensor) -> Extent:
        # Whole numbers above zero: runtimes differ in how they round those below.
        S, frames, count = self.left // factor, self.frames // factor, (lengths + factor - 1) // factor
        place = torch.arange(S + frames)
        mask = (place >= S - cached[:, None] // factor) & (place < S + count[:, None])
        return Extent(count, count, mask[:, S:, None], bias_of(mask[:, None, None]), frames, S)

    def _layers(self, parts: Sequence[Tensor]) -> list[ZipformerState]:
        """The state of every layer of every stack."""
        found, width = [], len(self.names)
        for number in range(len(self.encoder.each)):
            columns = [part.unbind(1) for part in parts[number * width : (number + 1) * width]]
            found += [ZipformerState(*column) for column in zip(*columns, strict=True)]
        return found

    def _stacked(self, states: Sequence[ZipformerState]) -> list[Tensor]:
        """Back to the parts."""
        parts, begin = [], 0
        for stack in self.encoder.each:
            own = states[begin : begin + len(stack.each)]
            begin += len(own)
            parts += [torch.stack([getattr(one, name) for one in own], dim=1) for name in self.names]
        return parts
