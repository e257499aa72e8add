"""One utterance over time as SVG: waveform, ends of the chunks, and the words of each lane where they were spoken and
where they were shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from espnet_jst.evaluation.files import DecodedUtterance
from espnet_jst.evaluation.lane_latency import heard_chunks, heard_s
from espnet_jst.evaluation.pictures.two_lanes import chunk_ends, envelope, word_bars
from espnet_jst.evaluation.report.charts import ticks
from espnet_jst.evaluation.report.markup import Html, cut, pack_rows, tag, text_width
from espnet_jst.text.words import Word, join_words

Scale = Callable[[float], float]  # seconds -> pixels from the left
SHOWN_S = 30.0  # a longer recording is cut: its picture would be as wide as a house
_LEFT, _RIGHT = 92.0, 24.0
_WAVE, _BAR, _LABEL, _GAP, _FONT = 60.0, 24.0, 18.0, 26.0, 12.0
_BINS = 300
_LONGEST_LABEL = 320.0  # pixels


def timeline(
    utterance: DecodedUtterance, lanes: Sequence[str], samples: np.ndarray, fs: int, *, chunk_s: float | None = None
) -> Html:
    """The picture of one utterance.

    Args:
        samples: waveform at `fs` Hz, (N,); may be empty where there is no audio file.
        chunk_s: chunk length in s, used where the decoder did not write the chunks.
    """
    words = [word for word in utterance.words if word.lane in lanes and word.start_s < SHOWN_S]
    times = [heard_s(word, utterance.duration_s) for word in words]
    end_s = max(0.1, min(SHOWN_S, utterance.duration_s), *times, *(word.end_s for word in words))
    end_s = min(end_s, 1.2 * SHOWN_S)  # an offline system shows everything at the end, however late that is
    scale = min(max(960.0 / end_s, 120.0), 280.0)
    width = _LEFT + scale * end_s + _RIGHT

    def at(seconds: float) -> float:
        return _LEFT + scale * seconds

    parts = [_wave(samples, fs, at)]
    y = 8.0 + _WAVE + 14.0
    for lane in lanes:
        said = [word for word in words if word.lane == lane]
        # A row a speaker: they may speak at once.
        for speaker in dict.fromkeys(word.speaker for word in said) or [None]:
            own = [word for word in said if word.speaker == speaker]
            drawn, height = _lane(own, lane, utterance.duration_s, at, y, width)
            name = tag("text", lane, x=0.0, y=y + 16, class_=f"name {lane}")
            who = tag("text", cut(speaker, _FONT, _LEFT), x=0.0, y=y + 32, class_="tick") if speaker else None
            parts += [name, who, *drawn]
            y += height
    chunks = [arrival for arrival, _ in heard_chunks(utterance)] or chunk_ends(end_s, chunk_s, words)
    grid = [tag("line", x1=at(t), x2=at(t), y1=4.0, y2=y, class_="chunk") for t in chunks if t <= end_s]
    axis = [tag("text", f"{t:g} s", x=at(t), y=y + 16, class_="tick mid") for t in ticks(0.0, end_s, int(width / 90))]
    audio = tag("text", "audio", x=0.0, y=8.0 + _WAVE / 2 + 4, class_="name")
    label = f"{utterance.utt_id} over time: {len(words)} words in {utterance.duration_s:.1f} s of audio"
    size = {"width": width, "height": y + 24.0}
    drawing = [tag("title", label), *grid, audio, *parts, *axis]
    return tag("svg", *drawing, **size, role="img", aria_label=label, class_="timeline")


def _wave(samples: np.ndarray, fs: int, at: Scale) -> Html | None:
    edges, low, high = envelope(samples[: int(SHOWN_S * fs)], _BINS)
    if not len(edges):
        return None
    peak, middle = max(float(high.max()), -float(low.min()), 1e-9), 8.0 + _WAVE / 2
    above = [f"{at(edge / fs):.1f},{middle - _WAVE / 2 * value / peak:.1f}" for edge, value in zip(edges, high)]
    below = [f"{at(edge / fs):.1f},{middle - _WAVE / 2 * value / peak:.1f}" for edge, value in zip(edges, low)]
    return tag("polygon", points=" ".join([*above, *reversed(below)]), class_="wave")


def _lane(
    words: Sequence[Word], lane: str, duration_s: float, at: Scale, top: float, width: float
) -> tuple[list[Html], float]:
    """Bars over the audio of the words, below them what was shown, where it was shown. Returns parts and height."""
    bars = word_bars(words)
    spans = [(at(start), max(at(end), at(start) + 6.0)) for start, end, _, _ in bars]
    rows = pack_rows(spans)
    labels_top = top + _BAR * (1 + max(rows, default=0)) + _GAP
    parts: list[Html] = []
    for (start, end, emission, text), (x1, x2), row in zip(bars, spans, rows, strict=True):
        y, shown_s = top + _BAR * row, min(emission, duration_s)
        about = f"{text}: audio {start:.2f} to {end:.2f} s, shown at {shown_s:.2f} s, {shown_s - end:.2f} s later"
        box = tag("rect", x=x1, y=y, width=x2 - x1, height=_BAR - 4, rx=3, class_=f"bar {lane}")
        inside = cut(text, _FONT, x2 - x1 - 4)
        name = tag("text", inside, x=(x1 + x2) / 2, y=y + 14, class_="word mid") if inside else None
        arrow = f"M{x2:.1f},{y + _BAR - 4:.1f} L{at(shown_s):.1f},{labels_top:.1f}"
        parts += [tag("path", d=arrow, class_=f"lag {lane}"), tag("g", tag("title", about), box, name)]
    labels, height = _labels(words, lane, duration_s, at, labels_top, width)
    return [*parts, *labels], labels_top + height - top


def _labels(
    words: Sequence[Word], lane: str, duration_s: float, at: Scale, top: float, width: float
) -> tuple[list[Html], float]:
    """What was shown at each moment, with a mark at it. Returns parts and height."""
    shown: dict[float, list[Word]] = {}
    for word in words:
        shown.setdefault(heard_s(word, duration_s), []).append(word)
    texts = [cut(join_words(said), _FONT, _LONGEST_LABEL) for said in shown.values()]
    places = []
    for moment, text in zip(shown, texts, strict=True):
        length = text_width(text, _FONT) + 8.0
        x = min(max(at(moment) - length / 2, _LEFT - 8.0), max(width - length, _LEFT - 8.0))
        places.append((x, x + length))
    rows = pack_rows(places)
    parts: list[Html] = []
    for moment, text, (x1, x2), row in zip(shown, texts, places, rows, strict=True):
        x, y = at(moment), top + 8.0 + _LABEL * row
        about = f"shown at {moment:.2f} s: {join_words(shown[moment])}"
        parts += [
            tag("path", d=f"M{x - 4:.1f},{top:.1f} l8,0 l-4,6 z", class_=f"mark {lane}"),
            tag("g", tag("title", about), tag("text", text, x=(x1 + x2) / 2, y=y + 11, class_=f"shown mid {lane}")),
        ]
    return parts, 8.0 + _LABEL * (1 + max(rows, default=0)) + 12.0
