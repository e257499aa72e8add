"""The one thing that every search yields: a word with its lane and its times."""

from __future__ import annotations

from dataclasses import asdict, dataclass

TRANSCRIPT = "transcript"
TRANSLATION = "translation"
LANES = (TRANSCRIPT, TRANSLATION)


@dataclass(frozen=True)
class Word:
    """A recognised or translated word.

    Attributes:
        text: the word, without subword markers.
        lane: "transcript" or "translation" (or a further lane that the configuration names).
        start_s: start of the audio that the word stands for, in seconds.
        end_s: end of that audio.
        emission_s: audio time that had been heard when the word was shown: the end of the chunk.
        language: language tag where the model writes one.
        speaker: speaker label where the model writes one.
        final: False while a search may still change the word.
        confidence: mean posterior probability of its tokens, in [0, 1].
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

    def as_dict(self) -> dict:
        """Plain values for JSON; fields that are None are left out."""
        return {key: value for key, value in asdict(self).items() if value is not None}
