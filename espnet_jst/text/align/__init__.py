"""Word alignment: the built-in statistical aligner and those of others, Pharaoh files, error rates."""

from __future__ import annotations

from espnet_jst.text.align.corpus import align_corpus
from espnet_jst.text.align.corrupt import corrupt_links
from espnet_jst.text.align.model import AlignerConfig
from espnet_jst.text.align.pharaoh import format_pharaoh, parse_pharaoh, read_pharaoh, write_pharaoh
from espnet_jst.text.align.scores import AlignmentScore, aer, alignment_score

__all__ = [
    "AlignerConfig",
    "AlignmentScore",
    "aer",
    "align_corpus",
    "alignment_score",
    "corrupt_links",
    "format_pharaoh",
    "parse_pharaoh",
    "read_pharaoh",
    "write_pharaoh",
]
