"""Times of given transcripts: forced alignment of whole recordings by a model's CTC head."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import Problem
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.inference.align.word_times import TimingConf, ctc_word_times, share_spans
from espnet_jst.inference.audio.recording import read_audio
from espnet_jst.inference.audio.resample import resample
from espnet_jst.inference.loading import load_model
from espnet_jst.inference.searches import build_timings
from espnet_jst.tasks.arguments import build_tokenizers
from espnet_jst.text.lanes import parse_lanes
from espnet_jst.text.units import split_units

Spans = list[tuple[float, float]]


@torch.inference_mode()
def transcript_times(
    *,
    st_train_config: str | Path | None,
    st_model_file: str | Path | None,
    texts: Mapping[str, str],
    files: Mapping[str, str],
    device: str = "cpu",
    conf: TimingConf | None = None,
    on_progress: Callable[[int], None] = lambda count: None,
) -> tuple[dict[str, Spans], list[Problem]]:
    """Start and end of each spoken word in seconds, and what could not be timed.

    Args:
        st_train_config: config.yaml of the training run, or None for the one beside the weights.
        st_model_file: weights of a model with a CTC head on the transcript.
        texts: utterance -> text; a script without blanks has a time for each character.
        files: utterance -> audio file.
        device: where the model runs.
        conf: how boundaries are drawn.
        on_progress: called with the number of utterances done.

    Raises:
        ConfigError: the model has no CTC head on the transcript.
    """
    model, args = load_model(st_train_config, st_model_file, device)
    lanes = parse_lanes((args.model_conf or {}).get("lanes"))
    timing = next(iter(build_timings(model, lanes, build_tokenizers(args), conf).values()), None)
    if timing is None:
        raise ConfigError(
            f"{st_model_file}: no CTC head writes the transcript; train with one: "
            "asr_ctc: {kind: ctc, lanes: [transcript]}"
        )
    spans: dict[str, Spans] = {}
    skipped = []
    for key, text in texts.items():
        try:
            if key not in files:
                raise BadItem("no line in wav.scp", "add it or remove the text", "keys-differ")
            samples, fs = read_audio(files[key], channels=model.channels)
            speech = torch.from_numpy(resample(samples, fs, model.fs))[None].to(device)
            tap = model.encode(speech, torch.tensor([speech.size(1)], device=device))[timing.reads]
            groups = timing.tokenizer.groups(split_units(text))
            labels = [ids for ids, _ in groups]
            found = ctc_word_times(
                timing.head.log_probs(tap.x)[0], labels, timing.frame_shift_s, blank=timing.head.blank, conf=timing.conf
            )
            duration_s = len(samples) / fs
            times = [(timing.begin_s + span.start_s, timing.begin_s + span.end_s) for span in found]
            clipped = [(min(max(0.0, start), duration_s), min(max(0.0, end), duration_s)) for start, end in times]
            spans[key] = share_spans(clipped, [count for _, count in groups])
        except BadItem as error:
            skipped.append(Problem.of(key, error))
        except DataError as error:
            skipped.append(Problem(key, str(error), "check that text and audio belong together"))
        on_progress(1)
    return spans, skipped
