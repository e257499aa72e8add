"""Stage 12: decode the test sets, by `jst_inference` on shards."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from espnet_jst.config import check_choice, json_text, read_yaml
from espnet_jst.data import kaldi
from espnet_jst.data.utterances import TGT_LANGS
from espnet_jst.errors import DataError
from espnet_jst.jobs.command import Job, python, run_jobs
from espnet_jst.jobs.shards import split_evenly
from espnet_jst.recipe.dump import UTT2AUDIO
from espnet_jst.recipe.options import DataOptions, DecodingOptions, RunOptions
from espnet_jst.recipe.runs import HANDED_ON, training_runs
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stages.statistics import plugins
from espnet_jst.recipe.stamp import files_of_model, named_files, present
from espnet_jst.text.lines import read_lines

SHARD = 100  # fewer utterances are not worth the start of a further process
WRITTEN = ("text", "words.jsonl")  # src_text as well, where the model has a transcript
COST = "cost.json"


def check_search(config: Path, search_heads: Sequence[str] | None, blank_penalty: object) -> None:
    """Refuse heads and lanes that the model of a training configuration will not have: the decoder would, hours later.

    Raises:
        ConfigError: names them.
    """
    by_lane = blank_penalty if isinstance(blank_penalty, Mapping) else {}
    if not (search_heads or by_lane) or not config.is_file():
        return
    from espnet_jst.heads.spec import parse_heads
    from espnet_jst.search.followed import lane_penalties
    from espnet_jst.search.spec import parse_searches
    from espnet_jst.text.lanes import parse_lanes

    conf = (training_runs(config, Path())[-1].values or read_yaml(config)).get("model_conf") or {}
    lanes = parse_lanes(conf.get("lanes"))
    heads = parse_heads(conf.get("heads"), lanes)
    for search in parse_searches(heads, conf.get("searches"), search_heads).values():
        lane_penalties(by_lane, heads[search.heads[0]], heads, lanes)


def check_translator(config: Path, mt_model: str) -> None:
    """Refuse a translator that is neither there nor will be: a run of the training configuration, a folder, a pack.

    Raises:
        ConfigError: names it, and the runs that there are.
    """
    if mt_model and "/" not in mt_model and not Path(mt_model).exists():
        check_choice(mt_model, [run.name for run in training_runs(config, Path())[:-1]], "--mt_model")


def decoding_stages(
    data: DataOptions, decoding: DecodingOptions, exp: Path, run: RunOptions, *, skip: str
) -> Iterator[Stage]:
    """Every test set, chunk by chunk, whole, or both."""
    for mode in decoding.modes:
        for name in data.tests:
            out = decoding.folder(exp, mode, name)
            stage = decoding_stage(
                f"decode {name}, {mode}", data.raw / name, out, decoding.flags(mode), decoding, exp, run
            )
            yield replace(stage, skip=skip)


def decoding_stage(
    name: str, folder: Path, out: Path, flags: Sequence[str], decoding: DecodingOptions, exp: Path, run: RunOptions
) -> Stage:
    """One set in one way.

    Args:
        folder: the set in the dump folder.
        flags: of `jst_inference`, how to search.
    """
    model = (exp / "config.yaml", exp / decoding.inference_st_model)
    configs = decoding.config_files
    return Stage(
        number=12,
        name=name,
        run=partial(decode, folder / "wav.scp", out, model_flags(*model), nj=run.inference_nj, ngpu=run.ngpu),
        uses={"flags": list(flags)},
        inputs=[
            *model_inputs(*model),
            folder / "wav.scp",
            *present(folder / UTT2AUDIO, folder / TGT_LANGS),
            *configs,
            *named_files(shlex.join(flags), *configs),
            *translator_inputs(decoding.mt_model, exp),
        ],
        outputs=[out / lane for lane in WRITTEN],
        facts=plugins,
        stamp=out / ".stages" / "12.json",
    )


def translator_inputs(mt_model: str, exp: Path) -> list[Path]:
    """Configuration and weights of the translator of a cascade: a run of this experiment, or a folder."""
    for folder in (Path(mt_model), exp / mt_model) if mt_model else ():
        if folder.is_dir():
            return model_inputs(folder / "config.yaml", folder / HANDED_ON)
    return []  # a file counts as one that a configuration names; a tag stands for itself


def model_inputs(config: Path, weights: Path) -> list[Path]:
    """Configuration and weights of a model, and the files that the configuration names."""
    return [config, weights, *(files_of_model(config) if config.is_file() else [])]


def decoded_files(out: Path) -> list[Path]:
    """What a decode directory says: the text, words with their times, and what else it has."""
    return [*(out / lane for lane in WRITTEN), *present(out / "src_text", out / "signature.json")]


def model_flags(config: Path, weights: Path) -> list[str]:
    """Options of `jst_inference` that name the model of an experiment."""
    return ["--st_train_config", str(config), "--st_model_file", str(weights)]


def decode(wav: Path, out: Path, model: Sequence[str], *, nj: int = 1, ngpu: int = 0, flags: Sequence[str]) -> str:
    """`jst_inference` on shards of the keys, outputs joined.

    Args:
        wav: `wav.scp` of the set; beside it may stand the languages to translate into.
        model: options that name the model.
        ngpu: GPUs; one is used.
    """
    logdir = out / "logdir"
    shutil.rmtree(logdir, ignore_errors=True)
    keys = list(kaldi.read_table(wav))
    jobs = []
    for number, shard in enumerate(split_evenly(keys, min(nj, -(-len(keys) // SHARD))), start=1):
        key_file = logdir / f"keys.{number}.scp"
        kaldi.write_table(key_file, {key: key for key in shard})
        arguments: list[object] = ["--ngpu", min(1, ngpu), "--key_file", key_file]
        arguments += ["--data_path_and_name_and_type", f"{wav.as_posix()},speech,sound"]
        for table in present(wav.parent / TGT_LANGS):
            arguments += ["--data_path_and_name_and_type", f"{table.as_posix()},tgt_lang,text"]
        command = python("-m", "espnet_jst.bin.jst_inference", *arguments, *model, *flags)
        jobs.append(Job(command, logdir / f"output.{number}", logdir / f"inference.{number}.log"))
    run_jobs(jobs, nj=nj, title=f"decode {out.name}")
    missing = join_outputs([job.output for job in jobs], out, keys)
    return f"{len(keys)} utterances in {out}" + (f", {missing} without output (see {logdir})" if missing else "")


def join_outputs(folders: list[Path], out: Path, keys: list[str]) -> int:
    """Join what the shards wrote below `1best_recog`. Returns how many utterances have no line.

    Raises:
        DataError: no shard wrote a text.
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
    _join_costs([path for folder in folders for path in sorted(folder.rglob(COST))], out / COST)
    return len(set(keys) - set(kaldi.read_table(out / "text")))


def _join_costs(paths: Sequence[Path], out: Path) -> None:
    """What processes took in all, and the most memory of one."""
    costs = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    if costs:
        joined = {key: sum(cost[key] for cost in costs) for key in ("audio_s", "elapsed_s")}
        joined |= {key: max(cost[key] for cost in costs) for key in ("peak_memory_mb", "threads")}
        out.write_text(json_text(joined, indent=1) + "\n", encoding="utf-8")
