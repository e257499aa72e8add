"""Languages without blanks from text to pieces, in and out of serialization, and back to words as they are emitted."""

from __future__ import annotations

import itertools
import random

import pytest

from espnet_jst.text import align_corpus, deserialize, serialize
from espnet_jst.text.assembler import WordAssembler
from espnet_jst.text.tokenizer import Tokenizer
from espnet_jst.text.train_tokenizer import train_tokenizer
from espnet_jst.text.units import Glued, join_units, split_units

SOURCES = ["today we walk", "use GPT-4 now", "I am 25 years old", "I ate ramen", "good", "korean words", "I want to go"]
TARGETS = [
    "今天天气真好，我们出去走走吧",
    "用GPT-4吧 今天 天气",
    "สวัสดีครับ ผมอายุ 25 ปี น้ำ",
    "ラーメンを食べた。 OK です",
    "ភាសាខ្មែរ ល្អ",
    "한국어 大韓民國은 좋다",
    "می\u200cخواهم بروم",
]


@pytest.fixture(scope="module", params=["unigram", "bpe", "char"])
def tokenizer(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("tokens")
    lines = [split_units(text) for text in SOURCES + TARGETS]
    train_tokenizer(lines * 5, out, vocab_size=200, model_type=request.param)
    return Tokenizer.load(out)


def said(tokenizer, ids):
    """(Text, glued) of each word of the translation, and the assembler."""
    machine = WordAssembler(tokenizer)
    words = [word for frame, index in enumerate(ids) for word in machine.push(index, frame)] + machine.flush()
    return [word for word in words if word.lane == "translation"], machine


def line_of(words):
    return join_units(Glued(word.text) if word.glued else word.text for word in words)


@pytest.mark.parametrize("policy", ["align", "eager", "inter"])
@pytest.mark.parametrize(("source", "target"), zip(SOURCES, TARGETS, strict=True))
def test_a_serialized_text_comes_back_to_the_last_blank(tokenizer, source, target, policy):
    words, units, draw = source.split(), split_units(target), random.Random(target)
    links = {(draw.randrange(len(words)), draw.randrange(len(units))) for _ in range(6)}
    serialized = serialize(words, units, links, policy=policy)
    assert join_units(deserialize(serialized)[1]) == target
    found, machine = said(tokenizer, tokenizer.encode(serialized))
    assert [word.text for word in found] == units
    assert line_of(found) == target
    assert machine.broken_words == 0


def test_a_tag_between_two_characters_costs_no_word_marker(tokenizer):
    ids = tokenizer.encode(
        ["<asr>", "we", "<st>", "今", Glued("天"), "<asr>", "walk", "<st>", Glued("天"), Glued("气")]
    )
    last = ids[-1 - ids[::-1].index(tokenizer.tokens.index("<st>")) :]
    assert not any(tokenizer.tokens[index].startswith("▁") for index in last)


def test_a_lane_alone_has_the_pieces_of_its_text(tokenizer):
    assert tokenizer.encode(split_units(TARGETS[0])) == tokenizer.encode([TARGETS[0]])
    assert tokenizer.decode(tokenizer.encode(split_units(TARGETS[1]))) == split_units(TARGETS[1])


def test_groups_cover_every_word_and_share_no_piece(tokenizer):
    for target in TARGETS:
        units = split_units(target)
        groups = tokenizer.groups(units)
        assert sum(count for _, count in groups) == len(units)
        assert [index for ids, _ in groups for index in ids] == tokenizer.encode(units)


class Pieces(Tokenizer):
    """A tokenizer of pieces that needs no SentencePiece model to decode."""

    def _load(self, bpemodel):
        return None


def stream(pieces, text, token_type="bpe"):
    """What each token shows, and what the end shows."""
    tokens = ["<blank>", "<unk>", *dict.fromkeys(pieces), "<sos/eos>"]
    machine = WordAssembler(Pieces(tokens, token_type=token_type), default_lane="translation")
    shown = [[word.text for word in machine.push(tokens.index(piece), k)] for k, piece in enumerate(text.split())]
    return [*shown, [word.text for word in machine.flush()]]


def test_chinese_is_shown_with_the_token_that_writes_it():
    pieces = ["▁", "今", "天", "天气", "▁GP", "T", "吧", "<asr>", "<st>"]
    shown = stream(pieces, "▁ 今 天气 ▁GP T 吧")
    assert shown == [[], ["今"], ["天", "气"], [], [], ["GPT", "吧"], []]


def test_a_thai_base_waits_for_its_marks_where_the_vocabulary_has_marks():
    marks = ["▁", "น", "้", "า", "ำ", "ที่", "ก"]
    assert stream(marks, "▁ น ้ ำ ก") == [[], [], [], [], ["น้ำ"], ["ก"]]
    assert stream(["▁", "ที่", "นี่", "ก"], "▁ ที่ นี่") == [[], ["ที่"], ["นี่"], []]


def test_a_khmer_letter_below_the_line_stays_with_its_base():
    assert stream(["▁", "ខ", "្", "ម", "ែ", "រ"], "▁ ខ ្ ម ែ រ") == [[], [], [], [], [], ["ខ្មែ"], ["រ"]]


def test_a_character_that_a_piece_ends_with_is_continued_by_the_next():
    assert stream(["▁か", "゙", "く"], "▁か \u3099 く") == [[], [], ["か\u3099"], ["く"]]


def test_characters_of_espnet_with_a_space_token_stream_too():
    shown = stream(["今", "天", "a", "b", "<space>"], "今 天 <space> a b <space> 今", token_type="char")
    assert shown == [["今"], ["天"], [], [], [], ["ab"], ["今"], []]


def test_what_was_shown_never_changes_and_is_the_whole_in_the_end():
    draw = random.Random(3)
    pieces = [*"今天气ก็่ำนขម្ែ", "▁", "▁今天", "▁GP", "T", "天气", "é", "\u0301", "<asr>", "<st>", "，"]
    tokens = ["<blank>", "<unk>", *pieces, "<sos/eos>"]
    tokenizer = Pieces(tokens)
    for _ in range(200):
        ids = [draw.randrange(2, len(tokens) - 1) for _ in range(12)]
        written = {"transcript": "", "translation": ""}
        lane = "transcript"
        for index in ids:
            if tokens[index] in ("<asr>", "<st>"):
                lane = "transcript" if tokens[index] == "<asr>" else "translation"
            else:
                written[lane] += tokenizer.piece_text(index)
        machine = WordAssembler(tokenizer)
        words = [word for k, index in enumerate(ids) for word in machine.push(index, k)] + machine.flush()
        for lane, text in written.items():
            assert "".join(word.text for word in words if word.lane == lane) == text
        assert all(first.first_frame <= second.first_frame for first, second in itertools.pairwise(words))


def test_characters_of_a_language_without_blanks_are_aligned():
    digits = dict(
        zip(["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"], "一二三四五六七八九", strict=True)
    )
    draw = random.Random(0)
    chosen = [[draw.choice(list(digits)) for _ in range(draw.randint(2, 5))] for _ in range(300)]
    targets = [split_units("".join(digits[word] for word in words)) for words in chosen]
    links = align_corpus(chosen, targets)
    right = sum(links[k] == {(i, i) for i in range(len(words))} for k, words in enumerate(chosen))
    assert right > 270
