"""Unpacking zips that strangers made: everything is checked before the first byte is written.

Threats closed here: paths that leave the folder, links and devices, names that mean something else on another file
system, duplicate and overlapping members, decompression bombs, half-written folders after a kill.
"""

from __future__ import annotations

import atexit
import hashlib
import io
import logging
import os
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from espnet_jst.config import shown
from espnet_jst.errors import CheckpointError
from espnet_jst.untrusted.file_names import check_name, same_form

MAX_MEMBERS = 2000
MAX_BYTES = 8 * 2**30
MAX_RATIO = 200  # of unpacked to packed bytes; deflate itself ends near 1030, weights and text stay under 20
RATIO_FREE_BYTES = 2**20  # a member smaller than this may have any ratio: an empty picture compresses well
MAX_DIRECTORY_BYTES = 2**22  # of the list of members, which is read before they can be counted
_LOCAL_HEADER_BYTES = 30


def file_sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def check_archive(archive: zipfile.ZipFile, where: str) -> list[zipfile.ZipInfo]:
    """The members to write (folders left out), after every check that needs no unpacking.

    Raises:
        CheckpointError: names the archive, the member and the rule that it breaks.
    """
    infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise CheckpointError(f"{where}: {len(infos)} members, more than {MAX_MEMBERS}; refused")
    total = sum(info.file_size for info in infos)
    if total > MAX_BYTES:
        raise CheckpointError(f"{where}: {total} bytes unpacked, more than {MAX_BYTES}; refused")
    if total > max(RATIO_FREE_BYTES, MAX_RATIO * sum(info.compress_size for info in infos)):
        raise CheckpointError(f"{where}: grows more than {MAX_RATIO} times; refused as a decompression bomb")
    for info in infos:
        _check_member(info, where)
    _check_collisions(infos, where)
    _check_overlaps(archive, infos, where)
    return [info for info in infos if not info.is_dir()]


def _check_member(info: zipfile.ZipInfo, where: str) -> None:
    if info.orig_filename != info.filename:  # zipfile cuts at a NUL and rewrites separators
        raise CheckpointError(f"{where}: the member name {info.orig_filename!r} is not plain; refused")
    check_name(info.filename.removesuffix("/") or info.filename, where)  # zipfile's is_dir() fails on an empty name
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFDIR if info.is_dir() else stat.S_IFREG):
        raise CheckpointError(f"{where}: {info.filename!r} is a link, device or other special file; refused")
    if info.flag_bits & 0x1:
        raise CheckpointError(f"{where}: {info.filename!r} is encrypted; refused")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise CheckpointError(f"{where}: {info.filename!r} uses compression method {info.compress_type}; refused")
    if info.is_dir() and info.file_size:
        raise CheckpointError(f"{where}: the folder {info.filename!r} holds data; refused")
    if info.file_size > RATIO_FREE_BYTES and info.file_size > MAX_RATIO * max(info.compress_size, 1):
        raise CheckpointError(
            f"{where}: {info.filename!r} grows from {info.compress_size} to {info.file_size} bytes, "
            f"more than {MAX_RATIO} times; refused as a decompression bomb"
        )


def _check_collisions(infos: list[zipfile.ZipInfo], where: str) -> None:
    """No two names, of files or of their folders, may be one on a file system that ignores case or Unicode's forms,
    and no file may be another's folder."""
    spelt: dict[str, str] = {}
    names: set[str] = set()
    files = {same_form(info.filename) for info in infos if not info.is_dir()}
    for info in infos:
        name = info.filename.rstrip("/")
        if name in names:
            raise CheckpointError(f"{where}: {shown(name)} occurs twice; refused")
        names.add(name)
        path = PurePosixPath(name)
        for step in (path, *path.parents):
            other = spelt.setdefault(same_form(str(step)), str(step))
            if other != str(step):
                raise CheckpointError(
                    f"{where}: {shown(other)} and {shown(str(step))} are one name twice, but for case or form; refused"
                )
        if any(same_form(str(parent)) in files for parent in path.parents):
            raise CheckpointError(f"{where}: {shown(name)} lies inside another file; refused")


def _check_overlaps(archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo], where: str) -> None:
    """Overlapping members make small archives that unpack to petabytes (CVE-2019-13232)."""
    end = 0
    assert archive.fp is not None
    for info in sorted(infos, key=lambda item: item.header_offset):
        if info.header_offset < end:
            raise CheckpointError(f"{where}: {info.filename!r} overlaps another member; refused")
        if info.header_offset > archive.start_dir:  # up to 2**64, where no file can be read
            raise CheckpointError(f"{where}: {info.filename!r} begins behind the archive's directory; refused")
        archive.fp.seek(info.header_offset)
        header = archive.fp.read(_LOCAL_HEADER_BYTES)
        if len(header) < _LOCAL_HEADER_BYTES:
            raise CheckpointError(f"{where}: the archive is cut off; copy or download it again")
        name_length, extra_length = struct.unpack("<HH", header[26:30])
        end = info.header_offset + _LOCAL_HEADER_BYTES + name_length + extra_length + info.compress_size
    if end > archive.start_dir:
        raise CheckpointError(f"{where}: a member overlaps the archive's directory; refused")


class _Directory(io.BufferedReader):
    """A zip whose list of members is not read where it is far too long: each entry takes ten times its bytes."""

    def read(self, size: int | None = -1, /) -> bytes:
        """As that of a file."""
        if (size or 0) > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"its directory has {size} bytes, more than {MAX_DIRECTORY_BYTES}")
        return super().read(size)


def extract(zip_path: str | Path, folder: str | Path) -> list[Path]:
    """Unpack a zip into the folder (made if missing), all checks first.

    Returns:
        The written files.

    Raises:
        CheckpointError: the archive is damaged or breaks a rule of this module; nothing lies outside of the folder.
    """
    where = str(zip_path)
    folder = Path(folder)
    written = []
    try:
        with _Directory(io.FileIO(zip_path)) as file, zipfile.ZipFile(file) as archive:
            members = check_archive(archive, where)
            folder.mkdir(parents=True, exist_ok=True)
            for info in members:
                target = folder / info.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(info) as source, open(target, "xb") as member:
                    member.writelines(_blocks(source, info, where))
                written.append(target)
    except FileNotFoundError as error:
        raise CheckpointError(f"{where}: no such file") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, NotImplementedError, ValueError) as error:
        raise CheckpointError(f"{where}: not a sound zip archive ({error}); copy or download it again") from error
    return written


def _blocks(source: IO[bytes], info: zipfile.ZipInfo, where: str) -> Iterator[bytes]:
    """The member's bytes; never more than its header declares, whatever the packed stream holds."""
    left = info.file_size
    while block := source.read(2**20):
        left -= len(block)
        if left < 0:
            break
        yield block
    if left:
        raise CheckpointError(f"{where}: {info.filename!r} is not as long as declared; refused")


def default_cache() -> Path:
    """Where zips are unpacked: $JST_CACHE, or the user's cache folder."""
    if "JST_CACHE" in os.environ:
        return Path(os.environ["JST_CACHE"])
    try:
        home = Path.home()
    except RuntimeError:  # a user whom the system does not know
        home = Path(tempfile.gettempdir())
    return Path(os.environ.get("XDG_CACHE_HOME", home / ".cache")) / "espnet_jst"


def unpack_to_cache(zip_path: str | Path, cache_dir: str | Path | None = None) -> Path:
    """Unpack a zip once into a folder named by the SHA-256 of its bytes, or find it there.

    The folder appears by one rename: a kill leaves no half pack, and of two processes the slower uses the first's.
    Where the cache cannot be written, the pack is unpacked for this process alone.

    Raises:
        CheckpointError: the archive is refused or damaged, or cannot be written anywhere.
    """
    try:
        digest = file_sha256(zip_path)
    except OSError as error:
        raise CheckpointError(f"{zip_path}: cannot be read: {error}") from error
    try:
        return _unpack_into(Path(cache_dir) if cache_dir is not None else default_cache(), zip_path, digest)
    except OSError as error:
        logging.warning(f"{error}: the pack is unpacked for this process alone; set JST_CACHE to a folder that lasts")
    try:
        apart = tempfile.mkdtemp(prefix="espnet_jst-")
        atexit.register(shutil.rmtree, apart, ignore_errors=True)
        return _unpack_into(Path(apart), zip_path, digest)
    except OSError as error:
        raise CheckpointError(f"{zip_path}: cannot be unpacked: {error}; set JST_CACHE") from error


def _unpack_into(cache: Path, zip_path: str | Path, digest: str) -> Path:
    final = cache / "packs" / digest
    if final.is_dir():
        return final
    final.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=final.parent))
    try:
        extract(zip_path, partial / "pack")
        os.replace(partial / "pack", final)
    except OSError:
        if not final.is_dir():
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return final
