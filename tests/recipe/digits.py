"""The code of the digits recipe, which is no package: its folder is put on the path."""

from __future__ import annotations

import sys
from pathlib import Path

RECIPE = Path(__file__).resolve().parents[2] / "egs2" / "fsdd_digits" / "jst1"
sys.path.insert(0, str(RECIPE / "local"))

import digit_strings  # noqa: E402
import german_numbers  # noqa: E402
import pauses  # noqa: E402
import two_talkers  # noqa: E402

__all__ = ["RECIPE", "digit_strings", "german_numbers", "pauses", "two_talkers"]
