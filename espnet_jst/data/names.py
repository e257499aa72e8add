"""File names for utterances: two utterances never share one, whatever their ids and the file system are."""

from __future__ import annotations

import hashlib
import re

LONGEST = 80  # characters taken from an id; file systems allow 255 bytes
_PLAIN = re.compile(r"[a-z0-9_][a-z0-9_.-]*")


def file_name(utt_id: str) -> str:
    """A file name without suffix that belongs to this id alone.

    Short ids of small ASCII letters, digits and `_ . -` are their own names. Of others, what can stand in a file name
    is kept, and a hash of the whole id follows behind `=`: ids may hold slashes, be of any length, or differ by case
    or Unicode form alone, which some file systems take for the same name.
    """
    if len(utt_id) <= LONGEST and _PLAIN.fullmatch(utt_id) and not utt_id.endswith("."):
        return utt_id
    readable = re.sub(r"[^A-Za-z0-9_-]", "_", utt_id[:LONGEST])
    return f"{readable}={hashlib.sha256(utt_id.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
