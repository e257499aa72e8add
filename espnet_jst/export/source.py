"""What every export begins and ends with: a model under its contexts, and a folder that is whole or not there."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from espnet_jst.config import check_choice
from espnet_jst.encoders.chain import ChainContext, LeftChunks
from espnet_jst.errors import ConfigError
from espnet_jst.hub.about import CARD, DATA_LICENSE
from espnet_jst.hub.load import CONFIG_KEY, decoding_options, resolve
from espnet_jst.hub.pack import stage_file
from espnet_jst.inference.graphs.graph import needed
from espnet_jst.inference.loading import load_model
from espnet_jst.model import JSTModel
from espnet_jst.untrusted.config_file import pack_root

WEIGHTS = ("fp32", "int8")
PACKAGES = ("onnx", "onnxscript", "onnxruntime")


@dataclass
class Source:
    """A model that is to be exported.

    Attributes:
        config: its configuration, in its pack.
        args: of its training.
        context: chunks and left contexts that the export has.
    """

    config: Path
    model: JSTModel
    args: argparse.Namespace
    context: ChainContext


def open_source(
    tag_or_path: str | Path, output: Path, weights: str, chunk_s: float | None, left_chunks: LeftChunks
) -> Source:
    """The model, once everything else is known to be well.

    Args:
        tag_or_path: a pack, an experiment's folder, or a hub tag.
        output: a folder that is new or empty.
        weights: one of WEIGHTS.
        chunk_s, left_chunks: see `Chain.given`; by default those that the pack decodes with.

    Raises:
        ConfigError: the folder is not empty, the model cannot have the chunk.
        CheckpointError: it is no pack, or damaged.
        JSTError: a package is missing.
    """
    check_choice(weights, WEIGHTS, "weights")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ConfigError(f"{output} is not empty: give a folder that is new, or empty this one")
    for name in PACKAGES:
        needed(name)
    files = resolve(tag_or_path)
    model, args = load_model(**files)
    packed = decoding_options(files[CONFIG_KEY])
    chunk_s = packed.get("chunk_s") if chunk_s is None else chunk_s
    left_chunks = packed.get("left_chunks") if left_chunks is None else left_chunks
    return Source(Path(files[CONFIG_KEY]), model, args, model.chain.given(chunk_s, left_chunks))


@contextmanager
def new_folder(output: Path) -> Iterator[Path]:
    """A folder to write into, which takes its place once everything is in it."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=output.parent) as scratch:
        folder = Path(scratch) / "model"
        folder.mkdir()
        yield folder
        if output.exists():
            output.rmdir()
        folder.rename(output)


def copy_texts(config: Path, folder: Path, *others: str) -> None:
    """Card, licence and `others` of the pack that a configuration lies in, where it has them."""
    root = pack_root(config)
    for name in (CARD, DATA_LICENSE, *others):
        if root is not None and (root / name).is_file():
            stage_file(root / name, folder / name)
