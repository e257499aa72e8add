"""The folders of a corpus that the user gives, by a flag of `local/data.py` or by an environment variable."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from espnet_jst.errors import ConfigError


@dataclass(frozen=True)
class Folder:
    """A folder that a reader needs.

    Attributes:
        flag: of `local/data.py`, without its dashes.
        variable: of the environment. `local/data.py` must name it: stage 1 runs again when one that it names changes.
        what: what the folder is.
        how: where it comes from.
    """

    flag: str
    variable: str
    what: str
    how: str


def add_folders(parser: argparse.ArgumentParser, folders: Sequence[Folder]) -> None:
    """A flag for each."""
    for folder in folders:
        text = f"{folder.what} (default: ${folder.variable})"
        parser.add_argument(f"--{folder.flag}", type=Path, default=os.environ.get(folder.variable), help=text)


def given(args: argparse.Namespace, folders: Sequence[Folder]) -> list[Path]:
    """The folders, in order.

    Raises:
        ConfigError: one is not given or not there; the message says what it is, where it comes from and how to give it.
    """
    paths = []
    for folder in folders:
        path: Path | None = getattr(args, folder.flag)
        if path is None or not path.is_dir():
            wrong = "is not given" if path is None else f"should be {path}, and there is no such folder"
            raise ConfigError(
                f"{folder.what} {wrong}: {folder.how}, and give it as {folder.variable}=FOLDER ./run.sh, or "
                f"./run.sh --local_data_opts '--{folder.flag} FOLDER'"
            )
        paths.append(path)
    return paths
