from __future__ import annotations

import pickle
import random
from pathlib import Path

import pytest

from espnet_jst.errors import ConfigError, DataError
from espnet_jst.text.token_list import read_tokens
from espnet_jst.text.tokenizer import Tokenizer, find_tokenizer
from espnet_jst.text.train_tokenizer import join_tokenizers, train_tokenizer
from espnet_jst.units.alphabet import as_text

LINES = [
    line.split()
    for line in (
        "wir haben ein neues Auto gekauft",
        "we bought a new car",
        "<asr> wir haben <st> we have",
        "gestern haben wir das alte Haus verkauft",
        "yesterday we sold the old house",
        "sieben und zwanzig neue Häuser",
        "twenty seven new houses",
    )
]
SERIALIZED = ["<asr>", "wir", "haben", "<st>", "we", "have", "<asr>", "ein", "Haus", "<st>", "a", "house"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    out = tmp_path_factory.mktemp("tokens")
    for model_type in ("unigram", "bpe", "char", "word"):
        train_tokenizer(LINES, out / model_type, vocab_size=60, model_type=model_type)
    return out


@pytest.mark.parametrize("model_type", ["unigram", "bpe", "char", "word"])
def test_a_tag_costs_one_piece_and_no_stray_word_marker(directory, model_type):
    tokenizer = Tokenizer.load(directory / model_type)
    pieces = [tokenizer.tokens[i] for i in tokenizer.encode(SERIALIZED)]
    words = [word for word in SERIALIZED if word not in ("<asr>", "<st>")]
    alone = sum(len(tokenizer.encode([word])) for word in words)
    assert len(pieces) == alone + 4
    assert [piece for piece in pieces if piece in ("<asr>", "<st>")] == ["<asr>", "<st>", "<asr>", "<st>"]
    before = [pieces[k - 1] for k, piece in enumerate(pieces) if k and piece in ("<asr>", "<st>")]
    assert "▁" not in before


@pytest.mark.parametrize("model_type", ["unigram", "bpe", "char", "word"])
def test_words_and_tags_come_back(directory, model_type):
    tokenizer = Tokenizer.load(directory / model_type)
    words = [word for line in LINES for word in line]
    assert tokenizer.decode(tokenizer.encode(words)) == words
    assert tokenizer.decode(tokenizer.encode(SERIALIZED)) == SERIALIZED


def test_the_token_list_has_the_order_of_espnet(directory):
    tokens = read_tokens(directory / "unigram" / "tokens.txt")
    assert tokens[:2] == ["<blank>", "<unk>"]
    assert tokens[-1] == "<sos/eos>"
    assert len(tokens) == len(set(tokens)) <= 62
    assert {"<asr>", "<st>"} <= set(tokens)


def test_training_twice_gives_the_same_files(directory, tmp_path):
    train_tokenizer(LINES, tmp_path, vocab_size=60)
    for name in ("tokens.txt", "bpe.model"):
        assert (tmp_path / name).read_bytes() == (directory / "unigram" / name).read_bytes()


def test_every_word_of_the_text_is_a_piece_of_a_word_model(directory):
    tokenizer = Tokenizer.load(directory / "word")
    words = {word for line in LINES for word in line} - {"<asr>", "<st>"}
    assert all(len(tokenizer.encode([word])) == 1 for word in words)
    assert set(tokenizer.tokens) == {"▁" + word for word in words} | {"<blank>", "<unk>", "<sos/eos>", "<asr>", "<st>"}


def test_a_text_too_small_for_the_vocabulary_gives_a_smaller_one(tmp_path):
    train_tokenizer([["ja"], ["yes"]], tmp_path, vocab_size=5000)
    assert Tokenizer.load(tmp_path).vocab_size < 30


def test_a_vocabulary_too_small_for_the_characters_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="vocabulary size"):
        train_tokenizer(LINES, tmp_path, vocab_size=5)


def test_training_without_text_is_refused(tmp_path):
    with pytest.raises(DataError, match="no text"):
        train_tokenizer([[], ["<asr>"]], tmp_path)


@pytest.mark.parametrize(
    ("model_type", "expected"), [("word", True), ("unigram", False), ("bpe", False), ("char", False)]
)
def test_words_end_themselves_only_where_no_piece_continues_a_word(directory, model_type, expected):
    assert Tokenizer.load(directory / model_type).words_end_themselves is expected


def test_an_unknown_word_is_unknown(directory):
    tokenizer = Tokenizer.load(directory / "word")
    assert tokenizer.encode(["<asr>", "Trento"]) == [tokenizer.tokens.index("<asr>"), tokenizer.unk_id]


def test_a_word_that_contains_a_tag_does_not_switch_the_lane(directory):
    tokenizer = Tokenizer.load(directory / "unigram")
    assert not any(tokenizer.is_tag(i) for i in tokenizer.encode(["wir<st>", "a<asr>b"]))


@pytest.mark.parametrize("word", ["", "two words", " led"])
def test_what_is_not_one_word_is_refused(directory, word):
    with pytest.raises(DataError, match="not one word"):
        Tokenizer.load(directory / "bpe").encode([word])


def test_only_tags_are_tags():
    tokenizer = Tokenizer(["<blank>", "<unk>", "<asr:de>", "<0x41>", "a", "<", "<sos/eos>"], token_type="word")
    assert [tokenizer.is_tag(i) for i in range(7)] == [False, False, True, False, False, False, False]


def test_plain_words_are_tokens_of_type_word():
    tokenizer = Tokenizer(["<blank>", "<unk>", "one", "two", "<st>", "<sos/eos>"], token_type="word")
    assert tokenizer.encode(["two", "<st>", "three"]) == [3, 4, 1]
    assert tokenizer.decode([0, 3, 2, 4, 2, 5]) == ["two", "one", "<st>", "one"]
    assert tokenizer.words_end_themselves


def test_characters_are_separated_only_inside_a_lane():
    tokenizer = Tokenizer(["<blank>", "<unk>", "<space>", "<st>", "a", "b", "<sos/eos>"], token_type="char")
    ids = tokenizer.encode(["ab", "a", "<st>", "b"])
    assert [tokenizer.tokens[i] for i in ids] == ["a", "b", "<space>", "a", "<st>", "b"]
    assert tokenizer.decode(ids) == ["ab", "a", "<st>", "b"]


def test_a_model_of_another_vocabulary_is_refused(directory):
    with pytest.raises(ConfigError, match="token list lacks"):
        Tokenizer(["<blank>", "<unk>", "<sos/eos>"], bpemodel=directory / "bpe" / "bpe.model")


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"bpe\.model"):
        Tokenizer(["<blank>", "<unk>", "<sos/eos>"], bpemodel=tmp_path / "bpe.model")


@pytest.mark.parametrize("tokens", [[], ["<unk>", "<blank>"], ["<blank>", "a"], ["<blank>", "<unk>", "a", "a"]])
def test_a_broken_token_list_is_refused(tokens):
    with pytest.raises(ConfigError, match="token"):
        Tokenizer(tokens, token_type="word")


def test_a_tokenizer_can_be_sent_to_a_worker(directory):
    tokenizer = pickle.loads(pickle.dumps(Tokenizer.load(directory / "unigram")))
    assert tokenizer.decode(tokenizer.encode(SERIALIZED)) == SERIALIZED


def test_a_token_list_is_read_for_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "tokens.txt"

    def unknown(tokens: list[str], words: str) -> list[str]:
        path.write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
        tokenizer = find_tokenizer(str(path), None)
        assert tokenizer is not None
        return tokenizer.unknown(words.split())

    assert unknown(["<blank>", "<unk>", "<space>", *"nowt", "<sos/eos>"], "two né né") == ["é"]
    assert unknown(["<blank>", "<unk>", "one", "two", "<sos/eos>"], "one three") == ["three"]
    with pytest.raises(ConfigError, match="SentencePiece model"):
        unknown(["<blank>", "<unk>", "\u2581one", "<sos/eos>"], "one")
    with pytest.raises(DataError, match="does not exist"):
        find_tokenizer(str(tmp_path / "gone.txt"), None)
    assert find_tokenizer(None, None) is None


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_joined_tokenizers_cut_each_text_as_their_own_did(tmp_path, model_type):
    generator = random.Random(0)
    units = [as_text(generator.choices(range(20), k=30), 20) for _ in range(60)]
    words = [generator.choices(["casa", "casas", "perro", "perros", "el", "la", "azul"], k=6) for _ in range(60)]
    train_tokenizer([[text] for text in units], tmp_path / "units", vocab_size=60, model_type=model_type, tags=())
    train_tokenizer(words, tmp_path / "words", vocab_size=40, model_type=model_type, tags=())
    join_tokenizers([tmp_path / "units", tmp_path / "words"], tmp_path / "both")
    both, *own = (Tokenizer.load(tmp_path / name) for name in ("both", "units", "words"))
    assert len(set(both.tokens)) == len(both.tokens) >= sum(len(one.tokens) for one in own) - 5
    for tokenizer, texts in zip(own, ([[text] for text in units], words), strict=True):
        for text in texts:
            ids = both.encode(text)
            assert [both.tokens[i] for i in ids] == [tokenizer.tokens[i] for i in tokenizer.encode(text)]
            assert both.decode(ids) == text and both.unk_id not in ids


def test_models_of_two_kinds_are_not_joined(tmp_path):
    for kind in ("unigram", "bpe"):
        train_tokenizer([["abab", "baba"]], tmp_path / kind, vocab_size=8, model_type=kind, tags=())
    with pytest.raises(ConfigError, match="another kind than"):
        join_tokenizers([tmp_path / "unigram", tmp_path / "bpe"], tmp_path / "both")


def test_a_tag_among_words_is_a_group_of_its_own(directory):
    tokenizer = Tokenizer.load(directory / "unigram")
    tag = next(word for word in SERIALIZED if tokenizer.encode([word]) != [tokenizer.unk_id] and word.startswith("<"))
    words = [tag, *(word for word in SERIALIZED if not word.startswith("<"))]
    groups = tokenizer.groups(words)
    assert groups[0] == (tokenizer.encode([tag]), 1)
    assert [ids for group, _ in groups for ids in group] == tokenizer.encode(words)
