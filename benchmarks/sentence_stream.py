"""Sentences that follow each other in one session, against each in a session of its own: what a model minds.

    python benchmarks/sentence_stream.py --model spanish_english --data data/test [--sentences 40] [--pause_s 1.5]

Recordings of a data directory (wav.scp, text.<case>.<lang>) in random order (seed 0), each followed by a pause of faint
noise (--noise, of full scale). Printed are WER of the transcript and BLEU of the translation, of the stream over all of
its words as one text, and how many words were written of those in the reference.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

LANES = ("transcript", "translation")
PACKET = 8000


def main() -> None:
    """Decode both ways and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--case", default="lc.rm", help="form of the texts")
    parser.add_argument("--sentences", type=int, default=40)
    parser.add_argument("--pause_s", type=float, default=1.5)
    parser.add_argument("--noise", type=float, default=1e-4)
    args = parser.parse_args()

    import jiwer
    import sacrebleu
    import soundfile
    import torch

    from benchmarks.measure import hardware
    from espnet_jst.data.kaldi import read_table
    from espnet_jst.inference import Speech2Text

    torch.set_num_threads(1)
    model = Speech2Text.from_pretrained(args.model)
    texts = {lane: read_table(args.data / f"text.{args.case}.{model.languages[lane]}") for lane in LANES}
    wavs = read_table(args.data / "wav.scp")
    keys = sorted(wavs)
    random.Random(0).shuffle(keys)
    keys = keys[: args.sentences]
    noise = np.random.default_rng(0)
    alone: dict[str, list[str]] = {lane: [] for lane in LANES}
    words, session = [], None
    for key in keys:
        speech, fs = soundfile.read(wavs[key], dtype="float32")
        session = session or model.session(fs=fs)
        found = model(speech, fs=fs)[0][3].lanes
        for lane in LANES:
            alone[lane].append(" ".join(word.text for word in found[lane]))
        pause = noise.standard_normal(int(args.pause_s * fs)) * args.noise
        heard = np.concatenate([speech, pause.astype("float32")])
        for start in range(0, len(heard), PACKET):
            words += session.push(heard[start : start + PACKET])
    assert session is not None
    words += session.finish()
    reference = {lane: [texts[lane][key] for key in keys] for lane in LANES}
    stream = {lane: [" ".join(word.text for word in words if word.lane == lane)] for lane in LANES}
    print(f"{hardware()}\n\n| {len(keys)} sentences | WER % | BLEU | transcript, words | translation, words |")
    print("|---|---|---|---|---|")
    for name, written, said in (
        ("each in a session of its own", alone, reference),
        ("in one session", stream, {lane: [" ".join(lines)] for lane, lines in reference.items()}),
    ):
        wer = 100 * jiwer.wer(said["transcript"], written["transcript"])
        bleu = sacrebleu.corpus_bleu(written["translation"], [said["translation"]]).score
        counts = [f"{_count(written[lane])} of {_count(said[lane])}" for lane in LANES]
        print(f"| {name} | {wer:.1f} | {bleu:.1f} | {' | '.join(counts)} |")


def _count(lines: list[str]) -> int:
    return sum(len(line.split()) for line in lines)


if __name__ == "__main__":
    main()
