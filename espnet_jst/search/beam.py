"""Beam search of a transducer over a batch of streams: time-synchronous, several symbols a frame, streaming."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from espnet_jst.heads.predictor import PredictorState
from espnet_jst.heads.transducer import TransducerHead
from espnet_jst.search.greedy import Emission

NEVER = float("-inf")
HASH_FACTOR = 6364136223846793005  # Knuth's multiplier; sequences are told apart by a 64-bit rolling hash


@dataclass(frozen=True)
class Hypothesis:
    """One entry of an n-best list: its emissions and the logarithm of the summed probability of its paths."""

    emissions: list[Emission]
    score: float


@dataclass
class BeamState:
    """K hypotheses for each of B streams.

    Attributes:
        history: labels, frames and log-probabilities written and not forgotten, (3, B, K, L), exact in float64.
        counts: labels in the history, (B, K).
        keys: hash of the label sequence, (B, K).
        scores: log-probability, (B, K); -inf marks an unused place.
        projected: predictor output projected for the joint network, (B, K, J).
        predictor: predictor state of each hypothesis, (B * K, ...).
        frames: frames seen, (B,).
        shown: labels of the history that `step` has given out, one number a stream.
        given: all emissions that `step` has given out, a list a stream.
        forgotten: labels that every stream has given out and the history no longer holds: a stream may go on for ever.
    """

    history: Tensor
    counts: Tensor
    keys: Tensor
    scores: Tensor
    projected: Tensor
    predictor: PredictorState
    frames: Tensor
    shown: list[int]
    given: list[list[Emission]]
    forgotten: int = 0


class BeamSearch:
    """At each frame, every hypothesis may write up to `max_symbols` symbols before it takes the blank.

    Hypotheses are merged, their probabilities added, when they hold the same labels: then lanes, current lane and
    predictor state are the same too. `step` gives out what all hypotheses of a stream share, so nothing is retracted.

    Args:
        head: the transducer.
        beam_size: hypotheses kept, K.
        blank_penalty: subtracted from the blank's logit.
        max_symbols: most symbols in one frame.
    """

    def __init__(
        self, head: TransducerHead, *, beam_size: int = 4, blank_penalty: float = 0.0, max_symbols: int = 20
    ) -> None:
        self.head, self.beam_size = head, beam_size
        self.blank_penalty, self.max_symbols = blank_penalty, max_symbols

    @torch.no_grad()
    def init_state(self, batch_size: int) -> BeamState:
        """State before the first frame: one empty hypothesis a stream."""
        B, K, device = batch_size, self.beam_size, self.head.joint.output.weight.device
        start = torch.full((B * K,), self.head.blank, dtype=torch.long, device=device)
        y, predictor = self.head.predictor.step(start, self.head.predictor.init_state(B * K, device))
        scores = torch.full((B, K), NEVER, device=device)
        scores[:, 0] = 0.0
        zeros = torch.zeros(B, K, dtype=torch.long, device=device)
        history = torch.zeros(3, B, K, 0, dtype=torch.float64, device=device)
        projected = self.head.joint.predictor_proj(y).view(B, K, -1)
        frames = torch.zeros(B, dtype=torch.long, device=device)
        return BeamState(history, zeros, zeros, scores, projected, predictor, frames, [0] * B, [[] for _ in range(B)])

    @torch.no_grad()
    def step(self, x: Tensor, lengths: Tensor, state: BeamState) -> tuple[list[list[Emission]], BeamState]:
        """Encoder frames (B, T, D), the first `lengths` of which are valid -> emissions that are certain, state."""
        encoded = self.head.joint.encoder_proj(x)
        for t in range(x.size(1)):
            after = self._frame(encoded[:, t], state)
            state = self._choose(lengths > t, replace(after, frames=state.frames + 1), state)
        return self._show(state)

    def finish(self, state: BeamState) -> list[list[Hypothesis]]:
        """n-best lists, best first."""
        order = state.scores.argsort(dim=1, descending=True)
        lists = []
        for b, row in enumerate(order.tolist()):
            kept = [k for k in row if state.scores[b, k] > NEVER]
            before = state.given[b][: state.forgotten]
            lists.append([Hypothesis(before + self._emissions(state, b, k), float(state.scores[b, k])) for k in kept])
        return lists

    def _frame(self, encoded: Tensor, state: BeamState) -> BeamState:
        """All that may happen in one frame: `live` may write more, `done` has taken the blank."""
        live, done = state, replace(state, scores=torch.full_like(state.scores, NEVER))
        for symbol in range(self.max_symbols + 1):
            logits = self.head.joint.output((encoded[:, None] + live.projected).tanh()).float()
            logits[..., self.head.blank] -= self.blank_penalty
            logp = logits.log_softmax(dim=-1)
            blanked = replace(live, scores=live.scores + logp[..., self.head.blank])
            done = self._best(self._merge(self._join(done, blanked)))
            if symbol == self.max_symbols:
                break
            live = self._extend(live, logp)
            # Scores only fall: what is below the worst kept hypothesis can never come back.
            worst = done.scores.min(dim=1, keepdim=True).values
            live = replace(live, scores=live.scores.masked_fill(live.scores <= worst, NEVER))
            if not bool((live.scores > NEVER).any()):
                break
        return done

    def _extend(self, state: BeamState, logp: Tensor) -> BeamState:
        B, K, V = logp.shape
        scores = state.scores[..., None] + logp
        scores[..., self.head.blank] = NEVER
        scores, flat = scores.view(B, -1).topk(min(K, K * V), dim=1)
        parent, label = flat // V, flat % V
        chosen = self._select(state, parent)
        entry = torch.stack(
            [label.double(), state.frames[:, None].expand(B, K).double(), logp.view(B, -1).gather(1, flat).double()]
        )
        history = torch.nn.functional.pad(chosen.history, (0, 1))
        history.scatter_(3, chosen.counts.expand(3, B, K)[..., None], entry[..., None])
        y, predictor = self.head.predictor.step(label.flatten(), chosen.predictor)
        longest = int(chosen.counts.max()) + 1
        return BeamState(
            history[..., :longest],
            chosen.counts + 1,
            chosen.keys * HASH_FACTOR + label + 1,
            scores,
            self.head.joint.predictor_proj(y).view(B, K, -1),
            predictor,
            state.frames,
            state.shown,
            state.given,
            state.forgotten,
        )

    def _select(self, state: BeamState, index: Tensor) -> BeamState:
        """The hypotheses `index` (B, N) of each stream."""
        B, N = index.shape
        L, K = state.history.size(3), state.counts.size(1)
        flat = (index + torch.arange(B, device=index.device)[:, None] * K).flatten()
        return BeamState(
            state.history.gather(2, index[None, :, :, None].expand(3, B, N, L)),
            state.counts.gather(1, index),
            state.keys.gather(1, index),
            state.scores.gather(1, index),
            state.projected.gather(1, index[..., None].expand(B, N, state.projected.size(2))),
            state.predictor.select(flat),
            state.frames,
            state.shown,
            state.given,
            state.forgotten,
        )

    def _join(self, a: BeamState, b: BeamState) -> BeamState:
        L = max(a.history.size(3), b.history.size(3))
        histories = [torch.nn.functional.pad(s.history, (0, L - s.history.size(3))) for s in (a, b)]
        B = a.counts.size(0)
        pairs = zip(a.predictor.tensors, b.predictor.tensors, strict=True)
        tensors = (torch.cat([s.view(B, -1, *s.shape[1:]) for s in pair], dim=1).flatten(0, 1) for pair in pairs)
        return BeamState(
            torch.cat(histories, dim=2),
            torch.cat([a.counts, b.counts], dim=1),
            torch.cat([a.keys, b.keys], dim=1),
            torch.cat([a.scores, b.scores], dim=1),
            torch.cat([a.projected, b.projected], dim=1),
            PredictorState(tuple(tensors)),
            a.frames,
            a.shown,
            a.given,
            a.forgotten,
        )

    def _merge(self, state: BeamState) -> BeamState:
        """Add the probabilities of equal sequences to the likeliest of them; the others become unused."""
        same = (state.keys[:, :, None] == state.keys[:, None]) & (state.counts[:, :, None] == state.counts[:, None])
        scores = state.scores
        total = torch.where(same, scores[:, None], scores.new_tensor(NEVER)).logsumexp(dim=2)
        place = torch.arange(scores.size(1), device=scores.device)
        better = (scores[:, None] > scores[:, :, None]) | (
            (scores[:, None] == scores[:, :, None]) & (place < place[:, None])
        )
        return replace(state, scores=total.masked_fill((same & better).any(dim=2), NEVER))

    def _best(self, state: BeamState) -> BeamState:
        return self._select(state, state.scores.topk(self.beam_size, dim=1).indices)

    def _choose(self, active: Tensor, new: BeamState, old: BeamState) -> BeamState:
        """`new` for the streams that still had a frame, `old` for the others."""
        if bool(active.all()):
            return new
        both = self._join(new, old)
        K = self.beam_size
        index = torch.arange(K, device=active.device) + torch.where(active, 0, K)[:, None]
        return replace(self._select(both, index), frames=torch.where(active, new.frames, old.frames))

    def _show(self, state: BeamState) -> tuple[list[list[Emission]], BeamState]:
        out, shown = [], []
        for b in range(state.counts.size(0)):
            alive = (state.scores[b] > NEVER).nonzero()[:, 0]
            shortest = int(state.counts[b, alive].min())
            labels = state.history[0, b, alive, :shortest]
            agree = int((labels == labels[:1]).all(dim=0).long().cumprod(dim=0).sum())
            best = int(state.scores[b].argmax())
            count = max(agree, state.shown[b])
            out.append(self._emissions(state, b, best)[state.shown[b] : count])
            shown.append(count)
        cut = min(shown)
        return out, replace(
            state,
            history=state.history[..., cut:],
            counts=(state.counts - cut).clamp(min=0),  # unused places may be shorter
            shown=[count - cut for count in shown],
            given=[before + new for before, new in zip(state.given, out, strict=True)],
            forgotten=state.forgotten + cut,
        )

    def _emissions(self, state: BeamState, b: int, k: int) -> list[Emission]:
        labels, frames, logps = state.history[:, b, k, : int(state.counts[b, k])].tolist()
        return [Emission(int(v), int(t), p) for v, t, p in zip(labels, frames, logps, strict=True)]
