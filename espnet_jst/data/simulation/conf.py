"""Keys of a simulation: rooms, places, turns and noise. Ranges are drawn from uniformly."""

from __future__ import annotations

from dataclasses import dataclass

from espnet_jst.data.simulation.arrays import ArrayConf
from espnet_jst.errors import ConfigError
from espnet_jst.keys import key

NOISES = ("diffuse", "point", "none")
COLOURS = ("white", "pink")
MOST_OVERLAP = 0.5  # beyond, turns would hide each other
Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class SimulationConf(ArrayConf):
    """How conversations are drawn."""

    speakers: tuple[int, int] = key((2, 2), "fewest and most talkers, the wearer among them", low=2, high=4)
    languages: str = key(
        "any",
        "different: the others speak another language than the wearer (needs utt2lang)",
        choices=("any", "different"),
    )
    turns: tuple[int, int] = key((6, 12), "fewest and most turns, an utterance each", low=2, high=200)
    utterance_s: Range = key((0.3, 30.0), "shortest and longest utterance that is used, in s", low=0.05, high=600)
    overlap: Range = key(
        (0.0, 0.2),
        "share of the time in which somebody speaks where two do",
        low=0,
        high=MOST_OVERLAP,
    )
    gap_s: Range = key((0.1, 0.8), "silence between turns that do not overlap, in s", low=0, high=60)
    edge_s: float = key(0.5, "silence before the first turn and behind the last, in s", low=0.1, high=60)
    length_m: Range = key((4.0, 8.0), "length of the room", low=1, high=50)
    width_m: Range = key((3.5, 6.0), "width of the room", low=1, high=50)
    height_m: Range = key((2.5, 3.2), "height of the room", low=1, high=20)
    rt60_s: Range = key((0.2, 0.5), "reverberation time in s", low=0.05, high=2)
    rooms: int = key(1000, "number of different rooms, with their places, among all conversations", low=1)
    head_m: Range = key((1.1, 1.75), "height of the wearer's eyes", low=0.3, high=3)
    distance_m: Range = key((0.6, 2.0), "from the array to the mouth of another talker", low=0.3, high=20)
    azimuth_deg: float = key(90.0, "most that another talker is beside where the wearer looks", low=0, high=180)
    apart_deg: float = key(20.0, "least angle between two others, seen from the wearer", low=0, high=90)
    wall_m: float = key(0.4, "least distance of a mouth or a head to a wall", low=0.2, high=5)
    noise: str = key(
        "diffuse", "diffuse: from all sides; point: a source in the room; none: no noise is added", choices=NOISES
    )
    noise_colour: str = key("pink", "spectrum of the noise", choices=COLOURS)
    snr_db: Range = key(
        (10.0, 25.0), "all speech while somebody speaks against the noise, in channel 0", low=-20, high=80
    )
    spread_db: float = key(3.0, "talkers are up to so much louder or softer than the mean", low=0, high=20)
    level_db: float = key(-25.0, "mean power of the speech in channel 0, against full scale", low=-60, high=-10)
    max_order: int = key(0, "reflections at most; 0: as many as the reverberation time needs", low=0, high=300)

    def check(self) -> None:
        """Refuse ranges that run backwards, an array without places, turns for fewer than all talkers."""
        for name in _RANGES:
            low, high = getattr(self, name)
            if low > high:
                raise ConfigError(f"{name} is {[low, high]}: give the smaller number first")
        self.check_array()
        if self.turns[0] < self.speakers[1]:
            raise ConfigError(f"turns is {list(self.turns)}: {self.speakers[1]} talkers have a turn each, or more")

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the talkers: self and other where there are two at most, else self, other1, other2 ..."""
        most = self.speakers[1]
        return ("self", "other") if most == 2 else ("self", *(f"other{n}" for n in range(1, most)))


_RANGES = (
    *("speakers", "turns", "utterance_s", "overlap", "gap_s", "length_m", "width_m", "height_m", "rt60_s"),
    *("head_m", "distance_m", "snr_db"),
)
