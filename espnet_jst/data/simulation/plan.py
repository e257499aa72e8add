"""Who says what when: turns of single utterances, with the overlap that was asked for. All in samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from espnet_jst.data.simulation.conf import SimulationConf
from espnet_jst.data.simulation.corpus import Corpus, Utterance
from espnet_jst.errors import DataError

TRIES = 20  # of other utterances, where the overlap does not fit between these
MOST = 0.9  # share of a turn over which others talk
EVEN = 0.45  # share of the shorter one of two turns that overlaps first
Voice = tuple[str, str]
"""A speaker and the language spoken."""


@dataclass(frozen=True)
class Turn:
    """An utterance of a talker (0: the wearer), from sample `start` up to `stop` of the conversation's clock."""

    talker: int
    utterance: Utterance
    start: int
    stop: int


@dataclass(frozen=True)
class Plan:
    """Turns by time; `samples` in all; the share of overlap that was asked for."""

    turns: tuple[Turn, ...]
    samples: int
    overlap: float

    @property
    def spans(self) -> np.ndarray:
        """(n, 2)."""
        return np.array([(turn.start, turn.stop) for turn in self.turns])


def voices_of(corpus: Corpus) -> dict[Voice, list[Utterance]]:
    """The utterances of each speaker in each language."""
    voices: dict[Voice, list[Utterance]] = {}
    for utterance in corpus.utterances:
        voices.setdefault((utterance.speaker, utterance.language), []).append(utterance)
    return voices


def draw_voices(voices: Mapping[Voice, object], talkers: int, languages: str, rng: np.random.Generator) -> list[Voice]:
    """Voices of different speakers, the wearer's first.

    Args:
        languages: of `SimulationConf`.

    Raises:
        DataError: there are not so many.
    """
    known = sorted(voices)
    order = [known[place] for place in rng.permutation(len(known))]
    for own in order:
        found, taken = [own], {own[0]}
        for voice in order:
            if len(found) < talkers and voice[0] not in taken and (languages == "any" or voice[1] != own[1]):
                found.append(voice)
                taken.add(voice[0])
        if len(found) == talkers:
            return found
    there = f"{len({speaker for speaker, _ in known})} speakers with usable utterances"
    if languages != "any":
        there += f", in {len({language for _, language in known})} languages"
    raise DataError(
        f"{there}: {talkers} are needed{', the others of another language' if languages != 'any' else ''}; lower "
        "--speakers, or give a data directory of more speakers"
    )


def draw_plan(
    conf: SimulationConf, voices: Mapping[Voice, Sequence[Utterance]], talkers: int, fs: int, rng: np.random.Generator
) -> Plan:
    """A conversation.

    Raises:
        DataError: there are too few speakers.
    """
    chosen = draw_voices(voices, talkers, conf.languages, rng)
    overlap, count = rng.uniform(*conf.overlap), int(rng.integers(*conf.turns, endpoint=True))
    best: tuple[int, list[int], list[Utterance], np.ndarray] | None = None
    for _ in range(TRIES):
        order = _order(talkers, count, rng)
        decks = [rng.permutation(len(voices[voice])) for voice in chosen]
        said = [voices[chosen[who]][decks[who][order[:n].count(who) % len(decks[who])]] for n, who in enumerate(order)]
        samples = np.array([utterance.samples for utterance in said])
        overlaps = share_overlap(samples, overlap, rng)
        lacking = wanted(samples, overlap) - int(overlaps.sum())
        if best is None or lacking < best[0]:
            best = lacking, order, said, overlaps
        if lacking <= 0:
            break
    assert best is not None
    _, order, said, overlaps = best
    gaps = np.round(rng.uniform(*conf.gap_s, count - 1) * fs).astype(int)
    turns, at, edge = list[Turn](), round(conf.edge_s * fs), round(conf.edge_s * fs)
    for who, utterance, step in zip(order, said, [*np.where(overlaps > 0, -overlaps, gaps), edge], strict=True):
        turns.append(Turn(who, utterance, at, at + utterance.samples))
        at += utterance.samples + int(step)
    return Plan(tuple(turns), at, overlap)


def _order(talkers: int, count: int, rng: np.random.Generator) -> list[int]:
    """Who has each turn: everybody once, then anybody but the last one."""
    order = [int(who) for who in rng.permutation(talkers)]
    while len(order) < count:
        who = int(rng.integers(talkers - 1))
        order.append(who + (who >= order[-1]))
    return order


def wanted(samples: np.ndarray, ratio: float) -> int:
    """Samples in which two talk, if turns of these lengths have such a share of overlap."""
    return round(ratio / (1 + ratio) * int(samples.sum()))


def share_overlap(samples: np.ndarray, ratio: float, rng: np.random.Generator) -> np.ndarray:
    """Samples of overlap between neighbouring turns, (n - 1,): some drawn ones, as many as it takes.

    Never do three talk at once, and a turn is never wholly hidden; so it may be less than was asked.
    """
    left = wanted(samples, ratio)
    most = (EVEN * np.minimum(samples[:-1], samples[1:])).astype(int)
    order = rng.permutation(len(most))
    enough = int(np.searchsorted(np.cumsum(most[order]) * 0.8, left)) + 1 if left else 0
    overlaps = np.zeros(len(most), dtype=int)
    for place in order[:enough]:
        overlaps[place] = int(most[place] * min(1.0, left / most[order[:enough]].sum()))
    left -= int(overlaps.sum())
    padded = np.concatenate([[0], overlaps, [0]])  # what overlaps turn n: places n and n + 1
    for place in order[:enough]:
        free = min(int(MOST * samples[turn]) - padded[turn] - padded[turn + 1] for turn in (place, place + 1))
        more = max(0, min(left, free))
        padded[place + 1] += more
        left -= more
    return padded[1:-1]


def overlap_ratio(spans: np.ndarray) -> float:
    """Share of the time in which somebody talks where two or more do; spans (n, 2)."""
    times = np.concatenate([spans[:, 0], spans[:, 1]])
    steps = np.repeat([1, -1], len(spans))
    order = np.argsort(times, kind="stable")
    talking, lengths = np.cumsum(steps[order])[:-1], np.diff(times[order])
    return float(lengths[talking > 1].sum()) / float(lengths[talking > 0].sum())
