"""When a target word may be written: the policies of serialized output training (arXiv:2307.03354, 2310.14806).

Every policy answers with one number for each target word: after how many source words it is written. The numbers never
decrease, so that the order of the words is kept, and streams can be merged by them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fractions import Fraction

from espnet_jst.errors import ConfigError
from espnet_jst.text.links import Link

POLICIES = ("align", "eager", "time", "inter")


def inter_positions(n: int, m: int, gamma: float | str | Fraction) -> list[int]:
    """INTER gamma (arXiv:2101.09149): the source word is next if (1-gamma)(1+ST words) >= gamma(1+ASR words).

    Args:
        n: source words.
        m: target words.
        gamma: in [0, 1], read as the decimal fraction that it prints as: 0.3 is exactly 3/10, because in floating
            point the tie of 0.7 * 3 with 0.3 * 7 falls to the wrong side. 0: all source words first; 1: all target
            words first; 0.5: in turn, source first.

    Returns:
        For each target word the number of source words before it, (m,).

    Raises:
        ConfigError: gamma is not a number in [0, 1].
    """
    share = exact_gamma(gamma)
    target_weight, source_weight = share.numerator, share.denominator - share.numerator
    positions: list[int] = []
    heard = 0
    while len(positions) < m:
        source_next = source_weight > 0 and source_weight * (1 + len(positions)) >= target_weight * (1 + heard)
        if heard < n and source_next:
            heard += 1
        else:
            positions.append(heard)
    return positions


def exact_gamma(gamma: float | str | Fraction) -> Fraction:
    """`gamma` as an exact fraction in [0, 1]."""
    try:
        share = Fraction(str(gamma))
    except ValueError as error:
        raise ConfigError(f"gamma is {gamma!r}: give a number from 0 to 1") from error
    if not 0 <= share <= 1:
        raise ConfigError(f"gamma is {gamma}: give a number from 0 (source first) to 1 (target first)")
    return share


def eager_positions(n: int, m: int, links: Collection[Link]) -> list[int]:
    """INTER ALIGN, eager: a target word follows as soon as the source words of it and of all before it are out."""
    return time_positions(range(1, n + 1), m, links)


def time_positions(ends: Sequence[float], m: int, links: Collection[Link]) -> list[int]:
    """INTER TIME (arXiv:2310.14806): a target word is due when the last of its source words ends.

    An unaligned target word is due with the one before it, the first ones with the first that is aligned; without any
    link all follow the source.

    Args:
        ends: end of each source word, (n,), in any unit, non-decreasing.
        m: target words.
        links: pairs inside the sentence.

    Returns:
        For each target word the number of source words that end no later, (m,).
    """
    n = len(ends)
    last = [-1] * m
    for i, j in links:
        last[j] = max(last[j], i)
    latest = next((i for i in last if i >= 0), n - 1)
    positions: list[int] = []
    for i in last:
        latest = max(latest, i)
        positions.append(latest + 1)
    # Source words that end together come out together, ahead of the target.
    tied = list(range(1, n + 1))
    for i in range(n - 2, -1, -1):
        if ends[i] == ends[i + 1]:
            tied[i] = tied[i + 1]
    return [tied[position - 1] if position else 0 for position in positions]


def block_positions(n: int, m: int, links: Collection[Link], *, max_block_words: int = 0) -> tuple[list[int], int]:
    """INTER ALIGN, block: the translation of a minimal bilingual block follows its last source word.

    Args:
        n: source words.
        m: target words.
        links: pairs inside the sentence.
        max_block_words: a block with more words than this on either side is written eagerly; 0: no limit.

    Returns:
        For each target word the number of source words before it, (m,), and how many blocks were over the limit.
    """
    blocks = minimal_blocks(n, links)
    if not blocks:
        return [n] * m, 0
    eager: list[int] = []
    positions: list[int] = []
    over = 0
    for index, (first, last, _, _) in enumerate(blocks):
        # Unaligned target words stay with the block before them, those at the beginning with the first block.
        begin = len(positions)
        end = blocks[index + 1][2] if index + 1 < len(blocks) else m
        if 0 < max_block_words < max(last - first + 1, end - begin):
            eager = eager or eager_positions(n, m, links)
            positions += eager[begin:end]
            over += 1
        else:
            positions += [last + 1] * (end - begin)
    return positions, over


def minimal_blocks(n: int, links: Collection[Link]) -> list[tuple[int, int, int, int]]:
    """Smallest groups of links that are monotone on both sides.

    Returns:
        (first source, last source, first target, last target) of each block, in order; unaligned words are in none.
    """
    low: dict[int, int] = {}
    high: dict[int, int] = {}
    for i, j in links:
        low[i] = min(low.get(i, j), j)
        high[i] = max(high.get(i, j), j)
    blocks: list[tuple[int, int, int, int]] = []
    for i in range(n):
        if i not in low:
            continue
        block = (i, i, low[i], high[i])
        while blocks and blocks[-1][3] >= block[2]:  # a shared target word, or a crossing
            first, _, first_target, last_target = blocks.pop()
            block = (first, i, min(first_target, block[2]), max(last_target, block[3]))
        blocks.append(block)
    return blocks
