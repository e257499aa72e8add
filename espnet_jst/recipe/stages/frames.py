"""Before stage 10: frames of a frontend that nothing trains, computed once (`--cache_frames`)."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from espnet_jst.config import json_text, read_yaml
from espnet_jst.data import kaldi
from espnet_jst.errors import ConfigError
from espnet_jst.inputs.channels import channels_of
from espnet_jst.plain_yaml import parse
from espnet_jst.recipe.dump import UTT2AUDIO
from espnet_jst.recipe.experiment import options_of
from espnet_jst.recipe.options import DataOptions, RunOptions, TrainingOptions
from espnet_jst.recipe.runs import training_runs
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stamp import present

TABLE = "frames.scp"


def cached_frontend(training: TrainingOptions) -> dict[str, Any] | None:
    """The frontend of the training configuration and of `--st_args`; None where its frames are not kept.

    Raises:
        ConfigError: it is trained, or a value of `--st_args` cannot be read.
    """
    config = Path(training.st_config)
    if not training.cache_frames or not config.is_file():
        return None
    last = training_runs(config, Path())[-1]
    values = last.values if last.name else read_yaml(config)
    given = options_of(shlex.split(training.st_args))
    conf = dict(values.get("frontend_conf") or {})
    for word in given.get("frontend_conf", []):
        name, _, value = word.partition("=")
        conf[name] = parse(f"value: {value}", f"--st_args --frontend_conf {word}")["value"]
    [*_, frontend] = [values.get("frontend", "log_mel"), *given.get("frontend", [])]
    if conf.get("trainable") or conf.get("weighted") or channels_of(frontend, conf) > 1:
        raise ConfigError(
            f"--cache_frames: {config} trains its frontend (trainable, weighted, or of several channels): leave it out"
        )
    return {"frontend": frontend, "frontend_conf": conf}


def frames_file(folder: Path, frontend: Mapping[str, Any]) -> Path:
    """The table of a set's frames; those of another frontend are elsewhere."""
    digest = hashlib.sha256(json_text(dict(frontend), sort_keys=True).encode()).hexdigest()[:8]
    return folder / f"frames_{frontend['frontend']}_{digest}" / TABLE


def frames_stages(data: DataOptions, training: TrainingOptions, run: RunOptions, *, skip: str) -> Iterator[Stage]:
    """Both training sets."""
    frontend = cached_frontend(training)
    if frontend is None:
        return
    conf = frontend["frontend_conf"]
    model = Path(str(conf.get("model") or conf.get("path_or_url") or ""))
    for name in data.training_sets:
        folder = data.raw / name
        out = frames_file(folder, frontend)
        yield Stage(
            number=10,
            name=f"frames of {name}",
            run=partial(dump, folder / "wav.scp", out.parent, nj=run.nj, device="cuda" if run.ngpu else "cpu"),
            uses={"frontend": frontend},
            inputs=[
                folder / "wav.scp",
                *present(folder / UTT2AUDIO, model / "config.json"),
                *([model] if model.is_file() else []),
            ],
            outputs=[out],
            stamp=out.parent / ".stages" / "10.json",
            skip=skip,
        )


def dump(wav: Path, out: Path, *, nj: int, device: str, frontend: Mapping[str, Any]) -> str:
    """Compute the frames of a set."""
    from espnet_jst.inference.frames import dump_frames

    items = list(kaldi.read_table(wav).items())
    return f"{dump_frames(items, frontend, out, nj=nj, device=device)} of {len(items)} utterances in {out}"
