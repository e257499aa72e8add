"""From emitted tokens to words, one token at a time: the state machine that undoes serialization (arXiv:2307.03354)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from espnet_jst.text.tags import parse_tag
from espnet_jst.text.tokenizer import Tokenizer
from espnet_jst.text.words import TRANSCRIPT

LaneOfTag = Callable[[str], "tuple[str, str | None] | None"]


@dataclass(frozen=True)
class AssembledWord:
    """A completed word.

    Attributes:
        text: the word, without markers.
        lane: "transcript", "translation" or what the tag names.
        language: language that the tag names, or None.
        first_frame: encoder frame of its first token.
        last_frame: encoder frame of its last token.
        logp: mean log-probability of its tokens, in nats.
        block: running number of its block: a transcript group and the translation groups that follow it, up to the
            next transcript group. The audio span of a translation word is that of the transcript words of its block.
    """

    text: str
    lane: str
    language: str | None
    first_frame: int
    last_frame: int
    logp: float
    block: int


@dataclass(frozen=True)
class HeldWord:
    """The word that the next token may still continue."""

    text: str
    first_frame: int
    last_frame: int
    logp_sum: float
    count: int


@dataclass(frozen=True)
class AssemblerState:
    """All that an assembler remembers. Immutable: a beam forks by keeping a reference.

    Attributes:
        lane: lane of the next token.
        language: its language.
        held: word that is held back until a token that begins another word, a tag, or the end.
        block: number of the current block.
        translated: the block has words outside the transcript, so that the next transcript word opens a new block.
        cut: a tag has just closed a word, so that a continuing token shows that the word was broken.
        broken_words: words that a tag has cut in two.
    """

    lane: str
    language: str | None = None
    held: HeldWord | None = None
    block: int = 0
    translated: bool = False
    cut: bool = False
    broken_words: int = 0


class WordAssembler:
    """Words from a stream of tokens.

    Robust against what a model may write: a repeated tag does nothing, without a first tag words go to the default
    lane, a tag at the end does nothing, a tag inside a word closes it (the rest is a word of its own and
    `broken_words` counts it). A word is held back until the next token shows that it is complete, unless
    `tokenizer.words_end_themselves`.

    Args:
        tokenizer: says which tokens are tags and which begin a word.
        default_lane: lane before the first tag.
        lane_of_tag: (lane, language) of a tag, or None for a tag that is an ordinary word, such as `<noise>`
            (default: `<asr>`, `<st>` and their forms with a language; `Tags.lane_of` for the scheme "lid").
        default_language: language before the first tag.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        default_lane: str = TRANSCRIPT,
        lane_of_tag: LaneOfTag = parse_tag,
        *,
        default_language: str | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._lane_of_tag = lane_of_tag
        self.state = AssemblerState(lane=default_lane, language=default_language)

    @property
    def broken_words(self) -> int:
        """Words that a tag has cut in two, so far."""
        return self.state.broken_words

    def push(self, token_id: int, frame: int, logp: float = 0.0) -> list[AssembledWord]:
        """Take one token, emitted at encoder frame `frame` with log-probability `logp`.

        Returns:
            The words that it completes, in order.
        """
        tokenizer = self._tokenizer
        if tokenizer.is_special(token_id):
            return []
        is_tag = tokenizer.is_tag(token_id)
        opened = self._lane_of_tag(tokenizer.tokens[token_id]) if is_tag else None
        if opened is not None:
            return self._switch(*opened)
        words: list[AssembledWord] = []
        if is_tag or tokenizer.starts_word(token_id):
            words += self.flush()
        elif self.state.cut and tokenizer.marks_word_starts:
            self.state = replace(self.state, broken_words=self.state.broken_words + 1)
        self._extend(tokenizer.piece_text(token_id), frame, logp)
        if is_tag or tokenizer.words_end_themselves:
            words += self.flush()
        return words

    def flush(self) -> list[AssembledWord]:
        """The held-back word, if there is one: call it at the end of the utterance."""
        state = self.state
        held = state.held
        if held is None:
            return []
        self.state = replace(state, held=None)
        if not held.text:
            return []
        mean = held.logp_sum / held.count
        word = (held.text, state.lane, state.language, held.first_frame, held.last_frame, mean, state.block)
        return [AssembledWord(*word)]

    def _switch(self, lane: str, language: str | None) -> list[AssembledWord]:
        if (lane, language) == (self.state.lane, self.state.language):
            return []
        words = self.flush()
        self.state = replace(self.state, lane=lane, language=language, cut=bool(words))
        return words

    def _extend(self, text: str, frame: int, logp: float) -> None:
        state, held = self.state, self.state.held
        if held is None:
            in_transcript = state.lane == TRANSCRIPT
            state = replace(
                state,
                block=state.block + (in_transcript and state.translated),
                translated=not in_transcript,
                cut=False,
            )
            held = HeldWord(text, frame, frame, logp, 1)
        else:
            held = HeldWord(held.text + text, held.first_frame, frame, held.logp_sum + logp, held.count + 1)
        self.state = replace(state, held=held)
