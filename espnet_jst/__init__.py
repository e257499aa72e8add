"""Joint streaming speech recognition and translation for ESPnet. Importing this imports neither torch nor ESPnet."""

from __future__ import annotations

from collections.abc import Mapping

from espnet_jst.version import __version__

__all__ = ["__version__", "register"]


def register(extra: Mapping[str, Mapping[str, type | str]] | None = None) -> None:
    """Add the package's encoders, frontends and so on to ESPnet's choices; see `espnet_jst.registry.register`."""
    from espnet_jst.registry import register as install

    install(extra)
