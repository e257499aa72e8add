"""Keys of `preprocessor_conf`: what is done to training recordings, and the languages of the tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from espnet_jst.errors import ConfigError
from espnet_jst.keys import Conf, key

_RANGES = {"gain_db": "[-18, 0]", "noise_snr_db": "[20, 60]", "speed": "[0.9, 1.1]", "equalizer_db": "[-6, 6]"}
_RANGES |= {"join": "[2, 3]", "pause_s": "[0, 2]"}


@dataclass(frozen=True, kw_only=True)
class PreprocessorConf(Conf):
    """Changes of training recordings that leave their words; every range is drawn from uniformly."""

    gain_db: tuple[float, float] = key((0.0, 0.0), "lowest and highest gain in dB", low=-200, high=200)
    noise_snr_db: tuple[float, float] = key(
        (20.0, 60.0), "lowest and highest signal-to-noise ratio of added white noise in dB", low=-200, high=200
    )
    noise_prob: float = key(0.0, "share of utterances that get noise", low=0, high=1)
    speed: tuple[float, float] = key((0.9, 1.1), "slowest and fastest speed; the pitch follows", low=0.1, high=10)
    speed_prob: float = key(0.0, "share of utterances whose speed is changed", low=0, high=1)
    equalizer_db: tuple[float, float] = key(
        (-6.0, 6.0),
        "lowest and highest gain of a random, smooth frequency response: other microphones and voices",
        low=-200,
        high=200,
    )
    equalizer_prob: float = key(0.0, "share of utterances that are filtered by one", low=0, high=1)
    join_prob: float = key(
        0.0,
        "share of batches whose utterances are joined, so that a model learns to go on behind a pause",
        low=0,
        high=1,
    )
    join: tuple[int, int] = key((2, 3), "fewest and most utterances that become one", low=2, high=100)
    pause_s: tuple[float, float] = key(
        (0.0, 2.0), "shortest and longest pause before each of them in seconds", low=0, high=600
    )
    source_languages: str | Sequence[str] | None = key(None, "names of the tags of the transcript: lid, task+lid")
    target_languages: str | Sequence[str] | None = key(None, "names of the tags of the translation")
    speakers: str | Sequence[str] | None = key(None, "names of the tags of speakers, such as self and other")

    def check(self) -> None:
        """Refuse ranges that run backwards."""
        for name, example in _RANGES.items():
            low, high = getattr(self, name)
            if low > high:
                raise ConfigError(f"{name} is {[low, high]}: give a range such as {example}")
