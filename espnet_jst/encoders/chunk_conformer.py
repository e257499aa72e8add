"""Chunked Conformer: chunk mask in training and offline, key/value and convolution caches in streaming."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from espnet_jst.encoders.attention import rotary_table
from espnet_jst.encoders.conf import ChunkConformerConf
from espnet_jst.encoders.conformer_layer import ConformerLayer, LayerState
from espnet_jst.encoders.interface import ChunkContext, StreamingEncoder
from espnet_jst.encoders.subsampling import ConvSubsampling, SubsamplingState
from espnet_jst.keys import takes


@dataclass
class ConformerState:
    """Everything that a stream carries from chunk to chunk.

    Attributes:
        context: chunk and left context, fixed for the stream.
        subsampling: frames that wait for the subsampling; None where the encoder does not subsample.
        pending: subsampled frames that do not fill a chunk yet, (B, t, D).
        layers: one state a layer.
    """

    context: ChunkContext
    subsampling: SubsamplingState | None
    pending: Tensor
    layers: list[LayerState]


class ChunkConformer(StreamingEncoder):
    """Streaming Conformer encoder.

    A frame hears its own chunk, `left_chunks` chunks before it (per layer) and, through causal convolutions, a fixed
    number of frames before those. Whole utterances go through the same layers with a mask.

    Args:
        input_size: features per input frame.
    """

    @takes(ChunkConformerConf)
    def __init__(self, input_size: int, conf: ChunkConformerConf) -> None:
        super().__init__()
        size, subsampling = conf.size, conf.subsampling
        self.subsampling, self.size, self.heads = subsampling, size, conf.heads
        self.context = ChunkContext(conf.chunk_frames, conf.left_chunks)
        self.train_contexts = [ChunkContext(c, n) for c in conf.train_chunk_frames for n in conf.train_left_chunks]
        self.taps = tuple(conf.taps)
        self.tap_sizes = {"": size, **{str(tap): size for tap in conf.taps}}
        self.input: nn.Module
        if subsampling == 1:
            self.input = nn.Linear(input_size, size)
        else:
            channels = conf.subsampling_channels
            self.input = ConvSubsampling(input_size=input_size, size=size, factor=subsampling, channels=channels)
        self.layers = nn.ModuleList(
            ConformerLayer(
                size=size,
                heads=conf.heads,
                feed_forward_size=conf.feed_forward_size,
                kernel_size=conf.kernel_size,
                dropout=conf.dropout,
                attention_dropout=conf.attention_dropout,
            )
            for _ in range(conf.layers)
        )

    def output_size(self) -> int:
        """Features per output frame."""
        return self.size

    def training_context(self) -> ChunkContext:
        """One of the configured contexts, drawn by torch's generator so that a seed fixes it."""
        return self.train_contexts[int(torch.randint(len(self.train_contexts), ()))]

    def encode(self, x: Tensor, lengths: Tensor, context: ChunkContext) -> tuple[dict[str, Tensor], Tensor]:
        """See StreamingEncoder; frames after an utterance's length are set to zero and attended by nobody."""
        valid = torch.arange(x.size(1), device=x.device) < lengths[:, None]
        x = self.input(x * valid[..., None])
        T = x.size(1)
        lengths = lengths.add(self.subsampling - 1).div(self.subsampling, rounding_mode="floor")
        keys = (torch.arange(T, device=x.device) < lengths[:, None])[:, None, None]
        chunks = context.mask(T, x.device)
        mask = keys if chunks is None else keys & chunks
        if chunks is not None:
            # A padding frame whose whole left context is padding would have nothing to attend to: NaN.
            mask = mask | torch.eye(T, dtype=torch.bool, device=x.device)
        bias = torch.zeros(mask.shape, device=x.device).masked_fill_(~mask, -torch.inf)
        taps, _ = self._layers(x, bias, self._no_layers(x.size(0), x.device))
        return taps, lengths

    def init_state(self, batch_size: int, context: ChunkContext, device: torch.device | str = "cpu") -> ConformerState:
        """State before the first frame."""
        waiting = self.input.init_state(batch_size, device) if isinstance(self.input, ConvSubsampling) else None
        pending = torch.zeros(batch_size, 0, self.size, device=device)
        return ConformerState(context, waiting, pending, self._no_layers(batch_size, device))

    def step(self, x: Tensor, state: ConformerState, *, last: bool = False) -> tuple[dict[str, Tensor], ConformerState]:
        """See StreamingEncoder; several complete chunks are run one after the other."""
        subsampled = state.subsampling
        if isinstance(self.input, ConvSubsampling) and subsampled is not None:
            x, subsampled = self.input.step(x, subsampled, last=last)
        else:
            x = self.input(x)
        x = torch.cat([state.pending, x], dim=1)
        size = state.context.chunk_frames or (x.size(1) if last else x.size(1) + 1)
        ready = x.size(1) if last else x.size(1) - x.size(1) % size
        outputs: list[dict[str, Tensor]] = []
        layers = state.layers
        for start in range(0, ready, max(size, 1)):
            taps, layers = self._layers(x[:, start : min(start + size, ready)], None, layers)
            layers = [self._trim(layer, state.context) for layer in layers]
            outputs.append(taps)
        empty = x.new_zeros(x.size(0), 0, self.size)
        taps = {name: torch.cat([o[name] for o in outputs] or [empty], dim=1) for name in self.tap_sizes}
        return taps, replace(state, subsampling=subsampled, pending=x[:, ready:], layers=layers)

    def _no_layers(self, batch_size: int, device: torch.device | str) -> list[LayerState]:
        return [layer.init_state(batch_size, device) for layer in self.layers]  # type: ignore[operator]

    def _trim(self, layer: LayerState, context: ChunkContext) -> LayerState:
        if context.left_chunks < 0:
            return layer
        keep = context.left_chunks * context.chunk_frames
        kept = layer.keys_values[:, :, :, max(0, layer.keys_values.size(3) - keep) :]
        return replace(layer, keys_values=kept)

    def _layers(
        self, x: Tensor, bias: Tensor | None, states: list[LayerState]
    ) -> tuple[dict[str, Tensor], list[LayerState]]:
        table = rotary_table(states[0].keys_values.size(3) + x.size(1), self.size // self.heads, x.device)
        taps, after = {}, []
        for number, (layer, state) in enumerate(zip(self.layers, states, strict=True), start=1):
            x, state = layer(x, bias, table, state)
            after.append(state)
            if number in self.taps:
                taps[str(number)] = x
        taps[""] = x
        return taps, after
