"""Bands against the bursts of the training text."""

import logging

import pytest

from espnet_jst.heads.spec import HeadSpec
from espnet_jst.tasks.bursts import check_bursts
from espnet_jst.tasks.preprocessor import JSTPreprocessor
from espnet_jst.text.diagnose import Bursts, longest_burst
from espnet_jst.text.tokenizer import Tokenizer

ASR, ST = 1, 2


@pytest.mark.parametrize(
    ("labels", "longest"),
    [
        ([], 0),
        ([ASR, 7, 8], 0),
        ([ASR, 7, ST, 9], 2),
        ([ASR, 7, ST, 9, 9, ASR, 8, ST, 9], 3),
        ([ASR, 7, ST, ASR, 8, ST, 9, ST, 9], 4),  # a repeated tag is a label, too
    ],
)
def test_a_burst_goes_from_a_target_tag_to_the_next_source_tag(labels, longest):
    assert longest_burst(labels, ASR, ST) == longest


def test_the_range_that_is_named_leaves_out_a_hundredth():
    bursts = Bursts(tuple([3] * 90 + [5] * 9 + [12]))
    assert bursts.prune_range() == 6
    assert bursts.share_over(5) == pytest.approx(0.01) and bursts.share_over(4) == pytest.approx(0.1)
    assert Bursts(()).prune_range() == 2


def corpus(folder, blocks):
    """Utterances whose links make one block of `n` target words each."""
    tables = {"src_text": {}, "text": {}, "alignment": {}}
    for number, words in enumerate(blocks):
        key = f"u{number}"
        tables["src_text"][key] = "a b"
        tables["text"][key] = " ".join(["x"] * words)
        tables["alignment"][key] = " ".join(f"0-{j}" for j in range(words))
    for name, table in tables.items():
        (folder / name).write_text("".join(f"{key} {value}\n" for key, value in table.items()))
    return [(str(folder / name), name, "text") for name in tables]


def preprocessor(**conf):
    tokens = ["<blank>", "<unk>", "<asr>", "<st>", "a", "b", "x", "<sos/eos>"]
    entry = {"kind": "transducer", "lanes": ["transcript", "translation"], **conf}
    tokenizer = Tokenizer(tokens, token_type="word")
    return JSTPreprocessor(True, specs={"joint": HeadSpec.parse("joint", entry)}, tokenizers={"tgt": tokenizer})


def test_a_band_that_is_too_narrow_is_a_warning_with_the_range_that_would_do(tmp_path, caplog):
    files = corpus(tmp_path, [2] * 8 + [6] * 2)
    with caplog.at_level(logging.INFO):
        found = check_bursts(files, preprocessor(loss="pruned_rnnt", prune_range=5))
        [record] = caplog.records
    assert found["joint"].longest == tuple([3] * 8 + [7] * 2)
    assert record.levelno == logging.WARNING and "20.0% of 10" in record.message
    assert "prune_range 8 would do" in record.message
    caplog.clear()
    with caplog.at_level(logging.INFO):
        check_bursts(files, preprocessor(loss="pruned_rnnt", prune_range=8))
    assert [record.levelno for record in caplog.records] == [logging.INFO]


def test_heads_without_a_band_are_left_alone(tmp_path):
    assert check_bursts(corpus(tmp_path, [2]), preprocessor()) == {}


def test_bursts_are_counted_in_every_language(tmp_path):
    files = corpus(tmp_path, [2] * 4 + [6] * 4)
    for name, codes in (("src_lang", "fr it"), ("tgt_lang", "de es")):
        first, second = codes.split()
        lines = [f"u{number} {first if number < 4 else second}\n" for number in range(8)]
        (tmp_path / name).write_text("".join(lines))
        files.append((str(tmp_path / name), name, "text"))
    tokens = ["<blank>", "<unk>", "<fr>", "<it>", "<de>", "<es>", "a", "b", "x", "<sos/eos>"]
    entry = {"kind": "transducer", "lanes": ["transcript", "translation"], "tags": "lid", "loss": "pruned_rnnt"}
    several = JSTPreprocessor(
        True,
        specs={"joint": HeadSpec.parse("joint", entry)},
        tokenizers={"tgt": Tokenizer(tokens, token_type="word")},
        conf={"source_languages": ["fr", "it"], "target_languages": ["de", "es"]},
    )
    assert check_bursts(files, several)["joint"].longest == (3, 3, 3, 3, 7, 7, 7, 7)
