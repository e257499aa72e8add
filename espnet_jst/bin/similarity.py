"""What the branches of models have learnt to find alike: each pair of taps by linear CKA (arXiv:1905.00414) and by the
loss of sp-KD (arXiv:1907.09682), as a table, and one utterance as a picture.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from espnet_jst.bin.arguments import program
from espnet_jst.config import CommandParser, closest
from espnet_jst.errors import ConfigError, DataError

if TYPE_CHECKING:
    from espnet_jst.data.checks import Problem
    from espnet_jst.evaluation.similarity import ModelSimilarity
    from espnet_jst.inference.batch import Speech
    from espnet_jst.inference.schedule import ChunkSchedule
    from espnet_jst.taps import Tap

DRAWN_S = 8.0  # longest utterance in the picture, unless another is asked for


def get_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = CommandParser(
        prog="espnet-jst similarity",
        description=__doc__,
        epilog="Example: espnet-jst similarity exp/st_two exp/st_kd --names two kd --wav_scp dump/raw/test/wav.scp "
        "--output_dir exp/similarity",
    )
    parser.add_argument("models", nargs="+", metavar="MODEL", help="experiment's folder, packed zip, or hub tag")
    parser.add_argument("--wav_scp", required=True, help="recordings, a line an utterance: key, file")
    parser.add_argument("--output_dir", required=True, help="gets similarity.md, .json and .png, skipped.jsonl")
    parser.add_argument(
        "--taps", nargs="+", metavar="TAP", help="outputs of encoders; default: those of one frame rate that heads read"
    )
    parser.add_argument("--names", nargs="+", metavar="NAME", help="of the models in tables (default: of their files)")
    parser.add_argument("--utterances", type=int, default=50, help="so many, the first ones (default: %(default)s)")
    parser.add_argument(
        "--utterance", metavar="KEY", help=f"which one to draw (default: the longest below {DRAWN_S:g} s)"
    )
    parser.add_argument("--batch_size", type=int, default=8, help="utterances at once (default: %(default)s)")
    parser.add_argument("--tgt_lang", help="language to translate into, of a model that has several")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    return parser


def _run(args: argparse.Namespace) -> None:
    for flag in ("utterances", "batch_size"):
        if getattr(args, flag) < 1:
            raise ConfigError(f"--{flag} {getattr(args, flag)}: must be at least 1")
    names = _names(args.models, args.names)
    try:
        Path(args.output_dir).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--output_dir {args.output_dir}: cannot be made ({error.strerror})") from error
    _Comparison(args).run(names)


def _names(models: Sequence[str], given: Sequence[str] | None) -> list[str]:
    """A name for each model: as given, or those of their files, with their folders if those are not enough."""
    if given and len(given) != len(models):
        raise ConfigError(f"--names: {len(given)} names for {len(models)} models: give one for each")
    files = [Path(model).resolve().name.removesuffix(".zip") for model in models]
    names = list(given or (files if len(set(files)) == len(files) else models))
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"--names: two models are called {name!r}: give each a name of its own")
    return names


class _Comparison:
    """One run of the command; an utterance that cannot be used is listed, and the others go on."""

    def __init__(self, args: argparse.Namespace) -> None:
        from espnet_jst.data.kaldi import read_table
        from espnet_jst.inference.remarks import Once

        self.args, self.said, self.channels = args, Once(), 1
        self.files, self.drawn = read_table(args.wav_scp), args.utterance
        self.keys = list(self.files)[: args.utterances]
        self.skipped: dict[str, Problem] = {}
        if not self.keys:
            raise DataError(f"{args.wav_scp}: holds no utterance")
        if self.drawn is not None:
            if self.drawn not in self.files:
                hint = closest(self.drawn, self.files)
                raise ConfigError(f"--utterance {self.drawn}: not in {args.wav_scp}{hint}")
            self._read(self.drawn)  # what cannot be drawn is said before anything is computed

    def run(self, names: Sequence[str]) -> None:
        """Compare, write, and say what was found."""
        from espnet_jst.data.checks import write_skipped
        from espnet_jst.evaluation.shown import number
        from espnet_jst.evaluation.similarity import write_similarity

        found = [self._compared(name, model) for name, model in zip(names, self.args.models, strict=True)]
        folder, skipped = Path(self.args.output_dir), list(self.skipped.values())
        write_skipped(folder, skipped)
        paths = write_similarity(found, folder, drawn=self.drawn, skipped=list(map(str, skipped)))
        self.said.summarize()
        for model in found:
            for first, second, cka, sp_kd in model.scores:
                print(f"{model.name}: {first}, {second}: CKA {number(cka, 4)}, sp-KD {sp_kd:.3g}")
        if skipped:
            print(f"{len(skipped)} of {len(self.keys)} utterances left out; the first: {skipped[0]}", file=sys.stderr)
        print("written:", *paths)

    def _compared(self, name: str, model: str) -> ModelSimilarity:
        from espnet_jst.encoders.chain import FIRST
        from espnet_jst.evaluation.similarity import ModelSimilarity, TapComparison, matrices, taps_to_compare
        from espnet_jst.hub.load import WEIGHTS_KEY, resolve
        from espnet_jst.hub.safe_archive import file_sha256
        from espnet_jst.inference.batch import encode_batch
        from espnet_jst.inference.loading import load_model
        from espnet_jst.inference.schedule import chunk_schedule
        from espnet_jst.progress import progress

        files = resolve(model)
        # The model alone: what is compared does not depend on how a model is searched.
        loaded, _ = load_model(**files, device=self.args.device)
        if loaded.speech is None:
            raise ConfigError(f"{name}: the model reads text; give one that hears speech")
        self.channels = loaded.channels
        loaded.languages([self.args.tgt_lang])  # one that is missing is refused before anything is heard
        schedule = chunk_schedule(loaded, None, None)
        chain = loaded.chain
        taps = taps_to_compare(self.args.taps, [s.reads for s in loaded.specs.values()], chain.shifts_s, name)
        compared, durations_s = TapComparison({tap: chain.sizes[tap] for tap in taps}), dict[str, float]()
        with progress(name, len(self.keys)) as advance:
            for batch in self._batches():
                for utterances, encoded in self._encoded(schedule, taps, batch):
                    compared.add(encoded)
                    durations_s |= {key: len(speech.samples) / speech.fs for key, speech in utterances.items()}
                advance(len(batch))
        if not compared.utterances:
            first = next(iter(self.skipped.values()))
            raise DataError(
                f"none of {len(self.keys)} utterances of {self.args.wav_scp} can be used; the first: {first}"
            )
        self.drawn = self.drawn or _longest(durations_s)
        drawn = encode_batch(loaded, schedule, taps, [self._read(self.drawn)]).taps
        return ModelSimilarity(
            name=name,
            scores=compared.scores(),
            matrices=matrices(drawn),
            shift_s=chain.shifts_s[taps[0]],
            utterances=compared.utterances,
            frames=compared.frames,
            signature={
                "from": model,
                "chunk_s": round(schedule.chunk_s, 4) or "whole",
                "left_chunks": schedule.context.encoders[FIRST].left_chunks if schedule.chunk_frames else "all",
                "checkpoint": file_sha256(Path(files[WEIGHTS_KEY]))[:12],
            },
        )

    def _batches(self) -> Iterator[dict[str, Speech]]:
        for begin in range(0, len(self.keys), self.args.batch_size):
            batch: dict[str, Speech] = {}
            for key in self.keys[begin : begin + self.args.batch_size]:
                try:
                    batch[key] = self._read(key)
                except Exception as error:  # of any library: one file must not end the others
                    self._skip(key, error)
            yield batch

    def _encoded(
        self, schedule: ChunkSchedule, taps: Sequence[str], batch: dict[str, Speech]
    ) -> Iterator[tuple[dict[str, Speech], dict[str, Tap]]]:
        """The utterances of a batch with their taps; each alone, where one of them cannot be encoded."""
        from espnet_jst.inference.batch import encode_batch

        if not batch:
            return
        try:
            encoded = encode_batch(schedule.model, schedule, taps, list(batch.values())).taps
        except Exception as error:
            if len(batch) == 1:
                self._skip(next(iter(batch)), error)
                return
            for key, speech in batch.items():
                yield from self._encoded(schedule, taps, {key: speech})
        else:
            yield batch, encoded

    def _read(self, key: str) -> Speech:
        import numpy as np

        from espnet_jst.data.bad_item import BadItem
        from espnet_jst.inference.audio.recording import Recording, take
        from espnet_jst.inference.batch import Speech
        from espnet_jst.inference.long import WHOLE_S

        with Recording(self.files[key], notify=self.said, channels=self.channels) as recording:
            taken, rest = take(recording.blocks(), WHOLE_S * recording.fs)
            if rest is not None:  # every frame is compared with every other
                raise BadItem(f"longer than {WHOLE_S:g} s", "cut it into utterances", "audio-long")
            return Speech(np.concatenate(taken), recording.fs, self.args.tgt_lang)

    def _skip(self, key: str, error: Exception) -> None:
        from espnet_jst.data.bad_item import BadItem
        from espnet_jst.data.checks import Problem
        from espnet_jst.inference.remarks import item_error

        if isinstance(error, BadItem):
            problem = Problem.of(key, error)
        else:
            problem = Problem(key, item_error(error), "check the recording")
        self.skipped.setdefault(key, problem)


def _longest(durations_s: dict[str, float]) -> str:
    """The utterance to draw: the longest one that is short enough, or the shortest of all."""
    short = {key: duration_s for key, duration_s in durations_s.items() if duration_s < DRAWN_S}
    return max(short, key=short.__getitem__) if short else min(durations_s, key=durations_s.__getitem__)


main = program(get_parser, _run)

if __name__ == "__main__":
    sys.exit(main())
