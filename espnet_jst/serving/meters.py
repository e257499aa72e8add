"""What a server counts, as text for Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

LAG_BOUNDS_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass
class Histogram:
    """Values counted up to bounds; the last count is of those above all."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


@dataclass
class Meters:
    """Since the server began.

    Attributes:
        sessions: that were opened, by protocol.
        refusals: requests that were turned away, and sessions ended by the server, by kind.
        audio_s: seconds of audio heard.
        compute_s: seconds of computation.
        steps: batches computed.
        chunks: chunks in them.
        lag: from the arrival of a chunk's last sample to its words, in seconds.
    """

    sessions: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    audio_s: float = 0.0
    compute_s: float = 0.0
    steps: int = 0
    chunks: int = 0
    lag: Histogram = field(default_factory=lambda: Histogram(LAG_BOUNDS_S))

    def text(self, open_sessions: int, waiting_s: float) -> str:
        """Text of Prometheus; with the sessions that are open now and the audio that waits in them."""
        lines: list[str] = []

        def add(name: str, kind: str, meaning: str, values: Mapping[str, float]) -> None:
            lines.extend([f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"])
            lines.extend(f"{name}{labels} {value:g}" for labels, value in values.items())

        def of_each(label: str, counts: Mapping[str, int]) -> dict[str, float]:
            return {f'{{{label}="{name}"}}': float(count) for name, count in sorted(counts.items())}

        add("jst_sessions", "gauge", "Open sessions.", {"": open_sessions})
        add("jst_waiting_audio_seconds", "gauge", "Audio that waits to be computed.", {"": waiting_s})
        add("jst_sessions_total", "counter", "Sessions opened.", of_each("protocol", self.sessions))
        add("jst_refusals_total", "counter", "Clients turned away.", of_each("kind", self.refusals))
        add("jst_audio_seconds_total", "counter", "Audio heard.", {"": self.audio_s})
        add(
            "jst_compute_seconds_total",
            "counter",
            "Computation; over audio, the real-time factor.",
            {"": self.compute_s},
        )
        add("jst_steps_total", "counter", "Batches computed.", {"": self.steps})
        add("jst_chunks_total", "counter", "Chunks computed; over steps, streams in a batch.", {"": self.chunks})
        name, below = "jst_chunk_lag_seconds", 0
        lines.extend([f"# HELP {name} From a chunk's last sample to its words.", f"# TYPE {name} histogram"])
        for bound, count in zip((*self.lag.bounds, "+Inf"), self.lag.counts, strict=True):
            below += count
            lines.append(f'{name}_bucket{{le="{bound}"}} {below}')
        lines.extend([f"{name}_sum {self.lag.total:g}", f"{name}_count {below}"])
        return "\n".join(lines) + "\n"
