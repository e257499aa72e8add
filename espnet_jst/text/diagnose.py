"""What a serialization will cost and teach, measured on the text alone, before any training (arXiv:2307.03354)."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from espnet_jst.errors import DataError
from espnet_jst.text.links import Link
from espnet_jst.text.tags import ASR_TAG, ST_TAG

TOLERATED_SHARE = 0.01  # of the utterances, that a band may be too narrow for


@dataclass(frozen=True)
class Bursts:
    """Labels of the longest burst of each utterance, ascending."""

    longest: tuple[int, ...]

    def share_over(self, labels: int) -> float:
        """Share of the utterances with a burst of more than `labels` labels, in [0, 1]."""
        return sum(burst > labels for burst in self.longest) / max(1, len(self.longest))

    def prune_range(self, share: float = TOLERATED_SHARE) -> int:
        """The narrowest band that cannot represent at most `share` of the utterances."""
        kept = max(0, len(self.longest) - int(share * len(self.longest)) - 1)
        return max(2, self.longest[kept] + 1 if self.longest else 2)


@dataclass
class SerializationReport:
    """Totals over a corpus of serialized sentences.

    Attributes:
        sentences: number of sentences.
        tags: tags written.
        target_words: target words written.
        linked_words: target words that have a link.
        premature_words: linked target words written before the last of their source words: they teach the model to
            guess. With estimated links as reference this is 0 for the policies that follow the links.
        extra_wait_words: source words heard beyond the last one needed, summed over the linked words that are not
            premature.
        heard_share_sum: share of the source heard when a target word is written, summed over target words.
        bursts: labels of each burst: the target tag and the target words written between two source words. All are
            due in the frame in which the source word ends, so a search needs as many symbols a frame, and a pruned
            loss with R labels a frame leaves out every burst of more than R - 1.
        longest: labels of the longest burst of each sentence, 0 where it has none.
    """

    sentences: int = 0
    tags: int = 0
    target_words: int = 0
    linked_words: int = 0
    premature_words: int = 0
    extra_wait_words: int = 0
    heard_share_sum: float = 0.0
    bursts: list[int] = field(default_factory=list)
    longest: list[int] = field(default_factory=list)

    @property
    def tags_per_sentence(self) -> float:
        """Mean number of tags."""
        return self.tags / max(self.sentences, 1)

    @property
    def premature_share(self) -> float:
        """Share of the linked target words that are written too early, in [0, 1]."""
        return self.premature_words / max(self.linked_words, 1)

    @property
    def extra_wait(self) -> float:
        """Mean number of source words heard beyond the last one needed."""
        return self.extra_wait_words / max(self.linked_words - self.premature_words, 1)

    @property
    def heard_share(self) -> float:
        """Mean share of the source heard when a target word is written, in [0, 1]."""
        return self.heard_share_sum / max(self.target_words, 1)

    @property
    def longest_burst(self) -> int:
        """Labels of the longest burst."""
        return max(self.longest, default=0)

    def burst_quantile(self, share: float) -> int:
        """Labels that `share` of the bursts do not exceed."""
        return sorted(self.bursts)[max(0, math.ceil(share * len(self.bursts)) - 1)] if self.bursts else 0

    def longest_bursts(self) -> Bursts:
        """The longest burst of each sentence, from which the band of a pruned loss is chosen."""
        return Bursts(tuple(sorted(self.longest)))

    def as_dict(self) -> dict[str, float]:
        """The figures of a table, as plain numbers."""
        return {
            "sentences": self.sentences,
            "tags_per_sentence": self.tags_per_sentence,
            "premature_share": self.premature_share,
            "extra_wait_words": self.extra_wait,
            "heard_share": self.heard_share,
            "burst_median": self.burst_quantile(0.5),
            "burst_p90": self.burst_quantile(0.9),
            "burst_p99": self.burst_quantile(0.99),
            "longest_burst": self.longest_burst,
        }


def diagnose(
    serialized: Sequence[Sequence[str]],
    alignments: Sequence[Collection[Link]],
    *,
    source_tag: str = ASR_TAG,
    target_tag: str = ST_TAG,
    labels_of: Callable[[Sequence[str]], int] = len,
) -> SerializationReport:
    """Measure serialized sentences against links.

    Args:
        serialized: words and tags of each sentence.
        alignments: links of each sentence; gold ones where there are any, since the links that made the serialization
            cannot show its faults.
        source_tag: tag of the transcript.
        target_tag: tag of the translation.
        labels_of: number of labels of some words and tags, for the bursts; `len(tokenizer.encode(words))` for pieces.

    Raises:
        DataError: the two have different lengths.
    """
    if len(serialized) != len(alignments):
        raise DataError(f"{len(serialized)} sentences and {len(alignments)} alignments: give one for each")
    report = SerializationReport(sentences=len(serialized))
    for words, links in zip(serialized, alignments):
        report.tags += sum(word in (source_tag, target_tag) for word in words)
        heard = _heard(words, source_tag, target_tag)
        source_words = sum(word not in (source_tag, target_tag) for word in words) - len(heard)
        _add_waits(report, heard, source_words, links)
        bursts = [labels_of(burst) for burst in _bursts(words, source_tag, target_tag)]
        report.bursts += bursts
        report.longest.append(max(bursts, default=0))
    return report


def longest_burst(labels: Sequence[int], source_tag: int, target_tag: int) -> int:
    """Labels from a target tag to the next source tag, where most: all of them are due in one frame.

    Args:
        labels: label ids of a serialized sentence.
        source_tag, target_tag: ids of the tags.
    """
    longest, begun = 0, None
    for place, label in enumerate([*labels, source_tag]):
        if label == target_tag and begun is None:
            begun = place
        elif label == source_tag and begun is not None:
            longest, begun = max(longest, place - begun), None
    return longest


def _add_waits(report: SerializationReport, heard: list[int], source_words: int, links: Iterable[Link]) -> None:
    needed: dict[int, int] = {}
    for i, j in links:
        needed[j] = max(needed.get(j, 0), i + 1)
    for j, count in enumerate(heard):
        report.target_words += 1
        report.heard_share_sum += count / source_words if source_words else 1.0
        if j in needed:
            report.linked_words += 1
            report.premature_words += count < needed[j]
            report.extra_wait_words += max(count - needed[j], 0)


def _heard(words: Sequence[str], source_tag: str, target_tag: str) -> list[int]:
    """Source words written before each target word."""
    current, source, heard = source_tag, 0, []
    for word in words:
        if word in (source_tag, target_tag):
            current = word
        elif current == source_tag:
            source += 1
        else:
            heard.append(source)
    return heard


def _bursts(words: Sequence[str], source_tag: str, target_tag: str) -> list[list[str]]:
    bursts: list[list[str]] = []
    in_burst = False
    for word in words:
        if word == source_tag:
            in_burst = False
        elif word == target_tag and not in_burst:
            bursts.append([word])
            in_burst = True
        elif in_burst:
            bursts[-1].append(word)
    return [burst for burst in bursts if len(burst) > 1]
