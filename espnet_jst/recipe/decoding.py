"""Stages 12-13: decode the test sets, score them, write RESULTS.md, pictures and the report."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from espnet_jst.data import kaldi
from espnet_jst.errors import DataError
from espnet_jst.jobs.command import Job, python, run_jobs
from espnet_jst.jobs.shards import run_each, split_evenly
from espnet_jst.recipe.options import RecipeOptions
from espnet_jst.recipe.prepare import UTT2AUDIO
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stamp import files_of_model, named_files, present
from espnet_jst.recipe.training import plugins
from espnet_jst.text.lines import read_lines

SHARD = 100  # fewer utterances are not worth the start of a further process
WRITTEN = ("text", "words.jsonl")  # src_text as well, where the model has a transcript
REFERENCES = ("word_times", "word_times.ref", "alignment", "alignment.ref")
MODES = {"true": ("streaming",), "false": ("offline",), "both": ("streaming", "offline")}


def decoding_stages(options: RecipeOptions) -> Iterator[Stage]:
    """Decoding and scoring of every test set, chunk by chunk, whole, or both."""
    skip = "--skip_eval" if options.skip_eval else ""
    runs = [(mode, name) for mode in MODES[options.use_streaming] for name in options.test_sets.split()]
    for mode, name in runs:
        out, data = decode_dir(options, mode, name), options.raw / name
        yield Stage(
            number=12,
            name=f"decode {name}, {mode}",
            run=partial(decode, mode=mode, name=name),
            options=options,
            inputs=[
                *trained_model(options),
                data / "wav.scp",
                *present(data / UTT2AUDIO),
                *config_files(options),
                *named_files(options.inference_args, *config_files(options)),
            ],
            outputs=[out / lane for lane in WRITTEN],
            facts=plugins,
            stamp=out / ".stages" / "12.json",
            skip=skip,
        )
    outs = [decode_dir(options, mode, name) for mode, name in runs]
    sets = [options.raw / name for name in options.test_sets.split()]
    texts = [path / text for path in sets for text in (options.src_text, options.tgt_text)]
    times = present(*(path / extra for path in sets for extra in REFERENCES))
    yield Stage(
        number=13,
        name="score",
        run=partial(score_all, runs=runs),
        options=options,
        inputs=[*(path for out in outs for path in decoded_files(out)), *texts, *times],
        outputs=[out / "scores.json" for out in outs],
        stamp=options.exp / ".stages" / "13-score.json",
        skip=skip,
    )
    yield Stage(
        number=13,
        name="results and pictures",
        run=report,
        options=options,
        inputs=[
            *(out / "scores.json" for out in outs),
            *(path for out in outs for path in decoded_files(out)),
            *(path / "wav.scp" for path in sets),
            *(*texts, *times, *present(options.exp / "train.log")),
        ],
        outputs=[options.exp / "RESULTS.md", options.exp / "report.html"],
        stamp=options.exp / ".stages" / "13.json",
        skip=skip,
    )


def decoded_files(out: Path) -> list[Path]:
    """What a decode directory says: the translation, words with their times, and what else it has."""
    return [*(out / lane for lane in WRITTEN), *present(out / "src_text", out / "signature.json")]


def config_files(options: RecipeOptions) -> list[Path]:
    return [Path(options.inference_config)] if options.inference_config else []


def trained_model(options: RecipeOptions) -> list[Path]:
    """Configuration and weights of the experiment, and the files that the configuration names."""
    config = options.exp / "config.yaml"
    return [config, options.exp / options.inference_st_model, *(files_of_model(config) if config.is_file() else [])]


def decode_dir(options: RecipeOptions, mode: str, name: str) -> Path:
    """exp/st_<tag>/<inference_tag>/<set>; the two modes of one configuration have folders of their own."""
    tag = options.inference_tag
    if not tag:
        stem = Path(options.inference_config).stem if options.inference_config else "decode"
        tag = f"{stem}_st_model_{Path(options.inference_st_model).stem}"
    return options.exp / f"{tag}_{mode}" / name


def decode(options: RecipeOptions, mode: str, name: str) -> str:
    """Stage 12 for one set: `jst_inference` on shards of the keys, outputs joined."""
    out = decode_dir(options, mode, name)
    logdir = out / "logdir"
    shutil.rmtree(logdir, ignore_errors=True)
    wav = options.raw / name / "wav.scp"
    keys = list(kaldi.read_table(wav))
    jobs = []
    count = min(options.inference_nj, -(-len(keys) // SHARD))
    for number, shard in enumerate(split_evenly(keys, count), start=1):
        key_file = logdir / f"keys.{number}.scp"
        kaldi.write_table(key_file, {key: key for key in shard})
        arguments: list[object] = ["--ngpu", min(1, options.ngpu), "--key_file", key_file]
        arguments += ["--data_path_and_name_and_type", f"{wav.as_posix()},speech,sound"]
        arguments += ["--st_train_config", options.exp / "config.yaml"]
        arguments += ["--st_model_file", options.exp / options.inference_st_model]
        arguments += decoding_flags(options, mode)
        command = python("-m", "espnet_jst.bin.jst_inference", *arguments)
        jobs.append(Job(command, logdir / f"output.{number}", logdir / f"inference.{number}.log"))
    run_jobs(jobs, nj=options.inference_nj, title=f"decode {name}")
    missing = join_outputs([job.output for job in jobs], out, keys)
    return f"{len(keys)} utterances in {out}" + (f", {missing} without output (see {logdir})" if missing else "")


def decoding_flags(options: RecipeOptions, mode: str) -> list[str]:
    """How `jst_inference` is to search; the same for every set."""
    flags = ["--config", options.inference_config] if options.inference_config else []
    flags += ["--streaming", "true" if mode == "streaming" else "false"]
    if mode == "offline":
        flags += ["--chunk_s", "0"]  # the whole utterance, whatever chunk the configuration names for streaming
    return [*flags, *shlex.split(options.inference_args)]


def join_outputs(folders: list[Path], out: Path, keys: list[str]) -> int:
    """Join what the shards wrote below `1best_recog`. Returns how many utterances have no translation line.

    Raises:
        DataError: no shard wrote a translation.
    """
    sources: dict[str, list[Path]] = {}
    for folder in folders:
        for place in (folder / "1best_recog", folder):
            for path in sorted(place.glob("*")):
                if path.is_file() and path.suffix in ("", ".jsonl"):
                    sources.setdefault(path.name, []).append(path)
    if "text" not in sources:
        raise DataError(f"{out}: the decoder wrote no text; see {folders[0].parent}")
    for name, paths in sources.items():
        lines = [line for path in paths for line in read_lines(path) if line.strip()]
        ordered = lines if name.endswith(".jsonl") else sorted(lines, key=lambda line: line.split(" ")[0].encode())
        (out / name).write_text("".join(f"{line}\n" for line in ordered), encoding="utf-8")
    if "src_text" not in sources:
        (out / "src_text").unlink(missing_ok=True)  # of a model before this one
    signature = next((path for folder in folders for path in sorted(folder.rglob("signature.json"))), None)
    if signature is not None:
        shutil.copyfile(signature, out / "signature.json")
    return len(set(keys) - set(kaldi.read_table(out / "text")))


def score_all(options: RecipeOptions, runs: Sequence[tuple[str, str]]) -> str:
    """Stage 13: every decoded set, several at a time."""
    # Workers get values, not the options: what is read there is not seen here.
    names = {"src_lang": options.src_lang, "tgt_lang": options.tgt_lang}
    names |= {"case": options.tgt_case, "src_case": options.src_case}
    jobs = [(decode_dir(options, mode, name), options.raw / name) for mode, name in runs]
    notes = run_each(partial(score, names=names), jobs, nj=options.inference_nj, title="score")
    return "; ".join(f"{name}, {mode}: {note}" for (mode, name), note in zip(runs, notes))


def score(job: tuple[Path, Path], *, names: Mapping[str, Any]) -> str:
    """One decoded set: both lanes, quality and latency; word times against the truth where it is known.

    Args:
        job: decode directory and data directory.
        names: languages and cases, as `score_directory` takes them.
    """
    from espnet_jst.evaluation import score_directory
    from espnet_jst.recipe.word_times import write_ends, write_time_errors

    out, reference = job
    truth = reference / "word_times.ref"
    ends = write_ends(truth, out / "word_times.ends") if truth.exists() else None
    scores = score_directory(out, reference, **names, word_times=ends)
    parts = []
    for lane, metric in (("transcript", "WER"), ("translation", "BLEU")):
        if lane in scores["lanes"]:
            parts.append(f"{metric} {scores['lanes'][lane]['quality'][metric]['score']:.2f}")
    if truth.exists():
        errors = write_time_errors(out / "words.jsonl", truth, out / "word_times.json")
        if errors["words"]:
            parts.append(f"word ends off by {errors['median_end_s']:.3f} s (median)")
    return ", ".join(parts)


def report(options: RecipeOptions) -> str:
    """RESULTS.md and report.html of the experiment; loss curves and the two lanes of some utterances as pictures."""
    from espnet_jst.evaluation import write_report, write_results
    from espnet_jst.recipe.pictures import draw

    sets = options.test_sets.split()
    decoded = [decode_dir(options, mode, name) for mode in MODES[options.use_streaming] for name in sets]
    results = write_results(options.exp)
    pictures, notes = draw(options, decoded)
    page = write_report(options.exp, options.raw)
    return "; ".join([f"{results}, {page} and {len(pictures)} pictures in {options.exp / 'images'}", *notes])
