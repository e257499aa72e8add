"""What was said and what was written in each session, by speaker."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from espnet_jst.errors import DataError
from espnet_jst.evaluation.files import DecodedUtterance, some_names
from espnet_jst.evaluation.lanes import LaneTexts
from espnet_jst.evaluation.speakers.segments import Segment, read_segments, segments_name
from espnet_jst.text.words import Word, speaker_runs, unit_words

NOBODY = ""  # speaker of the words that name none


def speaker_of(word: Word) -> str:
    """Its speaker, or `NOBODY`."""
    return word.speaker or NOBODY


@dataclass(frozen=True)
class Session:
    """One conversation: an utterance of the decode directory.

    Attributes:
        segments: the reference, in order of their starts.
        words: those of the lane as they were written, which is the order in time of an append-only output.
    """

    name: str
    segments: tuple[Segment, ...]
    words: tuple[Word, ...]

    def turns(self) -> list[tuple[str, str]]:
        """(Speaker, text) of what was written, a new one wherever the speaker changes."""
        return [(speaker or NOBODY, line) for speaker, line in speaker_runs(self.words)]

    def units(self, texts: LaneTexts) -> list[Word]:
        """The words by what the lane counts as one: in scripts without blanks a character."""
        return [unit for word in self.words for unit in unit_words(word, texts.language)]

    def reference(self) -> dict[str, str]:
        """Speaker -> all that this speaker says, in order of first words."""
        return _streams([(segment.speaker, segment.words) for segment in self.segments])

    def hypothesis(self) -> dict[str, str]:
        """Speaker -> all that was written for this speaker."""
        return _streams(self.turns())


def _streams(turns: Sequence[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for speaker, text in turns:
        found.setdefault(speaker, []).append(text)
    return {speaker: " ".join(filter(None, texts)) for speaker, texts in found.items()}


def beside(reference: Collection[str], hypothesis: Collection[str]) -> list[tuple[str | None, str | None]]:
    """Speakers side by side, (reference, hypothesis): the same names together, then the others as they come.

    As many pairs as the larger side has speakers; None stands for nobody, so that any assignment of speakers is a
    permutation of the second column, and the unchanged one is that of the names.
    """
    left = [name for name in hypothesis if name not in reference]
    pairs: list[tuple[str | None, str | None]] = []
    for name in reference:
        pairs.append((name, name if name in hypothesis else left.pop(0) if left else None))
    return pairs + [(None, name) for name in left]


@dataclass(frozen=True)
class SpeakerTexts:
    """References and hypotheses of one lane with their speakers.

    Attributes:
        texts: the lane, which says how units are counted and BLEU tokenizes.
        file: name of the references.
        sessions: those of the references, in the file's order.
        missing: sessions that words.jsonl lacks; what was written in them counts as empty.
        unknown: sessions of words.jsonl that the references lack; they are not scored.
    """

    texts: LaneTexts
    file: str
    sessions: tuple[Session, ...]
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def nameless(self) -> dict[str, int]:
        """Session -> how many of its words name no speaker, where there are such."""
        counts = {session.name: sum(not word.speaker for word in session.words) for session in self.sessions}
        return {name: count for name, count in counts.items() if count}

    def most_speakers(self) -> int:
        """Of either side in any session."""
        return max(len(side) for s in self.sessions for side in (s.reference(), s.hypothesis()))

    def notes(self) -> list[str]:
        """What should be known of the scores."""
        found = []
        for names, meaning in (
            (self.missing, "of the references that words.jsonl lacks; they count as empty"),
            (self.unknown, "of words.jsonl that the references lack; they are not scored"),
        ):
            if names:
                found.append(f"{self.texts.name}, speakers: sessions {meaning}: {some_names(names)}")
        if nameless := self.nameless():
            found.append(
                f"{self.texts.name}, speakers: {sum(nameless.values())} words that name no speaker; they count as "
                f"one speaker more, and never as the right one: {some_names(list(nameless))}"
            )
        return found


def load_speakers(texts: LaneTexts, decoded: Mapping[str, DecodedUtterance], ref_dir: Path) -> SpeakerTexts:
    """The sessions of a lane.

    Raises:
        DataError: the references cannot be read, or they and the hypotheses have no session in common.
    """
    path = ref_dir / segments_name(texts.lane, texts.reference_file)
    segments = read_segments(path)
    if not segments.keys() & decoded.keys():
        raise DataError(
            f"{path}: none of its sessions was decoded: {some_names(list(segments))}; words.jsonl has "
            f"{some_names(list(decoded)) or 'none'}: session_id is the name of an utterance"
        )
    written = {name: tuple(utterance.lane(texts.name)) for name, utterance in decoded.items()}
    return SpeakerTexts(
        texts=texts,
        file=path.name,
        sessions=tuple(Session(name, tuple(said), written.get(name, ())) for name, said in segments.items()),
        missing=tuple(name for name in segments if name not in decoded),
        unknown=tuple(name for name in decoded if name not in segments),
    )
