"""The chain of encoders, and one decision for all of it on how much is heard."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch

from espnet_jst.config import check_keys
from espnet_jst.encoders.interface import ChunkContext, StreamingEncoder
from espnet_jst.errors import ConfigError
from espnet_jst.streams import RowState
from espnet_jst.taps import Tap

FIRST = "encoder"
LeftChunks = int | Mapping[str, int] | None


class Link(NamedTuple):
    """An encoder of the chain and the tap that it reads; None for the input that feeds it.

    Attributes:
        gradient: factor on what this encoder, and everything on it, sends back into that tap.
    """

    name: str
    encoder: StreamingEncoder
    reads: str | None
    gradient: float = 1.0


@dataclass(frozen=True)
class ChainContext:
    """Chunk and left context of every encoder. An upper one has a whole multiple, in seconds, of the chunk of the one
    that it reads, or the whole utterance.
    """

    encoders: Mapping[str, ChunkContext]

    @property
    def chunk_frames(self) -> int:
        """Chunk of the first encoder in frames of its top; 0 is the whole utterance."""
        return self.encoders[FIRST].chunk_frames

    @property
    def hears_whole(self) -> bool:
        """Whether an encoder waits for the end of the utterance."""
        return any(not context.chunk_frames for context in self.encoders.values())


class Chain:
    """Encoders one on top of the other. It owns no module: they are parts of the model under their own names.

    Args:
        links: the encoders in order, the first one "encoder".
        shift_s: seconds from one frame of the input to the next.

    Attributes:
        shifts_s: of every tap.
        sizes: features of every tap.

    Raises:
        ConfigError: the encoders' own chunks, or those that they are trained with, do not fit together.
    """

    def __init__(self, links: Sequence[Link], shift_s: float) -> None:
        self.links = list(links)
        self.shifts_s: dict[str, float] = {}
        self.sizes: dict[str, int] = {}
        for link in self.links:
            below = shift_s if link.reads is None else self.shifts_s[link.reads]
            for tap, (size, factor) in link.encoder.tap_sizes.items():
                name = tap_name(link.name, tap)
                self.shifts_s[name], self.sizes[name] = below * factor, size
        self._check()

    def own(self) -> ChainContext:
        """Every encoder's own context: that of validation, and of decoding where nothing else is asked for."""
        return ChainContext({link.name: link.encoder.context for link in self.links})

    def given(
        self, chunk_s: float | None = None, left_chunks: LeftChunks = None, look_ahead_s: float | None = None
    ) -> ChainContext:
        """The contexts of a chunk of the first encoder; an upper one keeps its own ratio to it, or stays whole.

        Args:
            chunk_s: seconds of that chunk; 0 or infinity for the whole utterance, None for the encoders' own.
            left_chunks: chunks of left context, -1 for all: of the first encoder, or a mapping of encoders to theirs.
            look_ahead_s: seconds that the first encoder hears behind its chunk, None for its own.

        Raises:
            ConfigError: the chunk is negative, shorter than a frame, no whole number of frames for an upper encoder, or
                none that an encoder can have, or so is the look-ahead.
        """
        left = {FIRST: left_chunks} if isinstance(left_chunks, int) else dict(left_chunks or {})
        check_keys(left, [link.name for link in self.links], "left_chunks")
        contexts: dict[str, ChunkContext] = {}
        for link in self.links:
            own = link.encoder.context
            frames = own.chunk_frames if chunk_s is None else self._frames(link, chunk_s, contexts)
            ahead, shift_s = own.look_ahead_frames, self.shifts_s[link.name]
            if look_ahead_s is not None and link.name == FIRST:
                ahead = round(look_ahead_s / shift_s)
            contexts[link.name] = ChunkContext(frames, left.get(link.name, own.left_chunks), ahead)
            try:
                link.encoder.check_context(contexts[link.name])
            except ConfigError as error:
                asked = f"chunk_s={chunk_s}" if look_ahead_s is None else f"look_ahead_s={look_ahead_s}"
                raise ConfigError(f"{asked} does not suit {link.name} (frames of {shift_s:g} s): {error}") from error
        return ChainContext(contexts)

    def drawn(self) -> ChainContext:
        """The contexts of one training batch, drawn by torch's generator, so that a seed fixes them: an upper encoder
        draws among those of its own that fit the chunk below it.
        """
        contexts: dict[str, ChunkContext] = {}
        for link in self.links:
            fitting = self._fitting(link, contexts)
            contexts[link.name] = fitting[int(torch.randint(len(fitting), ()))]
        return ChainContext(contexts)

    def encode(self, tap: Tap, context: ChainContext, *, into: str = FIRST) -> dict[str, Tap]:
        """What enters the encoder `into` -> the taps from there on."""
        taps: dict[str, Tap] = {}
        for link, source in self._from(into, tap, taps):
            if link.gradient != 1.0 and link.name != into:
                source = source._replace(x=source.x.detach().lerp(source.x, link.gradient))
            taps.update(_named(link, link.encoder.encode(source, context.encoders[link.name])))
        return taps

    def whole(self, tap: Tap, context: ChainContext, names: Iterable[str], *, into: str = FIRST) -> dict[str, Tap]:
        """What taps are where every encoder has the whole utterance at hand, without a gradient; none where they are
        that under `context`.

        Dropout and positions are drawn as in the `encode` that follows: the chunks are all that differs.

        Args:
            tap, into: as `encode` has them.
            names: of the taps; nothing above them is computed.
        """
        links = self._up_to(names)
        links = links[[link.name for link in self.links].index(into) :]
        if not any(context.encoders[link.name].chunk_frames for link in links):
            return {}
        taps: dict[str, Tap] = {}
        with torch.no_grad(), torch.random.fork_rng([tap.x.device] if tap.x.device.type == "cuda" else []):
            for (link, source), _ in zip(self._from(into, tap, taps), links, strict=False):
                heard = replace(context.encoders[link.name], chunk_frames=0, look_ahead_frames=0)
                taps.update(_named(link, link.encoder.encode(source, heard)))
        return taps

    def check_chunked(self, names: Iterable[str], where: str) -> None:
        """Refuse taps that training never makes of chunks, where they are compared with those of whole utterances.

        Raises:
            ConfigError: names what compares them, and the encoders.
        """
        links = self._up_to(names)
        if not any(context.chunk_frames for link in links for context in link.encoder.train_contexts):
            encoders = " and ".join(link.name for link in links)
            raise ConfigError(
                f"{where}: {encoders} hear whole utterances in training, so there is nothing to compare: give "
                f"{FIRST}_conf.train_chunk_frames chunks, or leave it out"
            )

    def init_state(
        self, batch_size: int, context: ChainContext, device: torch.device | str = "cpu"
    ) -> dict[str, RowState]:
        """State of every encoder before the first frame."""
        return {
            link.name: link.encoder.init_state(batch_size, context.encoders[link.name], device) for link in self.links
        }

    def step(
        self, tap: Tap, state: Mapping[str, RowState], last: Sequence[bool]
    ) -> tuple[dict[str, Tap], dict[str, RowState]]:
        """Further frames of the input -> the frames of every tap that became complete, and the states."""
        taps: dict[str, Tap] = {}
        after: dict[str, RowState] = {}
        for link, source in self._from(FIRST, tap, taps):
            found, after[link.name] = link.encoder.step(source, state[link.name], last)
            taps.update(_named(link, found))
        return taps, after

    def ready(self, frames: int, context: ChainContext) -> dict[str, int]:
        """Frames of every tap that `step` has given after so many frames of the input."""
        counts: dict[str, int] = {}
        for link in self.links:
            below = frames if link.reads is None else counts[link.reads]
            found = link.encoder.ready(below, context.encoders[link.name])
            counts.update({tap_name(link.name, tap): count for tap, count in found.items()})
        return counts

    def chunk_s(self, name: str, context: ChunkContext) -> float:
        """Seconds of an encoder's chunk, infinity for the whole utterance."""
        return context.chunk_frames * self.shifts_s[name] or math.inf

    def _from(self, into: str, tap: Tap, taps: Mapping[str, Tap]) -> Iterator[tuple[Link, Tap]]:
        names = [link.name for link in self.links]
        for link in self.links[names.index(into) :]:
            yield link, tap if link.name == into or link.reads is None else taps[link.reads]

    def _up_to(self, names: Iterable[str]) -> list[Link]:
        """The encoders that taps come from, and all below them."""
        encoders = {name.partition(".")[0] for name in names}
        return self.links[: 1 + max(n for n, link in enumerate(self.links) if link.name in encoders)]

    def _below(self, link: Link) -> str | None:
        """The encoder that another one reads."""
        return None if link.reads is None else link.reads.split(".")[0]

    def _frames(self, link: Link, chunk_s: float, contexts: Mapping[str, ChunkContext]) -> int:
        """Frames of an encoder's chunk, where that of the first one takes `chunk_s`."""
        below, own, shift_s = self._below(link), link.encoder.context, self.shifts_s[link.name]
        if chunk_s < 0 or chunk_s != chunk_s:
            raise ConfigError(f"chunk_s={chunk_s} must be positive, or 0 for the whole utterance")
        if chunk_s in (0, math.inf):
            return 0
        if below is None:
            frames = round(chunk_s / shift_s)
            if frames < 1:
                raise ConfigError(f"chunk_s={chunk_s} is shorter than one encoder frame: give at least {shift_s:g} s")
            return frames
        own_below = self.own().encoders[below]
        if not own.chunk_frames or not own_below.chunk_frames:
            return 0
        ratio = self.chunk_s(link.name, own) / self.chunk_s(below, own_below)
        wanted = ratio * self.chunk_s(below, contexts[below]) / shift_s
        if round(wanted) < 1 or not math.isclose(wanted, round(wanted), rel_tol=1e-6):
            raise ConfigError(
                f"chunk_s={chunk_s} would be {wanted:g} frames of {link.name}: give a multiple of {shift_s / ratio:g} s"
            )
        return round(wanted)

    def _fits(self, link: Link, context: ChunkContext, contexts: Mapping[str, ChunkContext]) -> bool:
        below = self._below(link)
        if below is None or not context.chunk_frames:
            return True
        ratio = self.chunk_s(link.name, context) / self.chunk_s(below, contexts[below])
        return round(ratio) >= 1 and math.isclose(ratio, round(ratio), rel_tol=1e-6)

    def _fitting(self, link: Link, contexts: Mapping[str, ChunkContext]) -> list[ChunkContext]:
        return [context for context in link.encoder.train_contexts if self._fits(link, context, contexts)]

    def _check(self) -> None:
        own = self.own().encoders
        for link in self.links:
            below = self._below(link)
            if below is None:
                continue
            where, mine = f"{link.name}_conf", own[link.name]
            if not self._fits(link, mine, own):
                raise ConfigError(f"{where}.chunk_frames {self._misfit(link, mine)}: {self._fix(below, own[below])}")
            others = next(other for other in self.links if other.name == below).encoder.train_contexts
            for context in others:
                if not self._fitting(link, {**own, below: context}):
                    raise ConfigError(f"{where}.train_chunk_frames lacks a chunk: {self._fix(below, context)}")
            for context in link.encoder.train_contexts:
                if not any(self._fits(link, context, {**own, below: other}) for other in others):
                    raise ConfigError(
                        f"{where}.train_chunk_frames {self._misfit(link, context)}, a whole multiple of no training "
                        f"chunk of {below}, so it would never be drawn: take it away"
                    )

    def _misfit(self, link: Link, context: ChunkContext) -> str:
        return f"{context.chunk_frames} is {self.chunk_s(link.name, context):g} s"

    def _fix(self, below: str, context: ChunkContext) -> str:
        """What an encoder above must have where the one that it reads has this chunk."""
        if not context.chunk_frames:
            return f"{below} hears the whole utterance (0), give 0 as well"
        chunk = f"chunks of {self.chunk_s(below, context):g} s"
        return f"{below} makes {chunk}, give a whole multiple of them, or 0 for the whole utterance"


def tap_name(encoder: str, tap: str) -> str:
    """ "encoder" for the top of an encoder, "encoder.8" for another of its outputs."""
    return f"{encoder}.{tap}" if tap else encoder


def whole_name(tap: str) -> str:
    """A tap with the whole utterance at hand, beside the one of chunks."""
    return f"whole.{tap}"


def _named(link: Link, taps: Mapping[str, Tap]) -> dict[str, Tap]:
    return {tap_name(link.name, tap): found for tap, found in taps.items()}
