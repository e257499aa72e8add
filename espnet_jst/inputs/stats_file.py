"""The file of feature statistics, looked at before it is read."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from espnet_jst.errors import ConfigError

MAX_STATS_BYTES = 2**20  # of each array: statistics have a few hundred values


def check_stats(path: str | Path) -> None:
    """Refuse a file that is no `feats_stats.npz` (or `.npy`) of a few plain numbers; no array is read for it.

    Raises:
        ConfigError: the file is missing, damaged, holds objects, or arrays of another size than statistics have.
    """
    path = Path(path)
    try:
        if path.stat().st_size > 4 * MAX_STATS_BYTES:
            raise ValueError(f"{path.stat().st_size} bytes")
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for info in archive.infolist():
                    if info.file_size > MAX_STATS_BYTES:
                        raise ValueError(f"{info.filename} has {info.file_size} bytes")
                    with archive.open(info) as member:
                        _check_header(cast(BinaryIO, member))
        else:
            with open(path, "rb") as file:
                _check_header(file)
    except Exception as error:  # those of zipfile, zlib and numpy
        raise ConfigError(
            f"normalize_conf.stats_file: {path} holds no statistics ({error}): give feats_stats.npz of stage 10"
        ) from error


def _check_header(file: BinaryIO) -> None:
    """The header of an array in numpy's format."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.kind not in "fiu":
        raise ValueError(f"an array of {dtype}, not of numbers")
    if math.prod(shape) * dtype.itemsize > MAX_STATS_BYTES:
        raise ValueError(f"an array of the size {shape}")
