"""What is given away: a pack that was checked once more, listed file by file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from espnet_jst.errors import CheckpointError
from espnet_jst.hub.card import REPOSITORY
from espnet_jst.hub.load import CARD, read_pack
from espnet_jst.hub.portable import check_portable
from espnet_jst.hub.safe_archive import extract, file_sha256
from espnet_jst.hub.verify import verify


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file of an upload.

    Attributes:
        path: its name at the receiver.
        size: bytes.
        sha256: hexadecimal.
    """

    path: str
    size: int
    sha256: str

    @classmethod
    def of(cls, file: Path, path: str) -> Entry:
        """The entry of a file."""
        return cls(path=path, size=file.stat().st_size, sha256=file_sha256(file))


@contextmanager
def checked_pack(pack: str | Path, wav: str | Path) -> Iterator[Path]:
    """An unpacked pack in a folder of its own, which is gone afterwards.

    Args:
        wav: a recording that it must decode, see `hub.verify.verify`.

    Raises:
        CheckpointError: there is no pack, it is unsafe or damaged, holds an absolute path, or does not decode.
    """
    if not Path(pack).is_file():
        raise CheckpointError(f"{pack}: no such pack; make it first (stage 14 of a recipe, or espnet-jst pack)")
    with TemporaryDirectory(prefix="jst-publish-") as scratch:
        folder = Path(scratch) / "pack"
        extract(pack, folder)
        read_pack(folder)
        check_portable(folder)
        verify(pack, wav)
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


def list_files(folder: Path) -> list[Entry]:
    """Every file of a folder, by name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [Entry.of(path, path.relative_to(folder).as_posix()) for path in files]


def table(entries: Sequence[Entry]) -> str:
    """Lines with path, size in bytes and SHA-256."""
    width = max(len(entry.path) for entry in entries)
    head = f"{'path':<{width}}  {'bytes':>12}  sha256"
    return "\n".join([head, *(f"{entry.path:<{width}}  {entry.size:>12,}  {entry.sha256}" for entry in entries)])
