"""Links made wrong on purpose, to measure what wrong links cost."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping

from espnet_jst.errors import ConfigError, DataError
from espnet_jst.text.links import Link


def corrupt_links(
    alignments: Mapping[str, Collection[Link]], target_words: Mapping[str, int], share: float, *, seed: int = 0
) -> dict[str, set[Link]]:
    """Give a share of the links of a corpus another target word, drawn at random.

    The number of links stays. With one seed, what a smaller share moves a larger one moves in the same way, whatever
    the order of the utterances.

    Args:
        alignments: links by utterance.
        target_words: number of target words by utterance.
        share: of all links, in [0, 1]; a link that has no other target word to go to is never moved.
        seed: of the random generator.

    Raises:
        ConfigError: `share` is outside [0, 1].
        DataError: an utterance has no length, or a link outside of it; names the utterance.
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"the share of links to corrupt is {share}: give a number from 0 to 1, such as 0.1 for 10 %")
    right = {name: {(int(i), int(j)) for i, j in pairs} for name, pairs in alignments.items()}
    for name, pairs in right.items():
        if name not in target_words:
            raise DataError(f"{name} has links and no translation: give the text that was aligned")
        if outside := sorted(j for _, j in pairs if j >= target_words[name]):
            raise DataError(f"{name}: a link to target word {outside[0]} of {target_words[name]}: align the text again")
    rng = random.Random(seed)
    order = [(name, link) for name in sorted(right) for link in sorted(right[name])]
    left = round(share * len(order))
    rng.shuffle(order)
    links = {name: set(pairs) for name, pairs in right.items()}
    for name, (i, j) in order:
        if not left:
            break
        taken = right[name] | links[name]
        free = [other for other in range(target_words[name]) if (i, other) not in taken]
        if free:
            links[name].remove((i, j))
            links[name].add((i, rng.choice(free)))
            left -= 1
    return links
