"""Room impulse responses by the image source method (pyroomacoustics), with the reverberation time asked for."""

from __future__ import annotations

import hashlib
import math
import os
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import numpy as np

from espnet_jst.data.simulation.arrays import SPEED
from espnet_jst.data.simulation.scenes import MOST_ABSORPTION, Scene, eyring_exponent
from espnet_jst.errors import ConfigError

LEAD = 40  # samples that pyroomacoustics puts before a response: half of its filter for fractions of a sample
TOLERANCE = 0.02  # of the reverberation time, at which the search for the absorption ends
PASSES = 6
DIRECT_S = 0.005  # after the direct sound, in which it has passed


class Responses(NamedTuple):
    """Of every source at every microphone.

    Attributes:
        rirs: (K, C, L), float32; sample LEAD is the moment at which a source sounds.
        rt60_s: measured, by source and microphone (K, C).
        absorption: share of the energy that a wall takes.
        order: reflections at most.
    """

    rirs: np.ndarray
    rt60_s: np.ndarray
    absorption: float
    order: int


def check_installed() -> None:
    """Raises:
    ConfigError: pyroomacoustics is not installed.
    """
    try:
        import pyroomacoustics  # noqa: F401
    except ImportError as error:
        what = "rooms are simulated by pyroomacoustics, which cannot be imported"
        raise ConfigError(f'{what} ({error}): pip install pyroomacoustics, or "espnet_jst[simulate]"') from error


def delays_s(scene: Scene) -> np.ndarray:
    """Seconds of the direct path from every source to every microphone, (K + 1, C)."""
    return np.linalg.norm(scene.sources[:, None] - scene.microphones, axis=2) / SPEED


def measure_rt60(response: np.ndarray, fs: int) -> float:
    """Reverberation time of a response, (L,), in s: T20 of Schroeder's backward integration, behind the direct sound.

    T20 is the slope between -5 and -25 dB, three times as long. The direct sound is left out, because near a mouth it
    is far louder than all that comes after. NaN where there is no such decay.
    """
    start = int(np.argmax(np.abs(response))) + round(DIRECT_S * fs)
    energy = np.cumsum(np.square(response[start:], dtype=np.float64)[::-1])[::-1]
    energy = energy[energy > 0]
    if len(energy) < 2:
        return math.nan
    level = 10 * np.log10(energy / energy[0])
    first, last = np.searchsorted(-level, [5.0, 25.0])
    if last - first < 2 or last >= len(level):
        return math.nan
    times, levels = np.arange(first, last) / fs, level[first:last]
    times, levels = times - times.mean(), levels - levels.mean()
    return float(-60 * (times**2).sum() / (times * levels).sum())


def respond(scene: Scene, fs: int, *, max_order: int = 0) -> Responses:
    """The responses of a scene.

    Formulas for the absorption (Sabine, Eyring) are off by a fifth in rooms of images, so it is searched for: of the
    last of the others at the first microphone.

    Args:
        fs: in Hz.
        max_order: reflections at most; 0: as many as the reverberation time needs.
    """
    order = needed_order(scene)
    order = min(order, max_order) if max_order else order
    probe = (scene.talkers[-1:], scene.microphones[:1])
    exponent = eyring_exponent(scene.size, scene.rt60_s)
    for _ in range(PASSES):
        absorption = min(MOST_ABSORPTION, 1 - math.exp(-exponent))
        [[response]] = _image_sources(scene.size, *probe, absorption, order, fs)
        found = measure_rt60(response, fs)
        if not math.isfinite(found) or abs(found / scene.rt60_s - 1) <= TOLERANCE:
            break
        exponent *= found / scene.rt60_s  # the decay in dB/s is in proportion to it
    rirs = _image_sources(scene.size, scene.sources, scene.microphones, absorption, order, fs)
    # What comes later is 60 dB down, and as long again.
    rirs = rirs[..., : LEAD + math.ceil((delays_s(scene).max() + scene.rt60_s) * fs)]
    measured = np.array([[measure_rt60(response, fs) for response in row] for row in rirs])
    return Responses(rirs.astype(np.float32), measured, absorption, order)


def needed_order(scene: Scene) -> int:
    """Reflections after which a decay of 60 dB is over, by the shortest way between walls."""
    length, width, height = scene.size
    shortest = min(a * b / math.hypot(a, b) for a, b in ((length, width), (length, height), (width, height)))
    return math.ceil(SPEED * scene.rt60_s / shortest)


def cached(folder: Path, scene: Scene, fs: int, max_order: int) -> Responses:
    """As `respond`, kept in `folder` under a name that says all that it depends on."""
    asked = [scene.size, scene.sources, scene.microphones, np.array([scene.rt60_s, fs, max_order], dtype=np.float64)]
    name = hashlib.sha256(b"".join(part.tobytes() for part in asked)).hexdigest()[:24]
    path = folder / f"{name}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as kept:
            return Responses(kept["rirs"], kept["rt60_s"], float(kept["absorption"]), int(kept["order"]))
    found = respond(scene, fs, max_order=max_order)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{name}.{uuid4().hex[:8]}"  # two workers may be at the same room
    with open(partial, "wb") as stream:
        np.savez(stream, **found._asdict())
    os.replace(partial, path)
    return found


def _image_sources(
    size: np.ndarray, sources: np.ndarray, microphones: np.ndarray, absorption: float, order: int, fs: int
) -> np.ndarray:
    """Responses (K, C, L) in float64, the shorter ones with zeros behind."""
    import pyroomacoustics

    pyroomacoustics.constants.set("num_threads", 1)  # sums in another order would be other bytes
    material = pyroomacoustics.Material(absorption)
    room = pyroomacoustics.ShoeBox(size, fs=fs, materials=material, max_order=order, air_absorption=False)
    room.add_microphone_array(microphones.T)
    for source in sources:
        room.add_source(source)
    room.compute_rir()
    longest = max(len(response) for row in room.rir for response in row)
    rirs = np.zeros((len(sources), len(microphones), longest))
    for channel, row in enumerate(room.rir):
        for source, response in enumerate(row):
            rirs[source, channel, : len(response)] = response
    return rirs
