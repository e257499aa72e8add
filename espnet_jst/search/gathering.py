"""Searches that hear everything before they write: frames are gathered while a stream goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from espnet_jst.search.interface import Emission, Search, SearchState
from espnet_jst.streams import Waiting
from espnet_jst.taps import Tap


@dataclass
class FramesState(SearchState):
    """What has been heard of each tap."""

    frames: dict[str, Waiting]


class GatheringSearch(Search[FramesState]):
    """Writes in `finish`.

    Args:
        reads: see Search.
        sizes: features of the taps that are gathered.
        device: where their frames are.
    """

    def __init__(self, reads: str, sizes: Mapping[str, int], device: torch.device) -> None:
        self.reads, self._sizes, self._device = reads, dict(sizes), device

    @property
    def taps(self) -> frozenset[str]:
        return frozenset(self._sizes)

    def init_state(self, batch_size: int) -> FramesState:
        waiting = {name: Waiting.none(batch_size, size, device=self._device) for name, size in self._sizes.items()}
        return FramesState([[] for _ in range(batch_size)], waiting)

    def step(self, taps: Mapping[str, Tap], state: FramesState) -> tuple[list[list[Emission]], FramesState]:
        frames = {name: had.append(taps[name].x, taps[name].lengths.tolist()) for name, had in state.frames.items()}
        return [[] for _ in state.given], replace(state, frames=frames)
