"""What is given away: a pack that was checked once more, listed file by file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from espnet_jst.errors import CheckpointError
from espnet_jst.hub.card import REPOSITORY
from espnet_jst.hub.load import CARD, CONFIG_KEY, read_pack
from espnet_jst.hub.portable import check_portable
from espnet_jst.hub.safe_archive import extract, file_sha256
from espnet_jst.hub.verify import trial_language, verify
from espnet_jst.untrusted.config_file import read_yaml


@contextmanager
def checked_pack(pack: str | Path, wav: str | Path) -> Iterator[Path]:
    """An unpacked pack in a folder of its own, which is gone afterwards.

    Raises:
        CheckpointError: there is no pack, it is unsafe or damaged, holds an absolute path, or does not decode.
    """
    if not Path(pack).is_file():
        raise CheckpointError(f"{pack}: no such pack; make it first (stage 14 of a recipe, or espnet-jst pack)")
    with TemporaryDirectory(prefix="jst-publish-") as scratch:
        folder = Path(scratch) / "pack"
        extract(pack, folder)
        files = read_pack(folder)
        check_portable(folder)
        verify(pack, wav, tgt_lang=trial_language(read_yaml(files[CONFIG_KEY])))
        yield folder


def read_card(folder: Path) -> str:
    """The model card of an unpacked pack.

    Raises:
        CheckpointError: it has none.
    """
    card = folder / CARD
    if not card.is_file():
        raise CheckpointError(f"the pack has no {CARD}, the model card; make it with espnet-jst pack")
    return card.read_text(encoding="utf-8")


def name_repository(folder: Path, repository: str) -> str:
    """Let the model card of an unpacked pack name the repository that it will lie in; the card's new text.

    Raises:
        CheckpointError: see `read_card`.
    """
    text = read_card(folder).replace(REPOSITORY, repository)
    (folder / CARD).write_text(text, encoding="utf-8")
    return text


def table(place: Path) -> str:
    """Lines with name, size in bytes and SHA-256: of a file, or of every file of a folder."""
    paths = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
    files = {path.relative_to(place).as_posix() if path != place else path.name: path for path in paths}
    width = max(map(len, files))
    lines = [f"{name:<{width}}  {path.stat().st_size:>12,}  {file_sha256(path)}" for name, path in files.items()]
    return "\n".join([f"{'path':<{width}}  {'bytes':>12}  sha256", *lines])
