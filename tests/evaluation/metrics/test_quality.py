import json
import math
import os
import random

import pytest
from sacrebleu.metrics import BLEU

from espnet_jst.errors import ConfigError, DataError
from espnet_jst.evaluation import edit_score
from espnet_jst.evaluation.matching import matching_words
from espnet_jst.evaluation.metrics.translation import sacrebleu_seed
from tests.evaluation.decoded import translation_scores
from tests.reference.edit_distance import edit_distance

REFERENCES = ["my name is hans", "the man buys a new car"]
HYPOTHESES = ["my name is hans end", "my name is hans the man end"]


def random_pairs(seed, n=60):
    rng = random.Random(seed)
    words = ["zwei", "und", "vierzig", "null", "ein"]
    return [tuple(" ".join(rng.choices(words, k=rng.randrange(0, 7))) for _ in range(2)) for _ in range(n)]


def test_the_published_fixture_is_met_to_the_digit():
    found = translation_scores(REFERENCES, HYPOTHESES, metrics=("BLEU", "chrF++", "TER"))
    assert round(found["BLEU"].score, 4) == 30.2138
    assert round(found["chrF++"].score, 4) == 54.7009
    assert found["TER"].score == 70.0


@pytest.mark.parametrize("unit", ["word", "char"])
def test_error_rates_agree_with_the_full_table(unit):
    pairs = random_pairs(3)
    found = edit_score([a for a, _ in pairs], [b for _, b in pairs], unit=unit)
    split = str.split if unit == "word" else list
    expected = [(edit_distance(split(a), split(b)), len(split(a))) for a, b in pairs]
    assert list(found.per_utterance) == expected
    assert found.errors == sum(errors for errors, _ in expected)
    assert found.rate == pytest.approx(100 * found.errors / sum(total for _, total in expected))
    assert found.sentence_errors == sum(errors > 0 for errors, _ in expected)


def test_an_empty_hypothesis_is_all_deletions_and_an_empty_reference_all_insertions():
    found = edit_score(["a b", ""], ["", "c"])
    assert (found.deletions, found.insertions, found.substitutions, found.rate) == (2, 1, 0, 150.0)


def test_empty_against_empty_is_no_error_and_words_against_nothing_are_undefined():
    assert edit_score([""], [""]).rate == 0.0
    assert math.isnan(edit_score([""], ["a"]).rate)


def test_extra_blanks_do_not_count():
    assert edit_score(["a  b "], [" a b"], unit="char").rate == 0.0


def test_lists_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="2 references and 1 hypotheses"):
        edit_score(["a", "b"], ["a"])
    with pytest.raises(DataError, match="0 references"):
        translation_scores([], [])


def test_an_unknown_unit_is_refused():
    with pytest.raises(ConfigError, match="word"):
        edit_score(["a"], ["a"], unit="words")


def test_matching_words_are_equal_and_as_many_as_the_hits():
    for reference, hypothesis in random_pairs(5):
        pairs = matching_words(reference.split(), hypothesis.split())
        assert all(reference.split()[i] == hypothesis.split()[j] for i, j in pairs)
        assert pairs == sorted(set(pairs))
        assert len(pairs) == edit_score([reference], [hypothesis]).hits


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
