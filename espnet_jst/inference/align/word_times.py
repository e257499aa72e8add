"""Where in the audio a word is: forced alignment by a CTC head, for whole utterances and word by word in a stream.

CTC is peaky: a token lights up for a frame or two and blank fills the rest of the word. Taking a constant off the
blank's log-probability lets tokens spread, as label priors do (arXiv:2406.02560; here one number for all tokens,
since only the distance between blank and tokens matters), and what remains of a gap goes to its two neighbours.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from espnet_jst.errors import DataError
from espnet_jst.search.conf import TimingConf


@dataclass(frozen=True)
class WordSpan:
    """A word in the audio: seconds, and the first and last frame in which its tokens are on."""

    start_s: float
    end_s: float
    first_frame: int
    last_frame: int


def ctc_word_times(
    log_probs: Tensor,
    word_token_ids: Sequence[Sequence[int]],
    frame_shift_s: float,
    *,
    blank: int = 0,
    conf: TimingConf | None = None,
    open_end: bool = False,
    written_s: Sequence[float] | None = None,
) -> list[WordSpan]:
    """Forced alignment of words to the frames of a CTC head.

    Args:
        log_probs: log posteriors of the head, (T, V).
        word_token_ids: the tokens of each word, none of them `blank`.
        frame_shift_s: seconds from one frame to the next.
        blank: id of the blank symbol.
        conf: how boundaries are drawn.
        open_end: further words that are not given may be spoken before the frames end, as in a stream.
        written_s: where a search wrote each word, in seconds from the first frame: a word that the head has not heard
            clearly is looked for near it.

    Returns:
        One span a word, in order, not overlapping, in seconds from the first frame.

    Raises:
        DataError: a word has no tokens, a token is not in the vocabulary, or there are fewer frames than tokens need.
    """
    conf = conf or TimingConf()
    T, V = log_probs.shape
    tokens = [token for word in word_token_ids for token in word]
    if not tokens:
        return []
    if any(len(word) == 0 for word in word_token_ids):
        raise DataError("a word without tokens cannot be aligned: leave it out")
    if blank in tokens or min(tokens) < 0 or max(tokens) >= V:
        raise DataError(f"token ids must be in [0, {V}) and not the blank {blank}: {tokens}")
    needed = len(tokens) + sum(a == b for a, b in itertools.pairwise(tokens))
    if needed > T:
        raise DataError(f"{len(tokens)} tokens need {needed} frames, but there are {T}: the text is too long")
    costs = None
    if written_s is not None and conf.lag_cost:
        of_tokens_s = [second for word, second in zip(word_token_ids, written_s, strict=True) for _ in word]
        away_s = ((torch.arange(T)[:, None] + 1) * frame_shift_s - torch.tensor(of_tokens_s)).abs() - conf.lag_s
        costs = conf.lag_cost * away_s.clamp(min=0.0)
    path = _viterbi(log_probs, tokens, blank, conf.blank_penalty, open_end, costs)
    runs = _runs(path, blank)
    spans, position = [], 0
    for word in word_token_ids:
        spans.append((runs[position][0], runs[position + len(word) - 1][1]))
        position += len(word)
    limit = runs[position][0] if position < len(runs) else T
    return _boundaries(spans, limit, frame_shift_s, conf)


def _viterbi(
    log_probs: Tensor, tokens: list[int], blank: int, blank_penalty: float, open_end: bool, costs: Tensor | None = None
) -> list[int]:
    """Best path, one id a frame: of the token; with `costs`, (T, N), of its place among all N, which is no token's.

    A wildcard with an id of its own may take frames after the last token when `open_end`.
    """
    from torchaudio.functional import forced_align

    scores = log_probs.detach().to("cpu", torch.float32).clone()
    T, V = scores.shape
    scores[:, blank] -= blank_penalty
    # One nat a frame below the frame's best symbol: blank is still preferred where blank is on.
    wildcard = scores.max(dim=1, keepdim=True).values - 1.0
    if costs is not None:
        scores, tokens, blanks = _by_place(scores, tokens, blank, costs)
    if open_end:
        ending = scores.new_full((1, scores.size(1) + 1), -1e4)
        ending[0, -1] = 0.0
        scores, tokens = torch.cat([torch.cat([scores, wildcard], dim=1), ending]), [*tokens, scores.size(1)]
    path, _ = forced_align(scores[None], torch.tensor([tokens]), blank=0 if costs is not None else blank)
    found = path[0, :T].tolist()
    return found if costs is None else [blank if place in blanks else V + place for place in found]


def _by_place(scores: Tensor, tokens: list[int], blank: int, costs: Tensor) -> tuple[Tensor, list[int], frozenset[int]]:
    """A symbol for the blank and one for each token of the text, whose scores are less by its costs.

    Returns:
        Scores (T, places), the text in these symbols, and those that are blanks: the first one, and one between two
        tokens that are the same.
    """
    columns, text, blanks = [scores[:, blank]], [], {0}
    for i, token in enumerate(tokens):
        if i and token == tokens[i - 1]:
            blanks.add(len(columns))
            text.append(len(columns))
            # A little more than the blank's own: where two ways are equally good, torchaudio 2.11 takes a third one.
            columns.append(scores[:, blank] + 0.01)
        text.append(len(columns))
        columns.append(scores[:, token] - costs[:, i])
    return torch.stack(columns, dim=1), text, frozenset(blanks)


def _runs(path: list[int], blank: int) -> list[tuple[int, int]]:
    """First and last frame of every token on a path."""
    runs: list[tuple[int, int]] = []
    for frame, token in enumerate(path):
        if token == blank:
            continue
        if frame and path[frame - 1] == token:
            runs[-1] = (runs[-1][0], frame)
        else:
            runs.append((frame, frame))
    return runs


def _boundaries(spans: list[tuple[int, int]], limit: int, shift_s: float, conf: TimingConf) -> list[WordSpan]:
    """Frames in which the tokens are on -> seconds: a gap is shared between the words on its sides."""
    left, right = conf.extend_left_s / shift_s, conf.extend_right_s / shift_s
    fits = right / (left + right) if left + right else 0.0
    starts, ends = [float(first) for first, _ in spans], [last + 1.0 for _, last in spans]
    for i, (first, last) in enumerate(spans):
        following = spans[i + 1][0] if i + 1 < len(spans) else limit
        gap = following - last - 1
        is_last = i + 1 == len(spans)
        ends[i] += min(right, gap if is_last else gap * fits)
        before = first if i == 0 else (first - spans[i - 1][1] - 1) * (1 - fits)
        starts[i] -= min(left, before)
    out = []
    for (first, last), start, end in zip(spans, starts, ends, strict=True):
        start_s, end_s = max(0.0, start * shift_s + conf.offset_s), max(0.0, end * shift_s + conf.offset_s)
        out.append(WordSpan(start_s, end_s, first, last))
    return out


def share_spans(spans: Sequence[tuple[float, float]], counts: Sequence[int]) -> list[tuple[float, float]]:
    """(Start, end) of every word, where a span belongs to several (`Tokenizer.groups`), which share it evenly."""
    return [
        (start + k * (end - start) / count, start + (k + 1) * (end - start) / count)
        for (start, end), count in zip(spans, counts, strict=True)
        for k in range(count)
    ]


class WordTimer:
    """Times of a stream's words, given for good when a word is shown.

    It keeps the frames since the last aligned word; new words are aligned to them, and a later word never starts
    before an earlier one ends.

    Args:
        frame_shift_s: seconds from one frame of the CTC head to the next.
        blank: id of its blank symbol.
        conf: how boundaries are drawn.
        begin_s: where in the recording the first frame begins.
    """

    def __init__(
        self, frame_shift_s: float, *, blank: int = 0, conf: TimingConf | None = None, begin_s: float = 0.0
    ) -> None:
        self.frame_shift_s, self.blank, self.conf, self.begin_s = frame_shift_s, blank, conf or TimingConf(), begin_s
        self._frames: Tensor | None = None
        self._first_frame = 0
        self._last_token: int | None = None
        self._last_end_s = 0.0

    def push(self, log_probs: Tensor) -> None:
        """Further frames of the CTC head, (T, V) log posteriors."""
        log_probs = log_probs.detach().to("cpu", torch.float32)
        frames = log_probs if self._frames is None else torch.cat([self._frames, log_probs])
        self._forget(frames, max(0, len(frames) - round(self.conf.memory_s / self.frame_shift_s)))

    def align(
        self, word_token_ids: Sequence[Sequence[int]], written_s: Sequence[float] | None = None
    ) -> list[tuple[float, float]] | None:
        """Start and end in seconds from the stream's beginning of each new word; None where they do not fit.

        `written_s`, also from its beginning, is where a search wrote them, see `ctc_word_times`.
        """
        if self._frames is None or not word_token_ids or not all(word_token_ids):
            return None
        # The run of the last token may go on: the same token again needs a blank before it.
        skip = 1 if self._last_token == word_token_ids[0][0] and self._first_frame > 0 else 0
        frames = self._frames[skip:]
        origin_s, times = self.begin_s + (self._first_frame + skip) * self.frame_shift_s, []
        near_s = None if written_s is None else [second - origin_s for second in written_s]
        aligned = partial(ctc_word_times, blank=self.blank, conf=self.conf, open_end=True, written_s=near_s)
        try:
            spans = aligned(frames, word_token_ids, self.frame_shift_s)
        except DataError:
            return None
        heard_s = self.begin_s + (self._first_frame + len(self._frames)) * self.frame_shift_s
        for span in spans:
            start_s = max(self._last_end_s, span.start_s + origin_s)
            self._last_end_s = max(start_s, min(span.end_s + origin_s, heard_s))
            times.append((start_s, self._last_end_s))
        self._last_token = word_token_ids[-1][-1]
        self._forget(self._frames, spans[-1].last_frame + skip + 1)
        return times

    def _forget(self, frames: Tensor, count: int) -> None:
        self._frames = frames[count:]
        self._first_frame += count
