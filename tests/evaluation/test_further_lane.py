"""A lane that a configuration names is scored like the one that it is like."""

from __future__ import annotations

import json
import re

import pytest

from espnet_jst.bin.jst_score import main
from espnet_jst.errors import ConfigError
from espnet_jst.evaluation import compare_directories, plot_latency, score_directory, write_report, write_results
from espnet_jst.recipe.options import TextOptions
from espnet_jst.recipe.stages.scoring import reading_of, score
from espnet_jst.text.lanes import parse_lanes
from tests.evaluation.decoded import HYPOTHESES, REFERENCES, make_decoded, make_reference, write_table

FRENCH = parse_lanes({"french": {"like": "translation", "language": "fr"}})["french"]
READING = {"src_lang": "en", "tgt_lang": "de", "further": [FRENCH]}


@pytest.fixture
def folders(tmp_path):
    """A decode directory and references with a second translation, which is the first one's words in capitals."""
    decoded, reference = make_decoded(tmp_path / "exp" / "st_a" / "decode" / "test"), tmp_path / "dump" / "test"
    make_reference(reference)
    write_table(decoded / "french", {key: pair[1].upper() for key, pair in HYPOTHESES.items()})
    write_table(reference / "french.lc.fr", {key: value[1].upper() for key, value in REFERENCES.items()})
    lines = [json.loads(line) for line in (decoded / "words.jsonl").read_text("utf-8").splitlines()]
    for line in lines:
        said = [word for word in line["words"] if word["lane"] == "translation"]
        line["words"] += [{**word, "lane": "french", "text": word["text"].upper()} for word in said]
    (decoded / "words.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return decoded, reference


def test_it_has_the_scores_of_its_kind_beside_the_others(folders):
    scores = score_directory(*folders, **READING, n_bootstrap=10)
    lanes = scores["lanes"]
    assert list(lanes) == ["transcript", "translation", "french"]
    assert lanes["french"]["quality"] == lanes["translation"]["quality"]
    assert lanes["french"]["latency"] == lanes["translation"]["latency"]
    assert (lanes["french"]["reference"], lanes["french"]["lane"]["source"]) == ("french.lc.fr", False)
    files = [folders[0] / folder / "score_bleu" / "result.lc.txt" for folder in (".", "score_french")]
    assert files[0].read_text("utf-8") == files[1].read_text("utf-8")


def test_results_report_and_pictures_show_it(folders, tmp_path):
    score_directory(*folders, **READING, n_bootstrap=0)
    results = write_results(tmp_path / "exp").read_text("utf-8")
    headings = [line for line in results.splitlines() if line.endswith("quality and latency")]
    assert [line.split()[1] for line in headings] == ["Translation", "French", "Transcript"]
    page = write_report(tmp_path / "exp" / "st_a", tmp_path / "dump").read_text("utf-8")
    assert "chrF++ french" in page and "LAAL french (ms)" in page and "ZWEI UND VIERZIG" in page
    assert plot_latency(folders[0], tmp_path / "latency.png").stat().st_size > 5000


def test_recipe_and_program_score_the_lanes_of_a_model(folders, tmp_path):
    config = tmp_path / "config.yaml"
    assert "further" not in reading_of(TextOptions(), config)
    config.write_text("model_conf: {lanes: {french: {like: translation, language: fr}}}\n", encoding="utf-8")
    (folders[0] / "signature.json").write_text('{"lanes": "transcript+translation+french"}', encoding="utf-8")
    directories = ["--hyp_dir", str(folders[0]), "--ref_dir", str(folders[1]), "--src_lang", "en", "--tgt_lang", "de"]
    assert main([*directories, "--n_bootstrap", "0"]) == 1  # a lane that nobody told it of
    assert main([*directories, "--n_bootstrap", "0", "--st_train_config", str(config)]) == 0
    score(folders, names=reading_of(TextOptions(), config))
    scores = json.loads((folders[0] / "scores.json").read_text("utf-8"))
    assert scores["lanes"]["french"]["reference"] == "french.lc.fr"


def test_it_is_compared_under_its_own_name(folders):
    found = compare_directories(folders[0], folders[0], folders[1], **READING, n_bootstrap=5)
    assert list(found) == ["transcript", "translation", "french"]
    assert found["french"] == found["translation"]


def test_a_known_lane_that_was_changed_keeps_its_place_and_shows_its_headline(folders, tmp_path):
    lanes = parse_lanes({"transcript": {"headline": "CER"}, "french": {"like": "translation", "language": "fr"}})
    scores = score_directory(*folders, src_lang="en", tgt_lang="de", further=lanes.values(), n_bootstrap=0)
    assert list(scores["lanes"]) == ["transcript", "translation", "french"]
    results = write_results(tmp_path / "exp").read_text("utf-8")
    [headings] = re.findall(r"### Transcript \(en\): quality and latency\n\n\|([^\n]*)\|", results)
    assert headings.startswith("dataset|CER|LAAL")


def test_a_lane_that_nobody_described_is_named(folders):
    (folders[0] / "signature.json").write_text('{"lanes": "transcript+spanish"}')
    with pytest.raises(ConfigError, match="lane: 'spanish' is not one of french, transcript, translation"):
        score_directory(*folders, **READING)


def test_a_headline_that_is_no_metric_is_one_message(folders, tmp_path):
    lane = parse_lanes({"french": {"like": "translation", "language": "fr", "headline": "BLUE"}})["french"]
    score_directory(*folders, **{**READING, "further": [lane]}, n_bootstrap=0)
    with pytest.raises(ConfigError, match="lane french: headline: 'BLUE' is not one of .* .did you mean 'BLEU'"):
        write_results(tmp_path / "exp")
