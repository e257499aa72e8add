"""Phrases that a search shall prefer, in scripts without blanks too."""

from __future__ import annotations

from espnet_jst.inference.options import _spelled
from espnet_jst.text.tokenizer import Tokenizer
from espnet_jst.text.train_tokenizer import train_tokenizer


def test_a_phrase_without_blanks_is_spelled_as_at_the_beginning_and_inside_a_text(tmp_path):
    train_tokenizer([["今天天气真好"], ["we", "go"]] * 5, tmp_path, vocab_size=30, model_type="char")
    tokenizer = Tokenizer.load(tmp_path)
    spelled = _spelled(["天气", "we go", "лес"], tokenizer)
    pieces = {phrase: [[tokenizer.tokens[i] for i in ids] for ids in forms] for phrase, forms in spelled.items()}
    assert pieces["天气"] == [["▁", "天", "气"], ["天", "气"]]
    assert len(pieces["we go"]) == 1 and "лес" not in pieces
