"""Contextual block Conformer (Tsunoo et al., 2019): blocks that overlap, and a context vector from block to block.

ESPnet's `contextual_block_conformer`, with its parameters' names, so that its weights load. An utterance comes out as
ESPnet's own decoding of it alone does, whatever it is padded with and whoever else is in the batch; in ESPnet's
training the padding reaches the last block, and a short utterance is computed in another way beside a long one.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from espnet_jst.encoders.conf import ContextualBlockConformerConf
from espnet_jst.encoders.contextual_block_layer import EPSILON, ContextualBlockLayer
from espnet_jst.encoders.interface import ChunkContext, StreamingEncoder, TapSize
from espnet_jst.errors import ConfigError
from espnet_jst.keys import takes
from espnet_jst.streams import RowState, Waiting, zeroed
from espnet_jst.taps import Tap

KERNELS = {4: ((3, 2), (3, 2)), 6: ((3, 2), (5, 3)), 8: ((3, 2), (3, 2), (3, 2))}  # and strides, by factor


@dataclass
class BlockState(RowState):
    """Everything that a stream carries from block to block.

    Attributes:
        context: chunk, fixed for the stream.
        heard: input frames that wait for the subsampling.
        frames: subsampled frames from the first one of the next block on.
        blocks: blocks that each row has had.
        average: what the last block's context vector began with, (B, D).
        vectors: the context vector that each layer got from the last block, (B, layers, D).
        rest: of every tap, the last block's frames behind those that were given out, (B, look-ahead, D).
    """

    context: ChunkContext
    heard: Waiting
    frames: Waiting
    blocks: list[int]
    average: Tensor
    vectors: Tensor
    rest: dict[str, Tensor]


class Blocks(NamedTuple):
    """What a step makes of B streams and at most N blocks of P frames each.

    Attributes:
        frames: of every tap, (B, max given out, D).
        given: how many of each row are given out.
        new: blocks of each row.
        average, vectors, rest: as BlockState has them, after these blocks.
    """

    frames: dict[str, Tensor]
    given: list[int]
    new: list[int]
    average: Tensor
    vectors: Tensor
    rest: dict[str, Tensor]


class ConvSubsamplingWithoutPadding(nn.Module):
    """ESPnet's subsampling: an output frame hears `reach` input frames from its own first one on."""

    def __init__(self, input_size: int, size: int, factor: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        bins, self.reach, step = input_size, 1, 1
        for width, (kernel, stride) in zip([1, size, size], KERNELS[factor]):
            layers += [nn.Conv2d(width, size, kernel, stride), nn.ReLU()]
            bins = (bins - kernel) // stride + 1
            self.reach, step = self.reach + (kernel - 1) * step, step * stride
        if bins < 1:
            raise ConfigError(f"{input_size} features are too few for a subsampling by {factor}")
        self.conv, self.out = nn.Sequential(*layers), nn.Linear(size * bins, size)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, F) -> (B, (T - reach) // factor + 1, size); T is at least `reach`."""
        y: Tensor = self.conv(x.unsqueeze(1))
        out: Tensor = self.out(y.transpose(1, 2).flatten(2))
        return out


class Projection(nn.Sequential):
    """An input at the rate of the frames."""

    reach = 1

    def __init__(self, input_size: int, size: int, dropout: float) -> None:
        super().__init__(nn.Linear(input_size, size), nn.LayerNorm(size), nn.Dropout(dropout), nn.ReLU())


class ContextualBlockConformer(StreamingEncoder):
    """Streaming Conformer whose blocks hear `past_frames` before their own frames and the context's look-ahead behind.

    A block's frames also attend to a vector that the block before has made in the layer below, so that they hear all
    of the past; a whole utterance of at most one block, or chunk 0, is an ordinary Conformer. `left_chunks` is -1: how
    far a block sees is fixed.

    Args:
        input_size: features per input frame.
    """

    @takes(ContextualBlockConformerConf)
    def __init__(self, input_size: int, conf: ContextualBlockConformerConf) -> None:
        super().__init__()
        self.input_size, self.size, self.subsampling, self.taps = input_size, conf.size, conf.subsampling, conf.taps
        self.past, self.place_vectors = conf.past_frames, conf.place_vectors
        self.context = ChunkContext(conf.chunk_frames, -1, conf.look_ahead_frames)
        self.train_contexts = [
            ChunkContext(chunk, -1, ahead)
            for chunk in conf.train_chunk_frames or [conf.chunk_frames]
            for ahead in conf.train_look_ahead_frames or [conf.look_ahead_frames]
        ]
        self.tap_sizes = {name: TapSize(conf.size, conf.subsampling) for name in ("", *map(str, conf.taps))}
        self.embed: ConvSubsamplingWithoutPadding | Projection
        if conf.subsampling == 1:
            self.embed = Projection(input_size, conf.size, conf.dropout)
        else:
            self.embed = ConvSubsamplingWithoutPadding(input_size, conf.size, conf.subsampling)
        self.encoders = nn.ModuleList(
            ContextualBlockLayer(
                size=conf.size,
                heads=conf.heads,
                feed_forward_size=conf.feed_forward_size,
                kernel_size=conf.kernel_size,
                macaron=conf.macaron,
                dropout=conf.dropout,
                attention_dropout=conf.attention_dropout,
            )
            for _ in range(conf.layers)
        )
        self.after_norm = nn.LayerNorm(conf.size, eps=EPSILON)
        self.position_dropout = nn.Dropout(conf.position_dropout)

    def check_context(self, context: ChunkContext) -> None:
        if context.left_chunks != -1:
            raise ConfigError(
                f"left_chunks is {context.left_chunks}: a block hears {self.past} frames before its own, and all of "
                "the past through its context vector; leave it at -1"
            )
        if context.look_ahead_frames < 0:
            raise ConfigError("a look-ahead is 0 or more")

    def encode(self, tap: Tap, context: ChunkContext) -> dict[str, Tap]:
        """See StreamingEncoder."""
        x, frames = self._subsampled(zeroed(tap.x, tap.lengths.tolist()), tap.lengths.tolist(), [True] * len(tap.x))
        size = self._block_frames(context)
        out: dict[str, Tensor] = {}
        for whole in (True, False):
            rows = [row for row, count in enumerate(frames) if (count <= size) == whole]
            counts = [frames[row] for row in rows]
            if not rows or not max(counts):
                continue
            chosen = x[rows, : max(counts)]
            if whole:
                found = self._whole(chosen, counts)
            else:
                first = self.init_state(len(rows), context, x.device)
                found = self._blocks(chosen, counts, first, [True] * len(rows)).frames
            for name, y in found.items():
                out[name] = _put(out.get(name, y.new_zeros(*x.shape)), rows, y)
        out = out or {name: torch.zeros_like(x) for name in self.tap_sizes}
        lengths = torch.tensor(frames, device=tap.lengths.device)
        return {name: Tap(zeroed(y, frames), lengths, tap.shift_s * self.subsampling) for name, y in out.items()}

    def init_state(self, batch_size: int, context: ChunkContext, device: torch.device | str = "cpu") -> BlockState:
        return BlockState(
            context,
            Waiting.none(batch_size, self.input_size, device=device),
            Waiting.none(batch_size, self.size, device=device),
            [0] * batch_size,
            torch.zeros(batch_size, self.size, device=device),
            torch.zeros(batch_size, len(self.encoders), self.size, device=device),
            {
                name: torch.zeros(batch_size, context.look_ahead_frames, self.size, device=device)
                for name in self.tap_sizes
            },
        )

    def ready(self, frames: int, context: ChunkContext) -> dict[str, int]:
        blocks = self._complete(self._count(frames), 0, context)
        return dict.fromkeys(self.tap_sizes, self.past + blocks * context.chunk_frames if blocks else 0)

    def step(self, tap: Tap, state: BlockState, last: Sequence[bool]) -> tuple[dict[str, Tap], BlockState]:
        """See StreamingEncoder; all blocks that are complete are computed together."""
        heard = state.heard.append(tap.x, tap.lengths.tolist())
        started = [bool(done or count) for done, count in zip(state.blocks, state.frames.counts, strict=True)]
        x, counts = self._subsampled(heard.x, heard.counts, [e and not s for e, s in zip(last, started, strict=True)])
        used = [had if ends else count * self.subsampling for had, count, ends in zip(heard.counts, counts, last)]
        frames = state.frames.append(x, counts)
        size, ahead = self._block_frames(state.context), state.context.look_ahead_frames
        blocks = self._blocks(frames.x, frames.counts, state, last)
        out, given = blocks.frames, list(blocks.given)
        # At the end of a stream: what is no longer than a block is whole, and what its last block left over is due.
        ended = [row for row, ends in enumerate(last) if ends]
        short = [row for row in ended if not state.blocks[row] and 0 < frames.counts[row] <= size]
        over = [row for row in ended if state.blocks[row] and not blocks.new[row] and ahead]
        if short:
            counts = [frames.counts[row] for row in short]
            whole = self._whole(frames.x[short, : max(counts)], counts)
            out = {name: _put(y, short, whole[name]) for name, y in out.items()}
        if over:
            out = {name: _put(y, over, state.rest[name][over]) for name, y in out.items()}
        for row in short:
            given[row] = frames.counts[row]
        for row in over:
            given[row] = ahead
        lengths, shift_s = torch.tensor(given), tap.shift_s * self.subsampling
        offered = {name: Tap(zeroed(y[:, : max(given)], given), lengths, shift_s) for name, y in out.items()}
        left = [c if ends else n * state.context.chunk_frames for c, n, ends in zip(frames.counts, blocks.new, last)]
        after = BlockState(
            state.context,
            heard.drop(used),
            frames.drop(left),
            [had + new for had, new in zip(state.blocks, blocks.new, strict=True)],
            blocks.average,
            blocks.vectors,
            blocks.rest,
        )
        return offered, after

    def _block_frames(self, context: ChunkContext) -> int:
        """The longest sequence that is one block."""
        return self.past + context.chunk_frames + context.look_ahead_frames if context.chunk_frames else sys.maxsize

    def _complete(self, frames: int, done: int, context: ChunkContext) -> int:
        """Blocks that so many frames fill, from the next block's first one on; the first block waits for one more,
        which tells it from a whole utterance.
        """
        size = self._block_frames(context)
        if frames < size + (not done):
            return 0
        return (frames - self.past - context.look_ahead_frames) // context.chunk_frames

    def _count(self, frames: int) -> int:
        """Subsampled frames of so many input frames."""
        return max(0, (frames - self.embed.reach) // self.subsampling + 1)

    def _subsampled(self, x: Tensor, counts: Sequence[int], whole: Sequence[bool]) -> tuple[Tensor, list[int]]:
        """Input frames (B, T, F), zero behind the first `counts` -> subsampled ones, zero likewise, and their number;
        one at least of a row that is a whole utterance and not empty.
        """
        frames = [
            max(self._count(count), 1 if alone and count else 0) for count, alone in zip(counts, whole, strict=True)
        ]
        most = max(frames, default=0)
        if not most:
            return x.new_zeros(len(x), 0, self.size), frames
        needed = (most - 1) * self.subsampling + self.embed.reach
        x = nn.functional.pad(x, (0, 0, 0, max(0, needed - x.size(1))))[:, :needed]
        return zeroed(self.embed(x), frames), frames

    def _whole(self, x: Tensor, counts: Sequence[int]) -> dict[str, Tensor]:
        """Utterances (B, T, D) of so many frames that are an ordinary Conformer's."""
        valid = torch.arange(x.size(1), device=x.device) < torch.tensor(counts, device=x.device)[:, None]
        x = self._placed(x, torch.arange(x.size(1), device=x.device))
        seen = valid[:, None].expand(-1, x.size(1), -1)
        taps = {}
        for number, layer in enumerate(self.encoders, start=1):
            x = layer(x, seen, valid, valid)
            if number in self.taps:
                taps[str(number)] = x
        return {**taps, "": self.after_norm(x)}

    def _blocks(self, x: Tensor, counts: Sequence[int], state: BlockState, last: Sequence[bool]) -> Blocks:
        """The blocks that frames (B, T, D) fill, from the next block's first one on, and at the end of a stream those
        that they begin.
        """
        chunk, overlap = state.context.chunk_frames, self.past + state.context.look_ahead_frames
        size = self._block_frames(state.context)
        new = []
        for count, done, ends in zip(counts, state.blocks, last, strict=True):
            if ends and chunk and (done or count > size):
                new.append(max(0, -(-(count - overlap) // chunk)))
            else:
                new.append(self._complete(count, done, state.context))
        B, N, device = len(new), max(new, default=0), x.device
        if not N:
            empty = {name: x.new_zeros(B, 0, self.size) for name in self.tap_sizes}
            return Blocks(empty, [0] * B, new, state.average, state.vectors, state.rest)
        total, before_these, number = (torch.tensor(values, device=device) for values in (counts, state.blocks, new))
        order = torch.arange(N, device=device)
        place = order[:, None] * chunk + torch.arange(size, device=device)  # (N, P), in these frames
        inside = place < total[:, None, None]
        x = nn.functional.pad(x, (0, 0, 0, max(0, int(place[-1, -1]) + 1 - x.size(1))))[:, place]
        x = x.masked_fill(~inside[..., None], 0.0)
        average = x.sum(dim=2) / inside.sum(dim=2).clamp(min=1)[..., None]
        own = self._placed(average, before_these[:, None] + order) if self.place_vectors else average
        x = self._placed(x, before_these[:, None, None] * chunk + place).masked_fill(~inside[..., None], 0.0)
        first = (before_these == 0)[:, None]
        before = torch.cat([torch.where(first, own[:, 0], state.average)[:, None], own[:, :-1]], dim=1)
        x = torch.cat([before[:, :, None], x, own[:, :, None]], dim=2)
        seen = torch.ones(1, size + 2, size + 2, dtype=torch.bool, device=device)
        seen[:, 0], seen[:, :, -1] = False, False  # what comes from before asks nothing, what goes on tells nothing
        counted = (order < number[:, None]).flatten()[:, None].expand(-1, size + 2)
        valid = torch.ones_like(counted)
        rows, final = torch.arange(B, device=device), (number - 1).clamp(min=0)
        frames, vectors = {}, []
        for level, layer in enumerate(self.encoders):
            if level:
                told = x[:, :, -1]
                before = torch.cat(
                    [torch.where(first, told[:, 0], state.vectors[:, level - 1])[:, None], told[:, :-1]], dim=1
                )
                x = torch.cat([before[:, :, None], x[:, :, 1:]], dim=2)
            x = layer(x.flatten(0, 1), seen, valid, counted).unflatten(0, (B, N))
            vectors.append(x[rows, final, -1])
            if level + 1 in self.taps:
                frames[str(level + 1)] = x[:, :, 1:-1]
        frames[""] = self.after_norm(x[:, :, 1:-1])
        moved = (number > 0)[:, None]
        rest = {
            name: torch.where(moved[..., None], y[rows, final, self.past + chunk :], state.rest[name])
            for name, y in frames.items()
        }
        begin = [self.past if had else 0 for had in state.blocks]
        end = [
            (count if ends else self.past + blocks * chunk) if blocks else start
            for start, blocks, count, ends in zip(begin, new, counts, last, strict=True)
        ]
        given = [stop - start for start, stop in zip(begin, end, strict=True)]
        # Where each frame is: the first block has those before its own, the last one those that it has looked ahead to.
        place = torch.tensor(begin, device=device)[:, None] + torch.arange(max(given), device=device)
        block = ((place - self.past).clamp(min=0) // chunk).minimum(final[:, None])
        inner = (place - block * chunk).clamp(max=size - 1)
        return Blocks(
            {name: y[rows[:, None], block, inner] for name, y in frames.items()},
            given,
            new,
            torch.where(moved, own[rows, final], state.average),
            torch.where(moved[..., None], torch.stack(vectors, dim=1), state.vectors),
            rest,
        )

    def _placed(self, x: Tensor, places: Tensor) -> Tensor:
        """Vectors (..., D) at places (...) of the stream, with their sinusoids."""
        rates = torch.exp(torch.arange(0, self.size, 2, device=x.device) * -(math.log(10000.0) / self.size))
        angles = places[..., None] * rates
        table = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)
        out: Tensor = self.position_dropout(x * math.sqrt(self.size) + table)
        return out


def _put(into: Tensor, rows: Sequence[int], y: Tensor) -> Tensor:
    """(B, T, D) with other rows in some places, as long as the longer ones."""
    longest = max(into.size(1), y.size(1))
    into, y = (nn.functional.pad(x, (0, 0, 0, longest - x.size(1))) for x in (into, y))
    return into.index_copy(0, torch.tensor(rows, device=into.device), y.to(into.dtype))
