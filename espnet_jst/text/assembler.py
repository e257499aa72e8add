"""From emitted tokens to words, one token at a time: the state machine that undoes serialization (arXiv:2307.03354)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from espnet_jst.text.lanes import TRANSCRIPT
from espnet_jst.text.tags import Tag, Tags
from espnet_jst.text.tokenizer import Tokenizer
from espnet_jst.text.units import has_blanks, split_units


@dataclass(frozen=True)
class AssembledWord:
    """A completed word, or a completed character of a script without blanks (`text.units`).

    Attributes:
        text: the word, without markers.
        lane: where it belongs.
        language: language that the last tag names, or None.
        first_frame: encoder frame of its first token.
        last_frame: encoder frame of its last token.
        logp: mean log-probability of its tokens, in nats.
        block: running number of its block: a transcript group of a speaker and the translation groups that follow it,
            up to the speaker's next transcript group. The audio span of a translation word is that of the transcript
            words of its block.
        glued: whether it stands directly behind the word before it in its lane; None where the tokens do not say.
        speaker: speaker that the last tag of a speaker names, or None.
    """

    text: str
    lane: str
    language: str | None
    first_frame: int
    last_frame: int
    logp: float
    block: int
    glued: bool | None = None
    speaker: str | None = None


@dataclass(frozen=True)
class Block:
    """Where a speaker is: number of the block, and whether it has words outside the transcript, so that the next
    transcript word opens a new one.
    """

    number: int = 0
    translated: bool = False


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
        place: lane, language and speaker of the next token.
        held: word that is held back until a token that begins another word, a tag, or the end.
        blocks: the block of each speaker.
        cut: a tag has just closed a word, so that a continuing token shows that the word was broken.
        broken_words: words that a tag has cut in two.
        opened: nothing was written since the lane was opened.
        unspaced: lanes whose last word is of a script without blanks: what follows without a marker is glued to it.
    """

    place: Tag
    held: HeldWord | None = None
    blocks: Mapping[str | None, Block] = field(default_factory=dict)
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
        tags: those that open something; another, such as `<noise>`, is an ordinary word.
        sources: lanes that say what was spoken.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        default_lane: str = TRANSCRIPT,
        tags: Tags | None = None,
        *,
        sources: Collection[str] = (TRANSCRIPT,),
    ) -> None:
        self._tokenizer, self._tags, self._sources = tokenizer, tags or Tags(), sources
        self.state = AssemblerState(Tag(default_lane))

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
        opened = self._tags.read(tokenizer.tokens[token_id]) if is_tag else None
        if opened is not None:
            return self._switch(opened.over(self.state.place))
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

    def _switch(self, place: Tag) -> list[AssembledWord]:
        if place == self.state.place:
            return []
        words = self.flush()
        self.state = replace(self.state, place=place, cut=bool(words), opened=True)
        return words

    def _open(self, text: str, frame: int, starts: bool) -> None:
        """Begin a word with a token that adds `text`."""
        state, spoken = self.state, self.state.place.lane in self._sources
        block = state.blocks.get(state.place.speaker, Block())
        block = Block(block.number + (spoken and block.translated), not spoken)
        glued = None if self._tokenizer.words_end_themselves else self._glued(text, starts)
        self.state = replace(
            state,
            held=HeldWord("", frame, frame, 0.0, 0, glued),
            blocks={**state.blocks, state.place.speaker: block},
            cut=False,
            broken_words=state.broken_words
            + (state.cut and not starts and self._tokenizer.marks_word_starts and not glued),
            opened=False,
        )

    def _glued(self, text: str, starts: bool) -> bool | None:
        state = self.state
        if starts or not (state.place.lane in state.unspaced or (text and not has_blanks(text[0]))):
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
        state, place = self.state, self.state.place
        assert place.lane is not None
        lanes = state.unspaced - {place.lane} if has_blanks(held.text[-1]) else state.unspaced | {place.lane}
        self.state = replace(state, unspaced=lanes)
        return AssembledWord(
            held.text,
            place.lane,
            place.language,
            held.first_frame,
            held.last_frame,
            held.logp_sum / held.count,
            state.blocks[place.speaker].number,
            held.glued,
            place.speaker,
        )
