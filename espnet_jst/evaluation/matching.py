"""Words of a reference beside those of a hypothesis, by a minimal edit alignment (jiwer)."""

from __future__ import annotations

from collections.abc import Sequence

import jiwer


def word_differences(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[str, range, range]]:
    """A minimal edit alignment: ("equal", "substitute", "insert" or "delete", reference words, hypothesis words)."""
    output = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
    return [
        (c.type, range(c.ref_start_idx, c.ref_end_idx), range(c.hyp_start_idx, c.hyp_end_idx))
        for c in output.alignments[0]
    ]


def matching_words(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[int, int]]:
    """(reference index, hypothesis index) of the words that are equal in a minimal edit alignment."""
    chunks = word_differences(reference, hypothesis)
    return [pair for kind, found, written in chunks if kind == "equal" for pair in zip(found, written, strict=True)]
