import json
import math
import os

import pytest
from sacrebleu.metrics import BLEU

from espnet_jst.evaluation.metrics import METRICS
from espnet_jst.evaluation.metrics.translation import sacrebleu_seed
from tests.evaluation.decoded import translation_scores

REFERENCES = ["my name is hans", "the man buys a new car"]
HYPOTHESES = ["my name is hans end", "my name is hans the man end"]


def test_the_published_fixture_is_met_to_the_digit():
    found = translation_scores(REFERENCES, HYPOTHESES, metrics=("BLEU", "chrF++", "TER"))
    assert round(found["BLEU"].score, 4) == 30.2138
    assert round(found["chrF++"].score, 4) == 54.7009
    assert found["TER"].score == 70.0


def test_case_is_ignored_only_when_asked():
    assert translation_scores(["Der Mann kauft ein"], ["der mann kauft ein"], lowercase=True)["BLEU"].score > 99.9
    assert translation_scores(["Der Mann kauft ein"], ["der mann kauft ein"])["BLEU"].score < 99.0


def test_signatures_tell_case_and_sacrebleus_bootstrap():
    found = translation_scores(60 * REFERENCES, 60 * HYPOTHESES, lowercase=True, n_bootstrap=50, seed=7)
    for name in ("BLEU", "chrF++", "TER"):
        assert "case:lc" in found[name].details["signature"]
        assert "bs:50|seed:7" in found[name].details["signature"]
        assert found[name].low <= found[name].high


def test_a_resample_of_empty_hypotheses_only_does_not_stop_the_bootstrap():
    few = translation_scores(["a b", "c d", "e f"], ["", "", "e f"], n_bootstrap=100)
    many = translation_scores(["a b c d"] * 120, ["", "a b c d", "a b d"] * 40, n_bootstrap=100)
    assert math.isnan(few["BLEU"].low)  # without four words in a row it is 0 whatever is drawn
    for score in (few["chrF++"], few["TER"], *many.values()):
        assert 0.0 <= score.low < score.score < score.high
        assert score.high <= 100.0 or score.name == "TER"


def test_intervals_are_those_of_sacrebleus_own_bootstrap(monkeypatch):
    monkeypatch.setenv("SACREBLEU_SEED", "12345")
    references, hypotheses = REFERENCES * 60, HYPOTHESES * 59 + REFERENCES
    own = BLEU().corpus_score(hypotheses, [references], n_bootstrap=100)
    found = translation_scores(references, hypotheses, n_bootstrap=100)["BLEU"]
    assert (found.low, found.high) == pytest.approx((own._mean - own._ci, own._mean + own._ci), abs=1e-3)
    assert json.loads(found.espnet)["confidence_mean"] == round(own._mean, 2)


def test_empty_references_do_not_make_a_set_large():
    pairs = ["a b c d", "e f g h", "i j k l m"], ["a b c d", "e f g", "i j k l m"]
    few = translation_scores(*pairs, n_bootstrap=100)["chrF++"]
    padded = translation_scores(*(texts + [""] * 120 for texts in pairs), n_bootstrap=100)["chrF++"]
    assert (padded.low, padded.high) == (few.low, few.high)


def test_without_bootstrap_there_is_no_interval():
    found = translation_scores(REFERENCES, HYPOTHESES)["BLEU"]
    assert math.isnan(found.low) and "bs:" not in found.details["signature"]


def test_nothing_but_empty_hypotheses_scores_zero():
    found = translation_scores(REFERENCES, ["", ""])
    assert found["BLEU"].score == 0.0 and found["chrF++"].score == 0.0 and found["TER"].score == 100.0


def test_the_seed_leaves_the_environment_as_it_was(monkeypatch):
    monkeypatch.setenv("SACREBLEU_SEED", "99")
    with sacrebleu_seed(1):
        assert os.environ["SACREBLEU_SEED"] == "1"
    assert os.environ["SACREBLEU_SEED"] == "99"


def test_espnets_script_finds_bleus_details_in_line_7_with_an_interval_too():
    found = translation_scores(60 * REFERENCES, 60 * HYPOTHESES, n_bootstrap=50)
    lines = METRICS["BLEU"].espnet_text(list(found.values()), "lc").splitlines()
    assert lines[4].startswith(' "score": 30.21') and lines[6].startswith(' "verbose_score": "')
    assert all("confidence_mean" in entry for entry in json.loads("\n".join(lines[1:])))
