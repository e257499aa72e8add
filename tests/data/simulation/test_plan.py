from __future__ import annotations

import numpy as np
import pytest

from espnet_jst.data.simulation.plan import draw_plan, draw_voices, overlap_ratio
from espnet_jst.errors import DataError
from tests.data.simulation.helpers import FS, small, utterance

VOICES = {
    (f"s{speaker}", "es" if speaker % 2 else "en"): [
        utterance(f"s{speaker}u{n}", f"s{speaker}", FS * (2 + (3 * n + speaker) % 5)) for n in range(6)
    ]
    for speaker in range(6)
}


@pytest.mark.parametrize("talkers", [2, 3, 4])
@pytest.mark.parametrize("ratio", [0.0, 0.2, 0.4])
def test_the_overlap_is_as_asked_and_never_do_three_talk_or_one_over_himself(talkers: int, ratio: float) -> None:
    for seed in range(10):
        conf = small(overlap=(ratio, ratio), turns=(6, 10))
        plan = draw_plan(conf, VOICES, talkers, FS, np.random.default_rng(seed))
        assert overlap_ratio(plan.spans) == pytest.approx(ratio, abs=0.001)
        assert len({turn.utterance.speaker for turn in plan.turns}) == talkers == len({t.talker for t in plan.turns})
        assert all(first.talker != second.talker for first, second in zip(plan.turns, plan.turns[1:]))
        assert all(first.stop <= third.start for first, third in zip(plan.turns, plan.turns[2:]))
        assert plan.turns[0].start == round(0.5 * FS) and plan.samples == plan.turns[-1].stop + round(0.5 * FS)


def test_what_is_counted_as_overlap() -> None:
    assert overlap_ratio(np.array([[0, 10], [5, 15], [20, 25]])) == pytest.approx(5 / 20)
    assert overlap_ratio(np.array([[0, 10], [10, 20]])) == 0


def test_the_others_speak_another_language_where_that_is_asked() -> None:
    for seed in range(10):
        own, *others = draw_voices(VOICES, 3, "different", np.random.default_rng(seed))
        assert all(other[1] != own[1] for other in others)


def test_too_few_speakers_are_one_message() -> None:
    few = dict(list(VOICES.items())[:2])
    with pytest.raises(DataError, match="2 speakers with usable utterances: 3 are needed; lower --speakers"):
        draw_voices(few, 3, "any", np.random.default_rng(0))
    with pytest.raises(DataError, match="in 2 languages: 3 are needed, the others of another language"):
        draw_voices(few, 3, "different", np.random.default_rng(0))
