"""Layers of attention by chunks: a chunk mask in training and offline, caches in streaming."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from espnet_jst.encoders.attention import rotary_table
from espnet_jst.encoders.conf import ChunksConf
from espnet_jst.encoders.conformer_layer import LayerState
from espnet_jst.encoders.interface import ChunkContext, StreamingEncoder, TapSize
from espnet_jst.encoders.subsampling import InputState, InputStep
from espnet_jst.streams import RowState, Waiting, rows_at, zeroed
from espnet_jst.taps import Tap


@dataclass
class ChunkedState(RowState):
    """Everything that a stream carries from chunk to chunk.

    Attributes:
        context: chunk and left context, fixed for the stream.
        subsampling: frames that wait for the subsampling; None where the encoder does not subsample.
        pending: subsampled frames that do not fill a chunk yet.
        layers: one state a layer.
        cached: frames of left context that each row has in them.
        heard: frames that have come out of the subsampling.
    """

    context: ChunkContext
    subsampling: InputState | None
    pending: Waiting
    layers: list[LayerState]
    cached: list[int]
    heard: list[int]


class ChunkedEncoder(StreamingEncoder):
    """What encoders of layers with a key/value cache share, whatever their layers and what is below them.

    A frame hears its own chunk, `left_chunks` chunks before it (per layer) and what the convolutions of the layers
    remember. Whole utterances go through the same layers with a mask.

    Attributes:
        input: what makes frames of the layers of input frames: a linear layer, or one with a step (`InputStep`).
        subsampling: input frames for each of them.
        layers: called as `ConformerLayer` is.
        joined: frames of the last layer that the top has one of, by `output`.
        taps: numbers of layers whose outputs may be read.
    """

    input: nn.Module
    layers: nn.ModuleList

    def __init__(self, conf: ChunksConf, *, size: int, heads: int, subsampling: int) -> None:
        super().__init__()
        self.subsampling, self.size, self.heads, self.joined = subsampling, size, heads, conf.output_subsampling
        self.context = ChunkContext(conf.chunk_frames, conf.left_chunks)
        self.train_contexts = [ChunkContext(c, n) for c in conf.train_chunk_frames for n in conf.train_left_chunks]
        self.taps = tuple(conf.taps)
        lower = {str(tap): TapSize(size, subsampling) for tap in conf.taps}
        self.tap_sizes = {"": TapSize(size, subsampling * self.joined), **lower}
        self.output = nn.Linear(self.joined * size, size) if self.joined > 1 else None

    @property
    def places(self) -> int:
        """After how many frames their positions begin again; 0 where these are the attention's business."""
        return 0

    def placed(self, x: Tensor, first: Tensor | None) -> Tensor:
        """Frames (B, T, D) with their positions.

        Args:
            first: place of each row's first frame, (B,); None: those of whole utterances.
        """
        return x

    def table(self, frames: int, device: torch.device) -> Tensor | None:
        """Rotary table of the layers; None where positions are part of the frames."""
        return rotary_table(frames, self.size // self.heads, device)

    def top(self, x: Tensor) -> Tensor:
        """What the top makes of the frames of the last layer."""
        return x

    def encode(self, tap: Tap, context: ChunkContext) -> dict[str, Tap]:
        """See StreamingEncoder; frames after an utterance's length are set to zero and attended by nobody."""
        x, lengths = tap.x, tap.lengths
        valid = torch.arange(x.size(1), device=x.device) < lengths[:, None]
        x = self.placed(self.input(x * valid[..., None]), None)
        T = x.size(1)
        count = lengths.add(self.subsampling - 1).div(self.subsampling, rounding_mode="floor")
        valid = torch.arange(T, device=x.device) < count[:, None]
        keys, chunks = valid[:, None, None], context.mask(T, x.device, scale=self.joined)
        mask = keys if chunks is None else keys & chunks
        if chunks is not None:
            # A padding frame whose whole left context is padding would have nothing to attend to: NaN.
            mask = mask | torch.eye(T, dtype=torch.bool, device=x.device)
        taps, _ = self.run_layers(x, bias_of(mask), self.layer_states(x.size(0), x.device))
        if self.output is not None:
            taps[""] = self.join(taps[""] * valid[..., None])
        return self.named(taps, lengths, tap.shift_s)

    def init_state(self, batch_size: int, context: ChunkContext, device: torch.device | str = "cpu") -> ChunkedState:
        waiting = self.input.init_state(batch_size, device) if isinstance(self.input, InputStep) else None
        pending = Waiting.none(batch_size, self.size, device=device)
        none, layers = [0] * batch_size, self.layer_states(batch_size, device)
        return ChunkedState(context, waiting, pending, layers, none, none)

    def ready(self, frames: int, context: ChunkContext) -> dict[str, int]:
        chunk, count = context.chunk_frames * self.joined, frames // self.subsampling
        complete = count - count % chunk if chunk else 0
        return {name: complete * self.subsampling // factor for name, (_, factor) in self.tap_sizes.items()}

    def step(self, tap: Tap, state: ChunkedState, last: Sequence[bool]) -> tuple[dict[str, Tap], ChunkedState]:
        """See StreamingEncoder; several complete chunks are run one after the other."""
        x, counts, subsampled = tap.x, tap.lengths.tolist(), state.subsampling
        if isinstance(self.input, InputStep) and subsampled is not None:
            x, counts, subsampled = self.input.step(x, counts, subsampled, last)
        else:
            x = self.input(x)
        waiting = state.pending.append(self.placed(x, torch.tensor(state.heard)), counts)
        passed = [before + count for before, count in zip(state.heard, counts, strict=True)]
        chunk = state.context.chunk_frames * self.joined
        ready = [
            count if ends else count - count % chunk if chunk else 0
            for count, ends in zip(waiting.counts, last, strict=True)
        ]
        layers, cached, outputs = state.layers, state.cached, []
        for start in range(0, max(ready), chunk or max([1, *ready])):
            now = [min(max(count - start, 0), chunk or count) for count in ready]
            frames = waiting.x[:, start : start + max(now)]
            taps, layers, cached = self._chunk(frames, now, state.context, layers, cached)
            outputs.append(taps)
        empty = x.new_zeros(len(ready), 0, self.size)
        names = ["", *map(str, self.taps)]
        found = {name: torch.cat([taps[name] for taps in outputs] or [empty], dim=1) for name in names}
        if self.output is not None:
            found[""] = self.join(zeroed(found[""], ready))
        offered = self.named(found, torch.tensor(ready) * self.subsampling, tap.shift_s)
        return offered, ChunkedState(state.context, subsampled, waiting.drop(ready), layers, cached, passed)

    def layer_states(self, batch_size: int, device: torch.device | str = "cpu") -> list[LayerState]:
        """States of the layers before the first frame."""
        return [layer.init_state(batch_size, device) for layer in self.layers]  # type: ignore[operator]

    def join(self, x: Tensor) -> Tensor:
        """Frames of the last layer, zero after the end of each row -> those of the top."""
        assert self.output is not None
        x = nn.functional.pad(x, (0, 0, 0, -x.size(1) % self.joined))
        joined: Tensor = self.output(x.reshape(x.size(0), -1, self.joined * self.size))
        return joined

    def _chunk(
        self, x: Tensor, counts: list[int], context: ChunkContext, layers: list[LayerState], cached: list[int]
    ) -> tuple[dict[str, Tensor], list[LayerState], list[int]]:
        """One chunk (B, T, D), `counts` frames of each row, over the left context that each has."""
        S, T = layers[0].keys_values.size(3), x.size(1)
        keep = context.left_chunks * context.chunk_frames * self.joined
        heard = [had + count for had, count in zip(cached, counts, strict=True)]
        after = heard if context.left_chunks < 0 else [min(count, keep) for count in heard]
        if all(count == T for count in counts) and all(had == S for had in cached):
            taps, layers = self.run_layers(x, None, layers)
            kept = [layer.keys_values[:, :, :, S + T - after[0] :] for layer in layers]
        else:
            first, count = (torch.tensor(values, device=x.device)[:, None] for values in (cached, counts))
            place = torch.arange(S + T, device=x.device)
            mask = (place >= S - first) & (place < S + count)
            mask |= ~mask.any(dim=1, keepdim=True)  # a row without frames would become NaN
            taps, layers = self.run_layers(x, bias_of(mask[:, None, None]), layers, count[:, 0])
            width = max(after)
            places = (S + count - width + torch.arange(width, device=x.device)).clamp(min=0)
            kept = [_keys_at(layer.keys_values, places) for layer in layers]
        states = [LayerState(kv, layer.conv) for kv, layer in zip(kept, layers, strict=True)]
        return taps, states, after

    def run_layers(
        self, x: Tensor, bias: Tensor | None, states: list[LayerState], counts: Tensor | None = None
    ) -> tuple[dict[str, Tensor], list[LayerState]]:
        """Frames (B, T, D) of the layers -> the taps, and the states with all T frames among the keys.

        Args:
            bias: added to the attention's scores, see CachedAttention.
            states: a layer each.
            counts: valid frames of each row, (B,); None for T.
        """
        table = self.table(states[0].keys_values.size(3) + x.size(1), x.device)
        taps, after = {}, []
        for number, (layer, state) in enumerate(zip(self.layers, states, strict=True), start=1):
            x, state = layer(x, bias, table, state, counts)
            after.append(state)
            if number == len(self.layers):
                taps[""] = x = self.top(x)
            if number in self.taps:
                taps[str(number)] = x
        return taps, after


def bias_of(mask: Tensor) -> Tensor:
    """What is added to the scores: nothing where the mask is true, minus infinity elsewhere."""
    return torch.zeros(mask.shape, device=mask.device).masked_fill_(~mask, -torch.inf)


def _keys_at(keys_values: Tensor, places: Tensor) -> Tensor:
    """(2, B, H, S, E) at places (B, W) of each row, (2, B, H, W, E)."""
    return rows_at(keys_values.permute(1, 3, 0, 2, 4), places).permute(2, 0, 3, 1, 4)
