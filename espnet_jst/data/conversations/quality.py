"""How good the times of words are: the order of the speakers' words stands on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from espnet_jst.data.conversations.merge import Words

OFF_S = (0.1, 0.3)
SLACK_S = 0.1  # by which a word may leave its turn
MOST_NAMES = 20


@dataclass
class Quality:
    """Of the times that are used, and of these against others.

    Attributes:
        against: what the others are; empty where there are none.
        words, changes: words that were said, and tags.
        backwards: conversation -> words that end before the word before them.
        outside: conversation -> words that end outside of their turn.
        off_s: how far apart both times of each word are.
        pairs, turned: neighbouring words of different speakers, and those that the others would put in another order.
    """

    against: str = ""
    words: int = 0
    changes: int = 0
    backwards: dict[str, int] = field(default_factory=dict)
    outside: dict[str, int] = field(default_factory=dict)
    off_s: list[float] = field(default_factory=list)
    pairs: int = 0
    turned: int = 0

    def add(self, name: str, sides: Sequence[Words], backwards: int, others: Sequence[Sequence[float]] | None) -> None:
        """Count a conversation.

        Args:
            sides: what was said in each turn, with its times as they were given.
            backwards: see `merge.check_order`.
            others: the other times of each turn, where they are known.
        """
        self.words += sum(len(side.words) for side in sides)
        outside = sum(
            not side.turn.start_s - SLACK_S <= end <= side.turn.end_s + SLACK_S for side in sides for end in side.ends_s
        )
        self.backwards |= {name: backwards} if backwards else {}
        self.outside |= {name: outside} if outside else {}
        if others is not None:
            self._compare(sides, others)

    def _compare(self, sides: Sequence[Words], others: Sequence[Sequence[float]]) -> None:
        ends = np.array([end for side in sides for end in side.ends_s])
        again = np.array([end for line in others for end in line])
        owners = np.array([side.turn.speaker for side in sides for _ in side.ends_s])
        self.off_s += np.abs(ends - again).tolist()
        order = np.argsort(ends, kind="stable")
        changes = owners[order][1:] != owners[order][:-1]
        self.pairs += int(changes.sum())
        self.turned += int((changes & (np.diff(again[order]) < 0)).sum())

    def entry(self) -> dict[str, Any]:
        """What conversations.json has of it; shares from 0 to 1."""
        found: dict[str, Any] = {"words": self.words, "changes": self.changes}
        for name, counts in (("backwards", self.backwards), ("outside_their_turn", self.outside)):
            listed = sorted(counts, key=lambda key: (-counts[key], key))[:MOST_NAMES]
            found[name] = {"words": sum(counts.values()), "conversations": len(counts), "most": listed}
        if self.off_s:
            off = np.array(self.off_s)
            found["agreement"] = {
                "against": self.against,
                "words": len(off),
                "median_s": round(float(np.median(off)), 4),
                **{f"over_{limit:g}_s": round(float((off > limit).mean()), 4) for limit in OFF_S},
                "neighbours": self.pairs,
                "other_order": round(self.turned / self.pairs, 4) if self.pairs else 0.0,
            }
        return found

    def rows(self) -> list[tuple[str, str]]:
        """The same as a table."""
        entry = self.entry()
        rows = [("words", f"{self.words}"), ("changes of the speaker", f"{self.changes}")]
        for title, key in (
            ("words that end before the word before", "backwards"),
            ("words that end outside of their turn", "outside_their_turn"),
        ):
            part = entry[key]
            names = f" in {part['conversations']} conversations (first: {part['most'][0]})" if part["words"] else ""
            rows.append((title, f"{part['words']}{names}"))
        if "agreement" in entry:
            part = entry["agreement"]
            rows.append((f"against {self.against}: words", f"{part['words']}"))
            rows.append(("  ends apart, median", f"{part['median_s']:.3f} s"))
            rows += [(f"  by more than {limit:g} s", f"{part[f'over_{limit:g}_s']:.1%}") for limit in OFF_S]
            rows.append(("  neighbours of two speakers in another order", f"{part['other_order']:.1%} of {self.pairs}"))
        return rows
