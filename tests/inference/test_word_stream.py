"""Lanes and times of words from the emissions of a search."""

from __future__ import annotations

import dataclasses
import re

import pytest
import torch

from espnet_jst.heads.ctc import CTCHead
from espnet_jst.inference.align.word_times import TimingConf
from espnet_jst.inference.text2text import TextWordStream
from espnet_jst.inference.word_stream import LaneSearch, Timing, Update, WordStream, recombined
from espnet_jst.search.greedy import GreedySearch
from espnet_jst.search.interface import Emission, Hypothesis
from espnet_jst.text.lanes import LANES, Lane
from espnet_jst.text.tags import Tags
from espnet_jst.text.tokenizer import Tokenizer
from espnet_jst.text.words import Word, join_words
from tests.search.heads import peaky_head

TOKENS = ["<blank>", "<unk>", "<asr>", "<st>", "four", "two", "zwei", "und", "vierzig", "<a>", "<b>", "<sos/eos>"]
ASR, ST, FOUR, TWO, ZWEI, UND, VIERZIG, A, B = range(2, 11)
SHIFT_S = 0.1
BOTH = ("transcript", "translation")


def search(
    lanes: tuple[str, ...] = BOTH,
    *,
    tokenizer: Tokenizer | None = None,
    speakers: tuple[str, ...] = (),
    replaced: tuple[str, ...] = (),
) -> LaneSearch:
    return LaneSearch(
        kind="transducer",
        search=GreedySearch(peaky_head(0, "stateless")[0]),
        tokenizer=tokenizer or Tokenizer(TOKENS, token_type="word"),
        tags=Tags(speakers=speakers),
        lanes=tuple(LANES[lane] for lane in lanes),
        frame_shift_s=SHIFT_S,
        replaced=frozenset(replaced),
    )


def timing(tokenizer: Tokenizer | None = None) -> dict[str, Timing]:
    found = Timing(
        head=CTCHead(encoder_size=2, vocab_size=len(TOKENS)),
        reads="encoder",
        tokenizer=tokenizer or Tokenizer(TOKENS, token_type="word"),
        frame_shift_s=SHIFT_S,
        conf=TimingConf(blank_penalty=0.0),
    )
    return {"transcript": found}


class Stream:
    """A stream of one search "joint", and the CTC frames of the transcript, if there are any."""

    def __init__(self, found: LaneSearch, timings: dict[str, Timing] | None = None) -> None:
        self.stream = WordStream({"joint": found}, timings or {})

    def push(self, emissions, log_probs, heard_s: float, last: bool = False) -> list[Word]:
        frames = {} if log_probs is None else {"transcript": log_probs}
        return self.stream.push(emissions, frames, heard_s, last=last).new


def peaks(frames: int, *places: tuple[int, int]) -> torch.Tensor:
    probs = torch.full((frames, len(TOKENS)), 1e-6)
    probs[:, 0] = 1.0
    for frame, token in places:
        probs[frame, 0], probs[frame, token] = 1e-3, 1.0
    return (probs / probs.sum(1, keepdim=True)).log()


def emit(*pairs: tuple[int, int]) -> dict[str, list[Emission]]:
    return {"joint": [Emission(token, frame, -0.1) for token, frame in pairs]}


def test_a_translation_word_has_the_span_of_its_block() -> None:
    stream = Stream(search(), timing())
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
    stream = Stream(search(), timing())
    [four] = stream.push(emit((ASR, 3), (FOUR, 3)), peaks(10, (3, FOUR)), 1.0)
    [zwei] = stream.push(emit((ST, 12), (ZWEI, 12)), peaks(10), 2.0)
    assert (zwei.start_s, zwei.end_s, zwei.emission_s) == (four.start_s, four.end_s, 2.0)


def test_without_a_ctc_head_spans_are_the_frames_of_the_emissions() -> None:
    stream = Stream(search())
    four, zwei = stream.push(emit((FOUR, 3), (ST, 5), (ZWEI, 5)), None, 1.0, last=True)
    assert (four.start_s, four.end_s) == pytest.approx((0.3, 0.4))
    assert (zwei.start_s, zwei.end_s) == (four.start_s, four.end_s)


def test_a_translation_head_alone_spans_its_own_frames() -> None:
    stream = Stream(search(("translation",)), timing())
    [zwei] = stream.push(emit((ZWEI, 6)), peaks(10), 1.0)
    assert zwei.lane == "translation"
    assert (zwei.start_s, zwei.end_s) == pytest.approx((0.6, 0.7))


def test_words_that_do_not_fit_the_frames_still_have_ordered_times() -> None:
    stream = Stream(search(), timing())
    words = stream.push(emit(*[(FOUR, 1)] * 5), peaks(2), 0.2)
    assert len(words) == 5
    assert all(word.start_s <= word.end_s <= 0.2 for word in words)


def test_confidence_is_a_probability() -> None:
    stream = Stream(search())
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
    best = recombined(search(), nbest)
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
    stream = Stream(search(tokenizer=Pieces(tokens)))
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
    stream = Stream(search())
    words = stream.push(emit((ASR, 0), (FOUR, 1), (TWO, 2), (ST, 2), (ZWEI, 3)), None, 0.5, last=True)
    assert all("glued" not in word.as_dict() for word in words)


def test_characters_that_share_a_piece_share_its_time() -> None:
    tokens = ["<blank>", "<unk>", "▁", "天气", "好", "<sos/eos>"]
    stream = Stream(search(("transcript",), tokenizer=Pieces(tokens)), timing(Pieces(tokens)))
    words = stream.push(emit((3, 5), (4, 9)), peaks(10, (3, 3), (8, 4)), 1.0, last=True)
    assert [word.text for word in words] == ["天", "气", "好"]
    spans = [(word.start_s, word.end_s) for word in words]
    assert spans[0][1] == spans[1][0] and spans[0][0] <= 0.3 <= spans[1][1] <= spans[2][0] <= 0.8
    assert spans[0][1] - spans[0][0] == pytest.approx(spans[1][1] - spans[1][0], abs=2e-4)


def test_speakers_who_overlap_are_not_clamped_to_one_clock() -> None:
    """Without the tags the second word would begin where the first one ends."""
    stream = Stream(search(speakers=("a", "b")))
    words = stream.push(emit((A, 0), (FOUR, 5), (B, 5), (TWO, 2), (A, 6), (ZWEI, 6)), None, 1.0)
    assert [(w.speaker, round(w.start_s, 3)) for w in words] == [("b", 0.2), ("a", 0.5), ("a", 0.6)]
    one = Stream(search()).push(emit((FOUR, 5), (TWO, 2)), None, 1.0)
    assert sorted(word.start_s for word in one) == pytest.approx([0.5, 0.6])


def test_words_are_aligned_where_their_speaker_says_them() -> None:
    """The CTC head writes what all of them say: by herself, "b" would be found in the first "four", which "a" says."""
    stream = Stream(search(speakers=("a", "b")), timing())
    frames = peaks(12, (1, A), (2, FOUR), (5, TWO), (8, B), (9, FOUR))
    words = stream.push(emit((A, 3), (FOUR, 3), (TWO, 6), (B, 10), (FOUR, 10)), frames, 1.2)
    assert [(w.speaker, w.text) for w in words] == [("a", "four"), ("a", "two"), ("b", "four")]
    for word, frame in zip(words, (2, 5, 9), strict=True):
        assert word.start_s <= 0.1 * frame < 0.1 * (frame + 1) <= word.end_s + 1e-9


def test_a_speaker_who_goes_on_in_the_next_chunk_has_no_second_tag() -> None:
    stream = Stream(search(speakers=("a", "b")), timing())
    stream.push(emit((A, 3), (FOUR, 3)), peaks(6, (1, A), (2, FOUR)), 0.6)
    [two] = stream.push(emit((TWO, 8)), peaks(6, (2, TWO), (5, A)), 1.2)
    assert two.start_s <= 0.8 < 0.9 <= two.end_s + 1e-9  # behind another tag it would be none of the frames
    [four] = stream.push(emit((B, 13), (FOUR, 13)), peaks(6, (1, B), (2, FOUR)), 1.8)
    assert four.start_s <= 1.4 < 1.5 <= four.end_s + 1e-9


def test_a_translation_has_the_span_of_its_own_speakers_block() -> None:
    stream = Stream(search(speakers=("a", "b")))
    text = emit((A, 1), (FOUR, 1), (B, 3), (TWO, 3), (ST, 6), (ZWEI, 6), (A, 7), (VIERZIG, 7))
    spans = {w.text: (w.speaker, w.start_s, w.end_s) for w in stream.push(text, None, 1.0, last=True)}
    assert spans["zwei"] == ("b", 0.3, 0.4) and spans["vierzig"] == ("a", 0.1, 0.2)


def test_a_lane_may_have_a_language_and_a_speaker_of_its_own() -> None:
    own = Lane(name="near", data="near", file="near", source=True, headline="WER", vocabulary="src", language="en",
               speaker="B")  # fmt: skip
    found = dataclasses.replace(search(("transcript",)), lanes=(own,))
    [word] = Stream(found).push(emit((FOUR, 1)), None, 1.0)
    assert (word.lane, word.language, word.speaker, word.final) == ("near", "en", "B", True)


def two_passes() -> WordStream:
    first, second = search(BOTH, replaced=("transcript",)), search(("transcript",))
    return WordStream({"first": first, "second": second}, {})


def said(update: Update) -> tuple[list[tuple[str, bool]], list[str]]:
    return [(word.text, word.final) for word in update.new], [word.text for word in update.withdrawn]


def test_words_of_a_second_pass_replace_those_of_the_first_as_far_as_they_reach() -> None:
    stream = two_passes()
    early = {"first": [Emission(token, frame, -0.1) for token, frame in ((FOUR, 2), (TWO, 5), (ST, 5), (ZWEI, 5))]}
    assert said(stream.push(early, {}, 1.0)) == ([("four", False), ("two", False), ("zwei", True)], [])
    later = {"second": [Emission(TWO, 3, -0.1)], "first": [Emission(token, 12, -0.1) for token in (ASR, FOUR)]}
    assert said(stream.push(later, {}, 2.0)) == ([("two", True), ("four", False)], ["four"])
    assert said(stream.push({"second": [Emission(UND, 13, -0.1)]}, {}, 3.0, last=True)) == (
        [("und", True)],
        ["two", "four"],
    )
    assert [(word.text, word.final) for word in stream.words] == [("zwei", True), ("two", True), ("und", True)]


def test_a_second_pass_that_hears_nothing_leaves_nothing_of_the_first() -> None:
    stream = two_passes()
    stream.push({"first": [Emission(FOUR, 2, -0.1)]}, {}, 1.0)
    assert said(stream.push({"first": [Emission(TWO, 7, -0.1)]}, {}, 2.0, last=True)) == ([], ["four"])
    assert stream.words == []


def test_two_searches_of_one_lane_do_not_share_its_clock_its_blocks_or_its_blanks() -> None:
    tokens = ["<blank>", "<unk>", "<asr>", "<st>", "▁今", "天", "▁ok", "<sos/eos>"]
    first, second = (search(("transcript",), tokenizer=Pieces(tokens), replaced=r) for r in (("transcript",), ()))
    stream = WordStream({"first": first, "second": second}, {})
    stream.push({"first": [Emission(4, 7, 0.0)]}, {}, 1.0, last=False)
    alone = WordStream({"second": second}, {})
    text = {"second": [Emission(5, 1, 0.0), Emission(6, 2, 0.0)]}
    assert stream.push(text, {}, 1.0, last=True).new == alone.push(text, {}, 1.0, last=True).new


def test_two_updates_in_one_leave_out_what_was_shown_in_between() -> None:
    a, b, c = (Word(text, "transcript", 0.0, 0.1, 0.2) for text in "abc")
    assert Update([a, b], []).then(Update([c], [a])) == Update([b, c], [])
    assert Update([b], [c]).then(Update([], [a])) == Update([b], [c, a])


def test_a_fork_goes_its_own_way() -> None:
    stream = WordStream({"joint": search(speakers=("a", "b"))}, timing())
    stream.push(emit((A, 3), (FOUR, 3)), {"transcript": peaks(10, (3, FOUR))}, 1.0)
    fork = stream.fork()
    more = emit((TWO, 12), (B, 13), (TWO, 13)), {"transcript": peaks(10, (2, TWO), (5, TWO))}, 2.0
    assert fork.push(*more).new == stream.push(*more).new and fork.words == stream.words
    fork.push(emit((FOUR, 25)), {"transcript": peaks(10, (5, FOUR))}, 3.0)
    assert len(fork.words) == len(stream.words) + 1


def test_a_translator_hears_who_speaks_where_it_knows_the_tags() -> None:
    words = [Word(text, "transcript", 0.0, 1.0, 1.0, speaker=who) for text, who in (("four", "a"), ("two", "b"))]
    words.append(Word("two", "transcript", 1.0, 2.0, 2.0, speaker="b"))
    for speakers, heard in ((("a", "b"), [A, FOUR, B, TWO, TWO]), ((), [FOUR, TWO, TWO])):
        stream = TextWordStream({"st": search(("translation",), speakers=speakers)}, {})
        tokenizer = Tokenizer(TOKENS, token_type="word")
        first, ids = stream.hear(words[:2], tokenizer)
        second, more = first.hear(words[2:], tokenizer)
        assert ids + more == heard and len(second.spans) == len(heard)
        assert second.spans[-1] == (1.0, 2.0) and stream.speaker is None
