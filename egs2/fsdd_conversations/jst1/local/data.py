"""Stage 1: single utterances, conversations of two of their speakers in simulated rooms, and their texts.

Each step goes on where it was stopped. `test` has 20 % overlap at 20 dB; test_overlap_* and test_snr_* differ from it
by that one thing, test_unheard by its talkers. Other rooms in every set; those of the tests are the same.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

from single import SETS as SPEAKERS
from single import make_set

from espnet_jst.data.conversations.conf import ConversationsConf
from espnet_jst.data.conversations.make import make_conversations
from espnet_jst.errors import JSTError

HERE = Path(__file__).resolve().parent
CONF = HERE.parent / "conf" / "simulate.yaml"
TEST = {"overlap": [0.2, 0.2], "snr_db": [20, 20], "rooms": 10}


class SetSpec(NamedTuple):
    """The single utterances of a set, the seed of its conversations, and keys beside those of conf/simulate.yaml."""

    single: str
    seed: int
    keys: dict[str, Any]


SETS = {
    "train": SetSpec("train", 1, {"overlap": [0.0, 0.4], "snr_db": [0, 25], "rooms": 20}),
    "dev": SetSpec("dev", 2, {"overlap": [0.0, 0.4], "snr_db": [5, 25], "rooms": 5}),
    "test": SetSpec("test", 3, TEST),
    "test_overlap_0": SetSpec("test", 3, {**TEST, "overlap": [0, 0]}),
    "test_overlap_40": SetSpec("test", 3, {**TEST, "overlap": [0.4, 0.4]}),
    "test_snr_10": SetSpec("test", 3, {**TEST, "snr_db": [10, 10]}),
    "test_snr_0": SetSpec("test", 3, {**TEST, "snr_db": [0, 0]}),
    "test_unheard": SetSpec("test_unheard", 3, TEST),
}


def main(argv: list[str] | None = None) -> None:
    """Make the sets that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, default=Path("data"), help="where the sets are written")
    parser.add_argument("--sets", nargs="+", choices=sorted(SETS), default=list(SETS), help="by default all")
    parser.add_argument("--train", type=int, default=1000, help="conversations to train on")
    parser.add_argument("--dev", type=int, default=60, help="conversations of dev")
    parser.add_argument("--test", type=int, default=100, help="conversations of each test set")
    parser.add_argument("--talkers", type=int, default=2, choices=(2, 3, 4), help="in every conversation")
    parser.add_argument("--simulated", type=Path, help="where recordings and turns are; by default in --data_dir")
    parser.add_argument("--jitter_s", type=float, default=0.0, help="of the word times of train, an experiment")
    parser.add_argument("--nj", type=int, default=min(4, os.cpu_count() or 1), help="workers")
    args = parser.parse_args(argv)
    folder = args.simulated or args.data_dir
    counts = {"train": args.train, "dev": args.dev}
    for name in args.sets:
        if args.talkers > len(SPEAKERS[SETS[name].single].speakers):
            print(f"{name}: has fewer than {args.talkers} talkers, left out", file=sys.stderr)
            continue
        spec, count = SETS[name], counts.get(name, args.test)
        source, out = folder / "single" / spec.single, args.data_dir / name
        make_set(spec.single, source)
        texts = ConversationsConf(src_lang="en", tgt_lang="de", jitter_s=args.jitter_s if name == "train" else 0.0)
        keys = {**spec.keys, "speakers": [args.talkers, args.talkers]}
        numbers = {"num": count, "seed": spec.seed, "nj": args.nj}
        make_conversations(source, out, CONF, texts, keys=keys, simulated=folder / name, **numbers)


if __name__ == "__main__":
    try:
        main()
    except JSTError as error:
        sys.exit(f"error: {error}")
