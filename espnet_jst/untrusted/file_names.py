"""Names of files that a stranger chose: plain, relative, and the same file on every file system."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

from espnet_jst.config import shown
from espnet_jst.errors import CheckpointError

MAX_DEPTH = 16
MAX_NAME_CHARACTERS = 255
_FORBIDDEN = '<>"|?*'
# Signs that are drawn as nothing and that some file systems leave out of a name; those of category Cf are not listed.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
_RESERVED = {"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"}
_RESERVED |= {f"{port}{n}" for port in ("com", "lpt") for n in range(10)}


def check_name(name: str, where: str) -> PurePosixPath:
    """The path of a file in a pack, which must be relative, normal and plain on every file system.

    Raises:
        CheckpointError: the name is empty or absolute, has "..", ".", an empty part, a backslash, a colon, a character
            that cannot be seen or that some systems forbid, a reserved or over-long part, or too many parts.
    """
    parts = name.split("/")
    reason = None
    if not name:
        reason = "is empty"
    elif name.startswith("/") or "\\" in name or ":" in name:
        reason = "is absolute or has a backslash or colon"
    elif any(part in ("", ".", "..") for part in parts):
        reason = 'has an empty part, "." or ".."'
    elif _UNSEEN.search(name) or any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in name):
        reason = "has a control character, an invisible one or half of one"
    elif any(character in _FORBIDDEN for character in name):
        reason = f"has one of {_FORBIDDEN}"
    elif len(parts) > MAX_DEPTH or any(len(part.encode()) > MAX_NAME_CHARACTERS for part in parts):
        reason = "is too long or too deep"
    elif any(
        same_form(part.split(".")[0]).strip() in _RESERVED or part != part.lstrip().rstrip(" .") for part in parts
    ):
        reason = "is reserved on some systems, or loses a dot or blank there"
    if reason:
        raise CheckpointError(f"{where}: the name {shown(name)} {reason}; refused")
    return PurePosixPath(name)


def same_form(name: str) -> str:
    """What names have in common that some file system takes for one: case, and composed or compatible characters."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
