"""Arrays of microphones on a wearer's head, and where the wearer's mouth is.

Places are (x, y, z) in millimetres in EasyCom's own system: x to the wearer's left, y up, z forward, the origin between
the temples of the glasses. Which side is which follows from EasyCom's order of channels, clockwise from above.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from espnet_jst.errors import ConfigError
from espnet_jst.keys import Conf, key

Places = tuple[tuple[float, float, float], ...]

GLASSES: Places = ((82, -5, -29), (-1, -1, 30), (-77, -2, 11), (-83, -5, -60))  # EasyCom's, arXiv:2107.04174
EARS: Places = ((75, -30, -85), (-75, -30, -85))  # left, right: our guess, EasyCom publishes none
MOUTH = (0.0, -75.0, 40.0)  # our guess: below the bridge of the nose, a little in front of it

ARRAYS: Mapping[str, Places] = {
    "easycom4": GLASSES,
    "easycom5": (*GLASSES, EARS[0]),  # the left temple has one microphone, the right one two
    "easycom6": (*GLASSES, *EARS),
}
CUSTOM = "custom"
MOST_MICROPHONES = 8  # channels of a FLAC file
REACH_M = 0.15  # of the head around the origin: what a wall must leave free
SPEED = 343.0  # of sound, m/s: pyroomacoustics' own


@dataclass(frozen=True, kw_only=True)
class ArrayConf(Conf):
    """Where the microphones are, in the order of the channels."""

    array: str = key(
        "easycom5",
        "microphones: easycom4, the four that EasyCom publishes; easycom5 and easycom6, those and the left ear, or "
        "both (places of the ears are ours); custom: microphones_mm",
        choices=(*ARRAYS, CUSTOM),
    )
    microphones_mm: Sequence[Sequence[float]] = key(
        (), "places of a custom array: (left, up, forward) of the head, in mm, one a channel", low=-1000, high=1000
    )

    def check_array(self) -> None:
        """Refuse a custom array without places, and places that are none."""
        if (self.array == CUSTOM) != bool(self.microphones_mm):
            raise ConfigError(f"array is {self.array!r}: microphones_mm goes with array: {CUSTOM}, and only with it")
        if len(self.microphones_mm) > MOST_MICROPHONES or any(len(place) != 3 for place in self.microphones_mm):
            raise ConfigError(f"microphones_mm: give at most {MOST_MICROPHONES} places of three numbers each")

    @property
    def microphones(self) -> Places:
        """Places of the microphones on the head, one a channel."""
        custom = tuple((float(x), float(y), float(z)) for x, y, z in self.microphones_mm)
        return custom if self.array == CUSTOM else ARRAYS[self.array]


def coherence(places_m: np.ndarray, hertz: np.ndarray) -> np.ndarray:
    """Coherence of two microphones at a distance d in a spherically isotropic field: sin(x) / x, x = 2 pi f d / c.

    Args:
        places_m: (C, 3) in m.
        hertz: frequencies, (F,).

    Returns:
        (F, C, C).
    """
    distances = np.linalg.norm(places_m[:, None] - places_m, axis=2)
    return np.sinc(2 * hertz[:, None, None] * distances / SPEED)


def in_room(places_mm: Sequence[Sequence[float]], head_m: np.ndarray, yaw: float) -> np.ndarray:
    """Places on a head in a room.

    Args:
        places_mm: (N, 3), as above.
        head_m: place of the head in the room, (3,): length, width, height.
        yaw: where the wearer looks, in radians from the room's first axis to its second.

    Returns:
        (N, 3) in metres.
    """
    left, up, forward = np.asarray(places_mm, dtype=np.float64).T / 1000
    sine, cosine = np.sin(yaw), np.cos(yaw)
    return head_m + np.stack([forward * cosine - left * sine, forward * sine + left * cosine, up], axis=1)
