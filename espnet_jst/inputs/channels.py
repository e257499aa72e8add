"""How many channels a frontend takes, by its configuration: neither torch nor ESPnet is needed to say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espnet_jst import registry
from espnet_jst.data.simulation.arrays import ArrayConf
from espnet_jst.keys import read


def channels_of(frontend: str | None, conf: Mapping[str, Any] | None, own: int = 1) -> int:
    """Channels of the recordings: as many as its array has microphones, or its key `channels`, or `own`.

    Args:
        frontend: its name.
        conf: `frontend_conf`.
        own: what its class says, where that is known.

    Raises:
        ConfigError: the configuration of an array cannot be used.
    """
    values = conf or {}
    if frontend in registry.names("frontend"):
        keys = registry.conf_of("frontend", str(frontend))
        if issubclass(keys, ArrayConf):
            return len(read(keys, values, f"frontend_conf of {frontend}").microphones)
    return values.get("channels", own)
