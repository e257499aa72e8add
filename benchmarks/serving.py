"""A server under load: sessions at the speed of speech against `espnet-jst serve` in a process of its own.

    python benchmarks/serving.py --model exp/st_.../model.zip --audio data/test/audio [--sessions 8] [--minutes 5]
    python benchmarks/serving.py --model ... --audio ... --sessions 4 8 16 32 --max_batch 64 1 --minutes 1

Every session is another recording: files of the folder joined in random order with pauses between them, in OpenAI's
protocol (24 kHz, both lanes) on the loopback interface. While they talk, one session more asks for a place. Then the
server is ended, and Speech2Text decodes the same samples: text and emission of every word have to be the same. A word's
added latency is the time from the moment at which the audio of its emission was spoken to its arrival at the client;
a packet's length is part of it. Lag of a chunk is the server's own, from its last sample to its words. The clients take
CPU time of the same machine. Exit status 1: an error, another text, or nobody was refused.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.measure import hardware, markdown  # noqa: E402
from tests.serving.live import FS, OPENAI, SIDES, Talk, process, talk  # noqa: E402

LAG = "jst_chunk_lag_seconds"
REFUSED_S = 5.0  # in which one too many has to be told


@dataclass(frozen=True)
class Run:
    """What so many sessions gave; `meters` are those of the server, `rss_mb` at the begin and at the end."""

    talks: list[Talk]
    refused_s: float | None
    meters: Mapping[str, float]
    rss_mb: tuple[float, float]


def joined(files: Sequence[Path], seconds: float, seed: int, pause_s: tuple[float, float] = (0.2, 0.8)) -> np.ndarray:
    """Recordings in random order with pauses, int16 (n,) at 24 kHz."""
    import soundfile
    import soxr

    draw, parts, length = random.Random(seed), [], 0.0
    while length < seconds:
        samples, fs = soundfile.read(draw.choice(files), dtype="int16")
        parts += [samples, np.zeros(round(draw.uniform(*pause_s) * fs), dtype=np.int16)]
        length += sum(map(len, parts[-2:])) / fs
    return soxr.resample(np.concatenate(parts), fs, FS)


async def load(address: str, audio: Sequence[np.ndarray], packet_s: float) -> tuple[list[Talk], float | None]:
    """All sessions at once, begun within a second -> what they brought, and when one too many was refused."""

    async def begin(number: int) -> Talk:
        await asyncio.sleep(number / len(audio))
        return await talk(address, audio[number], packet_s=packet_s)

    talking = [asyncio.create_task(begin(number)) for number in range(len(audio))]
    await asyncio.sleep(0.5 * len(audio[0]) / FS)
    refused_s = await one_too_many(address)
    return list(await asyncio.gather(*talking)), refused_s


async def one_too_many(address: str) -> float | None:
    """Seconds until a session that has no place was told so; None where it was not."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed

    started = time.monotonic()
    try:
        async with asyncio.timeout(60), connect(address + OPENAI, ping_interval=None, open_timeout=60) as socket:
            while True:
                await socket.recv()
    except ConnectionClosed as closed:
        said = closed.rcvd is not None and closed.rcvd.code == 1013 and "taken" in closed.rcvd.reason
        return time.monotonic() - started if said else None
    except TimeoutError:
        return None


def quantile(meters: Mapping[str, float], share: float) -> float:
    """Of the lag's histogram, in s: between two bounds values are taken to lie evenly, beyond the last one at it."""
    rows = [(name, count) for name, count in meters.items() if name.startswith(f"{LAG}_bucket")]
    bounds = [(float(name.split('"')[1]), count) for name, count in rows]
    wanted, low, below = share * bounds[-1][1], 0.0, 0.0
    for bound, count in bounds:
        if count >= wanted:
            inside = (wanted - below) / (count - below) if count > below else 0.0
            return low if bound == float("inf") else low + inside * (bound - low)
        low, below = bound, count
    return low


def added_s(found: Talk, words: Mapping[str, Sequence]) -> list[tuple[float, float]] | None:
    """(emission, added latency) in s of every word of a session; None where a word or its emission is another one."""
    from espnet_jst.text.words import join_words

    result = []
    for lane, side in SIDES.items():
        own = list(words.get(lane, ()))
        if found.text(lane) != join_words(own):
            return None
        text = ""
        for arrival_s, elapsed_ms, delta in found.shown[side]:
            text += delta
            count = next(n for n in range(1, len(own) + 1) if join_words(own[:n]) == text.strip())
            new, own, text = own[:count], own[count:], ""
            if round(1000 * new[-1].emission_s) != elapsed_ms:
                return None
            result += [(word.emission_s, arrival_s - word.emission_s) for word in new]
    return sorted(result)


def measure(args: argparse.Namespace, audio: Sequence[np.ndarray], max_batch: int) -> Run:
    """One server, and so many sessions as there are recordings."""
    flags = ["--max_sessions", str(len(audio)), "--max_batch", str(max_batch)]
    with process(args.model, *flags) as server:
        before = server.rss_mb
        talks, refused_s = asyncio.run(load(server.sockets, audio, args.packet_s))
        return Run(talks, refused_s, server.meters(), (before, server.rss_mb))


def row(run: Run, offline: Sequence[Mapping[str, Sequence]], max_batch: int) -> tuple[list[str], bool]:
    """A line of the table, and whether all was as it has to be."""
    errors = sum(found.code != 1000 or bool(found.errors) for found in run.talks)
    each = [added_s(found, words) for found, words in zip(run.talks, offline, strict=True)]
    same = sum(words is not None for words in each)
    added = [pair for words in each if words for pair in words]
    last_s = max((emission_s for emission_s, _ in added), default=0.0)
    early = [delay for emission_s, delay in added if last_s / 4 < emission_s <= last_s / 2]
    late = [delay for emission_s, delay in added if emission_s > 3 * last_s / 4]
    growth = np.median(late) - np.median(early) if early and late else np.nan
    delays = [delay for _, delay in added] or [np.nan]
    meters, sends = run.meters, [value for found in run.talks for value in found.late_s]
    cells = [
        *(str(len(run.talks)), str(max_batch), str(errors), f"{same} of {len(run.talks)}", str(len(added))),
        " / ".join(f"{1000 * quantile(meters, share):.0f}" for share in (0.5, 0.95)),
        " / ".join(f"{1000 * value:.0f}" for value in np.quantile(delays, (0.5, 0.95))),
        f"{1000 * growth:+.0f}",
        "not" if run.refused_s is None else f"{run.refused_s:.2f}",
        f"{meters['jst_compute_seconds_total'] / meters['jst_audio_seconds_total']:.3f}",
        f"{meters['jst_chunks_total'] / meters['jst_steps_total']:.1f}",
        f"{run.rss_mb[0]:.0f} / {run.rss_mb[1]:.0f}",
        f"{1000 * np.quantile(sends, 0.95):.0f}",
    ]
    return cells, not errors and same == len(run.talks) and run.refused_s is not None and run.refused_s <= REFUSED_S


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="packed zip or experiment")
    parser.add_argument("--audio", type=Path, required=True, help="folder of recordings of one sampling rate")
    parser.add_argument("--sessions", type=int, nargs="+", default=[8], help="at once (8); several: a line each")
    parser.add_argument("--max_batch", type=int, nargs="+", default=[64], help="of the server (64); 1: no batches")
    parser.add_argument("--minutes", type=float, default=5.0, help="audio of a session (5)")
    parser.add_argument("--packet_s", type=float, default=0.1, help="audio of a message (0.1)")
    parser.add_argument("--seed", type=int, default=0, help="of the recordings' order (0)")
    args = parser.parse_args()
    files = sorted(args.audio.glob("*.wav")) + sorted(args.audio.glob("*.flac"))
    if not files:
        sys.exit(f"{args.audio}: no *.wav and no *.flac")

    most = max(args.sessions)
    audio = [joined(files, 60 * args.minutes, args.seed + number) for number in range(most)]
    runs = [(batch, measure(args, audio[:count], batch)) for batch in args.max_batch for count in args.sessions]

    from espnet_jst.inference import Speech2Text

    model = Speech2Text.from_pretrained(args.model, revise=False)
    offline = [model(samples, FS)[0][3].lanes for samples in audio]
    lines, good = [], True
    for batch, run in runs:
        cells, right = row(run, offline[: len(run.talks)], batch)
        lines.append(cells)
        good = good and right
    header = ["sessions", "max_batch", "errors", "text and emission as offline", "words", "chunk lag p50 / p95 ms"]
    header += ["added latency of words p50 / p95 ms", "its growth, 2nd to 4th quarter, ms", "one too many refused in s"]
    header += ["real-time factor", "streams a step", "RSS begin / end MB", "client late p95 ms"]
    print(f"{hardware()}; {args.minutes:g} minutes a session, packets of {args.packet_s:g} s\n")
    print(markdown(header, lines))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
