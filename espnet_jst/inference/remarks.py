"""What a program that decodes many files says about some of them."""

from __future__ import annotations

import sys

from espnet_jst.data.kaldi import printable
from espnet_jst.data.signal import Remark
from espnet_jst.errors import JSTError


class Once:
    """Prints the first remark of each kind on standard error and counts the others: a folder of stereo files is one
    line. It is called as `Recording` calls its `notify`.
    """

    def __init__(self) -> None:
        self._files: dict[str, list[str]] = {}

    def __call__(self, name: str, remark: Remark) -> None:
        """A remark about a file."""
        files = self._files.setdefault(remark.kind, [])
        if not files:
            print(f"warning: {printable(f'{name}: {remark.reason}; {remark.fix}')}", file=sys.stderr)
        if name not in files:
            files.append(name)

    def summarize(self) -> None:
        """A line for each kind that was said of one file and holds for others."""
        for kind, files in self._files.items():
            if len(files) > 1:
                shown = ", ".join(files[1:4]) + (" ..." if len(files) > 4 else "")
                print(
                    f"warning: {printable(f'{kind}: as {files[0]}, {len(files) - 1} more: {shown}')}", file=sys.stderr
                )


def item_error(error: Exception) -> str:
    """The one line that an error of any library becomes: one file must not end the others."""
    if isinstance(error, JSTError):
        return str(error)
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0] if said else 'without a message'}"
