"""What ESPnet prints while it is imported does not reach the user of a program."""

from __future__ import annotations

import sys
import warnings

import pytest

from espnet_jst import compat


def test_lines_about_missing_packages_and_warnings_are_left_out(capsys: pytest.CaptureFixture) -> None:
    with warnings.catch_warnings(record=True) as said, compat._quiet():
        warnings.simplefilter("always")
        print("Failed to import Flash Attention, using ESPnet default: no module")
        print("Failed to import Flash Attention, using ESPnet default: no module", file=sys.stderr)
        print("something else")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "something else\n") and not said


def test_our_programs_say_nothing_of_others_deprecations() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        compat.silence_others()
        for module in ("espnet2.train.trainer", "torch.jit", "torch", "my_own"):
            warnings.warn_explicit("goes away", FutureWarning, "x.py", 1, module=module)
        message = "`torch.cuda.amp.autocast(args...)` is deprecated. Please use ..."
        warnings.warn_explicit(message, FutureWarning, "x.py", 1, module="my_own")
    assert [str(warning.message) for warning in said] == ["goes away"]
