"""From emitted tokens to words, one token at a time: the state machine that undoes serialization (arXiv:2307.03354)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from espnet_jst.text.tags import parse_tag
from espnet_jst.text.tokenizer import Tokenizer
from espnet_jst.text.units import has_blanks, split_units
from espnet_jst.text.words import TRANSCRIPT

LaneOfTag = Callable[[str], "tuple[str, str | None] | None"]


@dataclass(frozen=True)
class AssembledWord:
    """A completed word, or a completed character of a script without blanks (`text.units`).

    Attributes:
        text: the word, without markers.
        lane: "transcript", "translation" or what the tag names.
        language: language that the tag names, or None.
        first_frame: encoder frame of its first token.
        last_frame: encoder frame of its last token.
        logp: mean log-probability of its tokens, in nats.
        block: running number of its block: a transcript group and the translation groups that follow it, up to the
            next transcript group. The audio span of a translation word is that of the transcript words of its block.
        glued: whether it stands directly behind the word before it in its lane; None where the tokens do not say.
    """

    text: str
    lane: str
    language: str | None
    first_frame: int
    last_frame: int
    logp: float
    block: int
    glued: bool | None = None


@dataclass(frozen=True)
class HeldWord:
    """The word that the next token may still continue."""

    text: str
    first_frame: int
    last_frame: int
    logp_sum: float
    count: int
    glued: bool | None = None


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
        opened: nothing was written since the lane was opened.
        unspaced: lanes whose last word is of a script without blanks: what follows without a marker is glued to it.
    """

    lane: str
    language: str | None = None
    held: HeldWord | None = None
    block: int = 0
    translated: bool = False
    cut: bool = False
    broken_words: int = 0
    opened: bool = True
    unspaced: frozenset[str] = frozenset()


class WordAssembler:
    """Words from a stream of tokens.

    Robust against what a model may write: a repeated tag does nothing, without a first tag words go to the default
    lane, a tag at the end does nothing, a tag inside a word closes it (the rest is a word of its own and
    `broken_words` counts it). A word is held back until the next token shows that it is complete, unless
    `tokenizer.words_end_themselves`. In a script without blanks every character is a word of its own, complete with the
    token that writes it unless a mark of the vocabulary could follow.

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
        starts = is_tag or tokenizer.starts_word(token_id)
        words = self.flush() if starts else []
        text = tokenizer.piece_text(token_id)
        if self.state.held is None:
            self._open(text, frame, starts)
        words += self._extend(text, frame, logp)
        if is_tag or tokenizer.words_end_themselves:
            words += self.flush()
        return words

    def flush(self) -> list[AssembledWord]:
        """The held-back word, if there is one: call it at the end of the utterance."""
        held = self.state.held
        self.state = replace(self.state, held=None)
        return [self._word(held)] if held is not None and held.text else []

    def _switch(self, lane: str, language: str | None) -> list[AssembledWord]:
        if (lane, language) == (self.state.lane, self.state.language):
            return []
        words = self.flush()
        self.state = replace(self.state, lane=lane, language=language, cut=bool(words), opened=True)
        return words

    def _open(self, text: str, frame: int, starts: bool) -> None:
        """Begin a word with a token that adds `text`."""
        state, in_transcript = self.state, self.state.lane == TRANSCRIPT
        glued = None if self._tokenizer.words_end_themselves else self._glued(text, starts)
        self.state = replace(
            state,
            held=HeldWord("", frame, frame, 0.0, 0, glued),
            block=state.block + (in_transcript and state.translated),
            translated=not in_transcript,
            cut=False,
            broken_words=state.broken_words
            + (state.cut and not starts and self._tokenizer.marks_word_starts and not glued),
            opened=False,
        )

    def _glued(self, text: str, starts: bool) -> bool | None:
        state = self.state
        if starts or not (state.lane in state.unspaced or (text and not has_blanks(text[0]))):
            return False
        # Behind a tag, tokens that mark the space between two words do not say whether one is there.
        return None if state.opened and not self._tokenizer.marks_word_starts else True

    def _extend(self, text: str, frame: int, logp: float) -> list[AssembledWord]:
        """Add text to the open word; returns what is complete, the last character too where nothing can follow it."""
        held = self.state.held
        assert held is not None
        longer = replace(held, text=held.text + text, last_frame=frame)
        longer = replace(longer, logp_sum=held.logp_sum + logp, count=held.count + 1)
        units = split_units(longer.text)
        if not units:
            self.state = replace(self.state, held=longer)
            return []
        first = held if units[0] == held.text else replace(longer, text=str(units[0]))
        parts = [first, *(HeldWord(str(unit), frame, frame, logp, 1, True) for unit in units[1:])]
        done = parts if self._tokenizer.completes(parts[-1].text) else parts[:-1]
        words = [self._word(part) for part in done]
        self.state = replace(self.state, held=None if done is parts else parts[-1])
        return words

    def _word(self, held: HeldWord) -> AssembledWord:
        state = self.state
        lanes = state.unspaced - {state.lane} if has_blanks(held.text[-1]) else state.unspaced | {state.lane}
        self.state = replace(state, unspaced=lanes)
        mean = held.logp_sum / held.count
        first, last = held.first_frame, held.last_frame
        return AssembledWord(held.text, state.lane, state.language, first, last, mean, state.block, held.glued)
