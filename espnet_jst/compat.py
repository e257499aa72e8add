"""Every workaround for ESPnet 202511 and 202611: one function each, with its reason."""

from __future__ import annotations

import importlib
import importlib.util
import io
import os
import sys
import types
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from typing import Any

DEFERRED = ("g2p_en", "nltk")


class _Deferred(types.ModuleType):
    """Stands for a module until something of it is used."""

    def __getattr__(self, name: str) -> Any:
        # inspect and warnings look for dunder names in every module: that is no use of it.
        if name.startswith("__") and name != "__path__":
            raise AttributeError(name)
        return getattr(undefer(self.__name__), name)


def undefer(name: str) -> types.ModuleType:
    """The real module behind a deferred one."""
    module = sys.modules.get(name)
    if isinstance(module, _Deferred):
        del sys.modules[name]
        module.__dict__.update(importlib.import_module(name).__dict__)
    return importlib.import_module(name)


def import_espnet_tasks(tasks: Sequence[str]) -> dict[str, types.ModuleType]:
    """`espnet2.tasks.<task>` of each task, in a third of the time.

    ESPnet imports g2p_en and nltk at the top of its text modules, which speech never uses: seconds of CPU time, and on
    a machine without network six lines of noise about data that cannot be fetched. They are imported when something
    of them is used. Most of the rest is typeguard, which compiles every checked function of ESPnet and of inflect a
    second time; modules that are imported here go unchecked.
    """
    for name in DEFERRED:
        spec = None if name in sys.modules else importlib.util.find_spec(name)
        if spec is not None:
            module = _Deferred(name)
            module.__spec__, module.__file__ = spec, spec.origin
            sys.modules[name] = module
    with _no_type_checks(), _quiet():
        return {task: importlib.import_module(f"espnet2.tasks.{task}") for task in tasks}


def import_s3prl_upstream() -> Any:
    """S3PRL's `S3PRLUpstream`, imported only when somebody asks for it: half a minute, for all upstreams at once.

    espnet-s3prl 2026.5.14, which ESPnet 202511 and 202611 name, imports with torchaudio 2.11 as it is; s3prl 0.4.18
    wants `torchaudio.set_audio_backend`, which is gone. Its modules print, and warn of PyTorch's older functions.
    """
    with _quiet():
        return importlib.import_module("s3prl.nn.upstream").S3PRLUpstream


@contextmanager
def _quiet() -> Iterator[None]:
    """ESPnet's modules without their lines about an optional package that is missing, and without warnings.

    Whatever else they print comes out on standard error: standard output belongs to the program.
    """
    said = io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.stderr.writelines(line for line in said.getvalue().splitlines(True) if "Flash Attention" not in line)


def silence_others() -> None:
    """No warnings of ESPnet's and PyTorch's about what will change for them: a user of a program can do nothing."""
    others = r"(espnet2?|torch|torchaudio|typeguard|numba)(\.|$)"
    for category in (FutureWarning, DeprecationWarning):
        warnings.filterwarnings("ignore", category=category, module=others)
    # Said of the caller's line: `torch.cuda.amp.GradScaler(args...)` and `autocast(args...)` in ESPnet's trainer.
    warnings.filterwarnings("ignore", message=r"`?torch\.(cuda|cpu)\.amp\..* is deprecated", category=FutureWarning)


@cache
def work_after_fork() -> None:
    """A child that this process forks computes with one thread.

    OpenMP's pool of threads does not survive a fork: the first operation that wants more than one thread would wait
    for them for ever. A child that needs them is to be spawned.
    """
    import torch

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


@contextmanager
def float32_by_default() -> Iterator[None]:
    """Within it new tensors are float32, whatever `torch.set_default_dtype` said: states and weights rely on it."""
    import torch

    before = torch.get_default_dtype()
    if before == torch.float32:
        yield
        return
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def _no_type_checks() -> Iterator[None]:
    import typeguard

    def unchecked(target: Any = None, **_: Any) -> Any:
        return unchecked if target is None else target

    checked = typeguard.typechecked
    typeguard.typechecked = unchecked
    try:
        yield
    finally:
        typeguard.typechecked = checked


@contextmanager
def replaced_globals(values: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
    """Within it these modules, by their names, see other objects: what ESPnet looks up in its own namespaces."""
    with ExitStack() as stack:
        for name, entries in values.items():
            module = importlib.import_module(name)
            for key, value in entries.items():
                stack.callback(setattr, module, key, getattr(module, key))
                setattr(module, key, value)
        yield
