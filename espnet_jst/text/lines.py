"""Lines of text files. Only a line feed ends a line, whatever Python or Unicode may call a line break.

`str.splitlines` and Python's text mode also break at carriage returns, U+0085, U+2028 and others, which stand in texts:
one utterance would become two, or two files would no longer have the same lines.
"""

from __future__ import annotations

from pathlib import Path


def split_lines(text: str) -> list[str]:
    """The lines of a text, without line feeds and without the carriage returns that Windows puts before them."""
    lines = text.split("\n")
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]


def read_lines(path: str | Path, *, errors: str = "strict") -> list[str]:
    """The lines of a UTF-8 file, as `split_lines`.

    Raises:
        OSError: the file cannot be read.
        UnicodeDecodeError: it is not UTF-8, and `errors` is "strict".
    """
    return split_lines(Path(path).read_bytes().decode("utf-8", errors))
