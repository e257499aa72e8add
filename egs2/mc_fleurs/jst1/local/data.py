"""Stage 1: the utterances of FLEURS in two languages, conversations of talkers of both in simulated rooms, their texts.

The folder is that of `espnet_jst.data.corpora.fleurs`: FLEURS, or the flag. FLEURS has no times of words: without
--word_times they are spread over the turns by the lengths of the words, which is rough where a recording begins or ends
with silence.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from espnet_jst.data.conversations.conf import ConversationsConf
from espnet_jst.data.conversations.make import hand_on_times, make_conversations
from espnet_jst.data.corpora.fleurs import FOLDERS, SETS, read_set
from espnet_jst.data.corpora.folders import add_folders, given
from espnet_jst.data.corpora.turns import write_set
from espnet_jst.data.kaldi import read_table, write_table
from espnet_jst.errors import JSTError

CONF = Path(__file__).resolve().parent.parent / "conf" / "simulate.yaml"
LANGUAGES = {"src_lang": "mul", "tgt_lang": "mul-x-tgt"}  # what is said, in two languages, and the other one of each
CASE = "lc.rm"


def write_single(corpus: Path, langs: tuple[str, str], name: str, out: Path) -> None:
    """The single utterances of a set, with the language of each."""
    write_set(out, read_set(corpus, langs, name), src=LANGUAGES["src_lang"], tgt=LANGUAGES["tgt_lang"])
    keys = read_table(out / "utt2spk")
    write_table(out / "utt2lang", {key: key.split("-")[0] for key in keys})


def main(argv: list[str] | None = None) -> None:
    """Make train, dev and test; each step goes on where it was stopped."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, default=Path("data"), help="where the sets are written")
    add_folders(parser, FOLDERS)
    parser.add_argument("--langs", nargs=2, default=["en_us", "es_419"], help="two languages of FLEURS")
    parser.add_argument("--word_times", type=Path, help="folder with train, dev and test: utterance, ends of its words")
    parser.add_argument("--train", type=int, default=4000, help="conversations to train on")
    parser.add_argument("--dev", type=int, default=200, help="conversations of dev")
    parser.add_argument("--test", type=int, default=300, help="conversations of test")
    parser.add_argument("--nj", type=int, default=min(4, os.cpu_count() or 1), help="workers")
    args = parser.parse_args(argv)
    [corpus] = given(args, FOLDERS)
    for seed, name in enumerate(SETS, start=1):
        source, out = args.data_dir / "single" / name, args.data_dir / name
        write_single(corpus, (args.langs[0], args.langs[1]), name, source)
        times = hand_on_times(source, args.word_times and args.word_times / name)
        texts = ConversationsConf(**LANGUAGES, src_case=CASE, tgt_case=CASE, times=times)
        make_conversations(source, out, CONF, texts, num=getattr(args, name), seed=seed, nj=args.nj)


if __name__ == "__main__":
    try:
        main()
    except JSTError as error:
        sys.exit(f"error: {error}")
