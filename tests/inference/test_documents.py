"""Several recordings make one valid document of every format."""

from __future__ import annotations

import io
import json
from itertools import pairwise
from xml.etree import ElementTree

import pysubs2
import pytest

from espnet_jst.inference.documents import Document
from espnet_jst.text.words import Word

LANES = ("transcript", "translation")


def words(text: str, lane: str = "transcript", language: str | None = None) -> list[Word]:
    return [Word(word, lane, 2.0 * i, 2.0 * i + 0.4, 2.0 * i + 1, language) for i, word in enumerate(text.split())]


RECORDINGS = [
    ("a.wav", words("eins zwei", language="de") + words("one two", "translation", "en"), 4.0),
    ("empty.wav", [], 2.0),
    ("b.wav", words("un 1 00:00:01,000", language="fr"), 6.0),
]


def document(fmt: str, recordings: list = RECORDINGS) -> str:
    stream = io.StringIO()
    whole = Document(stream, fmt, several=True, lanes=LANES)
    for recording in recordings:
        whole.add(*recording)
    whole.close()
    return stream.getvalue()


@pytest.mark.parametrize("fmt", ["srt", "vtt", "ttml"])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (1, 2), (1,), ()])
def test_subtitles_go_on_in_time_and_number(fmt: str, order: tuple[int, ...]) -> None:
    recordings = [RECORDINGS[i] for i in order]
    text = document(fmt, recordings)
    cues = pysubs2.SSAFile.from_string(text, format_=fmt) if text else pysubs2.SSAFile()
    expected, offset = [], 0
    for _, spoken, duration_s in recordings:
        expected += [(offset + 1000 * word.start_s) for word in spoken if word.lane == "transcript"]
        offset += 1000 * duration_s
    assert [cue.start for cue in cues] == expected
    assert all(a.end <= b.start for a, b in pairwise(cues))
    if fmt == "srt":
        numbers = [int(block.splitlines()[0]) for block in text.split("\n\n") if block.strip()]
        assert numbers == list(range(1, len(expected) + 1))
    if fmt == "vtt":
        assert text.count("WEBVTT") == 1 and text.startswith("WEBVTT\n")


def test_ttml_is_one_document_whose_paragraphs_name_their_language() -> None:
    root = ElementTree.fromstring(document("ttml"))
    lang = "{http://www.w3.org/XML/1998/namespace}lang"
    assert root.get(lang) == "de"
    paragraphs = list(root.iter("{http://www.w3.org/ns/ttml}p"))
    assert [paragraph.get(lang) for paragraph in paragraphs] == [None, None, "fr", "fr", "fr"]


def test_json_is_an_object_a_line_with_every_lane() -> None:
    entries = [json.loads(line) for line in document("json").splitlines()]
    assert [entry["file"] for entry in entries] == ["a.wav", "empty.wav", "b.wav"]
    assert [entry["text"] for entry in entries] == [
        {"transcript": "eins zwei", "translation": "one two"},
        {"transcript": "", "translation": ""},
        {"transcript": "un 1 00:00:01,000", "translation": ""},
    ]
    assert [entry["words"][0]["start_s"] for entry in entries if entry["words"]] == [0.0, 0.0]


def test_text_stands_under_the_names() -> None:
    assert document("txt").splitlines()[:4] == ["a.wav:", "eins zwei", "one two", "empty.wav:"]


def test_a_short_cue_at_the_end_is_not_overtaken_by_the_next_recording() -> None:
    short = ("short.wav", [Word("hm", "transcript", 0.0, 0.05, 0.1)], 0.1)
    cues = pysubs2.SSAFile.from_string(document("srt", [short, short, short]))
    assert all(a.end <= b.start for a, b in pairwise(cues)) and len(cues) == 3
