"""The one thing that every search yields: a word with its lane and its times."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from itertools import groupby

from espnet_jst.text.units import has_blanks, join_texts, split_units


@dataclass(frozen=True, slots=True)  # a stream of hours holds very many
class Word:
    """A recognised or translated word; in a script without blanks a character with its marks (`text.units`).

    Attributes:
        text: the word, without subword markers.
        lane: its name (`text.lanes`).
        start_s: start of the audio that the word stands for, in seconds.
        end_s: end of that audio.
        emission_s: audio time that had been heard when the word was shown: the end of the chunk.
        language: language tag where the model writes one.
        speaker: speaker label where the model writes one.
        final: False while a search may still change the word.
        confidence: mean posterior probability of its tokens, in [0, 1].
        glued: whether it stands directly behind the word before it in its lane; None: its script decides.
    """

    text: str
    lane: str
    start_s: float
    end_s: float
    emission_s: float
    language: str | None = None
    speaker: str | None = None
    final: bool = True
    confidence: float | None = None
    glued: bool | None = None

    def as_dict(self) -> dict:
        """Plain values for JSON; fields that are None are left out."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def join_words(words: Iterable[Word]) -> str:
    """The line that the words of one lane make: blanks where their scripts have them."""
    words = list(words)
    return join_texts([word.text for word in words], [word.glued for word in words])


def attributed(words: Iterable[Word]) -> str:
    """The same with who speaks at every change: "[self] one two [other] seven"; nothing where nobody is named."""
    return " ".join(said_by(speaker, line) for speaker, line in speaker_runs(words))


def speaker_runs(words: Iterable[Word]) -> list[tuple[str | None, str]]:
    """Who speaks, and the line of the words up to the next change of the speaker."""
    return [(speaker, join_words(run)) for speaker, run in groupby(words, key=lambda word: word.speaker)]


def said_by(speaker: str | None, line: str) -> str:
    """A line with who says it, where that is known."""
    return line if speaker is None else f"[{speaker}] {line}"


def unit_words(word: Word, language: str | None = None) -> list[Word]:
    """A word as units: a sentence without blanks gives a word for each character, which share its time evenly.

    Args:
        language: one that is known to write blanks keeps its words whole, whatever their script.
    """
    if has_blanks(word.text):
        return [word]
    units = split_units(word.text, language)
    if len(units) < 2:
        return [word]
    step = (word.end_s - word.start_s) / len(units)
    return [
        replace(
            word,
            text=str(unit),
            start_s=word.start_s + k * step,
            end_s=word.start_s + (k + 1) * step,
            glued=True if k else word.glued,
        )
        for k, unit in enumerate(units)
    ]
