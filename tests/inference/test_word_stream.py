"""Lanes and times of words from the emissions of a search."""

from __future__ import annotations

import re

import pytest
import torch

from espnet_jst.heads.ctc import CTCHead
from espnet_jst.heads.spec import HeadSpec
from espnet_jst.inference.align.word_times import TimingConf
from espnet_jst.inference.decoding import SearchHead, TimingHead, WordStream, recombined
from espnet_jst.search.greedy import Emission
from espnet_jst.search.hypotheses import Hypothesis
from espnet_jst.text.tags import Tags
from espnet_jst.text.tokenizer import Tokenizer
from espnet_jst.text.words import join_words

TOKENS = ["<blank>", "<unk>", "<asr>", "<st>", "four", "two", "zwei", "und", "vierzig", "<sos/eos>"]
ASR, ST, FOUR, TWO, ZWEI, UND, VIERZIG = range(2, 9)
SHIFT_S = 0.1


def head(lanes: tuple[str, ...] = ("transcript", "translation")) -> SearchHead:
    spec = HeadSpec(name="joint", kind="transducer", lanes=lanes)
    return SearchHead(spec, None, Tokenizer(TOKENS, token_type="word"), Tags().lane_of, SHIFT_S)


def timing() -> TimingHead:
    spec = HeadSpec(name="ctc", kind="ctc", lanes=("transcript",))
    ctc = CTCHead(encoder_size=2, vocab_size=len(TOKENS))
    return TimingHead(spec, ctc, Tokenizer(TOKENS, token_type="word"), SHIFT_S, TimingConf(blank_penalty=0.0))


def peaks(frames: int, *places: tuple[int, int]) -> torch.Tensor:
    probs = torch.full((frames, len(TOKENS)), 1e-6)
    probs[:, 0] = 1.0
    for frame, token in places:
        probs[frame, 0], probs[frame, token] = 1e-3, 1.0
    return (probs / probs.sum(1, keepdim=True)).log()


def emit(*pairs: tuple[int, int]) -> dict[str, list[Emission]]:
    return {"joint": [Emission(token, frame, -0.1) for token, frame in pairs]}


def test_a_translation_word_has_the_span_of_its_block() -> None:
    stream = WordStream({"joint": head()}, timing())
    words = stream.push(
        emit((ASR, 3), (FOUR, 3), (TWO, 9), (ST, 9), (ZWEI, 9), (UND, 9), (VIERZIG, 9)),
        peaks(10, (3, FOUR), (7, TWO)),
        1.0,
    )
    assert [(word.text, word.lane) for word in words] == [
        ("four", "transcript"),
        ("two", "transcript"),
        *((text, "translation") for text in ("zwei", "und", "vierzig")),
    ]
    four, two, *translation = words
    assert four.start_s <= 0.3 < 0.4 <= four.end_s <= two.start_s <= 0.7 < 0.8 <= two.end_s
    assert {(word.start_s, word.end_s) for word in translation} == {(four.start_s, two.end_s)}
    assert {word.emission_s for word in words} == {1.0}


def test_a_translation_in_a_later_chunk_still_has_the_span_of_its_block() -> None:
    stream = WordStream({"joint": head()}, timing())
    [four] = stream.push(emit((ASR, 3), (FOUR, 3)), peaks(10, (3, FOUR)), 1.0)
    [zwei] = stream.push(emit((ST, 12), (ZWEI, 12)), peaks(10), 2.0)
    assert (zwei.start_s, zwei.end_s, zwei.emission_s) == (four.start_s, four.end_s, 2.0)


def test_without_a_ctc_head_spans_are_the_frames_of_the_emissions() -> None:
    stream = WordStream({"joint": head()}, None)
    four, zwei = stream.push(emit((FOUR, 3), (ST, 5), (ZWEI, 5)), None, 1.0, last=True)
    assert (four.start_s, four.end_s) == pytest.approx((0.3, 0.4))
    assert (zwei.start_s, zwei.end_s) == (four.start_s, four.end_s)


def test_a_translation_head_alone_spans_its_own_frames() -> None:
    stream = WordStream({"joint": head(("translation",))}, timing())
    [zwei] = stream.push(emit((ZWEI, 6)), peaks(10), 1.0)
    assert zwei.lane == "translation"
    assert (zwei.start_s, zwei.end_s) == pytest.approx((0.6, 0.7))


def test_words_that_do_not_fit_the_frames_still_have_ordered_times() -> None:
    stream = WordStream({"joint": head()}, timing())
    words = stream.push(emit(*[(FOUR, 1)] * 5), peaks(2), 0.2)
    assert len(words) == 5
    assert all(word.start_s <= word.end_s <= 0.2 for word in words)


def test_confidence_is_a_probability() -> None:
    stream = WordStream({"joint": head()}, None)
    [word] = stream.push({"joint": [Emission(FOUR, 0, -0.6931)]}, None, 1.0)
    assert word.confidence == pytest.approx(0.5, abs=1e-3)


def test_hypotheses_that_differ_in_their_tags_alone_become_one() -> None:
    def hypothesis(score: float, *tokens: int) -> Hypothesis:
        return Hypothesis([Emission(token, 0, -0.1) for token in tokens], score)

    nbest = [
        hypothesis(-1.0, ASR, FOUR, ST, ZWEI),
        hypothesis(-1.2, ASR, FOUR, TWO, ST, ZWEI),
        hypothesis(-1.5, ASR, FOUR, ASR, TWO, ST, ZWEI),
        hypothesis(-2.0, FOUR, TWO, ST, ST, ZWEI),
    ]
    best = recombined(head(), nbest)
    assert [len(h.emissions) for h in best] == [5, 4]
    assert best[0].score == pytest.approx(torch.tensor([-1.2, -1.5, -2.0]).logsumexp(0).item(), abs=1e-5)


class Pieces(Tokenizer):
    """A tokenizer of pieces that needs no SentencePiece model where words are whole pieces."""

    def _load(self, bpemodel):
        return None

    def _pieces(self, word):
        return re.findall("|".join(sorted(self.tokens, key=len, reverse=True)) + "|.", word)


def test_a_translation_without_blanks_is_shown_as_it_is_emitted_and_says_where_blanks_stand() -> None:
    tokens = ["<blank>", "<unk>", "<asr>", "<st>", "▁今", "天", "天气", "▁GP", "T", "吧", "▁好", "▁ok", "<sos/eos>"]
    spec = HeadSpec(name="joint", kind="transducer", lanes=("transcript", "translation"))
    stream = WordStream({"joint": SearchHead(spec, None, Pieces(tokens), Tags().lane_of, SHIFT_S)}, None)
    ids = {token: index for index, token in enumerate(tokens)}
    first = stream.push(emit((ids["<st>"], 0), (ids["▁今"], 1), (ids["天气"], 2), (ids["▁GP"], 3)), None, 0.4)
    assert [(word.text, word.glued, word.emission_s) for word in first] == [
        ("今", None, 0.4),
        ("天", True, 0.4),
        ("气", True, 0.4),
    ]
    second = stream.push(emit((ids["T"], 4), (ids["吧"], 5), (ids["▁好"], 6), (ids["▁ok"], 7)), None, 0.8, last=True)
    assert [(word.text, word.glued) for word in second] == [("GPT", False), ("吧", True), ("好", False), ("ok", False)]
    assert join_words(first + second) == "今天气 GPT吧 好 ok"


def test_words_of_scripts_with_blanks_say_nothing_of_them() -> None:
    stream = WordStream({"joint": head()}, None)
    words = stream.push(emit((ASR, 0), (FOUR, 1), (TWO, 2), (ST, 2), (ZWEI, 3)), None, 0.5, last=True)
    assert all("glued" not in word.as_dict() for word in words)


def test_characters_that_share_a_piece_share_its_time() -> None:
    tokens = ["<blank>", "<unk>", "▁", "天气", "好", "<sos/eos>"]
    spec = HeadSpec(name="ctc", kind="ctc", lanes=("transcript",))
    ctc = CTCHead(encoder_size=2, vocab_size=len(TOKENS))
    timing = TimingHead(spec, ctc, Pieces(tokens), SHIFT_S, TimingConf(blank_penalty=0.0))
    plain = HeadSpec(name="joint", kind="transducer", lanes=("transcript",))
    search = SearchHead(plain, None, Pieces(tokens), Tags().lane_of, SHIFT_S)
    words = WordStream({"joint": search}, timing).push(emit((3, 5), (4, 9)), peaks(10, (3, 3), (8, 4)), 1.0, last=True)
    assert [word.text for word in words] == ["天", "气", "好"]
    spans = [(word.start_s, word.end_s) for word in words]
    assert spans[0][1] == spans[1][0] and spans[0][0] <= 0.3 <= spans[1][1] <= spans[2][0] <= 0.8
    assert spans[0][1] - spans[0][0] == pytest.approx(spans[1][1] - spans[1][0], abs=2e-4)
