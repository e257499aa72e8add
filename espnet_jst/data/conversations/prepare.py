"""The turns of a conversation with their words in place: what was said, and its translation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import NO_VALUE
from espnet_jst.data.conversations.conf import GIVEN, SPANS, TURN, WORDS, ConversationsConf
from espnet_jst.data.conversations.links import Pair, links_of
from espnet_jst.data.conversations.merge import Words
from espnet_jst.data.conversations.times import due_times, jittered, parse_ends, word_ends
from espnet_jst.data.conversations.turns import Conversation, Turn
from espnet_jst.text.links import Link
from espnet_jst.text.units import split_units

Times = Mapping[str, str]
"""Utterance -> ends of its words, from its own start."""


@dataclass(frozen=True)
class Talk:
    """A conversation whose texts are all there; a pair a turn, without a target where there are no translations."""

    conversation: Conversation
    pairs: Sequence[Pair]

    @property
    def name(self) -> str:
        return self.conversation.name

    @property
    def turns(self) -> Sequence[Turn]:
        return self.conversation.turns

    def unlinked(self, conf: ConversationsConf) -> list[Pair]:
        """The pairs that an aligner has to link."""
        if not conf.both or conf.translation == TURN:
            return []
        return [pair for pair, turn in zip(self.pairs, self.turns, strict=True) if turn.links in ("", NO_VALUE)]


def with_texts(conversation: Conversation, conf: ConversationsConf) -> Talk:
    """A conversation with the texts of its turns.

    Raises:
        BadItem: a text is missing.
    """
    pairs = []
    for number, turn in enumerate(conversation.turns, 1):
        with _blame(number, turn):
            texts = [turn.texts.get(name, "").strip() for name in conf.lanes]
            for name, text in zip(conf.lanes, texts, strict=True):
                if text in ("", NO_VALUE):
                    there = ", ".join(sorted(turn.texts)) or "none"
                    reason = f"it has no {name} (its texts: {there})"
                    raise BadItem(reason, "give the text of every turn", "text-missing")
            pairs.append(Pair(turn.language, texts[0], texts[-1] if conf.both else ""))
    return Talk(conversation, pairs)


def said(talk: Talk, conf: ConversationsConf) -> list[Words]:
    """The words of every turn with the times that are given.

    Raises:
        BadItem: a turn has none.
    """
    found = []
    for number, (turn, pair) in enumerate(zip(talk.turns, talk.pairs, strict=True), 1):
        with _blame(number, turn):
            words = split_units(pair.source)
            found.append(Words(turn, words, word_ends(turn, words, conf.times)))
    return found


def placed(said: Sequence[Words], conf: ConversationsConf, name: str) -> list[Words]:
    """The same with the jitter that is asked for."""
    return [Words(s.turn, s.words, jittered(s.ends_s, conf, name, place)) for place, s in enumerate(said)]


def translated(talk: Talk, sides: Sequence[Words], made: dict[Pair, set[Link]], conf: ConversationsConf) -> list[Words]:
    """The words of the translation of every turn, each due with what it stands for.

    Args:
        sides: what was said, from `placed`.
        made: links of an aligner, of the turns that have none.

    Raises:
        BadItem: links do not fit the words.
    """
    found = []
    for number, (side, pair) in enumerate(zip(sides, talk.pairs, strict=True), 1):
        with _blame(number, side.turn):
            words = split_units(pair.target)
            links = links_of(side.turn.links, pair, made) if conf.translation == WORDS else set()
            due = due_times(side.turn, side.ends_s, len(words), links, conf.translation)
            found.append(Words(side.turn, words, due, links))
    return found


def second_times(talks: Sequence[Talk], conf: ConversationsConf) -> str:
    """The times that turns have beside those that are used: `word_times.ref` before `word_times`; empty for none."""
    known = {name for talk in talks for turn in talk.turns for name in turn.times}
    return next((name for name in (SPANS, GIVEN) if name != conf.times and name in known), "")


def other_times(said: Sequence[Words], second: str, against: Times | None) -> list[list[float]] | None:
    """Other times of the words of every turn; None where a turn has none that fit.

    Args:
        second: `second_times`.
        against: of the single utterances, in place of those.
    """
    found = []
    for side in said:
        if against is None:
            line, start_s = side.turn.times.get(second, ""), 0.0
        else:
            line, start_s = against.get(side.turn.utterance, ""), side.turn.start_s
        try:
            found.append([start_s + end for end in parse_ends(line, len(side.words), "the other times")])
        except BadItem:
            return None
    return found


@contextmanager
def _blame(number: int, turn: Turn) -> Iterator[None]:
    """Says which turn is bad."""
    try:
        yield
    except BadItem as error:
        name = f" ({turn.utterance})" if turn.utterance else ""
        raise BadItem(f"turn {number}{name}: {error.reason}", error.fix, error.kind) from None
