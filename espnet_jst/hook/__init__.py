"""The opt-in hook: ESPnet's own commands hand our models over to our programs. Importing this imports nothing heavy.

A `.pth` file in site-packages (`install`) calls `arm` in a Python that was started with the name of an ESPnet program;
every other Python pays for one comparison. `arm` puts a finder in place that acts once, when `python -m` looks the
program up: it answers with our program where the command line asks for a model of ours, with ESPnet's behind
`register()` where it names a part of ours (`handover`), else with nothing, and is gone in every case. No module of
ESPnet is changed.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

PROGRAMS = tuple(f"espnet2.bin.{task}_{what}" for task in ("st", "asr") for what in ("train", "inference"))


class Handover(MetaPathFinder):
    """Answers the look-up of an ESPnet program by `python -m`, once."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The file of our program under the name of ESPnet's, or None to leave the search to the next finder."""
        # "-m" is Python's name for a program that is still being looked up.
        if fullname not in PROGRAMS or sys.argv[:1] != ["-m"]:
            return None
        sys.meta_path.remove(self)  # from here on the name is ESPnet's module again
        from espnet_jst.hook.handover import stand_in

        module = stand_in(fullname, sys.argv[1:])
        found = importlib.util.find_spec(module) if module else None
        return importlib.util.spec_from_file_location(fullname, found.origin) if found and found.origin else None


def arm() -> None:
    """Put the finder in place; called by the `.pth` file."""
    sys.meta_path.insert(0, Handover())
