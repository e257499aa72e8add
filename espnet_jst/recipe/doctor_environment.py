"""Whether the installed packages are those that this one needs, without importing them."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Sequence

from espnet_jst.data.checks import Problem
from espnet_jst.errors import ConfigError
from espnet_jst.version import installed

CONSTRAINTS = f"constraints/espnet-{'202611' if sys.version_info >= (3, 12) else '202511'}.txt"


def requirements() -> list[str]:
    """What the installed espnet_jst asks for, extras included.

    Raises:
        ConfigError: it runs from a folder and was never installed.
    """
    try:
        return importlib.metadata.requires("espnet_jst") or []
    except importlib.metadata.PackageNotFoundError:
        raise ConfigError(f"espnet_jst is not installed here: pip install -c {CONSTRAINTS} -e .") from None


def check_environment(lines: Sequence[str]) -> list[Problem]:
    """Packages that are missing or of a version that does not fit; extras are not looked at.

    Args:
        lines: requirements as pip writes them ("rich>=13").
    """
    from packaging.requirements import Requirement

    problems = []
    for line in lines:
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        fix = f"pip install -c {CONSTRAINTS} '{wanted.name}{wanted.specifier}' (docs/installation.md)"
        version = installed(wanted.name, "")
        if not version:
            problems.append(Problem(wanted.name, "not installed", fix, "package-missing"))
        elif not wanted.specifier.contains(version, prereleases=True):
            reason = f"version {version} does not fit {wanted.specifier}"
            problems.append(Problem(wanted.name, reason, fix, "package-version"))
    return problems
