"""Serialization, word alignment, tokenization, subtitles. Heavy packages (numpy, sentencepiece) load on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

# Imported at once, and light: the function `serialize` must win over the module of the same name.
from espnet_jst.text.serialize import deserialize, serialize, serialize_streams

if TYPE_CHECKING:
    from espnet_jst.text.align.corpus import align_corpus

__all__ = ["align_corpus", "deserialize", "serialize", "serialize_streams"]


def __getattr__(name: str) -> Any:
    if name == "align_corpus":
        from espnet_jst.text.align.corpus import align_corpus

        return align_corpus
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
