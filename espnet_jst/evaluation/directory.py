"""Scores one decode directory: both lanes, quality and latency, into ESPnet's files and scores.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from espnet_jst.config import finite
from espnet_jst.evaluation.environment import environment
from espnet_jst.evaluation.files import (
    DIGITS,
    DecodedUtterance,
    read_numbers,
    read_signature,
    read_words,
    write_json,
    write_text,
)
from espnet_jst.evaluation.lane_latency import lane_gap, lane_latency, utterance_laal
from espnet_jst.evaluation.lanes import LaneTexts, Reading, lane_entry, load_lanes, source_and_target
from espnet_jst.evaluation.latency_logs import write_logs
from espnet_jst.evaluation.long_form import long_form_entry
from espnet_jst.evaluation.metrics import METRICS, lane_metrics, text_metrics
from espnet_jst.evaluation.metrics.base import Score
from espnet_jst.evaluation.small_samples import are_few, interval_method
from espnet_jst.evaluation.speakers.scores import speaker_entry
from espnet_jst.text.lanes import LANES


def score_directory(
    hyp_dir: Path | str,
    ref_dir: Path | str,
    *,
    signature: Mapping[str, Any] | None = None,
    word_times: Path | str | None = None,
    n_bootstrap: int = 1000,
    seed: int = 12345,
    **reading: Unpack[Reading],
) -> dict:
    """Score one decode directory and write the results into it.

    Reads `src_text` (transcript), `text` (translation) and `words.jsonl` from `hyp_dir`, and `text.<case>.<lang>`,
    `segments.<case>.<lang>.jsonl`, `word_times` and `alignment` (each optional) from `ref_dir`. Writes
    `score_wer/result.txt`, `score_cer/result.txt`, `score_bleu/result.<case>.txt` (of a further lane below
    `score_<lane>`), `latency.json`, `scores.json` and, from words.jsonl, the logs of `write_logs`.

    Args:
        signature: how the hypotheses were made: system, chunk, left context, beam, blank penalty, seed, checkpoint
            hash. None takes `signature.json` of `hyp_dir` where there is one.
        word_times: file of reference word end times, "utt 0.30 0.70 ..." in s; None takes `word_times` of `ref_dir`.
        n_bootstrap: resamples for the 95 % intervals; 0 for none.

    Returns:
        What scores.json holds. Rates in percent, latency in ms; what is not defined is None. A hypothesis that is
        missing counts as empty and is listed under `missing_hypotheses`.

    Raises:
        DataError: a file is missing or damaged, or has utterances that the references lack; the message names them.
    """
    hyp_dir, ref_dir = Path(hyp_dir), Path(ref_dir)
    signature = dict(signature) if signature is not None else read_signature(hyp_dir)
    loaded, case = load_lanes(hyp_dir, ref_dir, **reading), reading.get("case", "lc")
    # ESPnet's own inference writes no words.jsonl: then there is quality alone.
    decoded = read_words(hyp_dir / "words.jsonl") if (hyp_dir / "words.jsonl").exists() else None
    latency = _latency(loaded, decoded, ref_dir, word_times) if decoded is not None else None
    scores: dict[str, Any] = {
        "dataset": hyp_dir.resolve().name,
        "references": ref_dir.resolve().name,
        "case": case,
        "environment": environment(),
        "signature": signature,
        "bootstrap": {"n": n_bootstrap, "seed": seed, "interval": "95 %"},
        "missing_hypotheses": {texts.name: list(texts.missing) for texts in loaded},
        "lanes": {},
    }
    for texts in loaded:
        scores["lanes"][texts.name] = {
            "language": texts.language,
            "unit": texts.unit,
            "notes": texts.notes(),
            "reference": texts.reference_file,
            "utterances": len(texts.keys),
            "interval_method": interval_method(are_few(texts.references)),
            "quality": _quality(texts, hyp_dir, case, n_bootstrap, seed),
            "latency": latency["lanes"].get(texts.name) if latency else None,
            **lane_entry(texts.lane),
            **speaker_entry(texts, decoded, ref_dir, n_bootstrap=n_bootstrap, seed=seed),
            **long_form_entry(texts, decoded, ref_dir, n_bootstrap=n_bootstrap, seed=seed),
        }
    if decoded is not None and latency is not None:
        scores["lane_gap_ms"] = latency.get("lane_gap_ms")
        write_json(latency, hyp_dir / "latency.json")
        write_logs(loaded, decoded, hyp_dir)
    write_json(scores, hyp_dir / "scores.json")
    return finite(scores, DIGITS)


def _quality(texts: LaneTexts, hyp_dir: Path, case: str, n_bootstrap: int, seed: int) -> dict:
    scores = {m.name: m.score(texts, n_bootstrap=n_bootstrap, seed=seed) for m in text_metrics()}
    files: dict[str, list[Score]] = {}
    for metric in lane_metrics(texts.lane):
        if file := metric.espnet_file(case):
            files.setdefault(file, []).append(scores[metric.name])
    folder = hyp_dir if texts.name in LANES else hyp_dir / f"score_{texts.name}"
    for file, found in files.items():
        write_text(METRICS[found[0].name].espnet_text(found, case), folder / file)
    return {name: score.entry() for name, score in scores.items()}


def _latency(
    loaded: Sequence[LaneTexts],
    decoded: Mapping[str, DecodedUtterance],
    ref_dir: Path,
    word_times: Path | str | None,
) -> dict:
    """What latency.json holds."""
    times = Path(word_times or ref_dir / "word_times")
    ends = read_numbers(times) if word_times or times.exists() else None
    spoken = next((texts for texts in loaded if texts.lane.source), None)  # whose words the times are
    result: dict = {
        "unit": "ms",
        "lanes": {t.name: lane_latency(t, decoded, ends if t is spoken else None) for t in loaded},
        "laal_by_utterance": {t.name: utterance_laal(t, decoded) for t in loaded},
    }
    pair = source_and_target(loaded)
    if pair and (ref_dir / "alignment").exists():
        result["lane_gap_ms"] = lane_gap(*pair, decoded, ref_dir / "alignment")
    return result
