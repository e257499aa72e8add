"""Blank penalties on the validation set, fixed and adaptive: what each reaches (`run.sh --sweep FILE`)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from espnet_jst.config import check_choice, shown
from espnet_jst.data import kaldi
from espnet_jst.data.names import file_name
from espnet_jst.errors import ConfigError
from espnet_jst.jobs.shards import run_shards, split_evenly
from espnet_jst.keys import Conf, key, read
from espnet_jst.recipe.dump import UTT2AUDIO
from espnet_jst.recipe.options import Options
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stages.decoding import SHARD, decoded_files, join_outputs, model_inputs
from espnet_jst.recipe.stages.scoring import reading_of
from espnet_jst.recipe.stages.statistics import plugins
from espnet_jst.recipe.stamp import named_files, present
from espnet_jst.search.conf import Penalty
from espnet_jst.untrusted.config_file import read_yaml

STEP, MOST = 0.25, 2.0  # those of arXiv:2506.02157 go from 0.5 to 2
Value = float | Mapping[str, float | Mapping[str, Penalty]]


@dataclass(frozen=True, kw_only=True)
class SweepConf(Conf):
    """Keys of the file."""

    title: str | None = key(None, "one line for the table; by default the name of the file")
    set: str | None = key(None, "data set; by default the validation set")
    lanes: Sequence[str] = key((), "lanes that get the fixed penalties, the others 0; by default all")
    fixed: Sequence[float] = key(
        tuple(n * STEP for n in range(round(MOST / STEP) + 1)),
        "fixed penalties; 0 is always tried",
        low=-1000,
        high=1000,
    )
    adaptive: Mapping[str, Mapping[str, Any]] | None = key(
        None, "name: blank_penalty of a decoding configuration, by lane"
    )


@dataclass(frozen=True)
class Sweep:
    """What a file asks for.

    Attributes:
        fixed: name of each fixed penalty -> its value, 0 first.
        penalties: name -> `blank_penalty`, of all.
    """

    name: str
    title: str
    set: str | None
    fixed: Mapping[str, float]
    penalties: Mapping[str, Value]

    @classmethod
    def read(cls, path: Path) -> Sweep:
        """Read the file.

        Raises:
            ConfigError: a key is unknown, or a value cannot be used.
        """
        from espnet_jst.search.conf import DecodingConf

        conf = read(SweepConf, read_yaml(path), str(path))
        fixed = {
            f"{value:g}": float(value) for value in sorted({0.0, *conf.fixed}, key=lambda value: (value != 0, value))
        }
        penalties: dict[str, Value] = {
            name: dict.fromkeys(conf.lanes, value) if conf.lanes else value for name, value in fixed.items()
        }
        for name, penalty in (conf.adaptive or {}).items():
            if name in fixed or not name.isidentifier():
                raise ConfigError(f"{path}: adaptive: {shown(name)} cannot be a name: use letters, digits and '_'")
            read(DecodingConf, {"blank_penalty": penalty}, f"{path}: adaptive.{name}")
            penalties[name] = penalty
        return cls(path.stem, conf.title or path.stem, conf.set, fixed, penalties)

    def data_set(self, options: Options) -> str:
        """The set that is decoded.

        Raises:
            ConfigError: the recipe has no such set.
        """
        name = self.set or options.data.valid_set
        check_choice(name, {options.data.valid_set, *options.data.tests}, "the set of the sweep")
        return name


def sweep_stages(sweep: Sweep, options: Options, searches: Mapping[str, Mapping[str, Any]]) -> Iterator[Stage]:
    """Decode with every penalty, what is heard encoded once; then the table. For every mode of decoding.

    Args:
        searches: for each mode how to search otherwise, keyword arguments of `Speech2Text`.
    """
    data, decoding, exp = options.data, options.decoding, options.exp
    name = sweep.data_set(options)
    folder, texts = data.raw / name, options.text.files.names
    for mode in decoding.modes:
        out = decoding.folder(exp, f"{mode}_sweep_{sweep.name}", name)
        model = (exp / "config.yaml", exp / decoding.inference_st_model)
        folders = {penalty: out / f"penalty_{penalty}" for penalty in sweep.penalties}
        yield Stage(
            number=12,
            name=f"decode {name} with {len(folders)} penalties, {mode}",
            run=partial(decode, folder / "wav.scp", out, *model, nj=options.run.inference_nj, ngpu=options.run.ngpu),
            uses={"penalties": sweep.penalties, "search": searches[mode]},
            inputs=[
                *model_inputs(*model),
                folder / "wav.scp",
                *present(folder / UTT2AUDIO),
                *decoding.config_files,
                *named_files(decoding.inference_args, *decoding.config_files),
            ],
            outputs=[path / "words.jsonl" for path in folders.values()],
            facts=plugins,
            stamp=out / ".stages" / "12.json",
        )
        yield Stage(
            number=13,
            name=f"table of {sweep.name}, {mode}",
            run=partial(tabulate, sweep, folders, folder, f"{sweep.name}_{name}_{mode}", timed=mode == "streaming"),
            uses={"reading": reading_of(options.text, exp / "config.yaml")},
            inputs=[*(file for path in folders.values() for file in decoded_files(path)), *(folder / t for t in texts)],
            outputs=[out / f"{sweep.name}_{name}_{mode}.md"],
        )


def decode(
    wav: Path,
    out: Path,
    config: Path,
    weights: Path,
    *,
    nj: int = 1,
    ngpu: int = 0,
    penalties: Mapping[str, Value],
    search: Mapping[str, Any],
) -> str:
    """Decode a set with every penalty into `<out>/penalty_<name>`, on shards of the keys.

    Args:
        wav: `wav.scp` of the set.
        search: keyword arguments of `Speech2Text`, how to search otherwise.
    """
    logdir = out / "logdir"
    shutil.rmtree(logdir, ignore_errors=True)
    items = list(kaldi.read_table(wav).items())
    shards = split_evenly(items, min(nj, -(-len(items) // SHARD)))
    work = partial(decode_shard, logdir, config, weights, ngpu=ngpu, penalties=penalties, search=search)
    parts = run_shards(work, shards, nj=1 if ngpu else nj, title=f"decode {out.name} with {len(penalties)} penalties")
    missing = 0
    for name in penalties:
        (out / f"penalty_{name}").mkdir(exist_ok=True)
        missing = join_outputs([part / name for part in parts], out / f"penalty_{name}", [key for key, _ in items])
    return f"{len(items)} utterances in {out}" + (f", {missing} without output (see {logdir})" if missing else "")


def decode_shard(
    logdir: Path,
    config: Path,
    weights: Path,
    items: Sequence[tuple[str, str]],
    *,
    ngpu: int,
    penalties: Mapping[str, Value],
    search: Mapping[str, Any],
) -> Path:
    """Decode some utterances into a folder, which is returned, with a folder for each penalty."""
    from espnet_jst.inference.files import write_signature
    from espnet_jst.inference.penalties import decode_files_with_each
    from espnet_jst.inference.speech2text import Speech2Text

    out = logdir / f"output.{file_name(items[0][0])}"
    first = Speech2Text(config, weights, device="cuda" if ngpu else "cpu", **search)
    models = {name: first.with_penalty(penalty) for name, penalty in penalties.items()}
    for name, model in models.items():
        settings = {key: search[key] for key in ("beam_size", "max_symbols") if key in search}
        write_signature(out / name, model, weights, **settings, blank_penalty=penalties[name])
    decode_files_with_each(models, items, out)
    return out


def tabulate(
    sweep: Sweep, folders: Mapping[str, Path], reference: Path, name: str, *, timed: bool, reading: Mapping[str, Any]
) -> str:
    """Score every penalty and write the table and the picture beside the decode directories."""
    from espnet_jst.evaluation.compare import run_statistics
    from espnet_jst.evaluation.sweep_table import sweep_table, write_sweep

    runs = {penalty: run_statistics(path, reference, timed=timed, **reading) for penalty, path in folders.items()}
    table = sweep_table(sweep.title, runs, sweep.fixed)
    page = write_sweep(table, next(iter(folders.values())).parent, name)
    return f"best by {table.chosen_by.name}: {table.best}, of the fixed ones {table.best_fixed}; {page}"
