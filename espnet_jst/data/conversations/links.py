"""Word links of turns: those that they have, and an aligner's, which sees every pair of texts once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from espnet_jst.data.checks import check_alignment
from espnet_jst.data.conversations.conf import ConversationsConf
from espnet_jst.text.align.corpus import align_corpus
from espnet_jst.text.align.model import Mapper
from espnet_jst.text.align.pharaoh import EMPTY, parse_pharaoh
from espnet_jst.text.links import Link, drop_punctuation_links
from espnet_jst.text.units import split_units


class Pair(NamedTuple):
    """A text and its translation; the language that is spoken, of which there may be several."""

    language: str
    source: str
    target: str


def given_links(line: str, pair: Pair) -> set[Link] | None:
    """The links of a turn; None where it has none.

    Raises:
        BadItem: they do not fit its words.
    """
    if line.strip() in ("", EMPTY):
        return None
    source, target = split_units(pair.source), split_units(pair.target)
    check_alignment(line, len(source), len(target))
    return drop_punctuation_links(parse_pharaoh(line), source, target)


def aligned(pairs: Sequence[Pair], conf: ConversationsConf, mapper: Mapper) -> dict[Pair, set[Link]]:
    """Links of pairs by an aligner; each language is a corpus of its own.

    Raises:
        ConfigError, DataError: the aligner is not installed, or failed.
    """
    found: dict[Pair, set[Link]] = {}
    for language in sorted({pair.language for pair in pairs}):
        corpus = sorted({pair for pair in pairs if pair.language == language})
        sides = [[split_units(text) for text in texts] for texts in zip(*(pair[1:] for pair in corpus), strict=True)]
        links = align_corpus(
            *sides,
            aligner=conf.aligner,
            symmetrization=conf.symmetrization,
            model=conf.aligner_model,
            mapper=mapper,
        )
        found.update(zip(corpus, links, strict=True))
    return found


def links_of(line: str, pair: Pair, made: dict[Pair, set[Link]]) -> set[Link]:
    """Links of a turn: its own, else the aligner's.

    Raises:
        BadItem: see `given_links`.
    """
    own = given_links(line, pair)
    return made[pair] if own is None else own
