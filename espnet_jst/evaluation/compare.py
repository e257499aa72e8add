"""Two decode directories of one set against each other, with paired bootstrap tests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from espnet_jst.errors import DataError
from espnet_jst.evaluation.files import plain, read_words
from espnet_jst.evaluation.lanes import load_lanes
from espnet_jst.evaluation.quality import score_limits
from espnet_jst.evaluation.significance import compare_systems
from espnet_jst.evaluation.statistics import lane_statistics


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
        the translation, and LAAL (ms) of both where words.jsonl is there. `low` and `high` bound `second - first`. What
        is not defined is None.

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
    decoded = [read_words(path) if all(path.exists() for path in paths) else None for path in paths]
    result: dict = {}
    for lane in shared:
        first, second = (
            lane_statistics(texts[lane], words, lowercase=case.startswith("lc"))
            for texts, words in zip(loaded, decoded, strict=True)
        )
        result[lane] = {}
        for name, (rows, score) in first.items():
            systems = {"first": [rows], "second": [second[name].rows]}
            limits, resampling = score_limits(name), {"n_bootstrap": n_bootstrap, "seed": seed}
            found = compare_systems(systems, score, baseline="first", limits=limits, **resampling)
            result[lane][name] = {
                "first": found["first"].mean,
                "second": found["second"].mean,
                "p_value": found["second"].p_value,
                "low": found["second"].difference_low,
                "high": found["second"].difference_high,
            }
    return plain(result)
