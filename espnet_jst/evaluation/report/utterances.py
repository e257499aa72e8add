"""The chosen utterances of a set: a table of them, and for each one texts, alignment and times."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np

from espnet_jst.data import audio_file
from espnet_jst.errors import DataError
from espnet_jst.evaluation.compare import Column
from espnet_jst.evaluation.lanes import LaneTexts, source_and_target
from espnet_jst.evaluation.report.alignment import alignment_picture, marked
from espnet_jst.evaluation.report.markup import Html, join, scroll_box, table, tag
from espnet_jst.evaluation.report.runs import DecodedSet, Utterance, measures
from espnet_jst.evaluation.report.timeline import SHOWN_S, timeline
from espnet_jst.evaluation.shown import number
from espnet_jst.text.languages import language


def utterance_table(decoded_set: DecodedSet, chosen: Sequence[Utterance], prefix: str) -> Html:
    """The chosen utterances with their measures; each name leads to the utterance below."""
    columns = measures(decoded_set)
    header = ["utterance", *map(_label, columns), "chosen as"]
    rows = []
    for rank, utterance in enumerate(chosen):
        link = tag("a", utterance.key, href=f"#{prefix}-{rank}")
        rows.append([link, *(_value(utterance, column) for column in columns), ", ".join(utterance.chosen)])
    caption = "The longest utterance and the worst ones by each measure (1 is the worst)"
    return table(caption, header, rows, sortable=True)


def _label(column: Column) -> str:
    return f"{column.name} ({column.metric.unit})" if column.metric.unit else column.name


def _value(utterance: Utterance, column: Column) -> str:
    return number(utterance.scores.get(column), 0)


def utterance_card(decoded_set: DecodedSet, utterance: Utterance, name: str, *, opened: bool, audio: bool) -> Html:
    """Everything about one utterance, to open and close."""
    texts = {lane.name: _pair(lane, utterance.key, lane.references) for lane in decoded_set.lanes}
    columns = []
    for lane in decoded_set.lanes:
        wanted, written = marked(*texts[lane.name], lane.language)
        code = language(lane.language).tag
        entries = [tag("dt", "reference"), tag("dd", wanted or "(empty)", lang=code, dir="auto")]
        entries += [tag("dt", "written"), tag("dd", written or "(nothing)", lang=code, dir="auto")]
        heading = tag("h4", f"{lane.name.capitalize()} ({lane.language})", class_=lane.name)
        columns.append(tag("div", heading, tag("dl", *entries)))
    parts = [tag("div", *columns, class_="columns")]
    pair = source_and_target(decoded_set.lanes)
    if pair and utterance.key in decoded_set.links:
        rows = {lane.name: _pair(lane, utterance.key, lane.counted) for lane in pair}
        picture = alignment_picture(decoded_set.links[utterance.key], rows)
        note = "Lines: right words that the references align. Dashed: wrong words."
        parts += [tag("h4", "Word alignment"), scroll_box(picture, f"word alignment of {utterance.key}"), _note(note)]
    parts += _times(decoded_set, utterance.key, audio)
    facts = [f"{_label(column)} {_value(utterance, column)}" for column in measures(decoded_set)]
    summary = tag("summary", tag("strong", utterance.key), " ", tag("span", ", ".join(facts), class_="facts"))
    return tag("details", summary, *parts, id=name, open=opened, class_="utterance")


def _pair(texts: LaneTexts, key: str, references: Sequence[str]) -> tuple[str, str]:
    """Reference and hypothesis; empty where the lane does not have the utterance."""
    if key not in texts.keys:
        return "", ""
    index = texts.keys.index(key)
    return references[index], texts.hypotheses[index]


def _times(decoded_set: DecodedSet, key: str, audio: bool) -> list[Html]:
    if key not in decoded_set.decoded:
        return [_note("No times: words.jsonl does not have this utterance.")]
    utterance = decoded_set.decoded[key]
    samples, fs, problem = _read(decoded_set, key)
    chunk = decoded_set.scores["signature"].get("chunk_s")
    chunk_s = chunk if isinstance(chunk, int | float) else None  # "whole" where it was decoded at once
    lanes = [texts.name for texts in decoded_set.lanes]
    picture = timeline(utterance, lanes, samples, fs, chunk_s=chunk_s)
    note = "Bars: the audio that a word stands for. Below them: what was shown, at the time when it was shown. Dashed: "
    note += "ends of the chunks." if utterance.chunks or chunk_s else "moments when words were shown."
    if utterance.duration_s > SHOWN_S:
        note += f" The first {SHOWN_S:g} s are drawn."
    parts = [tag("h4", "Over time"), scroll_box(picture, f"{key} over time"), _note(join([note, problem], " "))]
    if audio and len(samples):
        parts.append(tag("audio", controls=True, preload="none", src=_embedded(samples, fs), aria_label=f"play {key}"))
    return parts


def _read(decoded_set: DecodedSet, key: str) -> tuple[np.ndarray, int, str | None]:
    """Waveform (N,) and rate; an empty one with the reason where there is no audio."""
    try:
        if key not in decoded_set.audio:
            raise DataError("wav.scp does not have the utterance")
        samples, fs = audio_file.read(decoded_set.audio[key])
    except DataError as error:
        return np.zeros(0, np.float32), 16000, f"No waveform: {error}."
    return samples.mean(axis=1), fs, None


def _embedded(samples: np.ndarray, fs: int) -> str:
    import soundfile

    stream = io.BytesIO()
    soundfile.write(stream, samples, fs, format="FLAC")
    return "data:audio/flac;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def _note(text: object) -> Html:
    return tag("p", text, class_="note")
