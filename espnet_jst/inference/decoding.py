"""From the emissions of one utterance's searches to words with lanes and times."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from espnet_jst.errors import DataError
from espnet_jst.heads.ctc import CTCHead
from espnet_jst.heads.spec import HeadSpec
from espnet_jst.inference.align.word_times import TimingConf, WordTimer, share_spans
from espnet_jst.search.greedy import Emission
from espnet_jst.search.hypotheses import Hypothesis as BeamHypothesis
from espnet_jst.taps import Tap
from espnet_jst.text.assembler import AssembledWord, LaneOfTag, WordAssembler
from espnet_jst.text.tokenizer import Tokenizer
from espnet_jst.text.units import Glued, needs_blank
from espnet_jst.text.words import TRANSCRIPT, Word


@dataclass(frozen=True)
class SearchHead:
    """A head that is searched: its configuration, search, tokenizer and the meaning of its tags."""

    spec: HeadSpec
    search: Any
    tokenizer: Tokenizer
    lane_of_tag: LaneOfTag
    frame_shift_s: float

    def assembler(self) -> WordAssembler:
        """A fresh assembler; words before the first tag go to the head's first lane."""
        return WordAssembler(self.tokenizer, self.spec.lanes[0], self.lane_of_tag)


def recombined(head: SearchHead, nbest: Sequence[BeamHypothesis]) -> list[BeamHypothesis]:
    """The final n-best list with hypotheses that differ only in their tags, so not in what they say, as one.

    The likeliest stands for the others and gets the sum of their probabilities. Only for the end of a search: before,
    two tag sequences have different futures.
    """
    best: dict[tuple, BeamHypothesis] = {}
    for hypothesis in sorted(nbest, key=lambda hypothesis: -hypothesis.score):
        assembler = head.assembler()
        lanes: dict[str, tuple] = {}
        words = [word for emission in hypothesis.emissions for word in assembler.push(*emission)]
        for word in words + assembler.flush():
            lanes[word.lane] = (*lanes.get(word.lane, ()), (word.language, word.glued, word.text))
        key = tuple(sorted(lanes.items()))
        if key in best:
            score = float(np.logaddexp(best[key].score, hypothesis.score))
            best[key] = BeamHypothesis(best[key].emissions, score)
        else:
            best[key] = hypothesis
    return sorted(best.values(), key=lambda hypothesis: -hypothesis.score)


def check_finite(taps: Mapping[str, Tap], heads: Mapping[str, SearchHead]) -> None:
    """Refuse encoder outputs that are not numbers: a greedy search would write something of them.

    Raises:
        DataError: `index` is the utterance's place in the batch.
    """
    for head in heads.values():
        tap = taps[head.spec.reads]
        padding = torch.arange(tap.x.size(1), device=tap.x.device) >= tap.lengths[:, None]
        bad = (~(tap.x.isfinite().all(-1) | padding).all(1)).nonzero()
        if len(bad):
            raise DataError(
                "what the encoder makes of the audio is not finite: check the recording and the weights",
                index=int(bad[0, 0]),
            )


@dataclass(frozen=True)
class TimingHead:
    """The CTC head that times the transcript's words."""

    spec: HeadSpec
    head: CTCHead
    tokenizer: Tokenizer
    frame_shift_s: float
    conf: TimingConf


class WordStream:
    """One utterance: emissions and CTC frames go in chunk by chunk, words come out and are never changed.

    A transcript word gets its span from the CTC head, where there is one, a translation word the span of its block's
    transcript words; where that is not known, a word spans the frames in which it was written.

    Args:
        heads: the heads that are searched, by name.
        timing: the CTC head for word times, or None.
    """

    def __init__(self, heads: Mapping[str, SearchHead], timing: TimingHead | None) -> None:
        self._heads, self._timing = heads, timing
        self._assemblers = {name: head.assembler() for name, head in heads.items()}
        self._timer: WordTimer | None = None
        if timing is not None:
            self._timer = WordTimer(timing.frame_shift_s, blank=timing.head.blank, conf=timing.conf)
        self._blocks: dict[str, tuple[int, float, float]] = {}
        self._transcript_end_s = 0.0
        self._last_texts: dict[str, str] = {}

    @property
    def broken_words(self) -> int:
        """Words that a tag has cut in two."""
        return sum(assembler.broken_words for assembler in self._assemblers.values())

    def push(
        self,
        emissions: Mapping[str, Sequence[Emission]],
        log_probs: Tensor | None,
        heard_s: float,
        *,
        last: bool = False,
    ) -> list[Word]:
        """What became known at one moment -> the words that it completes, in the order in which they were written.

        Args:
            emissions: for each searched head, its new emissions.
            log_probs: new frames of the CTC head, (T, V), or None without one.
            heard_s: seconds of audio that have been heard: the emission time of these words.
            last: nothing follows: held-back words are complete.
        """
        if self._timer is not None and log_probs is not None and len(log_probs):
            self._timer.push(log_probs)
        found: list[tuple[str, AssembledWord]] = []
        for name, assembler in self._assemblers.items():
            for token, frame, logp in emissions.get(name, ()):
                found += [(name, word) for word in assembler.push(token, frame, logp)]
            if last:
                found += [(name, word) for word in assembler.flush()]
        spans = self._transcript_spans(found, heard_s)
        words = [self._word(name, word, spans.get(i), heard_s) for i, (name, word) in enumerate(found)]
        order = sorted(range(len(found)), key=lambda i: self._seconds(*found[i])[1])
        return [words[i] for i in order]

    def _transcript_spans(
        self, found: Sequence[tuple[str, AssembledWord]], heard_s: float
    ) -> dict[int, tuple[float, float]]:
        """Span of each new transcript word, by its place in `found`."""
        places = [i for i, (_, word) in enumerate(found) if word.lane == TRANSCRIPT]
        times = None
        if self._timer is not None and self._timing is not None and places:
            times = self._aligned([found[i][1] for i in places])
        spans = {}
        for place, i in enumerate(places):
            start_s, end_s = times[place] if times else self._seconds(*found[i])
            start_s = min(max(start_s, self._transcript_end_s), heard_s)
            self._transcript_end_s = max(start_s, min(end_s, heard_s))
            spans[i] = (start_s, self._transcript_end_s)
        return spans

    def _aligned(self, words: Sequence[AssembledWord]) -> list[tuple[float, float]] | None:
        """Spans of transcript words by the CTC head; characters that share a piece share its time evenly."""
        assert self._timer is not None and self._timing is not None
        groups = self._timing.tokenizer.groups([Glued(word.text) if word.glued else word.text for word in words])
        times = self._timer.align([ids for ids, _ in groups])
        return times and share_spans(times, [count for _, count in groups])

    def _glued(self, word: AssembledWord) -> bool | None:
        """True where no blank stands before the word, False where one stands although the scripts want none."""
        before = self._last_texts.get(word.lane, "")
        self._last_texts[word.lane] = word.text
        if not before:
            return None
        usual = not needs_blank(before, word.text)
        glued = usual if word.glued is None else word.glued
        return True if glued else False if usual else None

    def _word(self, name: str, word: AssembledWord, span: tuple[float, float] | None, heard_s: float) -> Word:
        block, start_s, end_s = self._blocks.get(name, (-1, 0.0, 0.0))
        if span is not None:
            first_s = start_s if block == word.block else span[0]
            self._blocks[name] = (word.block, first_s, span[1])
        elif block == word.block:
            span = (start_s, end_s)
        else:
            first_s, last_s = self._seconds(name, word)
            span = (min(first_s, heard_s), min(last_s, heard_s))
        return Word(
            text=word.text,
            lane=word.lane,
            start_s=round(span[0], 4),
            end_s=round(span[1], 4),
            emission_s=round(heard_s, 4),
            language=word.language,
            confidence=round(min(1.0, math.exp(word.logp)), 4),
            glued=self._glued(word),
        )

    def _seconds(self, name: str, word: AssembledWord) -> tuple[float, float]:
        shift_s = self._heads[name].frame_shift_s
        return word.first_frame * shift_s, (word.last_frame + 1) * shift_s
