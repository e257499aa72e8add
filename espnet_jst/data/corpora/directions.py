"""Directions of translation that a model learns together, as `--langs` of a recipe names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from espnet_jst.config import closest
from espnet_jst.data.corpora.turns import Turn
from espnet_jst.errors import ConfigError

ALL = "all"
SEVERAL = {"src": "mul", "tgt": "mul-x-tgt"}  # "mul" is ISO 639-2's code; both texts must have names of their own


class Direction(NamedTuple):
    """From the spoken language into another."""

    src: str
    tgt: str

    def __str__(self) -> str:
        return f"{self.src}_{self.tgt}"


class Directions(tuple[Direction, ...]):
    """Those that a model learns together."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str, languages: Sequence[str]) -> Directions:
        """Read "en-de", "de,fr-en", "all-en" or "all-all"; a hyphen may also stand in a code, as in "en-zh-CN".

        Args:
            languages: those of the corpus.

        Raises:
            ConfigError: a language is none of the corpus, or nothing is left.
        """
        cuts = [(text[:place], text[place + 1 :]) for place, sign in enumerate(text) if sign == "-"]
        if not cuts:
            raise ConfigError(f"directions {text!r}: give <spoken>-<target> such as en-de, de,fr-en, all-en or all-all")
        read = [[languages if side == ALL else tuple(side.split(",")) for side in sides] for sides in cuts]
        unknown = [[code for side in sides for code in side if code not in languages] for sides in read]
        sources, targets = read[unknown.index([]) if [] in unknown else 0]
        for code in unknown[0] if [] not in unknown else ():
            raise ConfigError(
                f"directions {text!r}: {code!r} is not one of {', '.join(languages)}{closest(code, languages)}"
            )
        found = dict.fromkeys(Direction(src, tgt) for src in sources for tgt in targets if src != tgt)
        if not found:
            raise ConfigError(f"directions {text!r}: a language is not translated into itself")
        return cls(found)

    def language(self, side: str) -> str:
        """What the texts of one side ("src" or "tgt") are called after: their language, or that they are several."""
        codes = {getattr(direction, side) for direction in self}
        return codes.pop() if len(codes) == 1 else SEVERAL[side]

    @property
    def tests(self) -> list[str]:
        """Names of the test sets: one a direction, so that scores can be averaged over directions as published."""
        return ["test"] if len(self) == 1 else [f"test_{direction}" for direction in self]

    def named(self, turn: Turn, direction: Direction) -> Turn:
        """A turn of one of the directions, with its languages where they tell it from those of the others."""
        several = {side: self.language(side) == SEVERAL[side] for side in SEVERAL}
        return replace(
            turn,
            utt_id=turn.utt_id + several["tgt"] * f"_{direction.tgt}",
            src_lang=direction.src if several["src"] else None,
            tgt_lang=direction.tgt if several["tgt"] else None,
        )
