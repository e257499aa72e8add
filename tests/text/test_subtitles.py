import html
import itertools
import json
import random

import pysubs2
import pytest

from espnet_jst.errors import ConfigError
from espnet_jst.text.lanes import TRANSCRIPT, TRANSLATION
from espnet_jst.text.subtitles import format_words, make_cues
from espnet_jst.text.words import Word

# Two blocks of two digits with a pause between them; a block's translation spans its block.
WORDS = [
    Word("four", TRANSCRIPT, 0.1, 0.5, 0.64),
    Word("two", TRANSCRIPT, 0.6, 1.0, 1.28),
    *(Word(text, TRANSLATION, 0.1, 1.0, 1.28) for text in ("zwei", "und", "vierzig")),
    Word("zero", TRANSCRIPT, 2.5, 2.9, 3.2),
    Word("seven", TRANSCRIPT, 3.0, 3.4, 3.84),
    *(Word(text, TRANSLATION, 2.5, 3.4, 3.84) for text in ("null", "sieben")),
]


def parsed(text, fmt):
    return [(event.start, event.end, event.text) for event in pysubs2.SSAFile.from_string(text, format_=fmt)]


@pytest.mark.parametrize("fmt", ["srt", "vtt", "ttml"])
def test_the_transcript_stands_above_the_translation_and_a_pause_ends_the_cue(fmt):
    assert parsed(format_words(WORDS, fmt), fmt) == [
        (100, 1000, r"four two\Nzwei und vierzig"),
        (2500, 3400, r"zero seven\Nnull sieben"),
    ]


def test_vtt_begins_with_its_signature_and_srt_counts_its_cues():
    assert format_words(WORDS, "vtt").startswith("WEBVTT\n")
    assert format_words(WORDS, "srt").startswith("1\n00:00:00,100 --> 00:00:01,000\nfour two\nzwei und vierzig\n\n2\n")


def test_json_holds_every_word_and_the_text_of_each_lane():
    content = json.loads(format_words(WORDS, "json"))
    assert content["text"] == {"transcript": "four two zero seven", "translation": "zwei und vierzig null sieben"}
    assert [Word(**word) for word in content["words"]] == WORDS


def test_txt_is_a_line_a_lane():
    assert format_words(WORDS, "txt") == "four two zero seven\nzwei und vierzig null sieben\n"


def test_a_long_line_is_broken_and_so_is_a_long_cue():
    words = [Word("word", TRANSCRIPT, 0.3 * k, 0.3 * k + 0.3, 1.0) for k in range(30)]
    for cue in make_cues(words, max_chars=20):
        assert len(" ".join(cue.lanes[TRANSCRIPT])) <= 20
    for cue in make_cues(words, max_chars=999, max_s=2.0):
        assert cue.end_s - cue.start_s <= 2.0 + 1e-9


def test_a_translation_alone_makes_its_own_cues():
    words = [word for word in WORDS if word.lane == TRANSLATION]
    assert [text for *_, text in parsed(format_words(words, "srt"), "srt")] == ["zwei und vierzig", "null sieben"]


def test_every_word_is_shown_once_in_order_and_cues_never_overlap():
    rng = random.Random(0)
    for _ in range(300):
        words, now = [], 0.0
        for k in range(rng.randrange(0, 25)):
            start = now + rng.choice([0.0, 0.05, 0.9])
            now = start + rng.uniform(0.0, 0.6)
            words.append(Word(f"s{k}", TRANSCRIPT, start, now, now))
            words += [Word(f"t{k}.{j}", TRANSLATION, start, now, now) for j in range(rng.randrange(0, 3))]
        cues = make_cues(words)
        for lane in (TRANSCRIPT, TRANSLATION):
            shown = [text for cue in cues for text in cue.lanes.get(lane, [])]
            assert shown == [word.text for word in words if word.lane == lane]
        for cue, following in itertools.pairwise(cues):
            assert cue.start_s <= cue.end_s <= following.start_s


MARKUP = [r"{\an8}", "<b>", "</i>", "a&b", "-->", r"x\Ny", "{z}", "<3", "a<b", "نیم\u200cفاصله", "ß"]


@pytest.mark.parametrize("text", MARKUP)
def test_words_that_look_like_markup_come_back_as_they_were(text):
    words = [Word(text, TRANSCRIPT, 0.0, 1.0, 1.0), Word("und", TRANSLATION, 0.0, 1.0, 1.0)]
    srt = parsed(format_words(words, "srt"), "srt")[0][2].replace("\u2060", "")
    vtt = html.unescape(parsed(format_words(words, "vtt"), "vtt")[0][2])
    ttml = parsed(format_words(words, "ttml"), "ttml")[0][2]
    directed = f"\u202b{text}\u202c" if text.startswith("ن") else text  # what is written from the right is embedded
    assert srt == vtt == ttml == directed + r"\Nund"


def test_vtt_escapes_what_its_specification_asks_for():
    assert "a&amp;b --&gt; &lt;i&gt;" in format_words(
        [Word(text, TRANSCRIPT, 0.0, 1.0, 1.0) for text in ("a&b", "-->", "<i>")], "vtt"
    )


def test_control_characters_and_line_ends_inside_a_word_are_dropped():
    words = [Word("a\x00b\x0b\nc", TRANSCRIPT, 0.0, 1.0, 1.0)]
    assert [text for *_, text in parsed(format_words(words, "ttml"), "ttml")] == ["ab c"]


@pytest.mark.parametrize("fmt", ["srt", "vtt", "ttml", "json", "txt"])
def test_no_words_make_an_empty_file(fmt):
    text = format_words([], fmt)
    assert "-->" not in text and "<p" not in text


def test_a_cue_stays_long_enough_to_be_read():
    [cue] = make_cues([Word("ja", TRANSCRIPT, 1.0, 1.05, 1.28)], min_s=0.5)
    assert cue.end_s == 1.5


def test_an_unknown_format_names_the_closest():
    with pytest.raises(ConfigError, match="srt"):
        format_words(WORDS, "srtt")


def spoken(texts, lane=TRANSCRIPT, step=0.2, **more):
    return [Word(text, lane, step * k, step * (k + 1), step * (k + 1), **more) for k, text in enumerate(texts)]


CHINESE = "今天天气真好我们出去走走吧，明天早上也要一起去公园看花好不好呀我们说定了"


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        (list("今天天气真好"), "今天天气真好"),
        (["我", "爱", "deep", "learning", "啊"], "我爱deep learning啊"),
        (["ส", "วั", "ส", "ดี", "25", "ปี"], "สวัสดี 25 ปี"),
        (["한국어는", "좋다"], "한국어는 좋다"),
    ],
)
def test_scripts_without_blanks_get_none(texts, line):
    assert format_words(spoken(texts), "txt") == line + "\n"
    assert json.loads(format_words(spoken(texts), "json"))["text"] == {TRANSCRIPT: line}
    assert parsed(format_words(spoken(texts), "srt"), "srt")[0][2] == line


def test_what_the_tokens_said_of_a_blank_is_kept():
    words = [Word("今", TRANSCRIPT, 0, 1, 1), Word("天", TRANSCRIPT, 1, 2, 2, glued=False)]
    words += [Word("C", TRANSCRIPT, 2, 3, 3), Word("++", TRANSCRIPT, 3, 4, 4, glued=True)]
    assert format_words(words, "txt") == "今 天C++\n"
    assert [Word(**word) for word in json.loads(format_words(words, "json"))["words"]] == words


@pytest.mark.parametrize("as_sentence", [False, True])
def test_long_lines_break_between_characters_by_the_columns_that_they_take(as_sentence):
    words = [Word(CHINESE, TRANSCRIPT, 0, 7, 7)] if as_sentence else spoken(CHINESE)
    cues = parsed(format_words(words, "srt", max_chars=24), "srt")
    assert "".join(text for _, _, text in cues) == CHINESE
    assert [len(text) for _, _, text in cues[:2]] == [12, 12] and len(cues) == 3
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(cues))


def test_no_line_begins_with_a_comma():
    cues = parsed(format_words(spoken("今天天气真好，我们出去"), "srt", max_chars=12), "srt")
    assert [text for _, _, text in cues] == ["今天天气真好，", "我们出去"]


def test_ttml_names_the_language_of_each_line():
    words = [*spoken(["four", "<two>"], language="eng"), *spoken("四二", TRANSLATION, language="cmn-Hant")]
    text = format_words(words, "ttml")
    assert 'xml:lang="en"' in text.split("\n")[0] and '<span xml:lang="zh-Hant">四二</span>' in text
    assert parsed(text, "ttml")[0][2] == r"four <two>\N四二"
    given = format_words(spoken(["x"]), "ttml", languages={TRANSCRIPT: "zh_TW"})
    assert 'xml:lang="zh-TW"' in given and 'xml:lang="und"' in format_words(spoken(["x"]), "ttml")


@pytest.mark.parametrize("fmt", ["srt", "vtt", "ttml", "json", "txt"])
def test_what_xml_has_no_character_for_is_left_out(fmt):
    text = format_words([Word("a\ufffe\uffffb", TRANSCRIPT, 0.0, 1.0, 1.0)], fmt)
    assert "ab" in text


# Two speakers at once; the translation of each belongs to its own cue.
CONVERSATION = [
    Word("four", TRANSCRIPT, 0.1, 0.5, 0.64, speaker="self"),
    Word("seven", TRANSCRIPT, 0.4, 0.8, 1.28, speaker="other"),
    Word("two", TRANSCRIPT, 0.6, 1.0, 1.28, speaker="self"),
    Word("vier", TRANSLATION, 0.1, 0.5, 1.28, speaker="self"),
    Word("sieben", TRANSLATION, 0.4, 0.8, 1.28, speaker="other"),
    Word("zwei", TRANSLATION, 0.6, 1.0, 1.28, speaker="self"),
]


@pytest.mark.parametrize("fmt", ["srt", "vtt", "ttml"])
def test_speakers_have_cues_of_their_own_which_name_them(fmt):
    said = [(100, 1000, r"four two\Nvier zwei", "self"), (400, 900, r"seven\Nsieben", "other")]
    text = format_words(CONVERSATION, fmt)
    if fmt == "vtt":
        assert [f"<v {who}>{line}".replace(r"\N", "\n") in text for _, _, line, who in said] == [True, True]
    else:
        assert parsed(text, fmt) == [(start, end, f"[{who}] {line}") for start, end, line, who in said]


def test_a_line_of_text_names_the_speaker_at_every_change():
    assert format_words(CONVERSATION, "txt").splitlines()[0] == "[self] four [other] seven [self] two"
    assert json.loads(format_words(CONVERSATION, "json"))["text"]["transcript"] == "four seven two"


def test_the_name_of_a_voice_is_no_markup():
    word = Word("hi", TRANSCRIPT, 0.0, 0.5, 0.5, speaker="a>b")
    assert "<v a&gt;b>hi" in format_words([word], "vtt")


@pytest.mark.parametrize("fmt", ["srt", "vtt", "ttml"])
def test_a_line_that_is_written_from_the_right_is_embedded_as_such(fmt):
    said = [Word(text, TRANSCRIPT, 0.1, 0.9, 1.0, speaker="self") for text in ("one", "two")]
    written = [Word(text, TRANSLATION, 0.1, 0.9, 1.0, speaker="self") for text in ("{1}", "واحد", "two.")]
    [(_, _, shown)] = parsed(format_words([*said, *written], fmt), fmt)
    transcript, translation = shown.split("\\N")
    assert not set("\u202b\u202c") & set(transcript)
    assert translation == "\u202b{1} واحد two.\u202c"
    assert "\u202b" not in format_words(written, "txt") + format_words(written, "json")
