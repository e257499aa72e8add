"""Decoding of a list of files into ESPnet's output folder, with what was left out and how the results were made."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from espnet_jst.config import json_text
from espnet_jst.data.audio_file import BadItem
from espnet_jst.data.checks import Problem, write_skipped
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.inference.audio import read_audio
from espnet_jst.inference.speech2text import Result, Speech2Text
from espnet_jst.text.words import TRANSCRIPT
from espnet_jst.version import __version__


@dataclass
class Summary:
    """What a run did: utterances decoded, what was skipped, seconds of audio and of computation."""

    decoded: int
    skipped: list[Problem]
    audio_s: float
    elapsed_s: float


class ResultWriter:
    """`<n>best_recog/{text,token,token_int,score}` as espnet2.bin.st_inference writes them; `src_text` beside them, and
    `words.jsonl` with every word's lane and times beside the best.
    """

    def __init__(self, output_dir: Path, nbest: int) -> None:
        self._files: dict[Path, Any] = {}
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
            if TRANSCRIPT in hyp.lanes:
                self._line(folder / "src_text", utt_id, hyp.text(TRANSCRIPT))
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
    items: Sequence[tuple[str, str]],
    output_dir: str | Path,
    *,
    streaming: bool = False,
    batch_size: int = 1,
    on_progress: Callable[[int], None] = lambda count: None,
) -> Summary:
    """Decode (utterance, audio file) pairs into `output_dir`; what cannot be used is listed in skipped.jsonl.

    Args:
        speech2text: the decoder.
        items: utterance names and paths.
        output_dir: gets `1best_recog/` and so on.
        streaming: run a session for each file instead of whole utterances.
        batch_size: whole utterances decoded at once.
        on_progress: called with the number of items done.

    Raises:
        DataError: not one utterance could be used.
    """
    if streaming and speech2text.nbest > 1:
        raise ConfigError("a stream has one result: --nbest above 1 needs --streaming false")
    output_dir, started = Path(output_dir), time.perf_counter()
    skipped: list[Problem] = []
    decoded, audio_s = 0, 0.0
    with ResultWriter(output_dir, speech2text.nbest) as writer:
        for batch in _batches(items, 1 if streaming else batch_size, skipped, on_progress):
            speech = [(samples, fs) for _, samples, fs in batch]
            results = [[stream_file(speech2text, *speech[0])]] if streaming else speech2text.decode(speech)
            for (utt_id, _, _), result in zip(batch, results, strict=True):
                writer.write(utt_id, result)
                decoded, audio_s = decoded + 1, audio_s + result[0][3].duration_s
            on_progress(len(batch))
    write_skipped(output_dir, skipped)
    if not decoded and items:
        raise DataError(f"none of {len(items)} utterances could be decoded; the first: {skipped[0]}")
    return Summary(decoded, skipped, audio_s, time.perf_counter() - started)


def stream_file(speech2text: Speech2Text, samples: np.ndarray, fs: int) -> Result:
    """The samples of one file through a session, as a call's result with the computation time of each chunk."""
    session = speech2text.session(fs)
    session.push(samples)
    session.finish()
    return speech2text.stream_result(session)


def _batches(
    items: Sequence[tuple[str, str]], size: int, skipped: list[Problem], on_progress: Callable[[int], None]
) -> Iterator[list[tuple[str, np.ndarray, int]]]:
    batch: list[tuple[str, np.ndarray, int]] = []
    for utt_id, path in items:
        try:
            batch.append((utt_id, *read_audio(path)))
        except BadItem as error:
            skipped.append(Problem.of(utt_id, error))
            on_progress(1)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


def write_signature(output_dir: str | Path, speech2text: Speech2Text, weights: str | Path, **settings: Any) -> None:
    """`signature.json` beside the results: everything that a number made from them depends on."""
    schedule = speech2text.schedule
    context = speech2text.st_model.encoder.context
    left = context.left_chunks if schedule.left_chunks is None else schedule.left_chunks
    signature = {
        "system": ",".join(f"{name}:{head.spec.kind}" for name, head in speech2text.heads.items()),
        "lanes": "+".join(dict.fromkeys(lane for head in speech2text.heads.values() for lane in head.spec.lanes)),
        "chunk_s": round(schedule.chunk_s, 4) or "whole",
        "left_chunks": left if schedule.chunk_frames else "all",
        **settings,
        "checkpoint": hashlib.sha256(Path(weights).read_bytes()).hexdigest()[:12],
        "version": __version__,
    }
    folder = Path(output_dir) / "1best_recog"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "signature.json").write_text(json_text(signature, indent=1) + "\n", encoding="utf-8")
