"""The recordings of a corpus below a folder; SPHERE files that are compressed are unpacked once, by sph2pipe."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path

from espnet_jst.errors import ConfigError, DataError

PREFERRED = (".wav", ".flac", ".sph")  # a file that the user unpacked beside the compressed one is taken
TOOL = "sph2pipe"


def find_audio(folder: Path) -> dict[str, Path]:
    """Name of each recording in lower case, without its ending -> its file.

    Raises:
        ConfigError: there is none.
    """
    # Files that begin with "._" hold no audio: a Mac leaves them where it copies.
    paths = [p for p in folder.rglob("*.*") if p.suffix.lower() in PREFERRED and not p.name.startswith("._")]
    found: dict[str, Path] = {}
    for path in sorted(paths, key=lambda path: (PREFERRED.index(path.suffix.lower()), path)):
        found.setdefault(path.stem.lower(), path)
    if not found:
        raise ConfigError(
            f"{folder}: no recording (.sph, .flac, .wav) below it; give the folder of the unpacked corpus"
        )
    return found


def is_compressed(path: Path) -> bool:
    """Whether a file is SPHERE compressed with shorten, which libsndfile does not read."""
    with path.open("rb") as stream:
        head = stream.read(2048).split(b"end_head")[0]
    return head.startswith(b"NIST_1A") and b"shorten" in head


def unpack(audio: Mapping[str, Path], names: Collection[str], folder: Path) -> dict[str, Path]:
    """The files of the named recordings; for compressed ones, which are written to `folder`, the unpacked.

    Raises:
        ConfigError: there are compressed ones, and no sph2pipe to unpack them with.
        DataError: sph2pipe fails.
    """
    files = {name: audio[name] for name in names if name in audio}
    packed = {name: path for name, path in files.items() if is_compressed(path)}
    tool = shutil.which(TOOL)
    if packed and tool is None:
        raise ConfigError(
            f"{len(packed)} of {len(files)} recordings are compressed with shorten (first: {min(packed.values())}), "
            f"which libsndfile does not read: put {TOOL} (of the LDC, or Kaldi's tools) into the PATH, or unpack them "
            f"beside the others with {TOOL} -f wav FILE.sph FILE.wav"
        )
    for name, path in packed.items():
        files[name] = _unpacked(str(tool), path, folder / f"{name}.wav")
    return files


def _unpacked(tool: str, path: Path, out: Path) -> Path:
    if out.is_file() and out.stat().st_mtime >= path.stat().st_mtime:
        return out
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    done = subprocess.run([tool, "-f", "wav", "-p", path, part], capture_output=True, text=True, check=False)
    if done.returncode:
        part.unlink(missing_ok=True)
        raise DataError(
            f"{path}: {TOOL} ends with status {done.returncode} ({done.stderr.strip()[-200:]}); copy it again"
        )
    return part.replace(out)
