"""From the emissions of one stream's searches to words with lanes and times."""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple, Self

import numpy as np
from torch import Tensor

from espnet_jst.heads.ctc import CTCHead
from espnet_jst.inference.align.word_times import TimingConf, WordTimer, share_spans
from espnet_jst.search.interface import Emission, Hypothesis, Search
from espnet_jst.text.assembler import AssembledWord, WordAssembler
from espnet_jst.text.lanes import Lane
from espnet_jst.text.tags import Tags
from espnet_jst.text.tokenizer import Tokenizer
from espnet_jst.text.units import Glued, needs_blank
from espnet_jst.text.words import Word

Span = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class LaneSearch:
    """A search, and what its labels mean.

    Attributes:
        kind: of the heads that are searched.
        search: writes labels.
        tokenizer: says what they spell.
        tags: says what a tag opens.
        lanes: those that it writes; words before the first tag go to the first one.
        frame_shift_s: seconds from one frame of its tap to the next.
        replaced: lanes in which the words of a second pass replace these, or stand beside them.
        begin_s: where in the recording its first frame begins.
        follows: the search that it is the second pass of.
    """

    kind: str
    search: Search[Any]
    tokenizer: Tokenizer
    tags: Tags
    lanes: tuple[Lane, ...]
    frame_shift_s: float
    replaced: frozenset[str] = frozenset()
    begin_s: float = 0.0
    follows: str | None = None

    def assembler(self) -> WordAssembler:
        """A fresh assembler."""
        sources = frozenset(lane.name for lane in self.lanes if lane.source)
        return WordAssembler(self.tokenizer, self.lanes[0].name, self.tags, sources=sources)

    def lane(self, name: str) -> Lane | None:
        """One of its lanes; None for one that only a tag knows."""
        return next((lane for lane in self.lanes if lane.name == name), None)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """A CTC head that times the words of a lane.

    Attributes:
        head: the head.
        reads: the tap that it reads.
        tokenizer: says how it spells a word.
        frame_shift_s: seconds from one frame of its tap to the next.
        conf: how boundaries are drawn.
        begin_s: where in the recording its first frame begins.
    """

    head: CTCHead
    reads: str
    tokenizer: Tokenizer
    frame_shift_s: float
    conf: TimingConf
    begin_s: float = 0.0

    def timer(self) -> WordTimer:
        """A fresh timer."""
        return WordTimer(self.frame_shift_s, blank=self.head.blank, conf=self.conf, begin_s=self.begin_s)


class Update(NamedTuple):
    """What a stream shows.

    Attributes:
        new: words, in the order in which they were written.
        withdrawn: words shown before that no longer hold: those of a first pass, where the second has its own.
    """

    new: list[Word]
    withdrawn: list[Word]

    def then(self, later: Update) -> Update:
        """Both in one: what was shown in between only is left out."""
        new = [word for word in self.new if word not in later.withdrawn]
        return Update(new + later.new, self.withdrawn + [word for word in later.withdrawn if word not in self.new])


def recombined(search: LaneSearch, nbest: Sequence[Hypothesis]) -> list[Hypothesis]:
    """The final n-best list with hypotheses that differ only in their tags, so not in what they say, as one.

    The likeliest stands for the others and gets the sum of their probabilities. Only for the end of a search: before,
    two tag sequences have different futures.
    """
    if len(nbest) == 1:
        return list(nbest)
    best: dict[tuple, Hypothesis] = {}
    for hypothesis in sorted(nbest, key=lambda hypothesis: -hypothesis.score):
        assembler = search.assembler()
        lanes: dict[tuple, tuple] = {}
        words = [word for emission in hypothesis.emissions for word in assembler.push(*emission)]
        for word in words + assembler.flush():
            place = word.lane, word.speaker or ""
            lanes[place] = (*lanes.get(place, ()), (word.language, word.glued, word.text))
        key = tuple(sorted(lanes.items()))
        if key in best:
            score = float(np.logaddexp(best[key].score, hypothesis.score))
            best[key] = Hypothesis(best[key].emissions, score)
        else:
            best[key] = hypothesis
    return sorted(best.values(), key=lambda hypothesis: -hypothesis.score)


class WordStream:
    """One stream: emissions and CTC frames go in chunk by chunk, words come out.

    A word of a lane that says what was spoken gets its span from the CTC head of that lane, where there is one, a
    translation word the span of its block's spoken words; where that is not known, a word spans the frames in which it
    was written. The words of all speakers are aligned together, as the CTC head writes them; where they are not
    aligned, every search, lane and speaker has a clock of its own: speakers may overlap.

    Words are never changed. Those of a second pass are not shown, they are in `result`; where they revise the stream,
    they are shown, and those of the first pass are withdrawn for them: when the second one shows words, those that
    begin before their end, and at the end of the stream all.

    Args:
        searches: by name.
        timings: by lane.
        tgt_lang: language of the translation, where the model was told it.
        revises: whether the words of a second pass replace those of the first.

    Attributes:
        words: those that were shown and stand.
    """

    def __init__(
        self,
        searches: Mapping[str, LaneSearch],
        timings: Mapping[str, Timing],
        tgt_lang: str | None = None,
        *,
        revises: bool = True,
    ) -> None:
        self._searches, self._timings, self._tgt_lang, self._revises = searches, timings, tgt_lang, revises
        self.words: list[Word] = []
        self._beside: list[Word] = []  # what a second pass says of what stands
        self._twice = frozenset(lane for search in searches.values() for lane in search.replaced)
        self._assemblers = {name: search.assembler() for name, search in searches.items()}
        self._timers: dict[tuple[str, str], WordTimer] = {
            (name, lane.name): timings[lane.name].timer()
            for name, search in searches.items()
            for lane in search.lanes
            if lane.name in timings
        }
        self._aligned_speakers: dict[tuple[str, str], str | None] = {}
        self._ends_s: dict[tuple[str, str, str | None], float] = {}
        self._blocks: dict[tuple[str, str | None], tuple[int, float, float]] = {}
        self._last_texts: dict[tuple[str, str], str] = {}

    def fork(self) -> Self:
        """A copy that goes its own way."""
        twin = copy.copy(self)
        twin._assemblers = {name: copy.copy(assembler) for name, assembler in self._assemblers.items()}
        twin._timers = {key: copy.copy(timer) for key, timer in self._timers.items()}
        twin._ends_s, twin._blocks, twin._last_texts = dict(self._ends_s), dict(self._blocks), dict(self._last_texts)
        twin._aligned_speakers = dict(self._aligned_speakers)
        return twin

    @property
    def result(self) -> list[Word]:
        """The words in which those of a second pass stand in place of those of the first, whether shown or not."""
        return self.revised(self.words)

    def revised(self, words: list[Word]) -> list[Word]:
        """Words, such as those of this stream, in which those of its second pass that were not shown stand."""
        if self._revises or not self._twice:
            return words
        return [word for word in words if word.lane not in self._twice] + self._beside

    @property
    def broken_words(self) -> int:
        """Words that a tag has cut in two."""
        return sum(assembler.broken_words for assembler in self._assemblers.values())

    def push(
        self,
        emissions: Mapping[str, Sequence[Emission]],
        log_probs: Mapping[str, Tensor],
        heard_s: float,
        *,
        last: bool = False,
    ) -> Update:
        """What became known at one moment -> the words that it completes, and those that it takes back.

        Args:
            emissions: for each search, its new emissions.
            log_probs: for each lane with a CTC head, its new frames, (T, V).
            heard_s: seconds of audio that have been heard: the emission time of these words.
            last: nothing follows: held-back words are complete.
        """
        for (_, lane), timer in self._timers.items():
            if lane in log_probs and len(log_probs[lane]):
                timer.push(log_probs[lane])
        found: list[tuple[str, AssembledWord]] = []
        for name, assembler in self._assemblers.items():
            for token, frame, logp in emissions.get(name, ()):
                found += [(name, word) for word in assembler.push(token, frame, logp)]
            if last:
                found += [(name, word) for word in assembler.flush()]
        spans = self._spoken_spans(found, heard_s)
        words = [self._word(name, word, spans.get(i), heard_s) for i, (name, word) in enumerate(found)]
        order = sorted(range(len(found)), key=lambda i: self._seconds(*found[i])[1])
        if not self._revises and self._twice:
            beside = [i for i in order if self._is_second(*found[i])]
            self._beside = self._beside + [words[i] for i in beside]
            order = [i for i in order if i not in beside]
        shown = self._update([words[i] for i in order], last)
        self.words = [word for word in self.words if word not in shown.withdrawn] if shown.withdrawn else self.words
        self.words = self.words + shown.new
        return shown

    def _update(self, new: list[Word], last: bool) -> Update:
        """New words without those of a first pass that the second has replaced already; old ones that it replaces."""
        if not self._revises or not self._twice:
            return Update(new, [])
        reach_s: dict[str, float] = {}  # in a lane that has two passes, the final words are those of the second
        for word in new:
            if word.final:
                reach_s[word.lane] = max(reach_s.get(word.lane, 0.0), word.end_s)

        def stands(word: Word) -> bool:
            return word.final or not (last or word.start_s < reach_s.get(word.lane, 0.0))

        return Update([word for word in new if stands(word)], [word for word in self.words if not stands(word)])

    def _is_second(self, name: str, word: AssembledWord) -> bool:
        return word.lane in self._twice and word.lane not in self._searches[name].replaced

    def _spoken_spans(self, found: Sequence[tuple[str, AssembledWord]], heard_s: float) -> dict[int, Span]:
        """Span of each new word of a lane that says what was spoken, by its place in `found`."""
        places: dict[tuple[str, str], list[int]] = {}
        for i, (name, word) in enumerate(found):
            lane = self._searches[name].lane(word.lane)
            if lane is not None and lane.source:
                places.setdefault((name, word.lane), []).append(i)
        spans = {}
        for key, indices in places.items():
            times = self._aligned(key, [found[i][1] for i in indices])
            for place, i in enumerate(indices):
                clock = (*key, found[i][1].speaker)
                start_s, end_s = times[place] if times else self._seconds(*found[i])
                start_s = min(max(start_s, self._ends_s.get(clock, 0.0)), heard_s)
                self._ends_s[clock] = max(start_s, min(end_s, heard_s))
                spans[i] = (start_s, self._ends_s[clock])
        return spans

    def _aligned(self, key: tuple[str, str], words: Sequence[AssembledWord]) -> list[Span] | None:
        """Spans of words by the CTC head of their lane; characters that share a piece share its time evenly.

        The head writes a tag at every change of speaker. Without it, and without the words of the others, a word
        would be found where another speaker has said it.
        """
        if key not in self._timers:
            return None
        name, lane = key
        tokenizer, tags = self._timings[lane].tokenizer, self._searches[name].tags
        before, groups, written_s = self._aligned_speakers.get(key), [], []
        for speaker, said in groupby(words, key=lambda word: word.speaker):
            spoken = list(said)
            tag = tags.speaker_tag(speaker) if speaker in tags.speakers and speaker != before else None
            if tag in tokenizer.tokens:
                groups.append((tokenizer.encode([tag]), 0))
                written_s.append(self._seconds(name, spoken[0])[0])
            for ids, count in tokenizer.groups([Glued(word.text) if word.glued else word.text for word in spoken]):
                groups.append((ids, count))
                written_s.append(self._seconds(name, spoken[count - 1])[1])
                spoken = spoken[count:]
            before = speaker
        # An attention decoder writes without a place in the audio.
        near = written_s if self._searches[name].kind == "transducer" else None
        times = self._timers[key].align([ids for ids, _ in groups], near)
        if times is None:
            return None
        self._aligned_speakers[key] = before
        return share_spans(times, [count for _, count in groups])

    def _glued(self, name: str, word: AssembledWord) -> bool | None:
        """True where no blank stands before the word, False where one stands although the scripts want none."""
        before = self._last_texts.get((name, word.lane), "")
        self._last_texts[name, word.lane] = word.text
        if not before:
            return None
        usual = not needs_blank(before, word.text)
        glued = usual if word.glued is None else word.glued
        return True if glued else False if usual else None

    def _word(self, name: str, word: AssembledWord, span: Span | None, heard_s: float) -> Word:
        lane = self._searches[name].lane(word.lane)
        block, start_s, end_s = self._blocks.get((name, word.speaker), (-1, 0.0, 0.0))
        if span is not None:
            first_s = start_s if block == word.block else span[0]
            self._blocks[name, word.speaker] = (word.block, first_s, span[1])
        elif block == word.block:
            span = (start_s, end_s)
        else:
            first_s, last_s = self._seconds(name, word)
            span = (min(first_s, heard_s), min(last_s, heard_s))
        return Word(
            text=sys.intern(word.text),  # a stream of hours says most words often
            lane=word.lane,
            start_s=round(span[0], 4),
            end_s=round(span[1], 4),
            emission_s=round(heard_s, 4),
            language=word.language or self._language(lane),
            speaker=word.speaker or (lane.speaker if lane else None),
            final=not self._revises or word.lane not in self._searches[name].replaced,
            confidence=round(min(1.0, math.exp(word.logp)), 4),
            glued=self._glued(name, word),
        )

    def _language(self, lane: Lane | None) -> str | None:
        if lane is None:
            return None
        return lane.language if lane.source else self._tgt_lang or lane.language

    def _seconds(self, name: str, word: AssembledWord) -> Span:
        shift_s, begin_s = self._searches[name].frame_shift_s, self._searches[name].begin_s
        return max(0.0, begin_s + word.first_frame * shift_s), max(0.0, begin_s + (word.last_frame + 1) * shift_s)
