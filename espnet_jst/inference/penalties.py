"""One model with several blank penalties: what is heard is encoded once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from espnet_jst.compat import float32_by_default
from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import Problem, write_skipped
from espnet_jst.errors import DataError
from espnet_jst.inference.audio.recording import Recording
from espnet_jst.inference.batch import Speech, decode_encoded, encode_batch
from espnet_jst.inference.files import ResultWriter
from espnet_jst.inference.long import WHOLE_S
from espnet_jst.inference.remarks import Once
from espnet_jst.inference.speech2text import Result, Speech2Text

Utterances = Sequence[tuple[np.ndarray, int]]


@float32_by_default()
def decode_with_each(models: Sequence[Speech2Text], utterances: Utterances) -> list[list[list[Result]]]:
    """Decode whole utterances with variants of one Speech2Text (`with_penalty`) -> for each its results.

    With a finite chunk words and times are those of a session.

    Args:
        utterances: checked samples (n,) and their rate in Hz. Where one is too long for a batch, each variant hears
            all by itself.

    Raises:
        DataError: one of them cannot be decoded; `index` is its place.
    """
    first = models[0]
    if any(len(samples) > WHOLE_S * fs for samples, fs in utterances):
        return [model.decode(utterances) for model in models]
    reads = frozenset().union(*(model.decoder.reads for model in models))
    spoken = [Speech(samples, fs, first.language(None)) for samples, fs in utterances]
    encoded = encode_batch(first.st_model, first.schedule, reads, spoken)
    return [
        [model.results(decoded) for decoded in decode_encoded(model.schedule, model.decoder, encoded)]
        for model in models
    ]


def decode_files_with_each(
    models: Mapping[str, Speech2Text],
    items: Sequence[tuple[str, str]],
    output_dir: Path,
    *,
    batch_size: int = 4,
    on_progress: Callable[[int], None] = lambda count: None,
) -> list[Problem]:
    """Decode (utterance, audio file) pairs into `output_dir/<name>` of every variant, as `decode_files` does.

    Returns:
        What could not be used, which `skipped.jsonl` lists.

    Raises:
        DataError: not one utterance could be used.
    """
    said, skipped = Once(), list[Problem]()
    channels = next(iter(models.values())).channels
    with ExitStack() as stack:
        writers = [
            stack.enter_context(ResultWriter(output_dir / name, model.nbest, model.lanes))
            for name, model in models.items()
        ]
        for start in range(0, len(items), batch_size):
            batch: list[tuple[str, np.ndarray, int]] = []
            for utt_id, path in items[start : start + batch_size]:
                try:
                    with Recording(path, notify=said, channels=channels) as recording:
                        batch.append((utt_id, np.concatenate(list(recording.blocks())), recording.fs))
                except BadItem as error:
                    skipped.append(Problem.of(utt_id, error))
            while batch:
                try:
                    results = decode_with_each([*models.values()], [(samples, fs) for _, samples, fs in batch])
                except DataError as error:  # of one of them: the others are not lost
                    utt_id, *_ = batch.pop(error.index or 0)
                    skipped.append(Problem(utt_id, str(error), "check the recording", "not-decoded"))
                    continue
                for writer, found in zip(writers, results, strict=True):
                    for (utt_id, _, _), result in zip(batch, found, strict=True):
                        writer.write(utt_id, result)
                break
            on_progress(len(items[start : start + batch_size]))
    said.summarize()
    write_skipped(output_dir, skipped)
    if len(skipped) == len(items):
        raise DataError(f"none of {len(items)} utterances could be decoded; the first: {skipped[0]}")
    return skipped
