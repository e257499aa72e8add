"""The best path of a CTC head, on batches of streams that are cut anywhere."""

from __future__ import annotations

from itertools import groupby

import pytest
import torch

from espnet_jst.errors import ConfigError
from espnet_jst.heads.ctc import CTCHead
from espnet_jst.search.ctc import CTCSearch
from espnet_jst.taps import Tap
from tests.inference import tiny

V, D = 6, 5


@pytest.fixture
def head() -> CTCHead:
    torch.manual_seed(3)
    head = CTCHead(encoder_size=D, vocab_size=V).eval()
    torch.nn.init.normal_(head.output.weight)
    return head


def by_hand(head: CTCHead, x: torch.Tensor, penalty: float = 0.0) -> list[tuple[int, int]]:
    """(label, first frame) of each run of the best path of (T, D)."""
    scores = head.log_probs(x[None])[0]
    scores[:, 0] -= penalty
    found, frame = [], 0
    for label, run in groupby(scores.argmax(1).tolist()):
        if label:
            found.append((label, frame))
        frame += len(list(run))
    return found


@pytest.mark.parametrize("penalty", [0.0, 2.0, -1.0])
@pytest.mark.parametrize("cuts", [[40], [1] * 40, [3, 0, 7, 5, 25]])
def test_any_cut_gives_the_runs_of_the_best_path(head: CTCHead, cuts: list[int], penalty: float) -> None:
    torch.manual_seed(7)
    lengths, x = torch.tensor([40, 0, 23]), torch.randn(3, 40, D)
    search = CTCSearch(head, blank_penalty=penalty)
    state, start, said = search.init_state(3), 0, [[], [], []]
    with torch.no_grad():
        for cut in cuts:
            valid = (lengths - start).clamp(0, cut)
            new, state = search.step({"encoder": Tap(x[:, start : start + cut], valid, 0.04)}, state)
            said = [before + after for before, after in zip(said, new, strict=True)]
            start += cut
        wanted = [by_hand(head, row[:length], penalty) for row, length in zip(x, lengths.tolist(), strict=True)]
        best = head.log_probs(x)
    assert [[(e.token, e.frame) for e in row] for row in said] == wanted and wanted[0] and not wanted[1]
    for row, [hypothesis] in enumerate(search.finish(state)):
        assert hypothesis.emissions == said[row]
        assert hypothesis.score == pytest.approx(sum(float(best[row, e.frame, e.token]) for e in said[row]), abs=1e-4)


def test_a_model_is_searched_by_its_ctc_head_whole_and_as_a_stream() -> None:
    speech = tiny.speech(3.0, seed=4)
    conf = tiny.config(tiny.TWO_HEADS, two_encoders=True)
    speech2text = tiny.speech2text(conf, search_heads=["ctc"])
    [(text, tokens, _, hypothesis)] = speech2text(speech)
    assert list(hypothesis.lanes) == ["transcript"] and text and tokens
    session = speech2text.session()
    for start in range(0, len(speech), 1000):
        session.feed(speech[start : start + 1000])
    session.finish()
    assert speech2text.stream_result(session)[0] == text
    assert tiny.speech2text(conf, search_heads=["ctc"], blank_penalty=-500.0)(speech)[0][0] == ""
    for options, message in (
        ({"beam_size": 4}, "beam_size: the CTC head 'ctc' is searched greedily"),
        ({"blank_penalty": {"transcript": {"kind": "length"}}}, "'ctc' takes a number"),
    ):
        with pytest.raises(ConfigError, match=message):
            tiny.speech2text(conf, search_heads=["ctc"], **options)
