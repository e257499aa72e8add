"""Arrays of microphones on a wearer's head, and where the wearer's mouth is.

Places are (x, y, z) in millimetres in EasyCom's own system: x to the wearer's left, y up, z forward, the origin between
the temples of the glasses. Which side is which follows from EasyCom's order of channels, clockwise from above.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
