"""OpenAI's realtime translation: two lanes of text that only grow, as JSON; audio as PCM of 24 kHz in base64."""

from __future__ import annotations

import base64
import itertools
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from espnet_jst.serving.about import ServedModel
from espnet_jst.serving.conf import RefusedError
from espnet_jst.serving.wire import PCM16, Heard, Line, Message, Progress, Wire, entry, language_code, read_json
from espnet_jst.text.words import Word

FS = 24_000
LONGEST_S = 24 * 3600  # what `expires_at` says; sessions end by their audio


class OpenAIRealtime(Wire):
    """The transcript is sent once `session.update` asks for it; a mistake is an `error`, and the session goes on."""

    name = "openai"
    paths = ("/v1/realtime/translations",)

    def __init__(self, query: Mapping[str, str], model: ServedModel) -> None:
        super().__init__(query, model)
        self.fs = FS
        self._numbers = itertools.count(1)
        self._session_id = f"sess_{secrets.token_hex(12)}"
        self._expires_at = int(time.time()) + LONGEST_S
        self._transcribes, self._begun = False, False
        self._language = model.speech2text.tgt_lang or model.languages.get(model.translation or "")
        self._pcm = PCM16()
        self._lines = {"input": Line(), "output": Line()}

    def opening(self) -> Sequence[Message]:
        return [self._event("session.created", session=self._session())]

    def hear(self, message: str | bytes) -> Heard:
        client_id = None
        try:
            if isinstance(message, bytes):
                raise RefusedError("a binary message: audio comes as base64 in session.input_audio_buffer.append")
            event = read_json(message)
            client_id = event.get("event_id")
            kind = event.get("type")
            if kind == "session.input_audio_buffer.append":
                return self._audio(event.get("audio"))
            if kind == "session.update":
                self._update(event.get("session"))
                return Heard(replies=[self._event("session.updated", session=self._session())])
            if kind == "session.close":
                return Heard(ended=True)
            raise RefusedError(
                f"type {str(kind)[:60]!r}: session.update, session.input_audio_buffer.append or session.close"
            )
        except RefusedError as error:
            return Heard(replies=[self._error(str(error), client_id)])

    def show(self, words: Sequence[Word], progress: Progress) -> Sequence[Message]:
        messages = []
        for side, lane in (("input", self.model.transcript), ("output", self.model.translation)):
            own = [word for word in words if word.lane == lane]
            if not own or (side == "input" and not self._transcribes):
                continue
            elapsed_ms = round(1000 * own[-1].emission_s)
            text = self._lines[side].add(own)
            messages.append(self._event(f"session.{side}_transcript.delta", delta=text, elapsed_ms=elapsed_ms))
        return messages

    def closing(self) -> Sequence[Message]:
        return [self._event("session.closed")]

    def refusal(self, error: RefusedError) -> Sequence[Message]:
        return [self._error(str(error), None, "server_error" if error.status >= 500 else "invalid_request_error")]

    def _audio(self, audio: Any) -> Heard:
        try:
            if not isinstance(audio, str):
                raise ValueError
            data = base64.b64decode(audio, validate=True)
        except ValueError:
            raise RefusedError("audio: base64 of 16-bit samples at 24,000 Hz, one channel") from None
        self._begun = True
        return Heard(self._pcm.take(data))

    def _update(self, session: Any) -> None:
        if not isinstance(session, dict):
            raise RefusedError("session: an object with what is to be changed")
        source, output = entry(session, "audio", "input"), entry(session, "audio", "output")
        asked = language_code(entry(output, "language"))
        if asked and asked != self._language:
            if self._begun:
                raise RefusedError("audio.output.language: it cannot change once audio has come")
            self.tgt_lang = self.model.tgt_lang(asked)
            self._language = asked
        if isinstance(source, dict) and "transcription" in source:
            self._transcribes = source["transcription"] is not None

    def _session(self) -> Message:
        transcription = {"model": self.model.name} if self._transcribes else None
        return {
            "id": self._session_id,
            "type": "translation",
            "model": self.model.name,
            "expires_at": self._expires_at,
            "audio": {
                "input": {"transcription": transcription, "noise_reduction": None},
                "output": {"language": self._language},
            },
        }

    def _error(self, message: str, client_id: Any, kind: str = "invalid_request_error") -> Message:
        about = {"type": kind, "message": message, "code": None, "param": None}
        return self._event("error", error={**about, "event_id": client_id if isinstance(client_id, str) else None})

    def _event(self, kind: str, **values: Any) -> Message:
        return {"type": kind, "event_id": f"event_{next(self._numbers)}", **values}
