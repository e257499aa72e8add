"""Penalties that adapt, in sessions: a stream gives what the whole gives, alone and in a batch of any ages."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
import soundfile

from espnet_jst.errors import ConfigError
from espnet_jst.inference import Speech2Text
from espnet_jst.inference.files import decode_files
from espnet_jst.inference.penalties import decode_files_with_each
from espnet_jst.inference.session import advance_together
from tests.inference import tiny
from tests.inference.test_chains import plain, two_rates

LENGTH = {"kind": "length", "slope": 1.0, "ratio": 1.5, "penalty": 0.5, "max": 4.0}
BLANKS = {"kind": "blanks", "slope": 1.0, "penalty": 0.0, "max": 4.0}
BOUND = {"kind": "bound", "ratio": 0.7, "penalty": 2.0}
PENALTIES = [
    {"transcript": LENGTH, "translation": LENGTH},
    {"transcript": BLANKS, "translation": {**LENGTH, "follows": "seconds", "ratio": 3.0}},
    {"transcript": 0.3, "translation": BOUND},
]
SYSTEMS = {
    "serialized": tiny.config(tiny.SERIALIZED),
    "two encoders": tiny.config(tiny.TWO_HEADS, two_encoders=True),  # the upper one in larger chunks
    "two rates": two_rates(tiny.TWO_HEADS),
}


def system(name: str, beam_size: int, penalty: object) -> Speech2Text:
    return tiny.speech2text(SYSTEMS[name], beam_size=beam_size, max_symbols=4, blank_penalty=penalty)


@pytest.mark.parametrize("beam_size", [1, 3])
@pytest.mark.parametrize("name", SYSTEMS)
def test_sessions_cut_anywhere_and_begun_at_any_time_give_the_words_of_the_whole(name: str, beam_size: int) -> None:
    draw, speeches = random.Random(3), [tiny.speech(seconds, seed=n) for n, seconds in enumerate((3.3, 0.7, 2.1))]
    fixed, differing = system(name, beam_size, 0.0), 0
    for penalty in PENALTIES:
        model = system(name, beam_size, penalty)
        sessions, heard = [model.session() for _ in speeches], [0, 0, 0]
        for turn in range(1000):
            moving = [b for b in range(3) if turn >= 2 * b and heard[b] < len(speeches[b])]
            if not moving and turn > 6:
                break
            for b in moving:
                count = min(len(speeches[b]) - heard[b], draw.choice([0, 333, 2560, 4000]))
                sessions[b].put(speeches[b][heard[b] : heard[b] + count])
                heard[b] += count
                if heard[b] == len(speeches[b]):
                    sessions[b].end()
            if moving:
                advance_together([sessions[b] for b in moving])
        for speech, session in zip(speeches, sessions, strict=True):
            whole = model(speech)[0]
            assert plain(session.words) == plain(whole[3].words)
            differing += plain(whole[3].words) != plain(fixed(speech)[0][3].words)
    assert differing >= 3


def test_what_a_model_cannot_follow_is_refused_when_it_is_loaded() -> None:
    heads = {name: head for name, head in tiny.SERIALIZED.items() if name == "joint"}
    with pytest.raises(ConfigError, match="blank_penalty.transcript: no CTC head that hears transcript"):
        tiny.speech2text(tiny.config(heads), blank_penalty={"transcript": {"kind": "length"}})
    free = {"transcript": {"kind": "bound", "follows": "seconds", "ratio": 2.0}}
    assert tiny.speech2text(tiny.config(heads), blank_penalty=free).decoder.reads == {"encoder"}


def test_several_penalties_on_audio_that_is_encoded_once_give_what_each_gives_alone(tmp_path: Path) -> None:
    items = []
    for n, seconds in enumerate((1.1, 2.3, 0.6)):
        soundfile.write(tmp_path / f"{n}.wav", tiny.speech(seconds, seed=n), 8000)
        items.append((f"u{n}", str(tmp_path / f"{n}.wav")))
    items.insert(1, ("bad", str(tmp_path / "missing.wav")))
    first = system("two encoders", 1, 0.0)
    models = {"none": first, "adapts": first.with_penalty(PENALTIES[0]), "more": first.with_penalty(2.0)}
    each = tmp_path / "each"
    [problem] = decode_files_with_each(models, items, each, batch_size=3)
    assert problem.utt_id == "bad" and "bad" in (each / "skipped.jsonl").read_text()
    texts = set()
    for name, penalty in (("none", 0.0), ("adapts", PENALTIES[0]), ("more", 2.0)):
        decode_files(system("two encoders", 1, penalty), items, tmp_path / name)
        for file in ("text", "src_text", "words.jsonl"):
            found, alone = ((folder / "1best_recog" / file).read_text() for folder in (each / name, tmp_path / name))
            # The confidence of a word is rounded, and a batch adds in another order.
            assert re.sub(r'"confidence": [0-9.]+', "", found) == re.sub(r'"confidence": [0-9.]+', "", alone)
        texts.add((each / name / "1best_recog" / "text").read_text())
    assert len(texts) == 3
