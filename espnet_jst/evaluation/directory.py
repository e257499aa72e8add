"""Scores one decode directory: both lanes, quality and latency, into ESPnet's files and scores.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from espnet_jst.evaluation.environment import environment
from espnet_jst.evaluation.files import DecodedUtterance, plain, read_numbers, read_signature, read_words, write_json
from espnet_jst.evaluation.lane_latency import lane_gap, lane_latency, utterance_laal
from espnet_jst.evaluation.lanes import LaneTexts, load_lanes
from espnet_jst.evaluation.latency_logs import write_logs
from espnet_jst.evaluation.quality import (
    EditScore,
    MetricScore,
    are_few,
    edit_score,
    score_limits,
    translation_scores,
)
from espnet_jst.evaluation.score_files import sclite_row, write_edit_result, write_translation_result
from espnet_jst.evaluation.significance import interval
from espnet_jst.evaluation.statistics import rate
from espnet_jst.text.words import TRANSCRIPT, TRANSLATION


def score_directory(
    hyp_dir: Path | str,
    ref_dir: Path | str,
    *,
    src_lang: str,
    tgt_lang: str,
    case: str = "lc",
    src_case: str | None = None,
    signature: Mapping[str, Any] | None = None,
    lanes: Sequence[str] | None = None,
    word_times: Path | str | None = None,
    n_bootstrap: int = 1000,
    seed: int = 12345,
) -> dict:
    """Score one decode directory and write the results into it.

    Reads `src_text` (transcript), `text` (translation) and `words.jsonl` from `hyp_dir`, and `text.<case>.<lang>`,
    `word_times` and `alignment` (each optional) from `ref_dir`. Writes `score_wer/result.txt`, `score_cer/result.txt`,
    `score_bleu/result.<case>.txt`, `latency.json`, `scores.json` and, from words.jsonl, the logs of `write_logs`.

    Args:
        case: part of the reference files' names; "lc" scores without case.
        src_case: the same for the transcript, where it differs.
        signature: how the hypotheses were made: system, chunk, left context, beam, blank penalty, seed, checkpoint
            hash. None takes `signature.json` of `hyp_dir` where there is one.
        lanes: lanes to score; None takes those that were decoded, see `load_lanes`.
        word_times: file of reference word end times, "utt 0.30 0.70 ..." in s; None takes `word_times` of `ref_dir`.
        n_bootstrap: resamples for the 95 % intervals; 0 for none.
        seed: of the bootstrap.

    Returns:
        What scores.json holds. Rates in percent, latency in ms; what is not defined is None. A hypothesis that is
        missing counts as empty and is listed under `missing_hypotheses`.

    Raises:
        DataError: a file is missing or damaged, or has utterances that the references lack; the message names them.
    """
    hyp_dir, ref_dir = Path(hyp_dir), Path(ref_dir)
    signature = dict(signature) if signature is not None else read_signature(hyp_dir)
    loaded = load_lanes(
        hyp_dir, ref_dir, src_lang=src_lang, tgt_lang=tgt_lang, case=case, src_case=src_case, lanes=lanes
    )
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
        "missing_hypotheses": {texts.lane: list(texts.missing) for texts in loaded},
        "lanes": {},
    }
    for texts in loaded:
        scores["lanes"][texts.lane] = {
            "language": texts.language,
            "unit": texts.unit,
            "notes": texts.notes(),
            "reference": texts.reference_file,
            "utterances": len(texts.keys),
            "interval_method": _method(texts),
            "quality": _quality(texts, hyp_dir, case, n_bootstrap, seed),
            "latency": latency["lanes"].get(texts.lane) if latency else None,
        }
    if decoded is not None and latency is not None:
        scores["lane_gap_ms"] = latency.get("lane_gap_ms")
        write_json(latency, hyp_dir / "latency.json")
        write_logs(loaded, decoded, hyp_dir)
    write_json(scores, hyp_dir / "scores.json")
    return plain(scores)


def _method(texts: LaneTexts) -> str:
    few = are_few(texts.references)
    return "widest of jackknife and bootstrap with Student's t, and BCa" if few else "bootstrap percentiles"


def _quality(texts: LaneTexts, hyp_dir: Path, case: str, n_bootstrap: int, seed: int) -> dict:
    words, chars = (
        edit_score(texts.references, texts.hypotheses, unit=unit, language=texts.language) for unit in ("word", "char")
    )
    main = texts.lane == TRANSLATION
    translation = translation_scores(
        texts.references,
        texts.hypotheses,
        lowercase=case.startswith("lc"),
        tokenize=texts.tokenize,
        n_bootstrap=n_bootstrap if main else 0,  # the transcript's intervals are those of WER and CER
        seed=seed,
    )
    if texts.lane == TRANSCRIPT:
        write_edit_result(words, hyp_dir / "score_wer" / "result.txt")
        write_edit_result(chars, hyp_dir / "score_cer" / "result.txt")
    else:
        write_translation_result(translation.values(), case, hyp_dir / "score_bleu" / f"result.{case}.txt")
    result: dict = {"WER": _edit_entry(words, n_bootstrap, seed), "CER": _edit_entry(chars, n_bootstrap, seed)}
    return result | {name: _metric_entry(score) for name, score in translation.items()}


def _edit_entry(score: EditScore, n_bootstrap: int, seed: int) -> dict:
    entry: dict = {
        "score": score.rate,
        "errors": score.errors,
        "reference_units": score.reference_units,
        "row": sclite_row(score),
    }
    if n_bootstrap:
        rows = np.array(score.per_utterance, dtype=np.float64)
        low, high = interval(rows, rate, limits=score_limits("WER"), n_bootstrap=n_bootstrap, seed=seed)
        entry |= {"low": 100.0 * low, "high": 100.0 * high}
    return entry


def _metric_entry(score: MetricScore) -> dict:
    entry = {"score": score.score, "low": score.low, "high": score.high, "signature": score.signature}
    return entry | ({"verbose": score.verbose} if score.verbose else {})


def _latency(
    loaded: Sequence[LaneTexts],
    decoded: Mapping[str, DecodedUtterance],
    ref_dir: Path,
    word_times: Path | str | None,
) -> dict:
    """What latency.json holds."""
    times = Path(word_times or ref_dir / "word_times")
    ends = read_numbers(times) if word_times or times.exists() else None
    result: dict = {
        "unit": "ms",
        "lanes": {t.lane: lane_latency(t, decoded, ends if t.lane == TRANSCRIPT else None) for t in loaded},
        "laal_by_utterance": {t.lane: utterance_laal(t, decoded) for t in loaded},
    }
    if len(loaded) == 2 and (ref_dir / "alignment").exists():
        result["lane_gap_ms"] = lane_gap(loaded, decoded, ref_dir / "alignment")
    return result
