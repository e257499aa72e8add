import pytest

from espnet_jst.evaluation.metrics import METRICS
from tests.evaluation.decoded import lane_texts, translation_scores

REFERENCES = ["zwei und vierzig sieben", "null sieben", "sechzehn", "ein und zwanzig drei", "neun neun neun acht"]
HYPOTHESES = ["zwei und vierzig", "null sieben", "", "ein und drei drei", "neun neun acht neun"]


@pytest.mark.parametrize("metric", ["BLEU", "chrF++", "TER"])
def test_summed_statistics_give_sacrebleus_corpus_score(metric):
    rows, score, _ = METRICS[metric].statistics(lane_texts(REFERENCES, HYPOTHESES))
    expected = translation_scores(REFERENCES, HYPOTHESES, metrics=[metric])[metric].score
    assert rows.shape[0] == len(REFERENCES)
    assert score(rows.sum(axis=0)) == pytest.approx(expected)


def test_the_length_ratio_is_words_written_for_words_of_the_reference():
    score = METRICS["length ratio"].score(lane_texts(["a b c", "", "d"], ["a b", "x", ""]), n_bootstrap=50)
    assert score.score == pytest.approx(3 / 4)
    characters = lane_texts(["你好吗"], ["你好"], language="zh")
    assert METRICS["length ratio"].score(characters).score == pytest.approx(2 / 3)


@pytest.mark.parametrize("metric", ["BLEU", "chrF++", "TER"])
def test_column_1_is_the_length_of_the_reference(metric):
    rows = METRICS[metric].statistics(lane_texts(["a b", "", "", "c"], ["a", "b", "", ""])).rows
    assert (rows[:, 1] > 0).tolist() == [True, False, False, True]
    assert rows.any(axis=1).tolist()[2] is False


def test_summed_errors_give_the_word_error_rate():
    rows, score, details = METRICS["WER"].statistics(lane_texts(REFERENCES, HYPOTHESES, "transcript"))
    assert rows[:, 1].tolist() == [4, 2, 1, 4, 4]
    assert score(rows.sum(axis=0)) == pytest.approx(100 * (1 + 0 + 1 + 1 + 2) / 15)
    assert (details["errors"], details["reference_units"]) == (5, 15)
