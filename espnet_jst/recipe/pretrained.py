"""The encoder of somebody else that a training begins with: named in the experiment, for the card of its packs."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espnet_jst.hub.about import BASE_FILE, about_model, about_pretrained, write_base
from espnet_jst.recipe.experiment import options_of
from espnet_jst.recipe.finetune import model_files
from espnet_jst.registry import PRETRAINED


def keep_pretrained(values: Mapping[str, Any], flags: str, folder: Path) -> None:
    """Write down in an experiment which pretrained encoder its configuration names; nothing is left of another one.

    Args:
        values: the training configuration.
        flags: those of the training that go before it.
    """
    given = options_of(shlex.split(flags))
    for choice in PRETRAINED:
        own, name = values.get(f"{choice}_conf"), (given.get(choice) or [str(values.get(choice))])[-1]
        conf = {**(own or {}), **dict(pair.partition("=")[::2] for pair in given.get(f"{choice}_conf", ()))}
        model = str(conf.get("model") or "")
        if model and name == "trained":  # one of ours, which says more of itself
            return write_base(folder, *about_model(model, *model_files(model).values()))
        if model:
            return write_base(folder, about_pretrained(model), "")
    return (folder / BASE_FILE).unlink(missing_ok=True)
