import re

import numpy as np
import pytest

from espnet_jst.evaluation.files import DecodedUtterance
from espnet_jst.evaluation.report.timeline import SHOWN_S, timeline
from espnet_jst.text.lanes import TRANSCRIPT, TRANSLATION
from espnet_jst.text.words import Word
from tests.evaluation.report.experiment import Page

LANES = (TRANSCRIPT, TRANSLATION)
WORDS = (
    Word("four", TRANSCRIPT, 0.1, 0.5, 0.64),
    Word("two", TRANSCRIPT, 0.6, 1.0, 1.28),
    *(Word(text, TRANSLATION, 0.1, 1.0, 1.28) for text in ("zwei", "und", "vierzig")),
)
SAMPLES = np.sin(np.arange(12000) / 9)
UTTERANCE = DecodedUtterance("a", 1.5, WORDS, ((0.64, 0.1), (1.28, 0.1), (1.5, 0.1)))


def drawn(utterance=UTTERANCE, samples=SAMPLES, **more):
    return Page(timeline(utterance, LANES, samples, 8000, **more))


def test_words_lie_over_their_audio_and_marks_at_the_time_they_were_shown():
    page = drawn()
    grid = [float(line["x1"]) for line in page.all("line", **{"class": "chunk"})]
    scale = (grid[1] - grid[0]) / 0.64
    origin = grid[0] - 0.64 * scale
    bars = [((float(b["x"]) - origin) / scale, float(b["width"]) / scale) for b in page.all("rect")]
    assert bars == [pytest.approx(bar, abs=0.01) for bar in [(0.1, 0.4), (0.6, 0.4), (0.1, 0.9)]]
    marks = [path["d"] for path in page.all("path", **{"class": "mark translation"})]
    assert (float(re.match(r"M([\d.]+)", marks[0]).group(1)) + 4 - origin) / scale == pytest.approx(1.28, abs=0.01)
    assert "zwei und vierzig: audio 0.10 to 1.00 s, shown at 1.28 s, 0.28 s later" in page.text("title")
    assert page.text("text").count("zwei und vierzig") == 2  # in its bar and where it was shown


def test_a_word_is_never_shown_after_the_audio():
    late = DecodedUtterance("a", 1.0, (Word("four", TRANSCRIPT, 0.1, 0.5, 1.3),))
    assert "shown at 1.00 s: four" in drawn(late).text("title")


def test_labels_and_bars_that_meet_take_rows_of_their_own():
    words = tuple(Word(text, TRANSLATION, 0.0, 1.0, 0.64 + 0.01 * k) for k, text in enumerate(("erstens", "zweitens")))
    page = drawn(DecodedUtterance("a", 1.5, words))
    assert len({bar["y"] for bar in page.all("rect")}) == 2
    assert len({label["y"] for label in page.all("text", **{"class": "shown mid translation"})}) == 2


def test_the_grid_is_made_of_multiples_where_chunks_were_not_written():
    lines = drawn(DecodedUtterance("a", 1.5, WORDS), chunk_s=0.5).all("line", **{"class": "chunk"})
    assert len(lines) == 3


def test_a_long_recording_is_cut_and_a_silent_one_has_no_words():
    words = tuple(Word("ja", TRANSCRIPT, float(k), k + 0.5, k + 1.0) for k in range(200))
    page = drawn(DecodedUtterance("a", 200.0, words), np.zeros(8000 * 200, np.float32))
    assert len(page.all("rect")) == SHOWN_S
    assert not drawn(DecodedUtterance("a", 1.0, ()), np.zeros(0)).all("rect")


def test_words_that_were_shown_long_after_the_cut_do_not_widen_the_picture():
    words = tuple(Word("ja", TRANSCRIPT, float(k), k + 0.5, 300.0) for k in range(300))
    [svg] = drawn(DecodedUtterance("a", 300.0, words)).all("svg")
    assert float(svg["width"]) < 6000


def test_every_speaker_has_a_row():
    words = (
        Word("four", TRANSCRIPT, 0.1, 0.5, 0.64, speaker="self"),
        Word("seven", TRANSCRIPT, 0.3, 0.8, 1.28, speaker="other"),
    )
    page = drawn(DecodedUtterance("a", 1.5, words))
    assert [text for text in ("self", "other") if text in page.text("text")] == ["self", "other"]
    assert len({bar["y"] for bar in page.all("rect")}) == 2
