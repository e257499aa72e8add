"""When each word of a turn ends, and when each word of its translation is due."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from zlib import crc32

import numpy as np

from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.conversations.conf import END, SPREAD, TURN, ConversationsConf
from espnet_jst.data.conversations.turns import Turn
from espnet_jst.text.links import Link
from espnet_jst.text.policies import time_positions


def word_ends(turn: Turn, words: Sequence[str], how: str) -> list[float]:
    """Ends of the words of a turn in s, (n,), as they are given.

    Args:
        how: `ConversationsConf.times`.

    Raises:
        BadItem: the turn has no such times, or not one for each word.
    """
    if how == END:
        return [turn.end_s] * len(words)
    if how == SPREAD:
        said = np.cumsum([len(word) for word in words])
        return [turn.start_s + float(share) * (turn.end_s - turn.start_s) for share in said / said[-1]]
    return parse_ends(turn.times.get(how, ""), len(words), how)


def parse_ends(line: str, words: int, name: str) -> list[float]:
    """Ends of a line of `word_times` ("0.31 0.70") or `word_times.ref` ("0.10:0.31 0.42:0.70").

    Raises:
        BadItem: there are none, others than words, or no numbers.
    """
    try:
        ends = [float(time.rpartition(":")[2]) for time in line.split() if time != "-"]
    except ValueError:
        ends = [math.nan]
    if not ends:
        reason, kind = f"it has no {name}", "times-missing"
    elif not all(map(math.isfinite, ends)):
        reason, kind = f"{name} {line[:60]!r} are not numbers", "times-invalid"
    elif len(ends) != words:
        reason, kind = f"{name} has {len(ends)} times for {words} words", "times-count"
    else:
        return ends
    raise BadItem(reason, "give the end of each word in seconds, or see --times", kind)


def due_times(turn: Turn, ends_s: Sequence[float], words: int, links: Collection[Link], how: str) -> list[float]:
    """When each word of the translation of a turn is due, in s, (m,): at the end of the last word it is linked with.

    Args:
        ends_s: of the words that were said, (n,), n >= 1.
        words: of the translation.
        how: `ConversationsConf.translation`.
    """
    if how == TURN:
        return [max(turn.end_s, *ends_s)] * words
    ends = np.maximum.accumulate(ends_s)
    return [float(ends[position - 1]) for position in time_positions(ends.tolist(), words, links)]


def jittered(ends_s: Sequence[float], conf: ConversationsConf, name: str, place: int) -> list[float]:
    """Ends with noise; the same for the same seed, conversation and turn.

    Args:
        name: of the conversation.
        place: of the turn in it.
    """
    if not conf.jitter_s:
        return list(ends_s)
    rng = np.random.default_rng((conf.seed, crc32(name.encode()), place))
    return [max(0.0, end + float(noise)) for end, noise in zip(ends_s, rng.normal(0.0, conf.jitter_s, len(ends_s)))]
