"""From turns to a data directory: texts with tags, references with speakers, times, and what they are worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from espnet_jst.config import json_text
from espnet_jst.data import kaldi
from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import Problem, write_problems
from espnet_jst.data.conversations.conf import GIVEN, TURN, WORDS, ConversationsConf
from espnet_jst.data.conversations.links import aligned
from espnet_jst.data.conversations.merge import Line, Words, alignment, check_order, in_order, merged, segments
from espnet_jst.data.conversations.prepare import Talk, other_times, placed, said, second_times, translated, with_texts
from espnet_jst.data.conversations.quality import Quality
from espnet_jst.data.conversations.turns import FILE, Conversation, read_turns
from espnet_jst.data.texts import segments_file
from espnet_jst.data.utterances import CHANNELS
from espnet_jst.errors import DataError
from espnet_jst.jobs.shards import run_each
from espnet_jst.keys import keys_of
from espnet_jst.text.align.pharaoh import format_pharaoh
from espnet_jst.text.tags import Tags

ABOUT, LEFT_OUT = "conversations.json", "conversations_skipped.jsonl"
ALIGNMENT = "alignment"
JITTERED = "those with jitter"
COPIED = ("wav.scp", "utt2spk", CHANNELS)  # into another folder


@dataclass
class Written:
    """What is made, and of what.

    Attributes:
        lines: file -> conversation -> its line.
        references: file -> segments.
        links: where the links of turns come from.
        problems: conversations that are left out.
        notes: what else should be known.
    """

    conf: ConversationsConf
    tags: Tags
    quality: Quality
    problems: list[Problem]
    lines: dict[str, dict[str, str]] = field(default_factory=dict)
    references: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    links: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def add(self, talk: Talk, sides: Sequence[Sequence[Words]]) -> None:
        """Keep a conversation: what was said and, where there is one, its translation.

        Raises:
            BadItem: a word is a tag.
        """
        lines: list[Line] = [merged(side, self.tags) for side in sides]
        for name, line, side in zip(self.conf.lanes, lines, sides, strict=True):
            self.lines.setdefault(name, {})[talk.name] = line.text
            self.references.setdefault(segments_file(name), []).extend(segments(talk.name, side))
        self.lines.setdefault(GIVEN, {})[talk.name] = " ".join(f"{end:.3f}" for end in lines[0].ends_s)
        if self.conf.both and self.conf.translation == WORDS:
            links = alignment(lines[0], lines[1], sides[1])
            self.lines.setdefault(ALIGNMENT, {})[talk.name] = format_pharaoh(links)
        self.quality.changes += len(lines[0].ends_s) - sum(len(side.words) for side in sides[0])
        made = len(talk.unlinked(self.conf))
        if self.conf.both and self.conf.translation != TURN:
            self.links.update(given=len(talk.turns) - made, aligned=made)

    def about(self) -> dict[str, Any]:
        """What conversations.json says."""
        return {
            "conversations": len(self.lines.get(GIVEN, ())),
            "left_out": len(self.problems),
            "speakers": list(self.tags.speakers),
            "links": dict(self.links),
            "conf": {name: getattr(self.conf, name) for name in keys_of(ConversationsConf)},
            "quality": self.quality.entry(),
        }

    def __str__(self) -> str:
        conf, names = self.conf, ", ".join(self.tags.speakers)
        jitter = f" and a jitter of {conf.jitter_s:g} s" if conf.jitter_s else ""
        lines = [
            f"{len(self.lines[GIVEN])} conversations" + "".join(f"; {note}" for note in self.notes),
            f"speakers, for preprocessor_conf: {{speakers: [{names}]}}",
            f"times of words: {conf.times}{jitter}",
        ]
        if conf.both:
            counts = ", ".join(f"links of {count} turns {what}" for what, count in sorted(self.links.items()) if count)
            lines.append("times of the translation: " + (counts or "the end of the turn"))
        if self.problems:
            lines.append(f"{len(self.problems)} left out, listed in {LEFT_OUT}; first: {self.problems[0]}")
        rows = self.quality.rows()
        width = max(len(title) for title, _ in rows)
        return "\n".join(lines + [f"  {title:<{width}}  {value}" for title, value in rows])


def write_conversations(
    data_dir: Path, out: Path, conf: ConversationsConf, *, against: Path | None = None, nj: int = 1
) -> Written:
    """Write the texts of the conversations of a folder's turns.jsonl; docs/conversations.md says which files.

    Args:
        out: may be the same folder; another gets wav.scp and utt2spk as well.
        against: other times of the single utterances ("utt 0.31 0.70", from the start of each) to compare with; by
            default those with the jitter, or what the turns have beside the times that are used.
        nj: workers of the aligner.

    Raises:
        ConfigError: the name of a speaker cannot be a tag, or the aligner is not installed.
        DataError: a file is missing, or no conversation can be used.
    """
    conversations, problems = read_turns(data_dir / FILE)
    talks = _with_texts(conversations, conf, problems)
    others = kaldi.read_table(against) if against else None
    speakers = in_order([turn.speaker for talk in talks for turn in talk.turns])
    second = second_times(talks, conf)
    compared = str(against or (JITTERED if conf.jitter_s else second))
    made = Written(conf, Tags(speakers=tuple(speakers)), Quality(compared), problems)
    unlinked = [pair for talk in talks for pair in talk.unlinked(conf)]
    links = aligned(unlinked, conf, partial(run_each, nj=nj, title="word alignment"))
    for talk in talks:
        try:
            given = said(talk, conf)
            backwards = check_order(given, conf.backwards_s)
            sides = [placed(given, conf, talk.name)]
            if conf.both:
                sides.append(translated(talk, sides[0], links, conf))
            made.add(talk, sides)
            noisy = [side.ends_s for side in sides[0]] if conf.jitter_s and others is None else None
            made.quality.add(talk.name, given, backwards, noisy or other_times(given, second, others))
        except BadItem as error:
            problems.append(Problem.of(talk.name, error))
    if not made.lines:
        first = f" (first: {problems[0]})" if problems else ""
        raise DataError(f"{data_dir / FILE}: none of {len(problems)} conversations can be used{first}")
    _write(data_dir, out, made)
    return made


def _with_texts(conversations: Sequence[Conversation], conf: ConversationsConf, problems: list[Problem]) -> list[Talk]:
    found = []
    for conversation in conversations:
        try:
            found.append(with_texts(conversation, conf))
        except BadItem as error:
            problems.append(Problem.of(conversation.name, error))
    return found


def _write(data_dir: Path, out: Path, made: Written) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name, table in made.lines.items():
        kaldi.write_table(out / name, table)
    for name, lines in made.references.items():
        kaldi.write_lines(out / name, (json_text(line, ensure_ascii=False) for line in lines))
    if out.resolve() != data_dir.resolve():
        for name in (name for name in COPIED if (data_dir / name).is_file()):
            table = kaldi.read_table(data_dir / name)
            kaldi.write_table(out / name, {key: line for key, line in table.items() if key in made.lines[GIVEN]})
    if made.conf.channel is not None:
        names = {key: f"{key} {'ABCDEFGH'[made.conf.channel]}" for key in made.lines[GIVEN]}
        kaldi.write_table(out / CHANNELS, names)
    if (out / CHANNELS).is_file():
        made.notes.append(f"one channel is heard ({CHANNELS})")
    write_problems(out / LEFT_OUT, made.problems)
    (out / ABOUT).write_text(json_text(made.about(), indent=1) + "\n", encoding="utf-8")
