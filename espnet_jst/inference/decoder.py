"""The one driver of whole utterances, streams and servers: from the taps of a batch of streams to their words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from espnet_jst.encoders.chain import ChainContext
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.inference.word_stream import LaneSearch, Timing, Update, WordStream, recombined
from espnet_jst.search.interface import Emission, Hypothesis, SearchState
from espnet_jst.streams import RowState
from espnet_jst.taps import Tap
from espnet_jst.text.words import Word


@dataclass
class DecoderState(RowState):
    """State between two chunks.

    Attributes:
        searches: that of each search, by name.
        streams: the words of each stream.
        nbest: of each stream that is at its end, for each search the hypotheses, best first.
    """

    searches: dict[str, SearchState]
    streams: list[WordStream]
    nbest: list[dict[str, list[Hypothesis]]]

    def words(self, row: int) -> list[Word]:
        """All words of a stream that were shown and stand."""
        return self.streams[row].words

    def result(self, row: int) -> list[Word]:
        """All words of a stream, of a lane with two passes those of the second."""
        return self.streams[row].result

    def emissions(self, row: int) -> dict[str, list[Emission]]:
        """What each search has written in a stream."""
        if self.nbest[row]:
            return {name: nbest[0].emissions for name, nbest in self.nbest[row].items()}
        return {name: state.given[row] for name, state in self.searches.items()}


class Decoder:
    """Steps searches, finishes those of streams that end, and makes their labels words.

    It holds no state: streams of any age share a batch.

    Args:
        searches: by name.
        timings: by lane, CTC heads that time its words.
        revises: whether the words of a second pass replace those of the first in a stream, or are a result beside it.

    Attributes:
        searches: as given.
        revises: as given.
        reads: the taps that `advance` is given.
        words_of: makes the words of a stream.
    """

    words_of: type[WordStream] = WordStream

    def __init__(
        self, searches: Mapping[str, LaneSearch], timings: Mapping[str, Timing], *, revises: bool = True
    ) -> None:
        self.searches, self.timings, self.revises = searches, timings, revises
        self.reads = {t.reads for t in timings.values()}.union(*(search.search.taps for search in searches.values()))

    def init_state(self, batch_size: int, tgt_langs: Sequence[str | None] = ()) -> DecoderState:
        """State before the first chunk of `batch_size` streams, and the languages that they are translated into."""
        searches = {name: search.search.init_state(batch_size) for name, search in self.searches.items()}
        streams = [
            self.words_of(self.searches, self.timings, lang, revises=self.revises)
            for lang in tgt_langs or [None] * batch_size
        ]
        return DecoderState(searches, streams, [{} for _ in range(batch_size)])

    def check_streams(self, context: ChainContext) -> None:
        """Refuse an attention decoder in a stream, but as a second pass or above an encoder that waits for the end.

        Args:
            context: of the encoders that the searches read.

        Raises:
            ConfigError: names it, and what can be done.
        """
        replaced = {lane for search in self.searches.values() for lane in search.replaced}
        for name, search in self.searches.items():
            encoder, second = search.search.reads.partition(".")[0], {lane.name for lane in search.lanes} <= replaced
            if search.kind == "attention" and not second and context.encoders[encoder].chunk_frames:
                others = [other for other, entry in self.searches.items() if entry.kind != "attention"]
                fix = f"search_heads: [{', '.join(others)}] leaves it out, " if others else ""
                raise ConfigError(
                    f"the attention decoder {name!r} has no streaming policy, it writes when speech has ended: {fix}"
                    "chunk_s: 0 decodes whole utterances, and as second_pass_of a search that streams it may replace "
                    "words at the end"
                )

    @torch.inference_mode()
    def advance(
        self, taps: Mapping[str, Tap], heard_s: Sequence[float], state: DecoderState, last: Sequence[bool]
    ) -> tuple[list[Update], DecoderState]:
        """Further frames of the taps -> the words of each stream that are new or no longer hold, and the state.

        Args:
            taps: those that the searches and CTC heads read; a stream with no frame in any of them stands still.
            heard_s: for each stream, seconds of audio that have been heard: the emission time of its new words.
            state: of these streams.
            last: for each stream, whether nothing follows. What comes after that is not looked at.

        Raises:
            DataError: a stream has nothing that can be decoded; `index` is its place in the batch.
        """
        self._check_finite(taps)
        new: dict[str, list[list[Emission]]] = {}
        searches = {}
        for name, search in self.searches.items():
            new[name], searches[name] = search.search.step(taps, state.searches[name])
        nbest = list(state.nbest)
        ending = [row for row, is_last in enumerate(last) if is_last and not nbest[row]]
        if ending:
            self._finish(ending, searches, nbest)
            for row in ending:
                for name in self.searches:
                    new[name][row] = nbest[row][name][0].emissions[len(state.searches[name].given[row]) :]
        frames = self._frames(taps)
        updates, streams = [], []
        for row, stream in enumerate(state.streams):
            emissions = {name: rows[row] for name, rows in new.items()}
            log_probs = {lane: rows[row] for lane, rows in frames.items()}
            moves = any(emissions.values()) or any(map(len, log_probs.values()))
            update = Update([], [])
            if row in ending or (moves and not nbest[row]):
                stream = stream.fork()
                update = stream.push(emissions, log_probs, heard_s[row], last=row in ending)
            updates.append(update)
            streams.append(stream)
        return updates, DecoderState(searches, streams, nbest)

    def words(
        self, emissions: Mapping[str, Sequence[Emission]], duration_s: float, tgt_lang: str | None = None
    ) -> list[Word]:
        """The result of whole sequences; the times of words are those of the frames in which they were written."""
        stream = WordStream(self.searches, {}, tgt_lang)
        stream.push(emissions, {}, duration_s, last=True)
        return stream.result

    def _finish(
        self, rows: Sequence[int], searches: Mapping[str, SearchState], nbest: list[dict[str, list[Hypothesis]]]
    ) -> None:
        """Put the n-best lists of some streams into `nbest`."""
        for name, search in self.searches.items():
            every = len(rows) == len(nbest)
            state = searches[name] if every else searches[name].select(torch.tensor(rows))
            try:
                first = [nbest[row][search.follows] for row in rows] if search.follows else None
                lists = search.search.finish(state, first)
            except DataError as error:
                raise DataError(str(error), index=rows[error.index or 0]) from error
            for row, found in zip(rows, lists, strict=True):
                nbest[row] = {**nbest[row], name: recombined(search, found)}

    def _frames(self, taps: Mapping[str, Tap]) -> dict[str, list[Tensor]]:
        """For each lane with a CTC head its new frames of each stream, (T, V)."""
        frames = {}
        for lane, timing in self.timings.items():
            tap = taps[timing.reads]
            log_probs = timing.head.log_probs(tap.x)
            frames[lane] = [rows[:count] for rows, count in zip(log_probs, tap.lengths.tolist(), strict=True)]
        return frames

    def _check_finite(self, taps: Mapping[str, Tap]) -> None:
        """Refuse encoder outputs that are not numbers: a greedy search would write something of them."""
        for name in {search.search.reads for search in self.searches.values()}:
            tap = taps[name]
            padding = torch.arange(tap.x.size(1), device=tap.x.device) >= tap.lengths.to(tap.x.device)[:, None]
            bad = (~(tap.x.isfinite().all(-1) | padding).all(1)).nonzero()
            if len(bad):
                raise DataError(
                    "what the encoder makes of the audio is not finite: check the recording and the weights",
                    index=int(bad[0, 0]),
                )
