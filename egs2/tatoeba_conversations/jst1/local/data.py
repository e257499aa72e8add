"""Stage 1: the sentences of ../../tatoeba_es_en, conversations of two of its voices in simulated rooms, their texts.

The sentences have no times of words: without --word_times they are spread over the turns by the lengths of the words,
which is rough where a recording begins or ends with silence.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from espnet_jst.data.conversations.conf import ConversationsConf
from espnet_jst.data.conversations.make import hand_on_times, make_conversations
from espnet_jst.errors import JSTError

HERE = Path(__file__).resolve().parent
CONF = HERE.parent / "conf" / "simulate.yaml"
SENTENCES = HERE.parents[2] / "tatoeba_es_en" / "jst1" / "local" / "data.py"
SETS = ("train", "dev", "test")
CASE = "lc.rm"


def main(argv: list[str] | None = None) -> None:
    """Make the three sets; each step goes on where it was stopped."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, default=Path("data"), help="where the sets are written")
    parser.add_argument("--corpus", default=os.environ.get("TATOEBA_ES_EN"), help="folder of tatoeba_es_en")
    parser.add_argument("--word_times", type=Path, help="folder with train, dev and test: utterance, ends of its words")
    parser.add_argument("--train", type=int, default=1500, help="conversations to train on")
    parser.add_argument("--dev", type=int, default=60, help="conversations of dev")
    parser.add_argument("--test", type=int, default=100, help="conversations of test")
    parser.add_argument("--nj", type=int, default=min(4, os.cpu_count() or 1), help="workers")
    args = parser.parse_args(argv)
    single = args.data_dir / "single"
    command = [sys.executable, str(SENTENCES), "--data_dir", str(single)]
    if subprocess.run([*command, *(["--corpus", args.corpus] if args.corpus else [])], check=False).returncode:
        sys.exit(1)  # it has said why
    for seed, name in enumerate(SETS, start=1):
        times = hand_on_times(single / name, args.word_times and args.word_times / name)
        texts = ConversationsConf(src_lang="es", tgt_lang="en", src_case=CASE, tgt_case=CASE, times=times)
        numbers = {"num": getattr(args, name), "seed": seed, "nj": args.nj}
        make_conversations(single / name, args.data_dir / name, CONF, texts, **numbers)


if __name__ == "__main__":
    try:
        main()
    except JSTError as error:
        sys.exit(f"error: {error}")
