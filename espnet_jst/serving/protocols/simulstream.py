"""simulstream: one lane a connection; JSON that says the rate and the languages, then 16-bit samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath

from espnet_jst.evaluation.files import DecodedUtterance
from espnet_jst.evaluation.latency_logs import stream_events
from espnet_jst.serving.about import ServedModel
from espnet_jst.serving.conf import RefusedError
from espnet_jst.serving.wire import (
    PCM16,
    Heard,
    Line,
    Message,
    Progress,
    Wire,
    entry,
    language_code,
    rate_of,
    read_json,
)
from espnet_jst.text.words import Word

FS = 16_000  # where the client says none
MAX_NAME = 200  # characters of a recording's name, which stands in the log and is never opened


class Simulstream(Wire):
    """The transcript is sent where `target_lang` is the `source_lang`, else the translation. Nothing is deleted."""

    name = "simulstream"
    paths = ("/", "/simulstream")

    def __init__(self, query: Mapping[str, str], model: ServedModel) -> None:
        super().__init__(query, model)
        self.fs = FS
        self._lane = model.translation or model.transcript
        self._pcm, self._line = PCM16(), Line()
        self._begun, self._recording = False, "session"

    def hear(self, message: str | bytes) -> Heard:
        if isinstance(message, bytes):
            self._begun = True
            return Heard(self._pcm.take(message))
        values = read_json(message)
        if "end_of_stream" in values:
            return Heard(ended=True)
        if self._begun:
            raise RefusedError("rate and languages come before the audio: open a connection for each recording")
        name = entry(values, "metrics_metadata", "wav_name")
        if isinstance(name, str):
            self._recording = PurePath(name[:MAX_NAME]).stem or self._recording
        if "sample_rate" in values:
            self.fs = rate_of(values["sample_rate"])
        source, target = (language_code(values.get(key)) for key in ("source_lang", "target_lang"))
        if target and target == source:
            if self.model.transcript is None:
                raise RefusedError("target_lang is source_lang, and the model writes no transcript", kind="language")
            self._lane = self.model.transcript
        elif target:
            self.tgt_lang = self.model.tgt_lang(target)
        return Heard()

    def show(self, words: Sequence[Word], progress: Progress) -> Sequence[Message]:
        text = self._line.add([word for word in words if word.lane == self._lane])
        return [{"new": text, "deleted": ""}] if text else []

    def closing(self) -> Sequence[Message]:
        return [{"end_of_processing": True}]

    def events(self, number: int, finished: DecodedUtterance) -> Sequence[Message]:
        return [*stream_events(number, replace(finished, utt_id=self._recording), self._lane)] if self._lane else []
