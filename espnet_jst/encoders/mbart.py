"""mBART's Transformer encoder (arXiv:2001.08210), on frames that are embeddings already."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from espnet_jst.encoders.conf import MBartEncoderConf
from espnet_jst.encoders.interface import ChunkContext, StreamingEncoder, TapSize
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.keys import takes
from espnet_jst.streams import RowState, Waiting, step_whole, zeroed
from espnet_jst.taps import Tap

ACTIVATIONS = {"gelu": nn.GELU, "relu": nn.ReLU}
INIT_STD = 0.02  # of mBART's vectors


@dataclass
class MBartState(RowState):
    """What a stream carries: all its frames, until it ends."""

    context: ChunkContext
    pending: Waiting


class MBartEncoder(StreamingEncoder):
    """It hears whole utterances: a stream gathers its frames, and at its end has all of the output at once.

    Around the frames of an utterance it puts vectors of its own, in mBART the end of the sentence and the language, so
    there are `before + after` frames more of the output; of an utterance without a frame there are none.

    Args:
        input_size: features of a frame, which are `size`.
    """

    @takes(MBartEncoderConf)
    def __init__(self, input_size: int, conf: MBartEncoderConf) -> None:
        super().__init__()
        if input_size != conf.size:
            raise ConfigError(f"size is {conf.size}, and a frame of its input has {input_size} features: give both one")
        self.size, self.scale = conf.size, math.sqrt(conf.size) if conf.scale_embedding else 1.0
        self.context, self.tap_sizes = ChunkContext(0, -1), {"": TapSize(conf.size, 1)}
        self.train_contexts = [self.context]
        self.before, self.after, self.positions = (
            nn.Parameter(torch.randn(count, conf.size) * INIT_STD)
            for count in (conf.before, conf.after, conf.positions)
        )
        self.input_norm = nn.LayerNorm(conf.size)
        self.dropout = nn.Dropout(conf.dropout)
        self.layers = nn.ModuleList(MBartLayer(conf) for _ in range(conf.layers))
        self.norm = nn.LayerNorm(conf.size)

    def encode(self, tap: Tap, context: ChunkContext) -> dict[str, Tap]:
        """See StreamingEncoder.

        Raises:
            DataError: an utterance has more frames than there are positions; `index` is its place.
        """
        x, lengths = self._around(tap.x, tap.lengths.to(tap.x.device))
        x = self.dropout(self.input_norm(x * self.scale + self.positions[: x.size(1)]))
        mask = torch.arange(x.size(1), device=x.device) < lengths[:, None]
        mask = (mask | ~mask.any(dim=1, keepdim=True))[:, None, None]  # a row without frames would become NaN
        for layer in self.layers:
            x = layer(x, mask)
        return {"": Tap(self.norm(x), lengths, tap.shift_s)}

    def init_state(self, batch_size: int, context: ChunkContext, device: torch.device | str = "cpu") -> MBartState:
        return MBartState(context, Waiting.none(batch_size, self.size, device=device))

    def ready(self, frames: int, context: ChunkContext) -> dict[str, int]:
        """None before the end."""
        return {"": 0}

    def step(self, tap: Tap, state: MBartState, last: Sequence[bool]) -> tuple[dict[str, Tap], MBartState]:
        """See StreamingEncoder."""

        def embed(x: Tensor, lengths: Tensor) -> Tap:
            return self.encode(Tap(x, lengths, tap.shift_s), state.context)[""]

        found, pending = step_whole(tap, state.pending, last, embed, self.size, tap.shift_s)
        return {"": found}, MBartState(state.context, pending)

    def check_context(self, context: ChunkContext) -> None:
        """Refuse chunks."""
        super().check_context(context)
        if context.chunk_frames:
            raise ConfigError("mbart hears whole utterances: give no chunk, or 0")

    def _around(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (B, T, D) with the vectors around those of each row, and their lengths."""
        (before, D), after, longest = self.before.shape, len(self.after), int(lengths.max()) if len(lengths) else 0
        if longest + before + after > len(self.positions):
            most = len(self.positions) - before - after
            raise DataError(
                f"{longest} frames, and mbart has positions for {most}: leave the utterance out, or cut it",
                index=int(lengths.argmax()),
            )
        x, B = zeroed(x[:, :longest], lengths.tolist()), x.size(0)
        x = torch.cat([self.before.to(x.dtype).expand(B, -1, -1), x, x.new_zeros(B, after, D)], dim=1)
        places = before + lengths[:, None] + torch.arange(after, device=x.device)
        x = x.scatter(1, places[..., None].expand(-1, -1, D), self.after.to(x.dtype).expand(B, -1, -1))
        return x, (lengths + before + after).where(lengths > 0, 0)


class MBartLayer(nn.Module):
    """Self-attention and a feed-forward module, each behind a norm."""

    def __init__(self, conf: MBartEncoderConf) -> None:
        super().__init__()
        self.heads, self.attention_dropout = conf.heads, conf.attention_dropout
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(conf.size), nn.LayerNorm(conf.size)
        self.query, self.key, self.value, self.output = (nn.Linear(conf.size, conf.size) for _ in range(4))
        self.feed_forward = nn.Sequential(
            nn.Linear(conf.size, conf.feed_forward_size),
            ACTIVATIONS[conf.activation](),
            nn.Linear(conf.feed_forward_size, conf.size),
        )
        self.dropout = nn.Dropout(conf.dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D), and which frames are heard, (B, 1, 1, T)."""
        B, T, D = x.shape
        y = self.attention_norm(x)
        q, k, v = (
            project(y).view(B, T, self.heads, -1).transpose(1, 2) for project in (self.query, self.key, self.value)
        )
        dropout = self.attention_dropout if self.training else 0.0
        heard = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
        x = x + self.dropout(self.output(heard.transpose(1, 2).reshape(B, T, D)))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))
