"""Hours of audio through one session, faster than they were spoken: memory, time of a step, words that get lost.

    python benchmarks/long_session.py --model exp/st_.../model.zip --data data/test [--hours 4] [--silence_hours 1]

Two streams of a data directory's recordings (wav.scp, text.<case>.<lang>) in random order with short pauses: hours of
speech, and a minute of speech in turns with five minutes of digital silence. The process is asked for its memory and
its CPU time minute by minute; the last ten minutes are also decoded in a session of their own, which tells how much a
model minds what came before. What a session keeps for good are the words and labels that it has written, and two
numbers a chunk. Exit status 1: a word was withdrawn, memory grew by more than --grown_mb after minute 5, or the last
ten minutes (of a short stream its last third) took more than 1.1 times the CPU time of the first ones.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.measure import hardware, markdown, resident_mb  # noqa: E402

BLOCK_S, SILENCE_S = 60.0, 300.0
PAUSES_S = 0.2, 0.8
WINDOW_S, SETTLED_S = 600.0, 300.0
SLOWER = 1.1


@dataclass(frozen=True)
class Block:
    """About a minute of speech, and the silence behind it.

    Attributes:
        samples: float32 (n,).
        begin_s, end_s: where it stands in the stream.
        words: what is said in it.
    """

    samples: np.ndarray
    begin_s: float
    end_s: float
    words: list[str]


@dataclass
class Course:
    """What a stream did.

    Attributes:
        blocks: (end, CPU seconds for a second of audio, MB of memory) after each.
        withdrawn: words that were taken back.
        heard: (said, written) of each block, as text.
    """

    blocks: list[tuple[float, float, float]] = field(default_factory=list)
    withdrawn: int = 0
    heard: list[tuple[str, str]] = field(default_factory=list)


def stream(
    recordings: Mapping[str, Path], texts: Mapping[str, str], seconds: float, silence_s: float, seed: int
) -> Iterator[tuple[Block, int]]:
    """Blocks and their sampling rate, made as they are asked for."""
    import soundfile

    draw, begin_s = random.Random(seed), 0.0
    while begin_s < seconds:
        parts, words, length = [], [], 0.0
        while length < BLOCK_S:
            utt_id = draw.choice(sorted(recordings))
            samples, fs = soundfile.read(recordings[utt_id], dtype="float32")
            parts += [samples, np.zeros(round(draw.uniform(*PAUSES_S) * fs), dtype=np.float32)]
            words += texts[utt_id].split()
            length += sum(map(len, parts[-2:])) / fs
        samples = np.concatenate([*parts, np.zeros(round(silence_s * fs), dtype=np.float32)])
        end_s = begin_s + len(samples) / fs
        yield Block(samples, begin_s, end_s, words), fs
        begin_s = end_s


def run(model, blocks: Iterator[tuple[Block, int]], lane: str, packet_s: float) -> Course:  # type: ignore[no-untyped-def]
    """All blocks through one session."""
    from espnet_jst.text.words import join_words

    course, places, session, shown, begin_s = Course(), [], None, 0, 0.0
    for block, fs in blocks:
        if session is None:
            session, begin_s = model.session(fs), block.begin_s
        started, size = time.process_time(), round(packet_s * fs)
        for start in range(0, len(block.samples), size):
            shown += len(session.push(block.samples[start : start + size]))
            course.withdrawn += len(session.withdrawn)
        duration_s = block.end_s - block.begin_s
        course.blocks.append((block.end_s, (time.process_time() - started) / duration_s, resident_mb()))
        places.append((block.end_s - begin_s, " ".join(block.words)))
    shown += len(session.finish())
    course.withdrawn += len(session.withdrawn) + shown - len(session.words)
    own, begin = [word for word in session.words if word.lane == lane], 0
    for end_s, said in places:
        end = next((n for n in range(begin, len(own)) if own[n].start_s >= end_s), len(own))
        course.heard.append((said, join_words(own[begin:end])))
        begin = end
    return course


def window(ends_s: Sequence[float]) -> tuple[list[int], list[int]]:
    """The blocks of the first and of the last ten minutes, by their ends; of a short stream of its thirds."""
    window_s = min(WINDOW_S, ends_s[-1] / 3)
    first = [n for n, end_s in enumerate(ends_s) if end_s <= window_s] or [0]
    return first, [n for n, end_s in enumerate(ends_s) if end_s > ends_s[-1] - window_s]


def row(name: str, course: Course, fresh: Course, grown_mb: float) -> tuple[list[str], bool]:
    """A line of the table, and whether the stream was as it has to be."""
    ends_s = [end_s for end_s, *_ in course.blocks]
    first, last = window(ends_s)
    begin_cpu, end_cpu = (float(np.median([course.blocks[n][1] for n in part])) for part in (first, last))
    settled = next(mb for end_s, _, mb in course.blocks if end_s >= min(SETTLED_S, ends_s[-1] / 3))
    grown = course.blocks[-1][2] - settled
    cells = [
        *(name, f"{ends_s[-1] / 3600:.2f}", str(course.withdrawn)),
        f"{settled:.0f} / {course.blocks[-1][2]:.0f} ({grown:+.1f})",
        f"{begin_cpu:.4f} / {end_cpu:.4f} ({end_cpu / begin_cpu:.2f})",
        *(errors([course.heard[n] for n in part]) for part in (range(len(course.heard)), first, last)),
        errors(fresh.heard),
    ]
    return cells, not course.withdrawn and grown <= grown_mb and end_cpu <= SLOWER * begin_cpu


def errors(pairs: Sequence[tuple[str, str]]) -> str:
    """WER, and how many words of how many were lost and added."""
    import jiwer

    found = jiwer.process_words([said for said, _ in pairs], [written for _, written in pairs])
    words = found.hits + found.substitutions + found.deletions
    return f"{100 * found.wer:.1f} % ({found.deletions} lost, {found.insertions} added, of {words})"


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="packed zip or experiment")
    parser.add_argument("--data", type=Path, required=True, help="data directory with wav.scp and text")
    parser.add_argument("--text", default="text.lc.en", help="file of what is said in it (text.lc.en)")
    parser.add_argument("--hours", type=float, default=4.0, help="of speech; 0: none (4)")
    parser.add_argument("--silence_hours", type=float, default=1.0, help="of speech and silence in turns; 0: none (1)")
    parser.add_argument("--packet_s", type=float, default=0.1, help="audio of a push (0.1)")
    parser.add_argument("--grown_mb", type=float, default=20.0, help="growth of memory that is allowed (20)")
    parser.add_argument("--seed", type=int, default=0, help="of the recordings' order (0)")
    args = parser.parse_args()

    import torch

    from espnet_jst.data.kaldi import read_table
    from espnet_jst.inference import Speech2Text

    torch.set_num_threads(1)
    texts = {key: " ".join(text.split()) for key, text in read_table(args.data / args.text).items()}
    recordings = {key: Path(path) for key, path in read_table(args.data / "wav.scp").items() if key in texts}
    model = Speech2Text.from_pretrained(args.model, revise=False)
    lane = next(name for name, lane in model.lanes.items() if lane.source)
    lines, good = [], True
    for name, hours, silence_s in (("speech", args.hours, 0.0), ("with silence", args.silence_hours, SILENCE_S)):
        if hours:
            blocks = partial(stream, recordings, texts, 3600 * hours, silence_s, args.seed)
            course = run(model, blocks(), lane, args.packet_s)
            _, last = window([end_s for end_s, *_ in course.blocks])
            fresh = run(model, islice(blocks(), last[0], None), lane, args.packet_s)
            cells, right = row(name, course, fresh, args.grown_mb)
            lines.append(cells)
            good = good and right
    header = ["stream", "hours", "withdrawn", "RSS MB minute 5 / end", "CPU s for a second, first / last ten minutes"]
    header += ["WER", "first ten minutes", "last ten minutes", "the same in a session of their own"]
    print(f"{hardware()}\n\n{markdown(header, lines)}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
