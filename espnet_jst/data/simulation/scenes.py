"""Where everybody is: a room, a wearer with the array, the others around, a source of noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from espnet_jst.data.simulation.arrays import MOUTH, REACH_M, SPEED
from espnet_jst.data.simulation.conf import SimulationConf
from espnet_jst.data.simulation.geometry import in_room
from espnet_jst.errors import DataError

MOST_ABSORPTION = 0.99
TRIES = 500
HEIGHT_M = 0.25  # the mouth of another talker is up to so much above or below the wearer's
NOISE_M = 1.0  # least distance of a source of noise to the head


@dataclass(frozen=True)
class Scene:
    """A room with its places, in metres.

    Attributes:
        size: length, width, height, (3,).
        rt60_s: reverberation time that was asked for.
        head: origin of the array, (3,).
        yaw: where the wearer looks, in radians from the first axis to the second.
        microphones: (C, 3).
        talkers: mouths, the wearer's first, (K, 3).
        noise: source of noise, (3,).
    """

    size: np.ndarray
    rt60_s: float
    head: np.ndarray
    yaw: float
    microphones: np.ndarray
    talkers: np.ndarray
    noise: np.ndarray

    @property
    def sources(self) -> np.ndarray:
        """Talkers, then the noise, (K + 1, 3)."""
        return np.concatenate([self.talkers, self.noise[None]])


def eyring_exponent(size: np.ndarray, rt60_s: float) -> float:
    """-ln(1 - absorption) of the walls of a room, by Eyring's formula; size (3,) in m."""
    length, width, height = size
    surface = 2 * (length * width + length * height + width * height)
    return float(24 * math.log(10) * length * width * height / (SPEED * surface * rt60_s))


def draw_scene(conf: SimulationConf, talkers: int, rng: np.random.Generator) -> Scene:
    """A room in which everybody has a place.

    Args:
        talkers: how many, the wearer among them.

    Raises:
        DataError: none was found: the rooms are too small for the distances, or too large for the reverberation time.
    """
    for _ in range(TRIES):
        size = np.array([rng.uniform(*axis) for axis in (conf.length_m, conf.width_m, conf.height_m)])
        rt60_s, yaw = rng.uniform(*conf.rt60_s), rng.uniform(0, 2 * np.pi)
        edge = max(conf.wall_m, REACH_M)
        if (size <= 2 * edge).any() or 1 - math.exp(-eyring_exponent(size, rt60_s)) > MOST_ABSORPTION:
            continue
        head = np.array([*rng.uniform(edge, size[:2] - edge), rng.uniform(*conf.head_m)])
        mouth = in_room([MOUTH], head, yaw)
        others = _others(conf, talkers - 1, size, mouth[0], head, yaw, rng)
        noise = rng.uniform(edge, size - edge)
        places = in_room(conf.microphones, head, yaw)
        if others is None or not _inside(places, size, 0.01) or not _inside(head[None], size, edge):
            continue
        if np.linalg.norm(noise - head) >= min(NOISE_M, size.min() / 2 - edge):
            return Scene(size, rt60_s, head, yaw, places, np.concatenate([mouth, others]), noise)
    raise DataError(
        f"no place in {TRIES} rooms of length_m {list(conf.length_m)}, width_m {list(conf.width_m)}, height_m "
        f"{list(conf.height_m)}, rt60_s {list(conf.rt60_s)} for a head at head_m {list(conf.head_m)} and {talkers - 1} "
        f"others at distance_m {list(conf.distance_m)}, wall_m {conf.wall_m:g} from every wall; enlarge the rooms or "
        "lower the distances, or, in large rooms, raise rt60_s"
    )


def _others(
    conf: SimulationConf,
    count: int,
    size: np.ndarray,
    mouth: np.ndarray,
    head: np.ndarray,
    yaw: float,
    rng: np.random.Generator,
) -> np.ndarray | None:
    """Mouths of the others, (count, 3); None where one has no place in this room."""
    azimuths = np.radians(rng.uniform(-conf.azimuth_deg, conf.azimuth_deg, count))
    turned = np.abs(np.angle(np.exp(1j * (azimuths[:, None] - azimuths))))[~np.eye(count, dtype=bool)]
    distances, lower = rng.uniform(*conf.distance_m, count), rng.uniform(-HEIGHT_M, HEIGHT_M, count)
    heights = mouth[2] + lower - head[2]  # above the array, from which the distance counts
    flat = np.sqrt(np.maximum(distances**2 - heights**2, 0.0))
    places = head + np.stack([flat * np.cos(yaw + azimuths), flat * np.sin(yaw + azimuths), heights], axis=1)
    fits = _inside(places, size, conf.wall_m) and (turned >= np.radians(conf.apart_deg)).all()
    return places if fits and (distances > np.abs(heights)).all() else None


def _inside(places: np.ndarray, size: np.ndarray, edge: float) -> bool:
    return bool((places >= edge).all() and (places <= size - edge).all())
