"""Arrays of microphones on a wearer's head, and where the wearer's mouth is.

Places are (x, y, z) in millimetres in EasyCom's own system: x to the wearer's left, y up, z forward, the origin between
the temples of the glasses. Which side is which follows from EasyCom's order of channels, clockwise from above.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

Places = tuple[tuple[float, float, float], ...]

GLASSES: Places = ((82, -5, -29), (-1, -1, 30), (-77, -2, 11), (-83, -5, -60))  # EasyCom's, arXiv:2107.04174
EARS: Places = ((75, -30, -85), (-75, -30, -85))  # left, right: our guess, EasyCom publishes none
MOUTH = (0.0, -75.0, 40.0)  # our guess: below the bridge of the nose, a little in front of it

ARRAYS: Mapping[str, Places] = {
    "easycom4": GLASSES,
    "easycom5": (*GLASSES, EARS[0]),  # the left temple has one microphone, the right one two
    "easycom6": (*GLASSES, *EARS),
}
MOST_MICROPHONES = 8  # channels of a FLAC file
REACH_M = 0.15  # of the head around the origin: what a wall must leave free


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
