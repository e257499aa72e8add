"""The protocol of our own page: JSON with every word's times, 16-bit samples; a word is sent once and stays.

client: `{"sample_rate": 48000, "tgt_lang": "de"}`, then packets of samples, then `{"end": true}`.
server: `{"words": [...], "heard_s", "waiting_s", "elapsed_s"}` after every step, at last `{"done": true}`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from espnet_jst.serving.about import ServedModel
from espnet_jst.serving.conf import RefusedError
from espnet_jst.serving.wire import PCM16, Heard, Line, Message, Progress, Wire, language_code, rate_of, read_json
from espnet_jst.text.words import Word

DIGITS = 3  # of seconds: milliseconds


class Page(Wire):
    """A word has the fields of `Word`, a number (`id`, from 0), and whether a blank stands before it (`blank`).

    A connection that was lost is not taken up again here: the page keeps the audio and opens another session.
    """

    name = "page"
    paths = ("/live",)

    def __init__(self, query: Mapping[str, str], model: ServedModel) -> None:
        super().__init__(query, model)
        self._pcm, self._begun = PCM16(), False
        self._numbers = itertools.count()
        self._lines = {name: Line() for name in model.speech2text.lanes}

    def hear(self, message: str | bytes) -> Heard:
        if isinstance(message, bytes):
            self._begun = True
            return Heard(self._pcm.take(message))
        values = read_json(message)
        if values.get("end") is True:
            return Heard(ended=True)
        if "sample_rate" not in values:
            raise RefusedError("a message without sample_rate, which is not the end either", kind="message")
        if self._begun:
            raise RefusedError("sample_rate and tgt_lang come before the audio", kind="message")
        self.fs = rate_of(values["sample_rate"])
        self.tgt_lang = self.model.tgt_lang(language_code(values.get("tgt_lang")))
        return Heard()

    def show(self, words: Sequence[Word], progress: Progress) -> Sequence[Message]:
        seconds = {key: round(value, DIGITS) for key, value in progress._asdict().items()}
        return [{"words": [self._word(word) for word in words], **seconds}]

    def closing(self) -> Sequence[Message]:
        return [{"done": True}]

    def _word(self, word: Word) -> Message:
        blank = self._lines[word.lane].blank(word)
        return {"id": next(self._numbers), **word.as_dict(), "blank": blank}
