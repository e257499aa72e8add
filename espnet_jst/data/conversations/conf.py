"""What is read of the turns of conversations, and how words get their place in time."""

from __future__ import annotations

from dataclasses import dataclass

from espnet_jst.keys import Conf, key
from espnet_jst.text.align.external import ALIGNERS
from espnet_jst.text.align.symmetrize import SYMMETRIZATIONS

NO_TEXT = "none"
GIVEN, SPANS, SPREAD, END = "word_times", "word_times.ref", "spread", "end"
WORDS, TURN = "words", "turn"


@dataclass(frozen=True, kw_only=True)
class ConversationsConf(Conf):
    """Texts, times and links; flags of `espnet-jst conversations`."""

    src_lang: str = key("en", "language of the transcript: text.<src_case>.<src_lang> of a turn")
    tgt_lang: str = key("de", f"language of the translation; {NO_TEXT}: transcripts alone")
    src_case: str = key("lc", "form of the transcript's text")
    tgt_case: str = key("lc", "form of the translation's text")
    times: str = key(
        GIVEN,
        f"ends of words: {GIVEN} or {SPANS} of a turn; without such, {SPREAD}: over the turn by the lengths of the "
        f"words, {END}: all when the turn ends",
        choices=(GIVEN, SPANS, SPREAD, END),
    )
    translation: str = key(
        WORDS,
        f"{WORDS}: a word of the translation is due when the last word it is linked with ends; {TURN}: all words when "
        "the turn ends, no links",
        choices=(WORDS, TURN),
    )
    aligner: str = key("builtin", "of turns without links of their own", choices=ALIGNERS)
    aligner_model: str = key("", "for simalign and awesome-align: folder or name of the model")
    symmetrization: str = key("grow-diag-final-and", "of the aligner", choices=tuple(SYMMETRIZATIONS))
    backwards_s: float = key(
        0.1, "a word that ends so much before the word before it is put behind that; more: left out", low=0, high=60
    )
    jitter_s: float = key(0.0, "standard deviation of what is added to every end: an experiment", low=0, high=60)
    seed: int = key(0, "of the jitter", low=0)
    channel: int | None = key(None, "the one channel that is heard, from 0, by reco2file_and_channel", low=0, high=7)

    @property
    def both(self) -> bool:
        """Whether there are translations."""
        return self.tgt_lang != NO_TEXT

    @property
    def lanes(self) -> list[str]:
        """The texts that are written: text.lc.en, text.lc.de."""
        target = [f"text.{self.tgt_case}.{self.tgt_lang}"] if self.both else []
        return [f"text.{self.src_case}.{self.src_lang}", *target]
