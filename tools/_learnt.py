"""Fails where a trained model is no better than one that has learnt nothing: `python tools/_learnt.py exp --wer 60`.

A model that writes nothing, or always the same, has a word error rate of 80 % and more on the digits, and no BLEU.
"""

import argparse
import json
import sys
from pathlib import Path


def main() -> int:
    """Look at the test set of every decoding run in the experiment folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("exp", type=Path, help="folder with st_*/<decoding>/test/scores.json")
    parser.add_argument("--wer", type=float, required=True, help="most that the transcript may have, in per cent")
    parser.add_argument("--bleu", type=float, required=True, help="least that the translation must have")
    args = parser.parse_args()
    runs = sorted(args.exp.glob("st_*/*/test/**/scores.json"))
    if not runs:
        print(f"Error: no scores of the test set in {args.exp}", file=sys.stderr)
        return 1
    learnt = True
    for path in runs:
        lanes = json.loads(path.read_text(encoding="utf-8"))["lanes"]
        wer = lanes["transcript"]["quality"]["WER"]["score"]
        bleu = lanes["translation"]["quality"]["BLEU"]["score"]
        good = wer is not None and bleu is not None and wer <= args.wer and bleu >= args.bleu
        learnt = learnt and good
        print(f"{'learnt' if good else 'NOT LEARNT'}: WER {wer}, BLEU {bleu} (asked: {args.wer}, {args.bleu}): {path}")
    return 0 if learnt else 1


if __name__ == "__main__":
    sys.exit(main())
