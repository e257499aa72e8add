import base64
import hashlib
import io
import json
import re

import pytest
import soundfile

from espnet_jst.errors import DataError
from espnet_jst.evaluation import write_report
from tests.evaluation.decoded import HYPOTHESES, REFERENCES, write_table
from tests.evaluation.report.experiment import Page, make_experiment


def page_of(experiment, **more):
    return Page(write_report(*experiment, **more).read_text(encoding="utf-8"))


def test_the_page_has_scores_curves_latency_and_utterances(tmp_path):
    page = page_of(make_experiment(tmp_path))
    assert page.text("h1") == ["st_x"]
    assert page.text("h2") == ["Results", "Learning curves", "decode/test"]
    assert "14.29" in page.text("td")
    assert "loss, epochs 1 to 3: train from 9 to 3, valid from 8 to 2.67" in page.text("title")
    assert [text for text in page.text("title") if text.startswith("LAAL of an utterance (s): transcript median")]
    assert set(page.text("summary", "strong")) >= {"a1", "a3"}
    assert any(label.startswith("a1 over time: 6 words in 3.0 s") for label in page.text("title"))


def test_nothing_comes_from_outside_and_links_stay_on_the_page(tmp_path):
    exp, data = make_experiment(tmp_path)
    text = write_report(exp, data).read_text(encoding="utf-8")
    page = Page(text)
    ids = [found["id"] for _, found in page.elements if "id" in found]
    assert len(ids) == len(set(ids))
    assert {found["href"].removeprefix("#") for found in page.all("a")} <= set(ids)
    assert not page.all("link") and not page.all("img") and not [e for _, e in page.elements if "src" in e]
    assert not re.search(r"https?://|url\(|@import", text)
    assert str(tmp_path) not in text  # a page that is published says nothing of the machine


def test_only_the_pages_own_style_and_script_may_run(tmp_path):
    text = write_report(*make_experiment(tmp_path)).read_text(encoding="utf-8")
    [policy] = [e["content"] for e in Page(text).all("meta") if e.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    for name in ("style", "script"):
        [content] = re.findall(f"<{name}>(.*?)</{name}>", text, re.S)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert "style=" not in re.sub(r"<style>.*?</style>", "", text, flags=re.S)  # the policy would ignore it


def test_markup_in_a_transcript_is_shown_and_not_obeyed(tmp_path):
    hostile = '</title></svg><script>alert("1")</script> &amp;'
    page = page_of(make_experiment(tmp_path, {**HYPOTHESES, "a1": (hostile, "zwei und <b>vierzig</b>")}))
    assert len(page.all("script")) == 1 and not page.all("b")
    assert [text for text in page.text("ins") if hostile.split()[0] in text]


def test_differences_are_marked_in_both_lanes(tmp_path):
    page = page_of(make_experiment(tmp_path))
    assert {"seven", "sieben", "sechzehn"} <= set(page.text("del"))
    assert page.text("ins") == ["nine"]


def test_words_that_are_right_are_linked_as_the_references_are(tmp_path):
    labels = page_of(make_experiment(tmp_path)).text("title")
    # a1: "seven" was heard as "nine" and "sieben" not written, so 2-3 is left out
    assert "word alignment: four – vierzig; two – zwei" in labels


def test_every_picture_has_a_name_and_every_header_a_scope(tmp_path):
    page = page_of(make_experiment(tmp_path))
    assert page.all("svg") and all(found["role"] == "img" and found["aria-label"] for found in page.all("svg"))
    assert page.all("th") and all(found["scope"] in ("row", "col") for found in page.all("th"))
    assert all(found["tabindex"] == "0" and found["aria-label"] for found in page.all("div", **{"class": "scroll"}))
    assert page.all("dd") and all(found["lang"] in ("en", "de") for found in page.all("dd"))


def test_recordings_are_embedded_on_demand_only(tmp_path):
    experiment = make_experiment(tmp_path)
    assert not page_of(experiment).all("audio")
    players = page_of(experiment, audio=True).all("audio")
    contents = [base64.b64decode(player["src"].removeprefix("data:audio/flac;base64,")) for player in players]
    lengths = [len(samples) / fs for samples, fs in (soundfile.read(io.BytesIO(content)) for content in contents)]
    assert sorted(lengths) == sorted(duration for _, _, duration in REFERENCES.values())


def test_a_worst_list_has_no_utterance_without_an_error(tmp_path):
    right = {key: (reference[0], reference[1]) for key, reference in REFERENCES.items()}
    right["a2"] = ("zero nine", "null sieben")
    page = page_of(make_experiment(tmp_path, right), worst=3)
    reasons = [text for text in page.text("td") if "WER" in text or "chrF" in text]
    assert len(reasons) == 1 and reasons[0].startswith("WER, ")


def test_without_audio_or_computation_times_the_words_are_still_drawn(tmp_path):
    page = page_of(make_experiment(tmp_path, compute=False, audio=False))
    assert [text for text in page.text("p") if "No waveform: wav.scp does not have the utterance" in text]
    assert not page.all("polygon", **{"class": "wave"}) and page.all("rect", **{"class": "bar translation"})


def test_without_words_or_log_the_page_says_so(tmp_path):
    exp, data = make_experiment(tmp_path)
    (exp / "decode" / "test" / "words.jsonl").unlink()
    (exp / "train.log").unlink()
    notes = page_of((exp, data)).text("p")
    assert [note for note in notes if "words.jsonl" in note] and [note for note in notes if "train.log" in note]


def test_without_references_the_scores_are_shown_and_the_missing_file_named(tmp_path):
    exp, _ = make_experiment(tmp_path)
    page = page_of((exp, tmp_path / "nowhere"))
    assert "14.29" in page.text("td")
    assert [note for note in page.text("p") if "text.lc.en" in note]


def test_a_model_with_one_lane_has_no_second(tmp_path):
    exp, data = make_experiment(tmp_path)
    scores = json.loads((exp / "decode" / "test" / "scores.json").read_text())
    del scores["lanes"]["translation"]
    (exp / "decode" / "test" / "scores.json").write_text(json.dumps(scores))
    page = page_of((exp, data))
    assert not [text for text in page.text("caption", "h4", "text") if text.lower().startswith("translation")]
    assert "chrF++" not in page.text("th")


def test_empty_texts_and_other_scripts_are_shown(tmp_path):
    exp, data = make_experiment(tmp_path, {"a1": ("", ""), "a2": ("صفر سبعة", "零 七"), "a3": ("one six", "")})
    write_table(data / "test" / "text.lc.de", {"a1": "", "a2": "零 七", "a3": "sechzehn"})
    page = page_of((exp, data))
    assert "(nothing)" in page.text("dd") and "(empty)" in page.text("dd")
    assert "صفر سبعة" in page.text("ins")


def test_lanes_whose_references_differ_in_their_utterances_are_shown_with_what_there_is(tmp_path):
    exp, data = make_experiment(tmp_path)
    write_table(data / "test" / "text.lc.de", {"a1": "zwei und vierzig sieben", "a3": "sechzehn"})
    (exp / "decode" / "test" / "text").write_text("a1 zwei\na3\n")
    assert set(page_of((exp, data)).text("strong")) == {"a1", "a2", "a3"}


def test_an_experiment_without_scores_is_refused(tmp_path):
    with pytest.raises(DataError, match="no scores.json below"):
        write_report(tmp_path, tmp_path)
