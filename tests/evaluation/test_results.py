import re

import pytest

from espnet_jst.errors import DataError
from espnet_jst.evaluation import score_directory, write_results
from tests.evaluation.decoded import make_decoded, make_reference


@pytest.fixture
def exp(tmp_path):
    reference = make_reference(tmp_path / "dump" / "test")
    for tag, name in (("decode_streaming", "test"), ("decode_offline", "test")):
        folder = make_decoded(tmp_path / "exp" / "st_tsot" / tag / name, compute=tag == "decode_streaming")
        signature = {"system": "tsot", "beam": 4}
        score_directory(folder, reference, src_lang="en", tgt_lang="de", n_bootstrap=10, signature=signature)
    return tmp_path / "exp"


def tables(text):
    return [block.splitlines() for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)]


def test_the_head_is_that_of_espnet(exp):
    text = write_results(exp).read_text(encoding="utf-8")
    head = r"# RESULTS\n## Environments\n- date: `.+`\n- python version: `3\..+`\n- espnet version: `espnet .+`\n"
    assert re.search(head, text)
    assert re.search(r"- pytorch version: `pytorch .+`\n- Git hash: `.+`\n  - Commit date: `.+`\n", text)


def test_every_table_has_one_row_a_data_set_and_equal_columns(exp):
    text = write_results(exp).read_text(encoding="utf-8")
    assert "\n## st_tsot\n" in text
    found = tables(text)
    # a lane: a side-by-side table and its length ratio; BLEU, chrF++, TER, RIBES, WER, CER
    assert len(found) == 10
    for table in found:
        assert [row.split("|")[1] for row in table[2:]] == ["decode_offline/test", "decode_streaming/test"]
        assert len({row.count("|") for row in table}) == 1


def test_espnets_tables_hold_the_scores(exp):
    text = write_results(exp).read_text(encoding="utf-8")
    assert "|dataset|Snt|Wrd|Corr|Sub|Del|Ins|Err|S.Err|" in text
    assert "|decode_offline/test|3|7|85.7|14.3|0.0|0.0|14.3|33.3|" in text
    assert re.search(
        r"\|dataset\|bleu_score\|verbose_score\|\n\|---\|---\|---\|\n\|decode_offline/test\|[\d.]+\|\d", text
    )


def test_what_was_not_measured_is_a_dash(exp):
    text = write_results(exp).read_text(encoding="utf-8")
    offline, streaming = tables(text)[0][2:]
    assert offline.rstrip("|").endswith("|-")  # no real-time factor without computation times
    assert not streaming.rstrip("|").endswith("|-")


def test_signatures_of_systems_and_metrics_are_listed(exp):
    text = write_results(exp).read_text(encoding="utf-8")
    assert "- decode_offline/test: `system:tsot|beam:4`" in text
    assert "- BLEU: `nrefs:1|case:lc" in text


def test_writing_again_changes_nothing(exp):
    first = write_results(exp).read_bytes()
    assert write_results(exp).read_bytes() == first


def test_one_experiment_gives_the_same_sections_as_all(exp):
    one = write_results(exp / "st_tsot").read_text(encoding="utf-8")
    assert one == write_results(exp).read_text(encoding="utf-8")


def test_nothing_scored_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"no scores\.json"):
        write_results(tmp_path)
