"""Keys of the frontend `beam_bank`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from espnet_jst.data.simulation.arrays import ArrayConf
from espnet_jst.errors import ConfigError
from espnet_jst.inputs.conf import LogMelConf
from espnet_jst.keys import key

ORDERS = ("natural", "reversed", "rotated")
MOST_FFT = 4096  # the weights of a beam are found frequency by frequency
MOST_BEAMS = 64


@dataclass(frozen=True, kw_only=True)
class BeamBankConf(LogMelConf, ArrayConf):
    """Fixed beams of several microphones, log-mel energies of each, and a small network that makes one stream of
    features of them (arXiv:2412.15415). The recordings have a channel for every microphone.
    """

    azimuths: int = key(
        12,
        "beams around the wearer: the first one looks forward, the next ones further and further left",
        low=0,
        high=63,
    )
    mouth: bool = key(True, "a beam for the wearer's mouth, behind the others")
    kind: str = key(
        "mvdr",
        "mvdr: the least of a diffuse field passes; lcmv: as well nothing of the wearer's mouth in the other beams",
        choices=("mvdr", "lcmv"),
    )
    loading: float = key(
        1e-3,
        "noise of the microphones' own that a beam is made for, against the diffuse field's, in power, or more",
        low=1e-6,
        high=1000,
    )
    white_noise_gain_db: float = key(
        0.0,
        "a beam is loaded further, by frequency, until it makes its direction so much louder against such noise than "
        "the first microphone does; with lcmv as far as the null leaves it",
        low=-100,
        high=20,
    )
    beams: Sequence[int] = key(
        (), "numbers of the beams that are formed, from 0, in this order; by default all", low=0, high=MOST_BEAMS - 1
    )
    order: str = key(
        "natural", "reversed, or rotated by half their number: to see what the order tells a model", choices=ORDERS
    )
    train_beams: bool = key(False, "train the weights of the beams, from their design on")
    merge_channels: int = key(16, "channels of the network that merges the beams", low=1, high=256)
    merge_kernel: int = key(5, "mel bands that each of its two convolutions reads: an odd number", low=1, high=31)

    def check(self) -> None:
        """Refuse what is no bank: no beam, one that is not there, one microphone."""
        super().check()
        self.check_array()
        if self.n_fft > MOST_FFT:
            raise ConfigError(
                f"window_s={self.window_s:g}: at {self.fs} Hz beams have windows of at most {MOST_FFT / self.fs:.3g} s"
            )
        count = self.azimuths + self.mouth
        if not count:
            raise ConfigError("azimuths is 0 and mouth is false: there is no beam")
        if missing := [number for number in self.beams if number >= count]:
            raise ConfigError(
                f"beams: there is no beam {missing[0]}: azimuths and mouth make those from 0 to {count - 1}"
            )
        if len(set(self.beams)) < len(self.beams):
            raise ConfigError(f"beams is {list(self.beams)}: name each once")
        if len(self.microphones) < 2:
            raise ConfigError("microphones_mm: one microphone has no beams: give two or more, or --frontend log_mel")
        if self.merge_kernel % 2 == 0:
            raise ConfigError(f"merge_kernel is {self.merge_kernel}: give an odd number")
