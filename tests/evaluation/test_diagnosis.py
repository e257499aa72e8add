from __future__ import annotations

import json

import pytest

from espnet_jst.errors import ConfigError, DataError
from espnet_jst.evaluation.diagnosis import compare_policies, diagnosis_rows, write_diagnosis
from espnet_jst.text.align.corrupt import corrupt_links
from espnet_jst.text.align.synthetic import synthetic_corpus
from espnet_jst.text.tokenizer import Tokenizer

CORPUS = synthetic_corpus(200, seed=4)
SOURCES, TARGETS = [pair.source for pair in CORPUS], [pair.target for pair in CORPUS]
GOLD = [pair.links for pair in CORPUS]


def test_source_first_waits_longest_and_taking_turns_guesses_most():
    reports = compare_policies(SOURCES, TARGETS, GOLD)
    assert list(reports) == ["align", "0.5", "0.3", "0.0", "eager"]
    assert max(reports, key=lambda policy: reports[policy].extra_wait) == "0.0"
    assert max(reports, key=lambda policy: reports[policy].premature_share) == "0.5"
    assert reports["align"].premature_words == reports["eager"].premature_words == 0


def test_wrong_links_are_seen_by_the_gold_ones_alone():
    keys = [str(number) for number in range(len(GOLD))]
    words = dict(zip(keys, map(len, TARGETS)))
    premature = []
    for share in (0.0, 0.05, 0.2):
        wrong = list(corrupt_links(dict(zip(keys, GOLD)), words, share).values())
        report = compare_policies(SOURCES, TARGETS, wrong, reference=GOLD, policies=["align"])["align"]
        blind = compare_policies(SOURCES, TARGETS, wrong, policies=["align"])["align"]
        premature.append(report.premature_share)
        assert blind.premature_words <= report.premature_words
    assert 0 == premature[0] < premature[1] < premature[2]


def test_bursts_are_counted_in_pieces_and_name_the_band():
    tokens = ["<blank>", "<unk>", "<asr>", "<st>", *"abcdefghijklmnopqrstuvwxyz", "<space>", "<sos/eos>"]
    tokenizer = Tokenizer(tokens, token_type="char")
    reports = compare_policies([["x", "y"]], [["ab", "cde"]], [{(0, 0), (1, 1)}], tokenizer=tokenizer)
    assert reports["align"].bursts == [3, 4]  # <st> a b, <st> c d e
    assert reports["0.0"].bursts == [7]  # <st> a b <space> c d e
    assert reports["0.0"].longest_bursts().prune_range() == 8


def test_the_files_hold_what_the_table_shows(tmp_path):
    reports = compare_policies(SOURCES, TARGETS, GOLD, policies=["align", "0.3"])
    table, figures, picture = write_diagnosis(reports, tmp_path / "new", "a title")
    titles, rows = diagnosis_rows(reports)
    lines = table.read_text().splitlines()
    assert lines[0] == "a title" and lines[2] == f"| {' | '.join(titles)} |"
    assert lines[4:] == [f"| {' | '.join(row)} |" for row in rows]
    content = json.loads(figures.read_text())["policies"]
    assert content["0.3"]["premature_share"] == reports["0.3"].premature_share
    assert content["align"]["prune_range_99"] == reports["align"].longest_bursts().prune_range()
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_unknown_policies_and_links_outside_are_named():
    for policy in ("time", "2", "block"):
        with pytest.raises(ConfigError, match=f"policy '{policy}'"):
            compare_policies(SOURCES, TARGETS, GOLD, policies=[policy])
    with pytest.raises(DataError, match="utt7: .*0-9"):
        compare_policies([["a"]], [["b"]], [{(0, 9)}], names=["utt7"])
