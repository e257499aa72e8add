"""Stage 13: score the decoded sets, write RESULTS.md, pictures and the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from espnet_jst.data.texts import Texts, segments_file
from espnet_jst.jobs.shards import run_each
from espnet_jst.recipe.options import DataOptions, DecodingOptions, RunOptions, TextOptions
from espnet_jst.recipe.pictures import draw
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stages.decoding import decoded_files
from espnet_jst.recipe.stamp import present

if TYPE_CHECKING:
    from espnet_jst.evaluation.lanes import Reading

TRUE_TIMES = "word_times.ref"
REFERENCES = ("word_times", TRUE_TIMES, "alignment", "alignment.ref")


def scoring_stages(
    data: DataOptions, text: TextOptions, decoding: DecodingOptions, exp: Path, run: RunOptions, *, skip: str
) -> Iterator[Stage]:
    """Scores of every decoded set, then what is made of them all."""
    runs = [(mode, name) for mode in decoding.modes for name in data.tests]
    outs = [decoding.folder(exp, *run) for run in runs]
    sets = [data.raw / name for name in data.tests]
    decoded = [path for out in outs for path in decoded_files(out)]
    texts = [path / name for path in sets for name in text.files.names]
    speakers = [segments_file(name) for name in text.files.names]
    times = present(*(path / extra for path in sets for extra in (*REFERENCES, *speakers)))
    scores = [out / "scores.json" for out in outs]
    titles = [f"{name}, {mode}" for mode, name in runs]
    jobs = [(out, data.raw / name) for out, (_, name) in zip(outs, runs)]
    yield Stage(
        number=13,
        name="score",
        run=partial(score_all, dict(zip(titles, jobs)), nj=run.inference_nj),
        uses={"names": reading_of(text, exp / "config.yaml")},
        inputs=[*decoded, *texts, *times],
        outputs=scores,
        stamp=exp / ".stages" / "13-score.json",
        skip=skip,
    )
    yield Stage(
        number=13,
        name="results and pictures",
        run=partial(report, exp, data.raw, text.files, outs),
        inputs=[
            *(*scores, *decoded),
            *(path / "wav.scp" for path in sets),
            *(*texts, *times, *present(exp / "train.log")),
        ],
        outputs=[exp / "RESULTS.md", exp / "report.html"],
        stamp=exp / ".stages" / "13.json",
        skip=skip,
    )


def reading_of(text: TextOptions, config: Path) -> Reading:
    """Languages and cases of the references and further lanes of the model, as `score_directory` takes them."""
    names: Reading = {"src_lang": text.src_lang, "tgt_lang": text.tgt_lang}
    names |= {"case": text.tgt_case, "src_case": text.src_case}
    from espnet_jst.evaluation.lanes import further_lanes

    further = further_lanes(config) if config.is_file() else []
    return {**names, "further": further} if further else names


def score_all(jobs: Mapping[str, tuple[Path, Path]], *, nj: int = 1, names: Reading) -> str:
    """Every decoded set, several at a time.

    Args:
        jobs: title -> decode directory and data directory.
    """
    notes = run_each(partial(score, names=names), [*jobs.values()], nj=nj, title="score")
    return "; ".join(f"{title}: {note}" for title, note in zip(jobs, notes))


def score(job: tuple[Path, Path], *, names: Reading) -> str:
    """One decoded set: every lane, quality and latency; word times against the truth where it is known.

    Args:
        job: decode directory and data directory.
    """
    from espnet_jst.evaluation.results import lanes_of
    from espnet_jst.evaluation.shown import number
    from espnet_jst.evaluation.time_errors import write_time_errors

    out, reference = job
    truth = reference / TRUE_TIMES
    scores = scored(out, reference, names=names)
    heads = [(lane.headline, scores["lanes"][lane.name]["quality"][lane.headline]) for lane in lanes_of([scores])]
    parts = [f"{name} {number(entry['score'], 2)}" for name, entry in heads]
    if truth.exists():
        errors = write_time_errors(out / "words.jsonl", truth, out / "word_times.json")
        if errors["words"]:
            parts.append(f"word ends off by {errors['median_end_s']:.3f} s (median)")
    return ", ".join(parts)


def scored(out: Path, reference: Path, *, names: Reading) -> dict:
    """What `score_directory` finds; delays are counted from the true ends of words where they are known."""
    from espnet_jst.evaluation import score_directory
    from espnet_jst.evaluation.time_errors import write_ends

    truth = reference / TRUE_TIMES
    ends = write_ends(truth, out / "word_times.ends") if truth.exists() else None
    return score_directory(out, reference, **names, word_times=ends)


def report(exp: Path, raw: Path, texts: Texts, decoded: Sequence[Path]) -> str:
    """RESULTS.md and report.html of the experiment; loss curves and the lanes of some utterances as pictures."""
    from espnet_jst.evaluation import write_report, write_results

    results = write_results(exp)
    pictures, notes = draw(exp, raw, texts, decoded)
    page = write_report(exp, raw)
    return "; ".join([f"{results}, {page} and {len(pictures)} pictures in {exp / 'images'}", *notes])
