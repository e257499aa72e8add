"""What an epoch shows, on a terminal and in a log."""

import io
import logging
import sys

import pytest

from espnet_jst.training import progress
from espnet_jst.training.progress import Course, TrackedBatches, time_span


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


class Full(io.StringIO):
    """A stream on a full disk."""

    def write(self, text):
        raise OSError(28, "No space left on device")


def test_batches_pass_unchanged_and_each_begins_and_ticks():
    seen = []
    begin, tick = (lambda: seen.append("begin")), (lambda: seen.append("tick"))
    tracked = TrackedBatches([1, 2], label="epoch 1/2", begin=begin, tick=tick)
    assert len(tracked) == 2
    seen += ["all", *tracked]
    assert seen == ["begin", "tick", "begin", "tick", "all", 1, 2]


def test_a_log_gets_a_line_now_and_then(monkeypatch, capsys):
    monkeypatch.setattr(progress, "LINE_INTERVAL_S", 0.0)
    course = Course(done=40, planned=80)
    list(TrackedBatches([1, 2], label="epoch 3/20", course=course, loss=lambda: 1.25))
    list(TrackedBatches([1], label="epoch 3/20, validation", course=course, training=False))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "epoch 3/20, step 41/80, loss 1.250, 0 s left"
    assert lines[2] == "epoch 3/20, validation, batch 1/1, loss -, 0 s left"
    assert len(lines) == 3


def test_short_epochs_get_a_line_a_minute_all_together(monkeypatch, capsys):
    clock = iter(range(0, 10**6, 15))  # every look at it is a quarter of a minute later
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    course = Course()
    for epoch in range(1, 41):
        course.plan(epoch - 1, 40)
        list(TrackedBatches([1], label=f"epoch {epoch}/40", course=course, loss=lambda: 2.0))
    lines = capsys.readouterr().out.splitlines()
    assert 5 <= len(lines) <= 14
    assert lines[0].startswith("epoch ") and lines[0].endswith(" min left")


def test_the_time_that_is_left_is_that_of_all_epochs(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    course = Course()
    course.plan(500, 1000)  # a run that goes on
    course.start()
    assert course.left() == "" and course.steps() == "step 500/1000"
    for _ in range(100):
        course.step()
    now[0] += 200.0
    assert course.left() == "13 min left" and course.steps() == "step 600/1000"


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.4, "4 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (8040, "2 h 14 min")]
)
def test_a_time_has_the_unit_that_a_person_would_choose(seconds, text):
    assert time_span(seconds) == text


def test_a_log_that_cannot_be_written_ends_no_training(monkeypatch):
    monkeypatch.setattr(progress, "LINE_INTERVAL_S", 0.0)
    monkeypatch.setattr(sys, "stdout", Full())
    assert list(TrackedBatches([1, 2], label="epoch 1/1")) == [1, 2]


def test_a_terminal_gets_a_bar_and_log_lines_above_it(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    handler = logging.StreamHandler(terminal)
    monkeypatch.setattr(logging.root, "handlers", [handler])
    monkeypatch.setenv("TERM", "xterm")
    losses = iter([None, 1.25, 1.25])
    for batch in TrackedBatches([1, 2], label="epoch 3/20", loss=lambda: next(losses)):
        logging.root.warning("message %d", batch)
    assert "epoch 3/20" in terminal.getvalue() and "1.250" in terminal.getvalue()
    assert "loss -" in terminal.getvalue() and "nan" not in terminal.getvalue()
    assert "message 1" in terminal.getvalue()
    assert handler.stream is terminal


def test_an_unknown_length_is_no_error(monkeypatch, capsys):
    monkeypatch.setattr(progress, "LINE_INTERVAL_S", 0.0)
    tracked = TrackedBatches(iter([1]), label="epoch 1/1")
    with pytest.raises(TypeError):
        len(tracked)
    assert list(tracked) == [1]
    assert capsys.readouterr().out == "epoch 1/1, step 1, loss -\n"
