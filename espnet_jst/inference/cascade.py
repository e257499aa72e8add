"""A cascade: one model recognizes, another one translates what it has recognized, word by word.

It is a `Decoder`: whole utterances, batches, streams and servers run a cascade as they run any other system.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from espnet_jst.encoders.chain import ChainContext
from espnet_jst.errors import ConfigError
from espnet_jst.inference.decoder import Decoder, DecoderState
from espnet_jst.inference.options import DecodingOptions
from espnet_jst.inference.text2text import Text2Text, TextState, TextWordStream
from espnet_jst.inference.word_stream import Update
from espnet_jst.search.interface import Emission
from espnet_jst.taps import Tap
from espnet_jst.text.words import Word

MT = "mt."


@dataclass
class CascadeState(DecoderState):
    """State of the recognizer's searches, and of the translator; `nbest` has the hypotheses of both.

    Attributes:
        text: that of the translator.
        shown: all words of each stream that stand.
    """

    text: TextState
    shown: list[list[Word]]

    def words(self, row: int) -> list[Word]:
        return self.shown[row]

    def result(self, row: int) -> list[Word]:
        return self.text.decoding.streams[row].revised(self.streams[row].revised(self.shown[row]))

    def emissions(self, row: int) -> dict[str, list[Emission]]:
        return {**_named(self.text.decoding.emissions(row)), **super().emissions(row)}


class CascadeDecoder(Decoder):
    """Words of a recognizer go to a translator as soon as they cannot change; both show theirs.

    A translated word has the time of the spoken words that it was written for. Of the recognizer's lanes those that the
    translator writes are not shown.

    Args:
        speech: the recognizer.
        translator: the other model.

    Raises:
        ConfigError: the recognizer does not write what the translator reads.
    """

    def __init__(self, speech: Decoder, translator: Text2Text) -> None:
        lanes = [lane for search in speech.searches.values() for lane in search.lanes]
        heard = [lane.name for lane in lanes if lane.data == translator.reads and lane.name not in translator.lanes]
        if not heard:
            raise ConfigError(
                f"mt_model translates {translator.reads!r}, and the recognizer writes "
                f"{', '.join(lane.data for lane in lanes)}: give one that writes it"
            )
        written = {
            name: replace(search, follows=search.follows and f"{MT}{search.follows}")
            for name, search in _named(translator.decoder.searches).items()
        }
        super().__init__({**speech.searches, **written}, speech.timings, revises=speech.revises)
        self.speech, self.translator, self.heard, self.reads = speech, translator, heard[0], speech.reads

    def init_state(self, batch_size: int, tgt_langs: Sequence[str | None] = ()) -> CascadeState:
        speech = self.speech.init_state(batch_size, tgt_langs)
        text = self.translator.init_state(batch_size, tgt_langs)
        return CascadeState(**vars(speech), text=text, shown=[[] for _ in range(batch_size)])

    def check_streams(self, context: ChainContext) -> None:
        """See Decoder; the translator has encoders, and contexts, of its own."""
        self.speech.check_streams(context)
        self.translator.decoder.check_streams(self.translator.context)

    @torch.inference_mode()
    def advance(
        self, taps: Mapping[str, Tap], heard_s: Sequence[float], state: DecoderState, last: Sequence[bool]
    ) -> tuple[list[Update], DecoderState]:
        """See Decoder."""
        assert isinstance(state, CascadeState)
        ending = [is_last and not nbest for is_last, nbest in zip(last, state.nbest, strict=True)]
        spoken, speech = self.speech.advance(taps, heard_s, state, last)
        words = [self._heard(update.new) for update in spoken]
        written, text = [Update([], []) for _ in spoken], state.text
        if any(words) or any(ending):
            written, text = self.translator.advance(words, heard_s, text, ending)
        updates = [self._both(*pair) for pair in zip(spoken, written, strict=True)]
        nbest = [
            {**mine, **_named(text.decoding.nbest[row])} if mine else mine for row, mine in enumerate(speech.nbest)
        ]
        shown = [
            [word for word in before if word not in update.withdrawn] + update.new
            for before, update in zip(state.shown, updates, strict=True)
        ]
        return updates, CascadeState(speech.searches, speech.streams, nbest, text, shown)

    def words(
        self, emissions: Mapping[str, Sequence[Emission]], duration_s: float, tgt_lang: str | None = None
    ) -> list[Word]:
        """See Decoder; the times of a translation are those of the words whose times are those of their frames."""
        spoken = self.speech.words({name: emissions[name] for name in self.speech.searches}, duration_s, tgt_lang)
        decoder = self.translator.decoder
        stream = TextWordStream(decoder.searches, {}, tgt_lang).hear(self._heard(spoken), self.translator.tokenizer)[0]
        own = {name: emissions[renamed] for name, renamed in zip(decoder.searches, _named(decoder.searches))}
        return self._both(Update(spoken, []), stream.push(own, {}, duration_s, last=True)).new

    def _heard(self, words: Sequence[Word]) -> list[Word]:
        """What the translator is given; words that may be withdrawn wait for those of the second pass."""
        return [word for word in words if word.lane == self.heard and word.final]

    def _both(self, spoken: Update, written: Update) -> Update:
        theirs = [[word for word in words if word.lane not in self.translator.lanes] for words in spoken]
        return Update(theirs[0] + written.new, theirs[1] + written.withdrawn)


def load_translator(options: DecodingOptions, folder: Path | None, device: str, *, whole: bool) -> Text2Text:
    """The translator that `mt_model` asks for.

    Args:
        options: of the recognizer; search and penalty hold for both.
        folder: that of the recognizer's configuration, where `mt_model` may be found.
        device: where the recognizer is.
        whole: whether it hears whole utterances: the translator then hears whole texts.

    Raises:
        CheckpointError, ConfigError: `mt_model` cannot be used.
    """
    assert options.mt_model is not None
    given = Path(options.mt_model)
    inside = folder / given if folder is not None else given
    path = inside if inside.exists() and not given.exists() else options.mt_model
    kept = ("beam_size", "blank_penalty", "max_symbols", "tgt_lang", "quantize_model", "revise")
    values = {name: getattr(options, name) for name in kept}
    return Text2Text.from_pretrained(path, device=device, **values, chunk_s=0.0 if whole else None, left_chunks=None)


def _named(searches: Mapping[str, object]) -> dict:
    """The translator's searches under names that are not the recognizer's."""
    return {f"{MT}{name}": entry for name, entry in searches.items()}
