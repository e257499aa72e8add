"""Several references of a translation: sacrebleu's metrics take them all, nothing else does."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sacrebleu.metrics import BLEU, CHRF, TER

from espnet_jst.bin.jst_score import main
from espnet_jst.errors import DataError
from espnet_jst.evaluation import score_directory
from espnet_jst.evaluation.metrics import METRICS
from tests.evaluation.decoded import REFERENCES, lane_texts, make_decoded, make_reference, write_table

FIRST = ["the cat sat on the mat today", "he went home early that day", "yes"]
OTHERS = (("a cat was on the mat today", "he went home soon that day", "yes of course"), ("", "he left early", ""))
HYPOTHESES = ["a cat sat on the mat today", "he went home soon that day", "of course"]


def test_scores_are_sacrebleu_s_own_for_all_references():
    texts = replace(lane_texts(FIRST, HYPOTHESES, language="en"), further=OTHERS)
    sets = [FIRST, *map(list, OTHERS)]
    own = {"BLEU": BLEU(), "chrF++": CHRF(word_order=2), "TER": TER()}
    for name, metric in own.items():
        found, expected = METRICS[name].score(texts, n_bootstrap=50), metric.corpus_score(HYPOTHESES, sets).score
        assert found.score == pytest.approx(expected)
        assert "nrefs:3|" in found.details["signature"]
        statistics = METRICS[name].statistics(texts)
        assert statistics.score(statistics.rows.sum(axis=0)) == pytest.approx(expected)
    assert METRICS["BLEU"].score(texts).score > METRICS["BLEU"].score(replace(texts, further=())).score + 5


def test_the_command_reads_them_beside_the_first(tmp_path):
    hyp, ref = make_decoded(tmp_path / "hyp"), make_reference(tmp_path / "ref")
    names = {"src_lang": "en", "tgt_lang": "de", "n_bootstrap": 0}
    one = score_directory(hyp, ref, **names)["lanes"]
    write_table(
        ref / "text.lc.de.1", {key: ("eins sechs" if key == "a3" else value[1]) for key, value in REFERENCES.items()}
    )
    command = [
        "--hyp_dir",
        str(hyp),
        "--ref_dir",
        str(ref),
        "--src_lang",
        "en",
        "--tgt_lang",
        "de",
        "--n_bootstrap",
        "0",
    ]
    assert main([*command, "--references", "2"]) == 0
    two = json.loads((hyp / "scores.json").read_text(encoding="utf-8"))["lanes"]
    assert "nrefs:2|" in two["translation"]["quality"]["BLEU"]["signature"]
    assert two["transcript"] == one["transcript"] and two["translation"]["latency"] == one["translation"]["latency"]
    assert "(multi-references)" in (hyp / "score_bleu/result.lc.txt").read_text(encoding="utf-8")


def test_a_reference_that_is_missing_is_named(tmp_path):
    hyp, ref = make_decoded(tmp_path / "hyp"), make_reference(tmp_path / "ref")
    names = {"src_lang": "en", "tgt_lang": "de", "n_bootstrap": 0, "references": 2}
    with pytest.raises(DataError, match=r"text\.lc\.de\.1: no such file, for reference 2 of each utterance; ask for 1"):
        score_directory(hyp, ref, **names)
    write_table(ref / "text.lc.de.1", {"a1": "zwei"})
    with pytest.raises(DataError, match=r"text\.lc\.de\.1 lacks utterances of text\.lc\.de: a2, a3"):
        score_directory(hyp, ref, **names)
