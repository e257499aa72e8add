"""Greedy transducer search from label to label (arXiv:2406.06220), as a CUDA graph on a GPU (arXiv:2406.03791).

The tests run the same iterations on the CPU, without a graph.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from espnet_jst.heads.transducer import TransducerHead
from espnet_jst.search.blank_penalty import BlankPenalty
from espnet_jst.search.hypotheses import GreedyState
from espnet_jst.search.interface import Emission

WINDOW = 8  # frames that a stream looks at in one iteration
ITERATIONS = 32  # between two looks of the host at what was written
KEPT_LOOPS = 8  # that nobody uses at the moment

_taking, _capturing = threading.Lock(), threading.Lock()


class LabelLooping:
    """The same labels as the frame-synchronous search, in fewer and larger steps.

    In every iteration each stream looks at its next `WINDOW` frames: it takes the first symbol there that is not the
    blank and stays in that frame, or passes them all. Shapes never change and the host never waits inside a block of
    iterations, so that on a GPU the iteration is captured once and replayed.

    The memory of a loop belongs to one call of `step` at a time: calls that meet, in threads or in one another, get a
    loop each.

    Args:
        head: the transducer.
        blank_penalty: says which label opens which lane; the penalties themselves are those of the state.
        max_symbols: most symbols in one frame.
    """

    def __init__(self, head: TransducerHead, *, blank_penalty: BlankPenalty, max_symbols: int = 20) -> None:
        self.head, self.blank_penalty, self.max_symbols = head, blank_penalty, max_symbols
        self._free: list[tuple[tuple[Any, ...], _Loop]] = []  # the one that was used last comes last

    @torch.no_grad()
    def step(
        self, x: Tensor, lengths: Tensor, state: GreedyState, clock: Tensor
    ) -> tuple[list[list[Emission]], GreedyState]:
        """Frames (B, T, D), the first `lengths` of which are valid -> new emissions of each stream, state.

        Args:
            clock: what steers the penalty, (B, T, L); without columns where it is fixed.
        """
        encoded = self.head.joint.encoder_proj(x)
        offset = state.frames.tolist()
        out: list[list[Emission]] = [[] for _ in offset]
        if encoded.size(1) == 0:
            return out, state
        with self._loop(encoded, lengths, state, clock) as loop:
            while not loop.done():
                tokens, frames, logps = (values.tolist() for values in loop.run())
                for written in zip(tokens, frames, logps, strict=True):
                    for b, (token, frame, logp) in enumerate(zip(*written, strict=True)):
                        if token >= 0:
                            out[b].append(Emission(token, offset[b] + frame, logp))
            projected, predictor, lane = loop.projected.clone(), loop.predictor.clone(), loop.lane.clone()
            pace = loop.pace.clone()
        now = state.frames + lengths
        return out, replace(state, frames=now, projected=projected, predictor=predictor, lane=lane, pace=pace)

    @contextlib.contextmanager
    def _loop(self, encoded: Tensor, lengths: Tensor, state: GreedyState, clock: Tensor) -> Iterator[_Loop]:
        """A loop that nobody else uses, loaded with these streams."""
        tensors = encoded, lengths, state.projected, state.lane, state.penalty, clock, *state.predictor.tensors
        weights = (*self.head.predictor.parameters(), *self.head.joint.parameters())
        # A graph reads its weights where they were when it was captured.
        key = (*((x.shape, x.dtype, x.device) for x in tensors), *(x.data_ptr() for x in weights))
        with _on(encoded.device):
            with _taking:
                place = next((i for i, (kept, _) in reversed([*enumerate(self._free)]) if kept == key), None)
                loop = None if place is None else self._free.pop(place)[1]
            if loop is None:
                loop = _Loop(self, encoded, lengths, state, clock)
            loop.load(encoded, lengths, state, clock)
            yield loop
            loop.leave()
        with _taking:  # not after an error, which may have left it half done
            self._free.append((key, loop))
            del self._free[:-KEPT_LOOPS]


def _on(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Streams and graphs are those of a GPU, whichever is the current one."""
    return torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext()


class _Loop:
    """Tensors of one shape, in which the iterations run, and their graph."""

    def __init__(
        self, search: LabelLooping, encoded: Tensor, lengths: Tensor, state: GreedyState, clock: Tensor
    ) -> None:
        B, device = encoded.size(0), encoded.device
        self.search = search
        self.encoded, self.lengths, self.projected = encoded.clone(), lengths.clone(), state.projected.clone()
        self.predictor, self.lane, self.penalty = state.predictor.clone(), state.lane.clone(), state.penalty.clone()
        self.offset, self.pace, self.clock = state.frames.clone(), state.pace.clone(), clock.clone()
        self.frame, self.written = (torch.zeros(B, dtype=torch.long, device=device) for _ in range(2))
        self.iteration = torch.zeros(1, dtype=torch.long, device=device)
        self.tokens, self.frames = (torch.zeros(ITERATIONS, B, dtype=torch.long, device=device) for _ in range(2))
        self.logps = torch.zeros(ITERATIONS, B, device=device)
        self._graph: torch.cuda.CUDAGraph | None = None
        if encoded.is_cuda:
            # A stream of its own: what libraries keep for the stream of a capture is not shared with other graphs.
            self._side, self._left = torch.cuda.Stream(), torch.cuda.Event()

    def leave(self) -> None:
        """What has been started here comes before the next `load`, which may be in another stream."""
        if self.encoded.is_cuda:
            self._left.record()

    def load(self, encoded: Tensor, lengths: Tensor, state: GreedyState, clock: Tensor) -> None:
        """Begin with other streams."""
        if self.encoded.is_cuda:
            self._left.wait()
        pairs = [(self.encoded, encoded), (self.lengths, lengths), (self.projected, state.projected)]
        pairs += [(self.lane, state.lane), (self.penalty, state.penalty), (self.offset, state.frames)]
        pairs += [(self.pace, state.pace), (self.clock, clock)]
        for mine, theirs in [*pairs, *zip(self.predictor.tensors, state.predictor.tensors, strict=True)]:
            mine.copy_(theirs)
        self.frame.zero_()
        self.written.zero_()

    def done(self) -> bool:
        """Whether every stream is at its end."""
        return bool((self.frame >= self.lengths).all())

    def run(self) -> tuple[Tensor, Tensor, Tensor]:
        """A block of iterations -> labels (-1 for none), frames and log-probabilities, (ITERATIONS, B) each."""
        self.iteration.zero_()
        if self.encoded.is_cuda and self._graph is None:
            self._capture()
        for _ in range(ITERATIONS):
            if self._graph is not None:
                self._graph.replay()
            else:
                self._iterate()
        return self.tokens, self.frames, self.logps

    def _capture(self) -> None:
        saved = [x.clone() for x in self._changing()]
        self._side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._side):
            self._iterate()  # libraries set themselves up outside the graph
        torch.cuda.current_stream().wait_stream(self._side)
        graph = torch.cuda.CUDAGraph()
        # Other threads may go on with what they do on the GPU; only one can capture.
        with _capturing, torch.cuda.graph(graph, stream=self._side, capture_error_mode="thread_local"):
            self._iterate()
        self._graph = graph
        for mine, before in zip(self._changing(), saved, strict=True):
            mine.copy_(before)

    def _changing(self) -> list[Tensor]:
        moving = [self.lane, self.pace, self.frame, self.written, self.iteration]
        return [self.projected, *self.predictor.tensors, *moving]

    def _iterate(self) -> None:
        head, joint, blank_penalty = self.search.head, self.search.head.joint, self.search.blank_penalty
        T, J = self.encoded.size(1), self.encoded.size(2)
        ahead = torch.arange(WINDOW, device=self.frame.device)
        frames = self.frame[:, None] + ahead
        window = self.encoded.gather(1, frames.clamp(max=T - 1)[..., None].expand(-1, -1, J))
        logits = head.search_logits(window + self.projected[:, None])
        is_blank = torch.arange(logits.size(2), device=logits.device) == head.blank
        numbers = self.offset[:, None] + frames
        clock = self.clock.gather(1, frames.clamp(max=T - 1)[..., None].expand(-1, -1, self.clock.size(2)))
        lanes = blank_penalty.now(self.penalty[:, None], clock, self.pace[:, None], numbers)
        penalty = lanes.gather(2, self.lane[:, None, None].expand(-1, lanes.size(1), 1))
        best = (logits - penalty * is_blank).argmax(dim=-1)
        full = (ahead == 0) & (self.written >= self.search.max_symbols)[:, None]
        writes = (best != head.blank) & (frames < self.lengths[:, None]) & ~full
        found, first = writes.any(dim=1), writes.int().argmax(dim=1, keepdim=True)
        label = best.gather(1, first)[:, 0]
        taken = logits.gather(1, first[..., None].expand(-1, -1, logits.size(2)))[:, 0]
        logp = taken.log_softmax(dim=-1)
        here = frames.gather(1, first)[:, 0]
        self.tokens.index_copy_(0, self.iteration, torch.where(found, label, -1)[None])
        self.frames.index_copy_(0, self.iteration, here[None])
        self.logps.index_copy_(0, self.iteration, logp.gather(1, label[:, None]).t())
        y, after = head.predictor.step(label, self.predictor)
        for mine, new in zip(self.predictor.tensors, after.where(found, self.predictor).tensors, strict=True):
            mine.copy_(new)
        now = clock.gather(1, first[..., None].expand(-1, -1, clock.size(2)))[:, 0]
        pace = blank_penalty.wrote(self.pace, self.lane, label, now, self.offset + here)
        self.pace.copy_(torch.where(found[:, None], pace, self.pace))
        self.lane.copy_(torch.where(found, blank_penalty.after(self.lane, label), self.lane))
        self.projected.copy_(torch.where(found[:, None], joint.predictor_proj(y), self.projected))
        stays = found & (first[:, 0] == 0)
        self.written.copy_(torch.where(stays, self.written + 1, found.long()))
        self.frame.copy_(torch.where(found, here, torch.minimum(self.frame + WINDOW, self.lengths)))
        self.iteration.add_(1).clamp_(max=ITERATIONS - 1)
