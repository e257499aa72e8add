"""From single utterances to a data directory of conversations: the simulation, then its texts."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espnet_jst.config import read_yaml
from espnet_jst.data.checks import NO_VALUE
from espnet_jst.data.conversations.conf import GIVEN, SPREAD, ConversationsConf
from espnet_jst.data.conversations.write import write_conversations
from espnet_jst.data.kaldi import read_table, write_table
from espnet_jst.data.simulation.conf import SimulationConf
from espnet_jst.data.simulation.simulate import simulate
from espnet_jst.keys import read


def hand_on_times(single: Path, known: Path | None) -> str:
    """Write the times of words that a user has into a data directory of single utterances; those of an earlier run go.

    Returns:
        `ConversationsConf.times`: without any they are spread over the turns by the lengths of the words.
    """
    (single / GIVEN).unlink(missing_ok=True)
    if known is None:
        return SPREAD
    times = read_table(known)
    write_table(single / GIVEN, {key: times.get(key, NO_VALUE) for key in read_table(single / "utt2spk")})
    return GIVEN


def make_conversations(
    single: Path,
    out: Path,
    conf: Path,
    texts: ConversationsConf,
    *,
    num: int,
    seed: int,
    keys: Mapping[str, Any] | None = None,
    simulated: Path | None = None,
    nj: int = 1,
) -> None:
    """What stage 1 of a recipe does for a set; goes on where it was stopped, and says what was made.

    Args:
        single: data directory of single utterances.
        conf: file of the simulation.
        keys: of the simulation, over those of the file.
        simulated: folder of the recordings and turns, of which there may be several sets of texts; by default `out`.

    Raises:
        ConfigError, DataError: see `simulate` and `write_conversations`.
    """
    simulation = read(SimulationConf, {**read_yaml(conf), **(keys or {})}, str(conf))
    folder = simulated or out
    made = simulate(single, folder, simulation, num=num, seed=seed, nj=nj, prefix=f"{out.name}_")
    print(f"{out.name}: {made}", file=sys.stderr)
    print(write_conversations(folder, out, texts, nj=nj), file=sys.stderr)
