from __future__ import annotations

import pytest

from espnet_jst.text.assembler import WordAssembler
from espnet_jst.text.tags import Tags
from espnet_jst.text.tokenizer import Tokenizer

PIECES = ["▁wir", "▁ha", "ben", "▁we", "▁have", "<asr>", "<st>", "<noise>", "▁"]
TOKENS = ["<blank>", "<unk>", *PIECES, "<sos/eos>"]


class PieceTokenizer(Tokenizer):
    """A tokenizer of pieces that needs no SentencePiece model to decode."""

    def _load(self, bpemodel):
        return None


def assembler(**kwargs):
    return WordAssembler(PieceTokenizer(TOKENS), **kwargs)


def run(text, **kwargs):
    """(words with lanes, assembler) after the pieces of `text`, one frame each."""
    machine = assembler(**kwargs)
    words = [
        word for frame, piece in enumerate(text.split()) for word in machine.push(TOKENS.index(piece), frame, -1.0)
    ]
    return [(word.lane, word.text) for word in words + machine.flush()], machine


def test_tags_lead_words_to_their_lanes():
    words, _ = run("<asr> ▁wir ▁ha ben <st> ▁we ▁have")
    expected = [("transcript", "wir"), ("transcript", "haben"), ("translation", "we"), ("translation", "have")]
    assert words == expected


def test_without_a_first_tag_words_go_to_the_default_lane():
    assert run("▁wir")[0] == [("transcript", "wir")]
    assert run("▁wir", default_lane="translation")[0] == [("translation", "wir")]


def test_a_repeated_tag_does_not_cut_a_word():
    words, machine = run("<asr> ▁ha <asr> ben")
    assert words == [("transcript", "haben")]
    assert machine.broken_words == 0


def test_a_tag_at_the_end_does_nothing():
    assert run("<asr> ▁wir <st>")[0] == [("transcript", "wir")]


def test_a_tag_inside_a_word_closes_it_and_is_counted():
    words, machine = run("<asr> ▁ha <st> ben ▁we")
    assert words == [("transcript", "ha"), ("translation", "ben"), ("translation", "we")]
    assert machine.broken_words == 1


def test_a_tag_between_words_breaks_none():
    assert run("<asr> ▁ha <st> ▁we <asr> ▁wir")[1].broken_words == 0


def test_a_word_is_held_back_until_the_next_one_begins():
    machine = assembler()
    assert machine.push(TOKENS.index("▁ha"), 3) == []
    assert machine.push(TOKENS.index("ben"), 5) == []
    (word,) = machine.push(TOKENS.index("▁wir"), 8)
    assert (word.text, word.first_frame, word.last_frame) == ("haben", 3, 5)


def test_a_tag_releases_the_word_before_it():
    machine = assembler()
    machine.push(TOKENS.index("▁ha"), 0)
    assert [word.text for word in machine.push(TOKENS.index("<st>"), 1)] == ["ha"]


def test_nothing_is_held_back_where_words_end_themselves():
    tokenizer = Tokenizer(["<blank>", "<unk>", "eins", "<sos/eos>"], token_type="word")
    machine = WordAssembler(tokenizer)
    assert [word.text for word in machine.push(2, 0)] == ["eins"]
    assert machine.flush() == []


def test_a_word_has_the_mean_log_probability_of_its_tokens():
    machine = assembler()
    machine.push(TOKENS.index("▁ha"), 0, -1.0)
    machine.push(TOKENS.index("ben"), 1, -2.0)
    assert machine.flush()[0].logp == pytest.approx(-1.5)


def test_a_transcript_group_and_its_translation_are_one_block():
    machine = assembler()
    text = "<asr> ▁wir <st> ▁we ▁we <asr> ▁ha ben ▁wir <st> <asr> ▁wir <st> ▁have"
    words = [w for k, piece in enumerate(text.split()) for w in machine.push(TOKENS.index(piece), k)] + machine.flush()
    assert [(word.text, word.block) for word in words] == [
        ("wir", 0), ("we", 0), ("we", 0), ("haben", 1), ("wir", 1), ("wir", 1), ("have", 1),
    ]  # fmt: skip


def test_a_tag_that_names_no_lane_is_a_word():
    words, _ = run("▁ha ben <noise> ▁wir")
    assert words == [("transcript", "haben"), ("transcript", "<noise>"), ("transcript", "wir")]


def test_language_tags_name_the_language():
    tags = Tags(scheme="lid", source_languages=("de",), target_languages=("en", "es"))
    tokenizer = Tokenizer(["<blank>", "<unk>", "ja", "<de>", "<en>", "<es>", "<sos/eos>"], token_type="word")
    machine = WordAssembler(tokenizer, tags=tags)
    words = [word for token in (3, 2, 4, 2, 5, 2, 3, 2) for word in machine.push(token, 0)]
    assert [(w.lane, w.language, w.block) for w in words] == [
        ("transcript", "de", 0), ("translation", "en", 0), ("translation", "es", 0), ("transcript", "de", 1),
    ]  # fmt: skip


def test_a_speaker_tag_opens_a_speaker_inside_the_lane_and_a_lane_tag_leaves_the_speaker():
    tags = Tags(speakers=("self", "other"))
    tokenizer = Tokenizer(
        ["<blank>", "<unk>", "ja", "<self>", "<other>", "<asr>", "<st>", "<sos/eos>"], token_type="word"
    )
    machine = WordAssembler(tokenizer, "translation", tags)
    words = [word for token in (2, 3, 2, 4, 2, 5, 2, 3, 2) for word in machine.push(token, 0)]
    assert [(w.lane, w.speaker) for w in words] == [
        ("translation", None), ("translation", "self"), ("translation", "other"), ("transcript", "other"),
        ("transcript", "self"),
    ]  # fmt: skip


def test_every_speaker_has_blocks_of_their_own():
    tags = Tags(speakers=("a", "b"))
    tokenizer = Tokenizer(["<blank>", "<unk>", "ja", "<a>", "<b>", "<asr>", "<st>", "<sos/eos>"], token_type="word")
    machine = WordAssembler(tokenizer, tags=tags)
    text = "<asr> <a> ja <st> ja <asr> <b> ja <st> <a> ja <b> ja <asr> <a> ja"
    words = [word for piece in text.split() for word in machine.push(tokenizer.tokens.index(piece), 0)]
    assert [(w.lane, w.speaker, w.block) for w in words] == [
        ("transcript", "a", 0), ("translation", "a", 0), ("transcript", "b", 0), ("translation", "a", 0),
        ("translation", "b", 0), ("transcript", "a", 1),
    ]  # fmt: skip


def test_a_lone_word_marker_is_no_word():
    assert run("▁ <st> ▁ ▁we")[0] == [("translation", "we")]


def test_blanks_and_ends_are_ignored():
    assert run("<blank> ▁ha <blank> ben <sos/eos>")[0] == [("transcript", "haben")]


def test_a_state_can_be_kept_and_taken_up_again():
    machine = assembler()
    machine.push(TOKENS.index("▁ha"), 0)
    fork = machine.state
    machine.push(TOKENS.index("<st>"), 1)
    machine.push(TOKENS.index("▁we"), 2)
    other = assembler()
    other.state = fork
    other.push(TOKENS.index("ben"), 1)
    assert [word.text for word in other.flush()] == ["haben"]
    assert [(word.lane, word.text) for word in machine.flush()] == [("translation", "we")]


def test_characters_after_a_tag_are_not_broken_words():
    tokenizer = Tokenizer(["<blank>", "<unk>", "<space>", "<st>", "a", "b", "<sos/eos>"], token_type="char")
    machine = WordAssembler(tokenizer)
    words = [word for token in tokenizer.encode(["ab", "a", "<st>", "b"]) for word in machine.push(token, 0)]
    assert [word.text for word in words + machine.flush()] == ["ab", "a", "b"]
    assert machine.broken_words == 0
