"""What follows from places: where a head's microphones are in a room, and what they hear alike of a diffuse field."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from espnet_jst.data.simulation.arrays import SPEED


def in_room(places_mm: Sequence[Sequence[float]], head_m: np.ndarray, yaw: float) -> np.ndarray:
    """Places on a head in a room.

    Args:
        places_mm: (N, 3), as `arrays` has them.
        head_m: place of the head in the room, (3,): length, width, height.
        yaw: where the wearer looks, in radians from the room's first axis to its second.

    Returns:
        (N, 3) in metres.
    """
    left, up, forward = np.asarray(places_mm, dtype=np.float64).T / 1000
    sine, cosine = np.sin(yaw), np.cos(yaw)
    return head_m + np.stack([forward * cosine - left * sine, forward * sine + left * cosine, up], axis=1)


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
