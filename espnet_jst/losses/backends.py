"""Which implementation of the transducer recursion and of the fused joint network is used on a device."""

from __future__ import annotations

import functools
import importlib
import logging
import os
from typing import Any

import torch

from espnet_jst.errors import ConfigError

BACKENDS = ("numba", "triton", "k2", "torch")
BACKEND_VARIABLE = "JST_RNNT_BACKEND"
IMPOSSIBLE = -1e30  # log-probability, of less than any that a model gives; minus infinity would make NaN
PREFERRED = {"cpu": ("numba", "k2", "torch"), "cuda": ("triton", "k2", "numba", "torch")}


def backend(device: torch.device) -> str:
    """The backend that is used on a device: the first that imports and works, or the one that is asked for.

    "numba" runs on the CPU, for a GPU too: what it reads and writes is small; "triton" on a GPU, and on the CPU in its
    interpreter (TRITON_INTERPRET=1), which is for tests; "k2" where k2 imports and computes; "torch" everywhere.

    Raises:
        ConfigError: JST_RNNT_BACKEND names one that is unknown or does not work here.
    """
    asked = os.environ.get(BACKEND_VARIABLE, "")
    if asked and asked not in BACKENDS:
        raise ConfigError(f"{BACKEND_VARIABLE}={asked}: known are {', '.join(BACKENDS)}")
    if asked and not _works(asked, device.type):
        raise ConfigError(f"{BACKEND_VARIABLE}={asked} does not work on {device.type} here")
    return asked or next(name for name in PREFERRED.get(device.type, ("torch",)) if _works(name, device.type))


def recursion(device: torch.device) -> Any:
    """The module whose `occupation` is used on a device; `losses.recursion.occupation` calls it."""
    return importlib.import_module(f"espnet_jst.losses.recursion_{backend(device)}")


def without_triton() -> Any:
    """The module that takes its place where a kernel cannot be started."""
    return importlib.import_module(f"espnet_jst.losses.recursion_{'numba' if _imports('numba') else 'torch'}")


def joint(device: torch.device) -> Any:
    """The module whose `columns` and `d_logits` of the joint network are used on a device."""
    name = "triton" if backend(device) == "triton" else "torch"
    return importlib.import_module(f"espnet_jst.losses.joint_{name}")


def _works(name: str, device: str) -> bool:
    if name == "numba":
        return device in ("cpu", "cuda") and _imports(name)
    if name == "triton":
        interpreted = os.environ.get("TRITON_INTERPRET") == "1"
        return (device == "cuda" or (device == "cpu" and interpreted)) and _imports(name)
    if name == "k2":
        return device in ("cpu", "cuda") and _imports(name)
    return True


@functools.cache
def _imports(name: str) -> bool:
    # A package that is there may still be broken in many ways (k2's wheel installs on Pythons that it does not run on),
    # and training is possible without it.
    try:
        return importlib.import_module(f"espnet_jst.losses.recursion_{name}").usable()
    except Exception as error:
        if not (isinstance(error, ModuleNotFoundError) and error.name == name):
            logging.warning(f"{name} does not work here ({error}): the transducer loss goes on without it")
        return False
