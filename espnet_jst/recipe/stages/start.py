"""What trainings share that start from the weights of somebody else's model: `--mbart`, `--whisper_decoder`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from espnet_jst.config import read_yaml
from espnet_jst.errors import ConfigError
from espnet_jst.recipe.options import TrainingOptions


def check_new(training: TrainingOptions, flag: str) -> None:
    """Refuse a training that has weights already.

    Raises:
        ConfigError: names both options.
    """
    if training.finetune:
        raise ConfigError(f"--finetune {training.finetune} has weights of its own: leave out {flag}")


def one_training(training: TrainingOptions, flag: str) -> dict[str, Any]:
    """The training configuration, of one run.

    Raises:
        ConfigError: it names several.
    """
    values = read_yaml(training.st_config)
    if values.get("runs"):
        raise ConfigError(f"{flag}: {training.st_config} names runs; give a configuration of one training")
    return values


def initial_weights(exp: Path, flag: str) -> Path:
    """The file that a training starts from, beside its folder, which may begin again."""
    return exp.with_name(f"{exp.name}_{flag.removeprefix('--')}") / "init.pth"
