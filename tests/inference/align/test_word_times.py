"""Word spans from CTC posteriors, whole and in a stream."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from espnet_jst.errors import DataError
from espnet_jst.inference.align.word_times import TimingConf, WordTimer, ctc_word_times

SHIFT_S = 0.08


def posteriors(frames: int, peaks: list[tuple[int, int]], *, vocabulary: int = 12, skirt: float = 0.05) -> Tensor:
    """Peaky CTC log posteriors: blank everywhere but at (frame, token) peaks, whose neighbours keep a small skirt."""
    probs = torch.full((frames, vocabulary), 1e-6)
    probs[:, 0] = 1.0
    for frame, token in peaks:
        probs[frame, 0], probs[frame, token] = 0.02, 1.0
        for neighbour in (frame - 1, frame + 1):
            if 0 <= neighbour < frames:
                probs[neighbour, token] = max(skirt, float(probs[neighbour, token]))
    return (probs / probs.sum(1, keepdim=True)).log()


def random_words(rng: np.random.Generator, count: int) -> tuple[list[tuple[float, float]], list[tuple[int, int]], int]:
    """True spans in seconds, CTC peaks at a random place inside each word, number of frames."""
    time_s, spans, peaks = rng.uniform(0, 0.2), [], []
    for _ in range(count):
        end_s = time_s + rng.uniform(0.35, 0.6)
        spans.append((time_s, end_s))
        peaks.append((int((time_s + end_s) / 2 / SHIFT_S), int(rng.integers(1, 12))))
        time_s = end_s + rng.uniform(0, 0.2)
    return spans, peaks, int(time_s / SHIFT_S) + 2


def test_words_are_found_at_their_peaks_and_do_not_overlap() -> None:
    log_probs = posteriors(30, [(4, 1), (6, 2), (15, 3), (24, 1)])
    spans = ctc_word_times(log_probs, [[1, 2], [3], [1]], SHIFT_S)
    for span, (first, last) in zip(spans, [(4, 6), (15, 15), (24, 24)], strict=True):
        assert span.first_frame <= first <= last <= span.last_frame
        assert span.start_s <= first * SHIFT_S < (last + 1) * SHIFT_S <= span.end_s
    assert all(a.end_s <= b.start_s for a, b in itertools.pairwise(spans))


def test_median_boundary_error_is_a_tenth_of_a_second_on_peaky_posteriors() -> None:
    rng, errors = np.random.default_rng(0), []
    for _ in range(50):
        truth, peaks, frames = random_words(rng, 6)
        spans = ctc_word_times(posteriors(frames, peaks), [[token] for _, token in peaks], SHIFT_S)
        errors += [abs(s.start_s - a) for s, (a, _) in zip(spans, truth, strict=True)]
        errors += [abs(s.end_s - b) for s, (_, b) in zip(spans, truth, strict=True)]
    assert np.median(errors) <= 0.1


def test_the_blank_penalty_spreads_a_token_over_its_skirt() -> None:
    log_probs = posteriors(20, [(10, 5)])
    [peaky] = ctc_word_times(log_probs, [[5]], SHIFT_S, conf=TimingConf(blank_penalty=0.0))
    [spread] = ctc_word_times(log_probs, [[5]], SHIFT_S, conf=TimingConf(blank_penalty=4.0))
    assert (peaky.first_frame, peaky.last_frame) == (10, 10)
    assert (spread.first_frame, spread.last_frame) == (9, 11)


def test_a_short_gap_is_shared_and_a_long_one_is_not_filled() -> None:
    conf = TimingConf(blank_penalty=0.0, extend_left_s=0.16, extend_right_s=0.16)
    near = ctc_word_times(posteriors(20, [(5, 1), (8, 2)]), [[1], [2]], SHIFT_S, conf=conf)
    assert near[0].end_s == pytest.approx(near[1].start_s) == pytest.approx(7 * SHIFT_S)
    far = ctc_word_times(posteriors(30, [(5, 1), (20, 2)]), [[1], [2]], SHIFT_S, conf=conf)
    assert far[0].end_s == pytest.approx(8 * SHIFT_S)
    assert far[1].start_s == pytest.approx(18 * SHIFT_S)


def test_an_open_end_leaves_later_speech_to_words_not_given_yet() -> None:
    log_probs = posteriors(30, [(4, 1), (14, 2), (22, 3)])
    [span] = ctc_word_times(log_probs, [[1]], SHIFT_S, open_end=True)
    assert span.first_frame <= 4 <= span.last_frame <= 6
    assert span.end_s < 14 * SHIFT_S


def test_no_words_have_no_spans() -> None:
    assert ctc_word_times(posteriors(5, []), [], SHIFT_S) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [([[1], []], "without tokens"), ([[0]], "blank 0"), ([[99]], r"\[0, 12\)"), ([[1], [1], [1]], "need 5 frames")],
)
def test_words_that_cannot_be_aligned_are_refused(words: list[list[int]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        ctc_word_times(posteriors(4, [(1, 1)]), words, SHIFT_S)


def test_a_stream_finds_the_words_of_the_whole_and_never_overlaps() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        truth, peaks, frames = random_words(rng, 8)
        log_probs, timer, times = posteriors(frames, peaks), WordTimer(SHIFT_S), []
        for start in range(0, frames, 8):
            timer.push(log_probs[start : start + 8])
            new = [[token] for frame, token in peaks if start <= frame < start + 8]
            if new:
                found = timer.align(new)
                assert found is not None
                times += found
                assert all(end <= min(frames, start + 8) * SHIFT_S + 1e-9 for _, end in found)
        assert len(times) == len(truth)
        assert all(a[1] <= b[0] + 1e-9 for a, b in itertools.pairwise(times))
        assert np.median(np.abs(np.array(times) - np.array(truth))) < 0.12


def test_times_are_counted_from_where_the_first_frame_begins() -> None:
    log_probs = posteriors(30, [(0, 1), (12, 2), (24, 3)])
    plain, early = WordTimer(SHIFT_S), WordTimer(SHIFT_S, begin_s=-0.0125)
    for timer in (plain, early):
        timer.push(log_probs)
    for words in ([[1], [2]], [[3]]):
        expected = [(max(0.0, a - 0.0125), b - 0.0125) for a, b in plain.align(words)]
        np.testing.assert_allclose(early.align(words), expected)


def test_a_repeated_word_in_a_stream_is_not_found_in_the_run_of_the_first() -> None:
    log_probs, timer = posteriors(24, [(3, 4), (15, 4)]), WordTimer(SHIFT_S)
    timer.push(log_probs[:8])
    [first] = timer.align([[4]]) or []
    timer.push(log_probs[8:])
    [second] = timer.align([[4]]) or []
    assert first[1] <= second[0]
    assert second[0] <= 15 * SHIFT_S < second[1]


def test_words_that_do_not_fit_the_frames_give_none_and_leave_the_stream_usable() -> None:
    timer = WordTimer(SHIFT_S)
    assert timer.align([[1]]) is None
    timer.push(posteriors(2, []))
    assert timer.align([[1], [2], [3]]) is None
    timer.push(posteriors(10, [(5, 3)]))
    assert timer.align([[3]]) is not None


def test_a_stream_without_words_forgets_old_frames() -> None:
    timer = WordTimer(SHIFT_S, conf=TimingConf(memory_s=4.0))
    for _ in range(100):
        timer.push(posteriors(8, []))
    assert timer._frames is not None and len(timer._frames) == 50
    timer.push(posteriors(8, [(4, 2)]))
    [(start_s, end_s)] = timer.align([[2]]) or []
    assert start_s <= 804 * SHIFT_S < end_s


def test_a_word_that_was_not_heard_clearly_lies_near_where_it_was_written() -> None:
    log_probs = posteriors(40, [(30, 2)])  # nothing of token 1
    early = ctc_word_times(log_probs, [[1], [2]], SHIFT_S, open_end=True)
    near = ctc_word_times(log_probs, [[1], [2]], SHIFT_S, open_end=True, written_s=[20 * SHIFT_S, 31 * SHIFT_S])
    assert early[1].first_frame == near[1].first_frame == 30
    reach = round(TimingConf().lag_s / SHIFT_S) + 1
    assert abs(near[0].last_frame - 20) <= reach < abs(early[0].last_frame - 20)


def test_a_word_that_was_heard_clearly_lies_where_it_was_heard() -> None:
    log_probs = posteriors(40, [(5, 1), (30, 2)])
    plain = ctc_word_times(log_probs, [[1], [2]], SHIFT_S, open_end=True)
    late = ctc_word_times(log_probs, [[1], [2]], SHIFT_S, open_end=True, written_s=[12 * SHIFT_S, 37 * SHIFT_S])
    assert late == plain


def test_places_keep_the_blank_between_two_that_are_the_same() -> None:
    log_probs = posteriors(40, [(5, 1), (25, 1)])
    one, other = ctc_word_times(log_probs, [[1], [1]], SHIFT_S, open_end=True, written_s=[6 * SHIFT_S, 26 * SHIFT_S])
    assert (one.last_frame, other.first_frame) in [(5, 25), (6, 25), (5, 24), (6, 24)]
    with_costs = ctc_word_times(posteriors(3, [(1, 1)]), [[1], [1]], SHIFT_S, written_s=[0.1, 0.2])
    assert with_costs[1].first_frame - with_costs[0].last_frame >= 2
