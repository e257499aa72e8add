import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from espnet_jst.errors import DataError
from espnet_jst.evaluation import plot_curves, plot_latency, plot_two_lanes
from espnet_jst.evaluation.pictures.figure import lane_colours, new_figure, save
from espnet_jst.text.lanes import TRANSCRIPT, TRANSLATION
from espnet_jst.text.words import Word

WORDS = [
    Word("four", TRANSCRIPT, 0.1, 0.5, 0.64),
    Word("two", TRANSCRIPT, 0.6, 1.0, 1.28),
    *(Word(text, TRANSLATION, 0.1, 1.0, 1.28) for text in ("zwei", "und", "vierzig")),
]


@pytest.fixture
def figures(monkeypatch):
    """The figures that were saved, to look into."""
    saved = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (saved.append(self), save(self, *a, **k))[1])
    return saved


def texts(axis):
    return [item.get_text() for item in axis.texts if item.get_text()]


def shows(path, colour):
    """Whether a picture holds pixels of a colour."""
    wanted = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return bool((np.abs(imread(path)[..., :3] - wanted).max(axis=-1) < 0.02).any())


def test_words_lie_over_their_audio_and_below_the_moment_they_were_shown(tmp_path, figures):
    waveform = np.sin(np.arange(12000) / 5)
    path = plot_two_lanes(
        waveform, 8000, WORDS, tmp_path / "sub" / "lanes.png", {TRANSLATION: "zwei und"}, chunk_s=0.64
    )
    wave, transcript, translation = figures[0].axes
    assert [(bar.get_x(), bar.get_width()) for bar in transcript.patches[:2]] == [(0.1, 0.4), (0.6, 0.4)]
    assert texts(transcript) == ["four", "two", "four", "two"]
    assert texts(translation) == ["zwei und vierzig", "zwei und vierzig", "reference: zwei und"]
    shown = [item for item in translation.texts if item.get_fontweight() == "bold"]
    assert [item.get_position()[0] for item in shown] == [1.28]
    assert [line.get_xdata()[0] for line in wave.lines] == [0.64, 1.28]
    assert shows(path, lane_colours()[TRANSCRIPT][0]) and shows(path, lane_colours()[TRANSLATION][0])


def test_each_speaker_has_a_row_of_the_lane_with_what_it_should_say(tmp_path, figures):
    said = [replace(word, speaker=speaker) for word, speaker in zip(WORDS[:2], ("self", "other"), strict=True)]
    reference = {TRANSCRIPT: {"self": "four", "other": "three", "third": "one"}}
    plot_two_lanes(np.zeros(12000), 8000, said, tmp_path / "lanes.png", reference, chunk_s=0.64)
    _, *rows = figures[0].axes
    assert [axis.get_ylabel() for axis in rows] == [f"transcript\n{who}" for who in ("other", "self", "third")]
    assert [texts(axis) for axis in rows] == [
        ["two", "two", "reference: three"],
        ["four", "four", "reference: four"],
        ["reference: one"],
    ]


def test_an_utterance_without_words_or_audio_is_drawn_too(tmp_path, figures):
    plot_two_lanes(np.zeros(0), 8000, [], tmp_path / "none.png", chunk_s=0.64)
    plot_two_lanes(np.zeros(800), 8000, [], tmp_path / "silent.png")
    assert [len(figure.axes) for figure in figures] == [3, 3]


def test_curves_have_a_panel_for_the_loss_and_what_else_validation_has_and_is_not_zero(tmp_path, figures):
    history = [
        {
            "epoch": e,
            "train": {"ctc_ctc": 1.0, "loss": 9.0 / e, "loss_scale": 1.0, "lr": 0.1},
            "valid": {"ctc_ctc": 1.0, "ctc_too_short": 0.0, "loss": 10.0 / e},
        }
        for e in (1, 2, 3)
    ]
    plot_curves(history, tmp_path / "curves.png")
    panels = [axis for axis in figures[0].axes if axis.get_visible()]
    assert [axis.get_title(loc="left") for axis in panels] == ["loss", "ctc_ctc"]
    train, valid = panels[0].lines
    assert list(train.get_ydata()) == [9.0, 4.5, 3.0] and list(valid.get_ydata()) == pytest.approx([10, 5, 10 / 3])


def test_curves_that_are_not_there_are_an_error(tmp_path):
    with pytest.raises(DataError, match="the history has \\['acc'\\]"):
        plot_curves([{"epoch": 1, "train": {"acc": 1.0}}], tmp_path / "curves.png")


def test_the_latency_picture_names_the_medians(tmp_path, figures):
    plot_latency({TRANSCRIPT: [500.0, 700.0, 900.0], TRANSLATION: [1000.0]}, tmp_path / "latency.png")
    labels = [item.get_text() for item in figures[0].axes[0].get_legend().get_texts()]
    assert labels == ["transcript: median 0.70 s, P90 0.86 s", "translation: median 1.00 s, P90 1.00 s"]
    heights = [bar.get_height() for bar in figures[0].axes[0].patches]
    assert math.isclose(sum(heights), 200.0)


def test_no_latency_at_all_is_said_in_the_picture(tmp_path, figures):
    plot_latency({TRANSCRIPT: []}, tmp_path / "latency.png")
    assert texts(figures[0].axes[0]) == ["nothing was written in any lane"]


def test_a_script_that_the_font_lacks_is_drawn_in_silence(tmp_path, recwarn):
    figure = new_figure(2, 2)
    figure.subplots().set_title("今天 ខ្មែរ")
    assert save(figure, tmp_path / "a.png").stat().st_size > 0
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]
