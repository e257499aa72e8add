"""Putting the hook's file into a site-packages folder, and taking it out again."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

from espnet_jst.errors import ConfigError

# Python runs these files in the order of their names: this one after those that put an editable install on the path.
FILE_NAME = "zz_espnet_jst_hook.pth"
# One line, because that is what a .pth file executes; an ImportError says that espnet_jst was uninstalled.
_LINE = (
    'import sys; any(a.startswith(("espnet2.bin.st_", "espnet2.bin.asr_")) for a in sys.orig_argv) and '
    'exec("try:\\n from espnet_jst.hook import arm\\nexcept ImportError:\\n pass\\nelse:\\n arm()")'
)
CONTENT = f"# Lets ESPnet's commands run models of espnet_jst. Remove it with: espnet-jst hook uninstall\n{_LINE}\n"


def hook_file(site: str | Path | None = None) -> Path:
    """Where the hook lies or would lie: in `site`, by default in this Python's site-packages."""
    return Path(site or sysconfig.get_paths()["purelib"]) / FILE_NAME


def is_installed(site: str | Path | None = None) -> bool:
    """Whether the hook's file is there."""
    return hook_file(site).is_file()


def install(site: str | Path | None = None) -> Path:
    """Write the file, or leave it as it is; the path.

    Raises:
        ConfigError: the folder is missing or cannot be written.
    """
    path = hook_file(site)
    if path.is_file() and path.read_text(encoding="utf-8") == CONTENT:
        return path
    partial = path.with_suffix(f".{os.getpid()}.tmp")  # Python would execute half a .pth file
    try:
        partial.write_text(CONTENT, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ConfigError(f"{path}: cannot be written ({error}); use a virtual environment, or --site DIR") from error
    return path


def uninstall(site: str | Path | None = None) -> bool:
    """Remove the file; False where there was none.

    Raises:
        ConfigError: it cannot be removed.
    """
    path = hook_file(site)
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigError(f"{path}: cannot be removed ({error})") from error
    return True
