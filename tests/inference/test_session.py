"""A stream gives the words of the whole utterance under the same chunk mask, however it is cut."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from espnet_jst.errors import DataError, JSTError
from espnet_jst.inference import Session, Speech2Text
from espnet_jst.text.words import Word
from tests.inference import tiny

SYSTEMS = {
    "serialized": (tiny.SERIALIZED, {}, 1),
    "serialized-beam": (tiny.SERIALIZED, {}, 3),
    "two-heads": (tiny.TWO_HEADS, {"two_encoders": True}, 1),
    "zipformer": (tiny.SERIALIZED, {"zipformer": True}, 1),
    "two-zipformers": (tiny.TWO_HEADS, {"two_encoders": True, "zipformer": True}, 1),
}


@lru_cache
def system(name: str) -> Speech2Text:
    heads, encoders, beam_size = SYSTEMS[name]
    return tiny.speech2text(tiny.config(heads, **encoders), beam_size=beam_size, max_symbols=4)


def cuts(rng: np.random.Generator, total: int) -> list[int]:
    """Bounds of packets: fifty random cuts, a run of packets of one sample, or everything at once."""
    kind = rng.integers(8)
    if kind == 0:
        return [0, total]
    middle = int(rng.integers(0, total))
    ones = range(middle, min(total, middle + (200 if kind == 1 else 5)))
    return sorted({0, *ones, *(int(c) for c in rng.integers(0, total, 50)), total})


def run(session: Session, speech: np.ndarray, bounds: list[int]) -> list[Word]:
    words: list[Word] = []
    for first, end in itertools.pairwise(bounds):
        before = list(words)
        words += session.push(speech[first:end])
        assert words[: len(before)] == before
        heard_s = end / session.fs
        assert all(w.start_s <= w.end_s <= w.emission_s <= heard_s + 1e-4 for w in words[len(before) :])
    return words + session.finish()


def without_confidence(words: list[Word]) -> list[Word]:
    return [replace(word, confidence=None) for word in words]


@pytest.mark.parametrize(
    ("name", "trials"),
    [
        *((name, 50 if name == "serialized" else 4 if "zipformer" in name else 12) for name in SYSTEMS),
        *(pytest.param(name, 200, marks=pytest.mark.long) for name in SYSTEMS),
    ],
)
def test_fifty_random_cuts_give_the_tokens_words_and_times_of_the_whole(name: str, trials: int) -> None:
    speech2text, rng, seen = system(name), np.random.default_rng(7), 0
    for trial in range(trials):
        speech = tiny.speech(float(rng.uniform(0.05, 2.0)), seed=trial)
        whole = speech2text(speech)[0]
        session = speech2text.session()
        words = run(session, speech, cuts(rng, len(speech)))
        assert [emission.token for emission in session.tokens[speech2text.main_search]] == whole[2]
        assert without_confidence(words) == without_confidence(whole[3].words)
        seen += len(words)
    assert seen >= trials


@pytest.mark.parametrize(
    ("name", "utterances"),
    [
        *((name, 4 if "zipformer" in name else 10) for name in SYSTEMS),
        *(pytest.param(name, 200, marks=pytest.mark.long) for name in SYSTEMS),
    ],
)
def test_what_was_shown_is_never_taken_back(name: str, utterances: int) -> None:
    """At every packet all that was shown is the beginning of what the best hypothesis of the whole says."""
    rng, shown = np.random.default_rng(11), 0
    heads, encoders, beam_size = SYSTEMS[name]
    conf = tiny.config(heads, **encoders)
    models = [tiny.speech2text(conf, beam_size=beam_size, max_symbols=4, chunk_s=s) for s in (0.32, 0.64, 0.96, 1.28)]
    for utterance in range(utterances):
        speech2text = models[int(rng.integers(len(models)))]
        speech = tiny.speech(float(rng.uniform(0.5, 3.0)), seed=utterance)
        final = speech2text(speech)[0][3]
        session, words = speech2text.session(), 0
        for first, end in itertools.pairwise(cuts(rng, len(speech))):
            session.push(speech[first:end])
            tokens = [emission.token for emission in session.tokens[speech2text.main_search]]
            assert tokens == final.yseq[: len(tokens)]
            assert words <= len(session.words)
            words = len(session.words)
            assert without_confidence(session.words) == without_confidence(final.words[:words])
        shown += words
    assert shown >= utterances


@pytest.mark.parametrize("fs", [16000, 44100, 48000])
def test_a_resampled_stream_gives_the_tokens_and_times_of_the_resampled_whole(fs: int) -> None:
    speech2text, rng, seen = system("serialized"), np.random.default_rng(fs), 0
    for trial in range(6):
        speech = tiny.speech(float(rng.uniform(0.2, 2.5)), fs=fs, seed=trial)
        whole = speech2text(speech, fs)[0]
        session = speech2text.session(fs)
        words = run(session, speech, cuts(rng, len(speech)))
        assert [emission.token for emission in session.tokens[speech2text.main_search]] == whole[2]
        assert without_confidence(words) == without_confidence(whole[3].words)
        seen += len(words)
    assert seen > 5


def test_one_sample_packets_throughout_change_nothing() -> None:
    speech2text, speech = system("serialized"), tiny.speech(1.1, seed=3)
    words = run(speech2text.session(), speech, list(range(len(speech) + 1)))
    assert without_confidence(words) == without_confidence(speech2text(speech)[0][3].words)
    assert words


def test_a_word_is_shown_at_the_end_of_its_chunk() -> None:
    speech2text, speech = system("serialized"), tiny.speech(2.0, seed=1)
    schedule, session = speech2text.schedule, speech2text.session()
    for chunk in range(3):
        need = schedule.samples(chunk)
        start = schedule.samples(chunk - 1) if chunk else 0
        assert session.push(speech[start : need - 1]) == []
        for word in session.push(speech[need - 1 : need]):
            assert word.emission_s == pytest.approx(need / speech2text.fs, abs=1e-3)
    assert session.words
    heard = [round(entry["audio_s"] * speech2text.fs) for entry in session.compute]
    assert heard == [schedule.samples(chunk) for chunk in range(3)]


def test_the_last_words_come_at_the_end_of_the_audio() -> None:
    speech2text = system("serialized")
    for seed in range(5):
        session = speech2text.session()
        session.push(tiny.speech(1.47, seed=seed))
        assert all(word.emission_s == pytest.approx(1.47, abs=1e-3) for word in session.finish())
    assert session.duration_s == pytest.approx(1.47)


def test_an_infinite_chunk_shows_everything_at_the_end() -> None:
    speech2text = tiny.speech2text(tiny.config(tiny.SERIALIZED), chunk_s=0, max_symbols=4)
    speech, session = tiny.speech(2.0, seed=2), speech2text.session()
    assert session.push(speech) == []
    words = session.finish()
    assert words and without_confidence(words) == without_confidence(speech2text(speech)[0][3].words)


def test_a_bad_packet_is_refused_and_the_stream_goes_on() -> None:
    speech2text, speech = system("serialized"), tiny.speech(1.0)
    session = speech2text.session()
    words = session.push(speech[:4000])
    with pytest.raises(DataError, match="NaN"):
        session.push(np.array([np.nan]))
    words += session.push(speech[4000:]) + session.finish()
    assert without_confidence(words) == without_confidence(speech2text(speech)[0][3].words)


def test_a_finished_session_takes_nothing_more() -> None:
    session = system("serialized").session()
    session.push(tiny.speech(0.3))
    session.finish()
    assert session.finish() == []
    with pytest.raises(JSTError, match="finished"):
        session.push(np.zeros(10))


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_stream_without_audio_has_no_words(name: str) -> None:
    session = system(name).session()
    assert session.push(np.zeros(0)) == []
    assert session.finish() == []


def test_integer_packets_are_scaled_as_a_whole_is() -> None:
    speech2text = system("serialized")
    samples = (tiny.speech(1.5, seed=4) * 32767).astype(np.int16)
    words = run(speech2text.session(), samples, [0, 5000, len(samples)])
    assert without_confidence(words) == without_confidence(speech2text(samples)[0][3].words)


def test_a_buffer_may_be_filled_again_as_soon_as_it_was_pushed() -> None:
    speech, buffer = tiny.speech(3.0, seed=4), np.empty(400, dtype=np.float32)
    kept, reused = system("serialized").session(), system("serialized").session()
    for start in range(0, len(speech), len(buffer)):
        buffer[:] = speech[start : start + len(buffer)]
        kept.push(buffer.copy())
        reused.push(buffer)
    assert reused.finish() == kept.finish() and reused.words == kept.words != []
