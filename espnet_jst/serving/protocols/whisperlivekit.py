"""WhisperLiveKit's `/asr`: lines with their translations, as a whole each time (full) or what is new of them (diff)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from espnet_jst.serving.about import ServedModel
from espnet_jst.serving.conf import RefusedError
from espnet_jst.serving.wire import PCM16, Heard, Message, Progress, Wire, language_code, rate_of
from espnet_jst.text.words import Word, join_words

FS = 16_000
PAUSE_S, LINE_S = 0.7, 12.0  # silence that ends a line, and the longest one
LATE_S = 5.0  # of a translation: later words stand beside later lines
CONTAINERS = (b"\x1a\x45\xdf\xa3", b"OggS", b"RIFF", b"fLaC", b"ID3")


@dataclass
class _Line:
    """Words of one speaker without a pause, and what they mean."""

    speaker: str | None
    spoken: list[Word] = field(default_factory=list)
    meant: list[Word] = field(default_factory=list)

    @property
    def start_s(self) -> float:
        return min(word.start_s for word in self.spoken or self.meant)

    @property
    def end_s(self) -> float:
        return max(word.end_s for word in self.spoken or self.meant)


class WhisperLiveKit(Wire):
    """Words are final when they appear. In full mode they are in `lines`; in diff mode a line that may still grow is in
    the buffers, since a line that was sent cannot change there.
    """

    name = "whisperlivekit"
    paths = ("/asr",)

    def __init__(self, query: Mapping[str, str], model: ServedModel) -> None:
        super().__init__(query, model)
        self._mode = query.get("mode", "full")
        if self._mode not in ("full", "diff"):
            raise RefusedError(f"mode {self._mode[:20]!r}: full or diff")
        self.fs = rate_of(query.get("sample_rate", FS))
        self.tgt_lang = model.tgt_lang(language_code(query.get("target_language")))
        self._pcm, self._first = PCM16(), True
        self._speakers: dict[str | None, int] = {}
        self._closed: list[Message] = []
        self._open: list[_Line] = []
        self._sent = self._number = 0
        self._heard_s = 0.0

    def opening(self) -> Sequence[Message]:
        return [{"type": "config", "useAudioWorklet": True, "mode": self._mode}]

    def hear(self, message: str | bytes) -> Heard:
        if isinstance(message, str):
            raise RefusedError("a text message: audio comes in binary ones, and an empty one ends it", kind="message")
        if not message:
            return Heard(ended=True)
        if self._first and message.startswith(CONTAINERS):
            raise RefusedError(
                f"a file or a container: send 16-bit samples of one channel at {self.fs} Hz, as useAudioWorklet says",
                kind="format",
            )
        self._first = False
        return Heard(self._pcm.take(message))

    def show(self, words: Sequence[Word], progress: Progress) -> Sequence[Message]:
        for word in words:
            self._add(word)
        if not words:
            return ()
        self._close(keep_s=LATE_S)
        return [self._state(progress.waiting_s)]

    def closing(self) -> Sequence[Message]:
        last = []
        if self._open and self._mode == "diff":
            self._close(keep_s=None)
            last = [self._state(0.0)]
        return [*last, {"type": "ready_to_stop"}]

    def _add(self, word: Word) -> None:
        self._heard_s = max(self._heard_s, word.emission_s)
        if word.lane == (self.model.transcript or self.model.translation):
            line = self._open[-1] if self._open else None
            if (
                line is None
                or line.speaker != word.speaker
                or word.start_s - line.end_s > PAUSE_S
                or word.end_s - line.start_s > LINE_S
            ):
                line = _Line(word.speaker)
                self._open.append(line)
            line.spoken.append(word)
        elif word.lane == self.model.translation:
            if not self._open:
                self._open.append(_Line(word.speaker))
            # A translation's span is that of its block: it belongs to the line in which the block ends.
            begun = [line for line in self._open if line.start_s < word.end_s] if self._open[0].spoken else []
            (begun or self._open)[-1 if begun else 0].meant.append(word)

    def _close(self, keep_s: float | None) -> None:
        """Lines that nothing will be added to: another one has begun, and the translation had time to come."""
        while self._open:
            done = len(self._open) > 1 and self._heard_s - self._open[0].end_s > (keep_s or 0.0)
            if keep_s is not None and not done:
                return
            self._closed.append(self._shown(self._open.pop(0)))

    def _shown(self, line: _Line) -> Message:
        speaker = self._speakers.setdefault(line.speaker, len(self._speakers) + 1)
        shown = {"speaker": speaker, "text": join_words(line.spoken)}
        shown |= {"start": _clock(line.start_s), "end": _clock(line.end_s)}
        if line.meant:
            shown["translation"] = join_words(line.meant)
        languages = [word.language for word in line.spoken if word.language]
        return shown | ({"detected_language": languages[0]} if languages else {})

    def _state(self, waiting_s: float) -> Message:
        spoken = join_words(word for line in self._open for word in line.spoken)
        meant = join_words(word for line in self._open for word in line.meant)
        state: Message = {
            "status": "active_transcription",
            "buffer_transcription": spoken,
            "buffer_diarization": "",
            "buffer_translation": meant,
            "remaining_time_transcription": round(waiting_s, 2),
            "remaining_time_diarization": 0.0,
        }
        if self._mode == "full":
            lines = self._closed + [self._shown(line) for line in self._open]
            return {**state, "lines": lines, "buffer_transcription": "", "buffer_translation": ""}
        self._number += 1
        new, self._sent = self._closed[self._sent :], len(self._closed)
        if self._number == 1:
            return {"type": "snapshot", "seq": 1, **state, "lines": new}
        diff = {"type": "diff", "seq": self._number, **state, "n_lines": self._sent}
        return {**diff, "new_lines": new} if new else diff


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds: 0:01:05."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
