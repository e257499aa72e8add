"""Aligning a corpus, with the built-in aligner or one of another's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from espnet_jst.config import check_choice
from espnet_jst.errors import DataError
from espnet_jst.text.align import external
from espnet_jst.text.align.model import AlignerConfig, Mapper, directed_links
from espnet_jst.text.align.symmetrize import SYMMETRIZATIONS
from espnet_jst.text.links import Link, drop_punctuation_links, is_punctuation


def align_corpus(
    sources: Sequence[Sequence[str]],
    targets: Sequence[Sequence[str]],
    *,
    aligner: str = "builtin",
    symmetrization: str = "grow-diag-final-and",
    config: AlignerConfig | None = None,
    model: str = "",
    device: str = "cpu",
    names: Sequence[str] | None = None,
    mapper: Mapper = map,
) -> list[set[Link]]:
    """Estimate the word links of a parallel corpus; the built-in aligner needs nothing but the corpus.

    Words are compared in lower case and without the punctuation marks attached to them; the links refer to the words
    as given. No link ties a word to a punctuation mark, or the closing mark to a mark inside the sentence.

    Args:
        sources: words of each source sentence.
        targets: words of each target sentence, in the same order.
        aligner: "builtin", or, where installed, "simalign", "awesome-align", "eflomal", "fast_align".
        symmetrization: "grow-diag-final-and" (finds more long-distance links: better translations), "intersect"
            (fewer wrong links: lower latency), "forward" (each target word has at most one source word) or "reverse".
        config: settings of the built-in aligner.
        model: folder or name of the pre-trained model of simalign or awesome-align.
        device: "cpu" or "cuda", for those two.
        names: of the pairs, for messages.
        mapper: as `map`, for work that is to run on several processes; the links do not depend on it.

    Returns:
        For each pair its links (source position, target position), from 0; no links where a side is empty.

    Raises:
        DataError: different numbers of sentences, a sentence that is a string instead of a list of words, or an aligner
            that failed; names the utterance.
        ConfigError: unknown aligner or symmetrization, or an aligner that is not installed.
    """
    check_choice(aligner, external.ALIGNERS, "aligner")
    external.check_model(aligner, model)
    check_choice(symmetrization, SYMMETRIZATIONS, "symmetrization")
    _check(sources, targets)
    source_views = [[_view(word) for word in words] for words in sources]
    target_views = [[_view(word) for word in words] for words in targets]
    if aligner == "builtin":
        forward, reverse = directed_links(source_views, target_views, config or AlignerConfig(), mapper=mapper)
    else:
        job = external.Job(
            sources=source_views,
            targets=target_views,
            names=names or [f"pair {index}" for index in range(len(sources))],
            symmetrization=symmetrization,
            model=model,
            device=device,
        )
        forward, reverse = external.external_links(aligner, job)
    combine = SYMMETRIZATIONS[symmetrization]
    # Dropped before the two are combined, so that a wrong link cannot grow.
    return [
        combine(drop_punctuation_links(f, source, target), drop_punctuation_links(r, source, target))
        for f, r, source, target in zip(forward, reverse, sources, targets)
    ]


def _check(sources: Sequence[Sequence[str]], targets: Sequence[Sequence[str]]) -> None:
    if len(sources) != len(targets):
        raise DataError(f"{len(sources)} source and {len(targets)} target sentences: give pairs in the same order")
    for side, sentences in (("source", sources), ("target", targets)):
        for index, words in enumerate(sentences):
            if isinstance(words, str):
                raise DataError(f"{side} sentence {index} is the text {words!r}: give a list of words", index=index)


@lru_cache(maxsize=200_000)
def _view(word: str) -> str:
    if is_punctuation(word):
        return word
    begin, end = 0, len(word)
    while is_punctuation(word[begin]):
        begin += 1
    while is_punctuation(word[end - 1]):
        end -= 1
    return word[begin:end].lower()
