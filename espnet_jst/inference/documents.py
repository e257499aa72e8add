"""The words of several recordings as one valid document, written as they come where the format allows it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TextIO
from xml.etree import ElementTree

from espnet_jst.config import json_text
from espnet_jst.data.kaldi import printable
from espnet_jst.errors import JSTError
from espnet_jst.text.subtitles import TTML, XML, format_words, make_cues, ttml_text
from espnet_jst.text.words import Word

_NUMBER = re.compile(r"^(\d+)\n(?=[\d:]+[.,]\d{3} --> )", re.MULTILINE)
_TTML, _LANG = f"{{{TTML}}}", f"{{{XML}}}lang"


class Document:
    """One document on a stream.

    - txt: a line a lane; of several recordings, each under its name.
    - json: JSON Lines, an object a recording.
    - srt, vtt, ttml: one file of subtitles, in which the recordings follow each other: times go on where the one before
      ended, and so do the numbers of the cues.

    Args:
        stream: where to write.
        fmt: the format.
        several: more than one recording is expected.
        lanes: lanes of the model; each is in a JSON object, also where it has no words.
        languages: language of each lane, where the words do not name it.
    """

    def __init__(
        self,
        stream: TextIO,
        fmt: str,
        *,
        several: bool = False,
        lanes: Sequence[str] = (),
        languages: Mapping[str, str] | None = None,
    ) -> None:
        self._stream, self._fmt, self._several, self._lanes = stream, fmt, several, tuple(lanes)
        self._languages = dict(languages or {})
        self._offset_s, self._cues = 0.0, 0
        self._root: ElementTree.Element | None = None
        self._empty = True

    def add(self, name: str, words: Sequence[Word], duration_s: float) -> None:
        """A recording: its name, words, and length in seconds."""
        if self._fmt == "txt":
            text = f"{printable(name)}:\n" if self._several else ""
            self._write(text + format_words(words, "txt"))
        elif self._fmt == "json":
            content = json.loads(format_words(words, "json"))
            content["text"] = {**dict.fromkeys(self._lanes, ""), **content["text"]}
            entry = {"file": name, "duration_s": round(duration_s, 4), **content}
            self._write(json_text(entry, ensure_ascii=False) + "\n")
        else:
            moved = [self._moved(word) for word in words]
            self._add_subtitles(format_words(moved, self._fmt, languages=self._languages))
            # A short cue stays longer on the screen than the recording lasts.
            self._offset_s = max([self._offset_s + duration_s, *(cue.end_s for cue in make_cues(moved)[-1:])])

    def close(self) -> None:
        """Write what stands at the end of a document."""
        if self._fmt == "ttml":
            self._write(format_words([], "ttml") if self._root is None else ttml_text(self._root))
        elif self._fmt == "vtt" and self._empty:
            self._write(format_words([], "vtt"))

    def _moved(self, word: Word) -> Word:
        times = {key: getattr(word, key) + self._offset_s for key in ("start_s", "end_s", "emission_s")}
        return replace(word, **times)

    def _add_subtitles(self, text: str) -> None:
        if self._fmt == "ttml":
            self._add_ttml(ElementTree.fromstring(text))
            return
        text, count = _NUMBER.subn(lambda found: f"{int(found[1]) + self._cues}\n", text)
        self._cues += count
        if self._fmt == "vtt" and not self._empty:
            text = text.removeprefix("WEBVTT").lstrip("\n")
        if count or (self._fmt == "vtt" and self._empty):
            self._write(text if self._empty else f"\n{text}")

    def _add_ttml(self, root: ElementTree.Element) -> None:
        """Paragraphs join those of the recordings before; one in another language says so."""
        paragraphs = list(root.iter(f"{_TTML}p"))
        if self._root is None and paragraphs:
            self._root = root
            return
        if self._root is None:
            return
        language = root.get(_LANG)
        division = next(self._root.iter(f"{_TTML}div"))
        for paragraph in paragraphs:
            if language is not None and language != self._root.get(_LANG) and _LANG not in paragraph.attrib:
                paragraph.set(_LANG, language)
            division.append(paragraph)

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise JSTError(f"{self._stream.name}: cannot be written ({error.strerror})") from error
        self._empty = False
