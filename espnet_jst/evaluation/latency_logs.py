"""Latency logs in the forms of SimulEval 1.1 (instances.log) and simulstream 1.0 (JSONL), one file a lane.

No tool knows two outputs of one model: each lane is written as if it were the only one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from espnet_jst.config import json_text
from espnet_jst.evaluation.files import DecodedUtterance, write_text
from espnet_jst.evaluation.lane_latency import heard_chunks, heard_s
from espnet_jst.evaluation.lanes import LaneTexts
from espnet_jst.evaluation.latency import showing_chunks

_SIMULEVAL = "source_type: speech\ntarget_type: text\n"
_SIMULSTREAM = "detokenizer_type: simuleval\nlatency_unit: word\n"


def write_logs(lanes: Sequence[LaneTexts], decoded: Mapping[str, DecodedUtterance], folder: Path) -> list[Path]:
    """Write the logs of a decode directory with what their tools need to score them.

    `simuleval/<lane>/` is an output folder of SimulEval: instances.log and config.yaml. `simulstream/` holds
    `<lane>.jsonl`, the references `<lane>.txt`, audio.yaml (the utterances) and config.yaml (how words are joined).
    Utterances that words.jsonl lacks have no entry.

    Returns:
        The logs: instances.log and JSONL of each lane.
    """
    streams, written = folder / "simulstream", []
    write_text(_SIMULSTREAM, streams / "config.yaml")
    for texts in lanes:
        # Characters of a script without blanks stand apart, so that the tools count what we count.
        rows = [
            (replace(decoded[key], words=tuple(texts.words(decoded[key]))), " ".join(texts.units(reference)))
            for key, reference in zip(texts.keys, texts.references, strict=True)
            if key in decoded
        ]
        output = folder / "simuleval" / texts.name
        write_text(_SIMULEVAL, output / "config.yaml")
        instances = [instance(index, *row, texts.name) for index, row in enumerate(rows)]
        events = [event for index, row in enumerate(rows) for event in stream_events(index, row[0], texts.name)]
        written += [output / "instances.log", streams / f"{texts.name}.jsonl"]
        for entries, path in zip((instances, events), written[-2:], strict=True):
            write_text("".join(json_text(entry, ensure_ascii=False) + "\n" for entry in entries), path)
        write_text("".join(f"{reference}\n" for _, reference in rows), streams / f"{texts.name}.txt")
        sources = [{"wav": _wav_name(item), "offset": 0.0, "duration": item.duration_s} for item, _ in rows]
        # JSON is YAML, and quotes names that YAML would take for something else.
        write_text(json_text(sources, indent=0, ensure_ascii=False) + "\n", streams / "audio.yaml")
    return written


def instance(index: int, utterance: DecodedUtterance, reference: str, lane: str) -> dict[str, Any]:
    """A line of instances.log, as SimulEval writes it for a speech-to-text agent.

    `delays` are in ms of audio heard; `elapsed` adds all computation since the start, as SimulEval's clock does, and
    is empty where computation was not measured.
    """
    words, chunks = utterance.lane(lane), heard_chunks(utterance)
    heard = [heard_s(word, utterance.duration_s) for word in words]
    spent = list(accumulate(elapsed for _, elapsed in chunks))
    elapsed = [at + spent[k] for at, k in zip(heard, showing_chunks(heard, chunks), strict=True)] if chunks else []
    return {
        "index": index,
        "prediction": " ".join(word.text for word in words),
        "delays": [_ms(value) for value in heard],
        "elapsed": [_ms(value) for value in elapsed],
        "prediction_length": len(words),
        "reference": reference,
        "source": [utterance.utt_id, f"duration: {utterance.duration_s:.3f} s"],
        "source_length": _ms(utterance.duration_s),
    }


def stream_events(index: int, utterance: DecodedUtterance, lane: str) -> Iterator[dict[str, Any]]:
    """The lines of one utterance in simulstream's log: its name, then a line for each chunk.

    A line has the words that the chunk showed and the chunk's own computation time in s. Where that was not measured
    the form needs a number all the same: 0, in a line for each moment at which words were shown.
    """
    words = utterance.lane(lane)
    heard = [heard_s(word, utterance.duration_s) for word in words]
    chunks = heard_chunks(utterance) or [(at, 0.0) for at in sorted({*heard, utterance.duration_s})]
    shown = showing_chunks(heard, chunks)
    yield {"id": index, "metadata": {"wav_name": _wav_name(utterance)}}
    for number, (arrival, elapsed) in enumerate(chunks):
        yield {
            "id": index,
            "total_audio_processed": arrival,
            "computation_time": elapsed,
            "generated_tokens": [word.text for word, k in zip(words, shown, strict=True) if k == number],
            "deleted_tokens": [],
        }


def _wav_name(utterance: DecodedUtterance) -> str:
    # simulstream takes the name without folder and suffix: an utterance "talk.1" must not become "talk".
    return utterance.utt_id.replace("%", "%25").replace("/", "%2F") + ".wav"


def _ms(seconds: float) -> float:
    return round(1000.0 * seconds, 6)
