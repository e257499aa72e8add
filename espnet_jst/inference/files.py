"""Decoding of a list of files into ESPnet's output folder, with what was left out and how the results were made."""

from __future__ import annotations

import hashlib
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from espnet_jst.config import json_text
from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import Problem, write_skipped
from espnet_jst.encoders.chain import FIRST
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.inference.audio.recording import Notify, Recording, packets
from espnet_jst.inference.batch import Speech
from espnet_jst.inference.long import WHOLE_S
from espnet_jst.inference.remarks import Once, item_error
from espnet_jst.inference.speech2text import Result, Speech2Text
from espnet_jst.text.lanes import Lane
from espnet_jst.text.words import join_words
from espnet_jst.version import __version__

PACKET_S = 0.5
Source = str | Sequence[int]  # path of a recording, or units


@dataclass
class Summary:
    """What a run did: utterances decoded, what was skipped, seconds of audio and of computation."""

    decoded: int
    skipped: list[Problem]
    audio_s: float
    elapsed_s: float


class ResultWriter:
    """`<n>best_recog/{text,token,token_int,score}` as espnet2.bin.st_inference writes them.

    Beside them stand the other lanes under the names of their data, such as `src_text`, and beside the best
    `words.jsonl` with every word's lane and times. What a second pass says beside a stream is in `second_pass_text` and
    the like.
    """

    def __init__(self, output_dir: Path, nbest: int, lanes: Mapping[str, Lane]) -> None:
        self._files: dict[Path, Any] = {}
        self._data = {name: lane.data for name, lane in lanes.items()}
        self._folders = [output_dir / f"{n}best_recog" for n in range(1, nbest + 1)]
        for folder in self._folders:
            folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> ResultWriter:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in self._files.values():
            stream.close()

    def write(self, utt_id: str, results: Sequence[Result]) -> None:
        """Add an utterance; an empty text is a line that holds the key alone."""
        for folder, (text, token, token_int, hyp) in zip(self._folders, results, strict=False):
            self._line(folder / "text", utt_id, text)
            self._line(folder / "token", utt_id, " ".join(token))
            self._line(folder / "token_int", utt_id, " ".join(map(str, token_int)))
            self._line(folder / "score", utt_id, str(hyp.score))
            for lane, name in self._data.items():
                if name != "text":
                    self._line(folder / name, utt_id, hyp.text(lane))
            for lane, words in hyp.second_pass.items():
                self._line(folder / f"second_pass_{self._data[lane]}", utt_id, join_words(words))
        hyp = results[0][3]
        entry: dict[str, Any] = {"utt_id": utt_id, "duration_s": round(hyp.duration_s, 4)}
        if hyp.compute:
            entry["compute_s"] = hyp.compute
        entry["words"] = [word.as_dict() for word in hyp.words]
        self._open(self._folders[0] / "words.jsonl").write(json_text(entry, ensure_ascii=False) + "\n")

    def _line(self, path: Path, utt_id: str, value: str) -> None:
        self._open(path).write(f"{utt_id} {value}".rstrip() + "\n")

    def _open(self, path: Path) -> Any:
        if path not in self._files:
            self._files[path] = path.open("w", encoding="utf-8")
        return self._files[path]


def decode_files(
    speech2text: Speech2Text,
    items: Sequence[tuple[str, Source]],
    output_dir: str | Path,
    *,
    streaming: bool = False,
    batch_size: int = 1,
    tgt_langs: Mapping[str, str] | None = None,
    on_progress: Callable[[int], None] = lambda count: None,
) -> Summary:
    """Decode (utterance, audio file or units) pairs into `output_dir`; what cannot be used is listed in skipped.jsonl.

    Args:
        speech2text: the decoder.
        items: utterance names and paths, or units, a unit a frame, of a model that was trained on them.
        output_dir: gets `1best_recog/` and so on.
        streaming: run a session for each file instead of whole utterances.
        batch_size: whole utterances decoded at once.
        tgt_langs: the language to translate an utterance into; those of the others are the decoder's.
        on_progress: called with the number of items done.

    Raises:
        DataError: not one utterance could be used.
    """
    if streaming and speech2text.nbest > 1:
        raise ConfigError("a stream has one result: --nbest above 1 needs --streaming false")
    output_dir, started = Path(output_dir), time.perf_counter()
    said = Once()
    run = _Run(speech2text, streaming, said, tgt_langs or {})
    decoded, audio_s = 0, 0.0
    with ResultWriter(output_dir, speech2text.nbest, speech2text.lanes) as writer:
        for item, results in run.decode(items, 1 if streaming else batch_size):
            if results is not None:
                writer.write(item, results)
                decoded, audio_s = decoded + 1, audio_s + results[0][3].duration_s
            on_progress(1)
    said.summarize()
    order = {utt_id: place for place, (utt_id, _) in enumerate(items)}
    skipped = sorted(run.skipped, key=lambda problem: order[problem.utt_id])
    write_skipped(output_dir, skipped)
    if not decoded and items:
        raise DataError(f"none of {len(items)} utterances could be decoded; the first: {skipped[0]}")
    return Summary(decoded, skipped, audio_s, time.perf_counter() - started)


def stream_file(speech2text: Speech2Text, recording: Recording, tgt_lang: str | None = None) -> Result:
    """A recording through a session in packets, as a call's result with the computation time of each chunk."""
    session = speech2text.session(recording.fs, tgt_lang=tgt_lang)
    for packet in packets(recording.blocks(), round(PACKET_S * recording.fs)):
        session.feed(packet)
    session.finish()
    return speech2text.stream_result(session)


class _Run:
    """Decodes items, one file open at a time; an item that fails is a problem in `skipped`, whatever went wrong."""

    def __init__(self, speech2text: Speech2Text, streaming: bool, notify: Notify, tgt_langs: Mapping[str, str]) -> None:
        self.speech2text, self.streaming, self.notify, self.tgt_langs = speech2text, streaming, notify, tgt_langs
        self.skipped: list[Problem] = []

    def decode(self, items: Sequence[tuple[str, Source]], size: int) -> Iterator[tuple[str, list[Result] | None]]:
        """Utterances with their results, None where there are none; short ones in batches of `size`."""
        batch: list[tuple[str, Speech | Sequence[int]]] = []
        for utt_id, source in items:
            short: Speech | Sequence[int] | None
            short, results = self._read(utt_id, source, alone=size == 1) if isinstance(source, str) else (source, None)
            if short is None:
                if results is not None:
                    yield from self._decode_batch(batch)
                    batch = []
                yield utt_id, results
                continue
            batch.append((utt_id, short))
            if len(batch) == size:
                yield from self._decode_batch(batch)
                batch = []
        yield from self._decode_batch(batch)

    def _read(self, utt_id: str, path: str, *, alone: bool) -> tuple[Speech | None, list[Result] | None]:
        """A file that is short enough for a batch, or the results of another."""
        tgt_lang = self.tgt_langs.get(utt_id)
        with self._blame(utt_id), Recording(path, notify=self.notify, channels=self.speech2text.channels) as recording:
            if self.streaming:
                return None, [stream_file(self.speech2text, recording, tgt_lang)]
            if alone or recording.duration_s is None or recording.duration_s > WHOLE_S:
                return None, self.speech2text.decode_recording(recording, tgt_lang)
            return Speech(np.concatenate(list(recording.blocks())), recording.fs, tgt_lang), None
        return None, None

    def _decoded(self, batch: Sequence[tuple[str, Speech | Sequence[int]]]) -> list[list[Result]]:
        speech = [entry for _, entry in batch if isinstance(entry, Speech)]
        if speech:
            return self.speech2text.decode(speech)
        units = {utt_id: entry for utt_id, entry in batch if not isinstance(entry, Speech)}
        return self.speech2text.decode_units([*units.values()], [self.tgt_langs.get(utt_id) for utt_id in units])

    def _decode_batch(
        self, batch: Sequence[tuple[str, Speech | Sequence[int]]]
    ) -> Iterator[tuple[str, list[Result] | None]]:
        if len(batch) > 1:
            try:
                results = self._decoded(batch)
            except Exception:  # of one of them, or all need too much memory: the others are not lost
                for item in batch:
                    yield from self._decode_batch([item])
                return
            yield from ((utt_id, result) for (utt_id, _), result in zip(batch, results, strict=True))
        for utt_id, speech in batch if len(batch) == 1 else ():
            found = None
            with self._blame(utt_id):
                [found] = self._decoded([(utt_id, speech)])
            yield utt_id, found

    @contextmanager
    def _blame(self, utt_id: str) -> Iterator[None]:
        try:
            yield
        except BadItem as error:
            self.skipped.append(Problem.of(utt_id, error))
        except Exception as error:
            self.skipped.append(Problem(utt_id, item_error(error), "check the recording", "not-decoded"))


def write_signature(output_dir: str | Path, speech2text: Speech2Text, weights: str | Path, **settings: Any) -> None:
    """`signature.json` beside the results: everything that a number made from them depends on."""
    schedule = speech2text.schedule
    first = schedule.context.encoders[FIRST]
    left, ahead_s = first.left_chunks, first.look_ahead_frames * schedule.model.chain.shifts_s[FIRST]
    signature = {
        "system": ",".join(f"{name}:{search.kind}" for name, search in speech2text.decoder.searches.items()),
        "lanes": "+".join(speech2text.lanes),
        "chunk_s": round(schedule.chunk_s, 4) or "whole",
        "left_chunks": left if schedule.chunk_frames else "all",
        **({"look_ahead_s": round(ahead_s, 4)} if ahead_s else {}),
        **settings,
        "checkpoint": _digest(weights),
        "version": __version__,
    }
    translator = speech2text.translator
    if translator is not None and translator.weights is not None:
        signature["mt_checkpoint"] = _digest(translator.weights)
    folder = Path(output_dir) / "1best_recog"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "signature.json").write_text(json_text(signature, indent=1) + "\n", encoding="utf-8")


def write_cost(output_dir: str | Path, done: Summary) -> None:
    """`cost.json` beside the results: seconds of audio and of computation, the process's most memory, its threads."""
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cost = {"audio_s": round(done.audio_s, 3), "elapsed_s": round(done.elapsed_s, 3)}
    cost |= {"peak_memory_mb": round(peak_mb, 1), "threads": torch.get_num_threads()}
    path = Path(output_dir) / "1best_recog" / "cost.json"
    path.write_text(json_text(cost, indent=1) + "\n", encoding="utf-8")


def _digest(weights: str | Path) -> str:
    return hashlib.sha256(Path(weights).read_bytes()).hexdigest()[:12]
