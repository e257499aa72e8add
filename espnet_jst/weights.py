"""Weights in and out: files that a kill cannot damage, and loading that executes nothing and ignores nothing."""

from __future__ import annotations

import datetime
import logging
import os
import pickle
import re
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn

from espnet_jst.config import shown
from espnet_jst.errors import CheckpointError
from espnet_jst.stored_weights import restored
from espnet_jst.token_marks import PREFIX, check_marks, marks_in

UNSAFE_VARIABLE = "ESPNET_ALLOW_UNSAFE_TORCH_LOAD"
SHOWN_KEYS = 8
MAX_INDEX_BYTES = 2**22  # of the list of a file's tensors: some ten thousands, a model has a few thousand
MAX_NAME_CHARACTERS = 200
SMALL_MODEL = 2**22  # parameters that do not hurt: built whatever the weights are, to name what does not fit
_NUMBERS = frozenset(
    {
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool),
        *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    }
)
# What earlier versions saved and no model has any more: the step of a head's warm-up, which the trainer tells it now.
_RETIRED = re.compile(r"((heads\.)?\w+\.)?step")
# Beside tensors and plain values: time spans, of ESPnet's reporter, and paths, among the options that icefall keeps,
# under the names that versions of Python have for them. As pure paths they can do nothing.
_HARMLESS: list[Any] = [
    datetime.timedelta,
    *((PurePosixPath, f"{module}.PosixPath") for module in ("pathlib", "pathlib._local")),
]
_OBJECT = re.compile(r"GLOBAL \S+|<class [^>]+>")  # in PyTorch's message on what it would not make


def temporary_name(path: Path) -> Path:
    """Where a file is written before it takes its name."""
    return path.with_name(f".{path.name}.tmp")


def atomic_save(write: Callable[[BinaryIO], object], path: str | Path) -> None:
    """Write a file so that at every moment its name holds the old or the new content, complete.

    Args:
        write: called with a binary stream, such as `lambda stream: torch.save(state, stream)`.
        path: the file.

    Raises:
        CheckpointError: it could not be written; names the path and the free space. The old file is unchanged.
    """
    path = Path(path)
    temporary = temporary_name(path)
    try:
        with open(temporary, "wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
        sync_directory(path.parent)
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        raise _not_written(path, error) from error


def atomic_link(path: str | Path, target: str | Path) -> None:
    """Make `path` a symbolic link to `target`, in one step, whatever `path` was.

    Raises:
        CheckpointError: as `atomic_save`.
    """
    path = Path(path)
    temporary = temporary_name(path)
    try:
        temporary.unlink(missing_ok=True)
        os.symlink(target, temporary)
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _not_written(path, error) from error


def sync_directory(directory: Path) -> None:
    """Make the names in a directory as durable as the data."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def safe_load(path: str | Path, *, map_location: Any = "cpu", mmap: bool = False) -> Any:
    """What `torch.save` wrote, without executing code from it: tensors, plain values, time spans, paths.

    Setting ESPNET_ALLOW_UNSAFE_TORCH_LOAD=1, as upstream, loads other objects too; only for files of your own.

    Raises:
        CheckpointError: the file is missing, damaged, or holds other objects.
    """
    path = Path(path)
    _check_file(path)
    options: dict[str, Any] = {"map_location": map_location}
    if mmap:
        options["mmap"] = True
    if os.environ.get(UNSAFE_VARIABLE) == "1":
        logging.warning(f"{UNSAFE_VARIABLE}=1: {path} may execute code while it is loaded")
        return torch.load(path, weights_only=False, **options)
    try:
        with torch.serialization.safe_globals(_HARMLESS):
            return torch.load(path, weights_only=True, **options)
    except pickle.UnpicklingError as error:
        unsafe = _OBJECT.search(str(error))
        if unsafe:
            raise CheckpointError(
                f"{path} holds an object other than weights ({unsafe[0]}), and loading it could execute code: refused. "
                f"If you made the file yourself, set {UNSAFE_VARIABLE}=1"
            ) from error
        raise _damaged(path, error) from error
    except Exception as error:  # whatever the unpickler makes of other bytes
        raise _damaged(path, error) from error


def read_weights(path: str | Path, *, device: str | torch.device = "cpu", part: str | None = None) -> dict[str, Tensor]:
    """Weights of a model from a safetensors file, an ESPnet model file or a training checkpoint.

    Args:
        path: the file.
        device: where they are wanted.
        part: the entry of a training checkpoint that holds them, such as "model_avg"; by default the usual ones.

    Raises:
        CheckpointError: the file is missing, damaged, unsafe, or holds something else.
    """
    path = Path(path)
    _check_file(path)
    if path.suffix == ".safetensors":
        import safetensors.torch

        with open(path, "rb") as file:
            _check_index(int.from_bytes(file.read(8), "little"), path)
        try:
            tensors = safetensors.torch.load_file(path, device=str(device))
        except Exception as error:  # the Rust side raises its own class, and OSError
            raise _damaged(path, error) from error
        _check_plain(tensors, path)
        if part is not None:
            raise CheckpointError(f"{path} holds one model and no {part}: leave the choice out")
        return restored(tensors, path)
    _check_stored(path)
    state = safe_load(path, map_location=device)
    if part is not None and not (isinstance(state, Mapping) and isinstance(state.get(part), Mapping)):
        raise CheckpointError(f"{path} holds one model and no {part}: leave the choice out")
    for wrapper in ("module", "model") if part is None else (part,):  # DeepSpeed's files; checkpoint.pth
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{path} holds no model weights, which map names to plain tensors")
    _check_plain(state, path)
    return dict(state)


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist or is not a file")


def _check_stored(path: Path) -> None:
    """Refuse packed records: torch.save writes none, and with them a small file fills the memory."""
    try:
        if not zipfile.is_zipfile(path):
            with open(path, "rb") as file:
                if file.read(2) == b"PK":  # PyTorch takes it for a zip, and looks further for the directory
                    raise ValueError("a zip without an end")
            return
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise _damaged(path, error) from error
    size = sum(record.file_size for record in records)
    if size > path.stat().st_size or any(record.compress_type != zipfile.ZIP_STORED for record in records):
        raise CheckpointError(f"{path} holds compressed records, which PyTorch does not write: refused")
    for record in records:
        if record.filename.endswith("data.pkl"):
            _check_index(record.file_size, path)


def _check_index(size: int, path: Path) -> None:
    """Refuse more names than a model has, each of which takes a thousand times longer to read than its bytes."""
    if MAX_INDEX_BYTES < size < path.stat().st_size:
        raise CheckpointError(f"{path} has {size} bytes of names of tensors, more than {MAX_INDEX_BYTES}: refused")


def _check_plain(state: Mapping[Any, Any], path: Path) -> None:
    """Refuse what is not dense tensors of plain numbers, all in the file; a few bytes can pretend to be more."""
    for name, value in state.items():
        dense = isinstance(value, Tensor) and value.layout == torch.strided and not value.is_meta
        if not isinstance(name, str) or not dense or value.dtype not in _NUMBERS:
            raise CheckpointError(f"{path} holds no model weights, which map names to plain tensors")
        if len(name) > MAX_NAME_CHARACTERS or not name.isprintable():
            raise CheckpointError(f"{path}: {shown(name)} names no part of a model: refused")
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise CheckpointError(f"{path}: {name} is larger than what the file holds of it: refused")
    if sum(value.numel() for value in state.values()) > path.stat().st_size:
        raise CheckpointError(f"{path} gives the same numbers many names: refused")


def check_finite(state: Mapping[str, Tensor], where: str | Path) -> None:
    """Refuse weights of which some are not numbers, as a training that went wrong leaves them.

    Raises:
        CheckpointError: lists them.
    """
    bad = [name for name, value in state.items() if not bool(value.isfinite().all())]
    if bad:
        raise CheckpointError(f"{where} has values that are not finite in {_some(bad)}: take an earlier epoch")


def load_strict(
    model: nn.Module, state: Mapping[str, Tensor], where: str | Path, *, may_miss: Callable[[str], bool] | None = None
) -> None:
    """Load weights into a model; every parameter and buffer must be there, with its shape, and nothing else.

    Only the marks of the token lists may be missing, and a retired name be there, in weights of earlier versions.

    Args:
        model: the model, or a part of one.
        state: weights by name.
        where: the file, for the message.
        may_miss: names of the model that the file need not have.

    Raises:
        CheckpointError: lists the missing, extra and reshaped names; or the weights belong to other token lists.
    """
    own = model.state_dict()
    state = {k: value for k, value in state.items() if k in own or not _RETIRED.fullmatch(k)}
    both = [k for k in own if k.startswith(PREFIX) and k in state and state[k].shape == own[k].shape]
    check_marks({k: state[k] for k in both}, marks_in({k: own[k] for k in both}), where)
    earlier = not marks_in(state)  # the weights of an earlier version have no marks
    spared = [k for k in own if (earlier and k.startswith(PREFIX)) or (may_miss and may_miss(k))]
    missing = [k for k in own if k not in state and k not in spared]
    extra = [k for k in state if k not in own]
    reshaped = [
        f"{k} {tuple(state[k].shape)}, the model has {tuple(own[k].shape)}"
        for k in own
        if k in state and own[k].shape != state[k].shape
    ]
    # Copying rounds: whole numbers stand for weights, or weights for the token lists' marks.
    other = [k for k in own if k in state and own[k].is_floating_point() != state[k].is_floating_point()]
    found = [("missing", missing), ("extra", extra), ("of another shape", reshaped), ("of another kind", other)]
    parts = [f"{len(keys)} {label}: {_some(keys)}" for label, keys in found if keys]
    if parts:
        raise CheckpointError(
            f"{where} does not fit the model ({len(own)} parameters and buffers): {'; '.join(parts)}. "
            "Configuration and weights must belong together"
        )
    try:
        model.load_state_dict(dict(state), strict=False)  # what may be missing is known
    except RuntimeError as error:  # numbers of a kind that cannot be copied
        raise CheckpointError(f"{where} does not fit the model: {_first_line(error)}") from error


@contextmanager
def limit_parameters(most: int, where: str | Path) -> Iterator[None]:
    """Within it, in this thread, modules that ask for more than `most` parameters are refused before they fill them.

    So a configuration from elsewhere cannot take more memory than the weights that came with it.

    Args:
        most: numbers in all; those of a small model are always granted.
        where: the file of weights, for the message.

    Raises:
        CheckpointError: there are more.
    """
    thread, taken = threading.get_ident(), 0

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal taken
        if parameter is None or threading.get_ident() != thread or parameter.is_meta:  # which takes no memory
            return
        taken += parameter.numel()
        if taken > max(most, SMALL_MODEL):
            raise CheckpointError(
                f"{where} does not fit the model: it holds {most} numbers, and with {type(module).__name__}.{name} "
                f"{tuple(parameter.shape)} the configuration asks for more. They must belong together"
            )

    hook = nn.modules.module.register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


def _some(keys: Iterable[str]) -> str:
    keys = list(keys)
    more = f", and {len(keys) - SHOWN_KEYS} more" if len(keys) > SHOWN_KEYS else ""
    return ", ".join(keys[:SHOWN_KEYS]) + more


def _not_written(path: Path, error: Exception) -> CheckpointError:
    free = shutil.disk_usage(path.parent).free if path.parent.is_dir() else 0
    return CheckpointError(
        f"{path} could not be written ({error}); {free} bytes are free there. What was there before can be read: "
        "make room and run again with --resume true"
    )


def _damaged(path: Path, error: Exception) -> CheckpointError:
    size = path.stat().st_size
    return CheckpointError(f"{path} is damaged ({size} bytes; {_first_line(error)}): fetch or train it again")


def _first_line(error: Exception) -> str:
    text = str(error).rpartition("WeightsUnpickler error:")[2].strip()
    return (text.splitlines() or [type(error).__name__])[0][:200]
