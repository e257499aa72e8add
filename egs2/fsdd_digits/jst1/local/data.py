"""Stage 1 of the digits recipe: compose the sets and write Kaldi-style data directories.

The test lists are the committed lists/*.tsv; training and validation strings are drawn from --seed. Beside the files
that ESPnet reads, each set holds what only reports look at: `word_times.ref` (start:end of every source word in
seconds), `alignment.ref` (links of the construction) and `list.tsv` (seed and recordings). With --overlap there are
test sets of two talkers as well, whose texts are those of the first; with --pauses one behind ten seconds of silence.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pauses
import soundfile
from digit_strings import FS, SETS, DigitString, compose, draw_list, load_recordings, read_list, write_list
from german_numbers import rotate, transcribe, translate
from two_talkers import LEVELS_DB, TRAIN_DB, overlap, second_talkers

from espnet_jst.data.kaldi import write_data_dir

HERE = Path(__file__).resolve().parent
TEST_SETS = ("test", "test_unheard", "test_noisy")
MIXED_SETS = {f"test_mix_{level}": level for level in LEVELS_DB}
FURTHER_SETS = {**MIXED_SETS, **pauses.TEST_SETS}  # the strings of test


def compose_set(
    name: str,
    strings: list[DigitString],
    recordings: dict,
    data_dir: Path,
    translation: Callable[[list[int]], Any],
    levels_db: Mapping[str, float],
    paused: Collection[str],
) -> None:
    """Write the audio and the tables of one set below data_dir/name.

    Args:
        translation: digits to words and links.
        levels_db: of the strings that have a second talker, how much weaker that one is.
        paused: the strings that have a pause.
    """
    out, spec = data_dir / name, SETS.get(name, SETS["test"])
    others = second_talkers(strings) if levels_db else {}

    def composed(string: DigitString) -> tuple[np.ndarray, np.ndarray]:
        pieces = [recordings[key] for key in string.recordings]
        return compose(pieces, string.seed, snr_db=spec.snr_db, spread_db=spec.spread_db)

    (out / "audio").mkdir(parents=True, exist_ok=True)
    names = ("wav.scp", "text.lc.en", "text.lc.de", "utt2spk", "word_times.ref", "alignment.ref")
    tables: dict[str, dict[str, object]] = {table: {} for table in names}
    for string in strings:
        samples, spans_s = composed(string)
        if string.utt_id in levels_db:
            second = composed(others[string.utt_id])
            samples = overlap((samples, spans_s), second, string.seed, levels_db[string.utt_id])
        if string.utt_id in paused:
            samples, spans_s = pauses.pause(samples, spans_s, string.seed)
        if name in pauses.TEST_SETS:
            samples, spans_s = pauses.insert(samples, spans_s, 0, pauses.TEST_SETS[name])
        audio = out / "audio" / f"{string.utt_id}.wav"
        soundfile.write(audio, samples, FS, subtype="PCM_16")
        target, links = translation(string.digits)
        values = (
            audio.as_posix(),
            " ".join(transcribe(string.digits)),
            " ".join(target),
            string.speaker,
            " ".join(f"{start:.3f}:{end:.3f}" for start, end in spans_s),
            " ".join(f"{i}-{j}" for i, j in sorted(links)),
        )
        for table, value in zip(names, values):
            tables[table][string.utt_id] = value
    write_data_dir(out, tables)
    write_list(out / "list.tsv", strings)


def second_levels(name: str, strings: list[DigitString], share: float) -> dict[str, float]:
    """Of the strings of a set that have a second talker, how much weaker that one is."""
    if name in MIXED_SETS:
        return {string.utt_id: float(MIXED_SETS[name]) for string in strings}
    if name in TEST_SETS or name in FURTHER_SETS:
        return {}
    draws = {string.utt_id: np.random.RandomState([string.seed, 3]) for string in strings}
    return {utt_id: float(draw.uniform(*TRAIN_DB)) for utt_id, draw in draws.items() if draw.uniform() < share}


def paused_strings(name: str, strings: list[DigitString], share: float) -> set[str]:
    """Strings of train and valid that have a pause."""
    if name not in ("train", "valid"):
        return set()
    return {string.utt_id for string in strings if np.random.RandomState([string.seed, 5]).uniform() < share}


def main(argv: list[str] | None = None) -> None:
    """Compose the sets that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, default=Path("data"), help="where the sets are written")
    parser.add_argument("--corpus", type=Path, default=HERE.parent / "corpus", help="recordings and segments.tsv")
    parser.add_argument(
        "--sets",
        nargs="+",
        choices=sorted({**SETS, **FURTHER_SETS}),
        help="sets to compose; by default all that there are",
    )
    parser.add_argument("--train_strings", type=int, default=16000, help="strings in the training set")
    parser.add_argument("--valid_strings", type=int, default=500, help="strings in the validation set")
    parser.add_argument("--test_strings", type=int, default=1000, help="the first so many of each test list")
    parser.add_argument("--seed", type=int, default=1, help="seed of the training and validation sets")
    parser.add_argument(
        "--rotate", type=int, default=0, help="the first of so many digits is translated last; 0: pairs as numbers"
    )
    parser.add_argument(
        "--overlap",
        type=float,
        metavar="SHARE",
        help="test_mix_<level> as well, with a second talker so many dB weaker; this share of train and valid has one",
    )
    parser.add_argument(
        "--pauses",
        type=float,
        metavar="SHARE",
        help="test_silence as well, behind ten seconds of silence; this share of train and valid has pauses",
    )
    args = parser.parse_args(argv)
    translation = partial(rotate, group=args.rotate) if args.rotate else translate
    recordings = load_recordings(args.corpus)
    asked = (MIXED_SETS if args.overlap is not None else {}), (pauses.TEST_SETS if args.pauses is not None else {})
    for name in args.sets or [*SETS, *chain(*asked)]:
        if name in TEST_SETS or name in FURTHER_SETS:
            strings = read_list(HERE.parent / "lists" / f"{'test' if name in FURTHER_SETS else name}.tsv")
            strings = strings[: args.test_strings]
        else:
            strings = draw_list(name, args.train_strings if name == "train" else args.valid_strings, args.seed)
        levels_db = second_levels(name, strings, args.overlap or 0.0)
        paused = paused_strings(name, strings, args.pauses or 0.0)
        compose_set(name, strings, recordings, args.data_dir, translation, levels_db, paused)
        print(f"{name}: {len(strings)} strings in {args.data_dir / name}", file=sys.stderr)


if __name__ == "__main__":
    main()
