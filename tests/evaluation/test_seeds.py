import numpy as np
import pytest

from espnet_jst.errors import DataError
from espnet_jst.evaluation.quality import translation_scores
from espnet_jst.evaluation.seeds import compare_systems, rate, translation_statistics

REFERENCES = ["zwei und vierzig sieben", "null sieben", "sechzehn", "ein und zwanzig drei", "neun neun neun acht"]


def errors(*counts: int) -> np.ndarray:
    return np.array([(100.0 * wrong, 4.0) for wrong in counts])


def test_the_mean_is_that_of_the_seeds_and_the_interval_holds_it():
    systems = {"a": [errors(0, 1, 0, 2, 1) for _ in range(2)], "b": [errors(1, 2, 1, 3, 2), errors(1, 1, 1, 1, 1)]}
    found = compare_systems(systems, rate, baseline="a")
    assert found["a"].seeds == (20.0, 20.0) and found["b"].seeds == (45.0, 25.0)
    assert found["b"].mean == 35.0
    assert found["b"].low < 35.0 < found["b"].high
    assert found["b"].difference_low < 15.0 < found["b"].difference_high
    assert np.isnan(found["a"].p_value)


def test_a_difference_in_every_utterance_is_significant_and_none_is_not():
    rng = np.random.default_rng(0)
    first = rng.integers(0, 3, size=200)
    systems = {"a": [errors(*first)], "same": [errors(*rng.permutation(first))], "worse": [errors(*(first + 1))]}
    found = compare_systems(systems, rate, baseline="a")
    assert found["worse"].p_value < 0.01 and found["worse"].difference_low > 0
    assert found["same"].p_value > 0.1


@pytest.mark.parametrize("metric", ["BLEU", "chrF++", "TER"])
def test_summed_statistics_give_sacrebleus_corpus_score(metric):
    hypotheses = ["zwei und vierzig", "null sieben", "", "ein und drei drei", "neun neun acht neun"]
    rows, score = translation_statistics(metric, REFERENCES, hypotheses, lowercase=True)
    expected = translation_scores(REFERENCES, hypotheses, lowercase=True, metrics=[metric])[metric].score
    assert rows.shape[0] == len(REFERENCES)
    assert score(rows.sum(axis=0)) == pytest.approx(expected)


def test_systems_with_other_utterances_are_refused():
    with pytest.raises(DataError, match="the same ones in all"):
        compare_systems({"a": [errors(0, 1)], "b": [errors(0, 1, 2)]}, rate, baseline="a")
