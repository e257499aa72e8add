"""ESPnet's training saves atomically and loads safely: what it looks up in its own namespaces is replaced."""

from __future__ import annotations

import pathlib
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from espnet_jst.compat import replaced_globals
from espnet_jst.training.checkpoints import save_file
from espnet_jst.training.init_param import load_part
from espnet_jst.training.reporter import JSTReporter
from espnet_jst.weights import atomic_link, safe_load


class _SafeTorch(types.ModuleType):
    """`torch`, except that `save` is atomic and `load` executes nothing."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    @staticmethod
    def save(state: Any, path: str | pathlib.Path, **_: Any) -> None:
        save_file(state, path)

    @staticmethod
    def load(path: str | pathlib.Path, map_location: Any = None, **_: Any) -> Any:
        return safe_load(path, map_location=map_location or "cpu")


class _LinkPath(type(pathlib.Path())):  # type: ignore[misc]
    """A path whose links are replaced in one step, where ESPnet removes them first and makes them afterwards."""

    def unlink(self, missing_ok: bool = False) -> None:
        if not self.is_symlink():  # a link goes when `symlink_to` puts the new one in its place
            super().unlink(missing_ok)

    def symlink_to(self, target: str | pathlib.Path, target_is_directory: bool = False) -> None:
        atomic_link(self, target)


@contextmanager
def safe_checkpoints() -> Iterator[list[JSTReporter]]:
    """Within it ESPnet's training saves atomically and loads safely.

    ESPnet saves over its only copy (a kill leaves an unreadable checkpoint), loads everything with
    `weights_only=False`, and its averaging and task do so too; all of them look `torch` up in their own namespace.

    Yields:
        The reporters that are made within it.
    """
    reporters: list[JSTReporter] = []

    def make_reporter(epoch: int = 0) -> JSTReporter:
        reporters.append(JSTReporter(epoch))
        return reporters[-1]

    proxy = _SafeTorch("torch")
    proxy.__file__ = torch.__file__
    replaced: dict[str, dict[str, object]] = {
        "espnet2.train.trainer": {"torch": proxy, "Path": _LinkPath, "Reporter": make_reporter},
        "espnet2.main_funcs.average_nbest_models": {"torch": proxy},
        "espnet2.tasks.abs_task": {"torch": proxy, "load_pretrained_model": load_part},
    }
    with replaced_globals(replaced):
        yield reporters
