"""Two decode directories of one set against each other, with paired bootstrap tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from espnet_jst.errors import DataError
from espnet_jst.evaluation.files import plain, read_words
from espnet_jst.evaluation.lane_latency import utterance_laal
from espnet_jst.evaluation.lanes import LaneTexts, bleu_tokenizer, load_lanes
from espnet_jst.evaluation.quality import edit_score
from espnet_jst.evaluation.significance import Comparison, compare_rates, compare_translations
from espnet_jst.text.words import TRANSCRIPT


def compare_directories(
    first_dir: Path | str,
    second_dir: Path | str,
    ref_dir: Path | str,
    *,
    src_lang: str,
    tgt_lang: str,
    case: str = "lc",
    src_case: str | None = None,
    lanes: Sequence[str] | None = None,
    n_bootstrap: int = 1000,
    seed: int = 12345,
) -> dict:
    """Paired bootstrap tests of two systems decoded on the same set.

    Returns:
        lane -> metric -> {first, second, p_value, low, high}: WER and CER of the transcript, BLEU, chrF++ and TER of
        the translation, and LAAL (ms) of both where words.jsonl is there. `low` and `high` bound `second - first`.

    Raises:
        DataError: a file is missing or damaged, keys do not fit, or the directories have no lane in common.
    """
    first_dir, second_dir, ref_dir = Path(first_dir), Path(second_dir), Path(ref_dir)
    load = partial(load_lanes, src_lang=src_lang, tgt_lang=tgt_lang, case=case, src_case=src_case, lanes=lanes)
    loaded = [{texts.lane: texts for texts in load(path, ref_dir)} for path in (first_dir, second_dir)]
    shared = [lane for lane in loaded[0] if lane in loaded[1]]
    if not shared:
        raise DataError(f"{first_dir} and {second_dir} have no lane in common; compare systems that share one")
    paths = [path / "words.jsonl" for path in (first_dir, second_dir)]
    decoded = [read_words(path) for path in paths] if all(path.exists() for path in paths) else None
    result: dict = {}
    for lane in shared:
        pair = (loaded[0][lane], loaded[1][lane])
        rows = _quality(*pair, case, n_bootstrap, seed)
        if decoded:
            laal = [utterance_laal(texts, words) for texts, words in zip(pair, decoded, strict=True)]
            both = [key for key in laal[0] if key in laal[1]]
            if both:
                means = [[(values[key], 1.0) for key in both] for values in laal]
                rows["LAAL"] = compare_rates(*means, n_bootstrap=n_bootstrap, seed=seed)
        result[lane] = {name: asdict(comparison) for name, comparison in rows.items()}
    return plain(result)


def _quality(first: LaneTexts, second: LaneTexts, case: str, n_bootstrap: int, seed: int) -> dict[str, Comparison]:
    if first.lane == TRANSCRIPT:
        rows = {}
        for name, unit in (("WER", "word"), ("CER", "char")):
            scores = [edit_score(texts.references, texts.hypotheses, unit=unit) for texts in (first, second)]
            counts = [[(100.0 * errors, total) for errors, total in score.per_utterance] for score in scores]
            rows[name] = compare_rates(*counts, n_bootstrap=n_bootstrap, seed=seed)
        return rows
    return compare_translations(
        first.references,
        first.hypotheses,
        second.hypotheses,
        lowercase=case.startswith("lc"),
        tokenize=bleu_tokenizer(first.language),
        n_bootstrap=n_bootstrap,
        seed=seed,
    )
