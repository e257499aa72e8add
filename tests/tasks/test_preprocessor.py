"""From texts to the targets of the heads."""

from dataclasses import replace

import numpy as np
import pytest

from espnet_jst.encoders.conf import TargetLanguagesConf
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.heads.spec import parse_heads
from espnet_jst.inputs.spec import parse_inputs
from espnet_jst.tasks.preprocessor import JSTPreprocessor
from espnet_jst.text.lanes import parse_lanes
from espnet_jst.text.tokenizer import Tokenizer
from espnet_jst.text.train_tokenizer import train_tokenizer

TOKENS = ["<blank>", "<unk>", "<asr>", "<st>", "a", "b", "X", "Y", "<sos/eos>"]
JOINT = {"kind": "transducer", "lanes": ["transcript", "translation"]}
DATA = {"speech": np.ones(10), "text": "X Y", "src_text": "a b", "alignment": "0-1 1-0", "word_times": "0.2 0.5"}


def preprocessor(heads, *, train=False, tokens=TOKENS, src=None, inputs=None, channels=1, tgt_langs=None, **conf):
    tokenizers = {"tgt": Tokenizer(tokens, token_type="word")}
    if src:
        tokenizers["src"] = Tokenizer(src, token_type="word")
    given = {"inputs": inputs, "channels": channels, "tgt_langs": tgt_langs, "conf": conf}
    return JSTPreprocessor(train, specs=parse_heads(heads), tokenizers=tokenizers, **given)


def words(ids, tokens=TOKENS):
    return " ".join(tokens[index] for index in ids)


def test_every_head_gets_its_target_and_the_texts_are_gone():
    heads = {
        "joint": JOINT,
        "asr": {"kind": "ctc", "lanes": ["transcript"]},
        "st": {"kind": "ctc", "lanes": ["translation"]},
    }
    out = preprocessor(heads)("u0", DATA)
    assert sorted(out) == ["speech", "target_asr", "target_joint", "target_st"]
    assert out["speech"].dtype == np.float32 and out["target_joint"].dtype == np.int64
    assert words(out["target_asr"]) == "a b" and words(out["target_st"]) == "X Y"
    assert words(out["target_joint"]) == "<asr> a b <st> X Y"


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"policy": "align"}, "<asr> a <st> X <asr> b <st> Y"),
        ({"policy": "eager"}, "<asr> a <st> X <asr> b <st> Y"),
        ({"policy": "time"}, "<asr> a <st> X <asr> b <st> Y"),
        ({"policy": "inter", "gamma": 0.0}, "<asr> a b <st> X Y"),
        ({"policy": "inter", "gamma": 1.0}, "<st> X Y <asr> a b"),
    ],
)
def test_a_head_is_serialized_by_its_policy(policy, expected):
    out = preprocessor({"joint": {**JOINT, **policy}})("u0", {**DATA, "alignment": "0-0 1-1"})
    assert words(out["target_joint"]) == expected


@pytest.mark.parametrize("policy", ["align", "eager", "time"])
def test_without_links_the_transcript_comes_first(policy):
    out = preprocessor({"joint": {**JOINT, "policy": policy}})("u0", {**DATA, "alignment": "-", "word_times": "-"})
    assert words(out["target_joint"]) == "<asr> a b <st> X Y"


def test_language_tags_come_from_the_configuration():
    tokens = [*TOKENS[:-1], "<asr:en>", "<st:de>", "<sos/eos>"]
    languages = {"source_languages": ["en"], "target_languages": "de"}
    prepared = preprocessor({"joint": {**JOINT, "tags": "task+lid"}}, tokens=tokens, **languages)
    assert words(prepared("u0", DATA)["target_joint"], tokens).startswith("<asr:en> a")


def test_a_transcript_head_uses_the_source_vocabulary():
    src = ["<blank>", "<unk>", "b", "a", "<sos/eos>"]
    out = preprocessor({"asr": {"kind": "ctc", "lanes": ["transcript"]}}, src=src)("u0", DATA)
    assert list(out["target_asr"]) == [3, 2]


def test_an_empty_text_is_an_empty_target():
    out = preprocessor({"st": {"kind": "ctc", "lanes": ["translation"]}})("u0", {**DATA, "text": "-"})
    assert out["target_st"].shape == (0,) and out["target_st"].dtype == np.int64


def test_decoding_needs_speech_only():
    assert sorted(preprocessor({"joint": JOINT})("u0", {"speech": np.ones(10)})) == ["speech"]


def test_only_training_speech_is_augmented():
    np.random.seed(0)
    conf = {"gain_db": [-18, -12]}
    heads = {"joint": JOINT}
    assert preprocessor(heads, train=True, **conf)("u0", DATA)["speech"].max() < 0.5
    assert preprocessor(heads, train=False, **conf)("u0", DATA)["speech"].max() == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"speech": np.ones((10, 2))}, r"'u0'.*one channel is needed"),
        ({"speech": np.ones(0)}, "'u0'.*empty"),
        ({"speech": np.array([0.0, np.nan])}, "'u0'.*not numbers"),
        ({"alignment": "0:1"}, "'0:1' is not a link"),
        ({"src_text": "a <st>"}, "'u0'.*tag"),
        ({"word_times": "0.5"}, "'u0'.*2 words and 1 end times"),
    ],
)
def test_an_utterance_that_cannot_be_used_is_named(change, message):
    with pytest.raises(DataError, match=message):
        preprocessor({"joint": {**JOINT, "policy": "time"}})("u0", {**DATA, **change})


def test_audio_that_is_not_numbers_is_left_to_the_loss_in_training():
    out = preprocessor({"joint": JOINT}, train=True)("u0", {**DATA, "speech": np.array([0.0, np.nan])})
    assert np.isnan(out["speech"]).any()


def test_a_head_has_a_target_where_all_of_its_texts_are():
    heads = {
        "joint": JOINT,
        "inter": {**JOINT, "policy": "inter"},
        "asr": {"kind": "ctc", "lanes": ["transcript"]},
        "st": {"kind": "ctc", "lanes": ["translation"]},
    }
    prepare = preprocessor(heads)

    def targets(*texts):
        out = prepare("u0", {"speech": DATA["speech"], **{name: DATA[name] for name in texts}})
        assert out.pop("speech").shape == (10,)
        return sorted(out)

    assert targets("src_text") == ["target_asr"]
    assert targets("text", "src_text") == ["target_asr", "target_inter", "target_st"]
    assert len(targets("text", "src_text", "alignment")) == 4


def test_a_text_is_the_input_where_there_is_no_speech():
    inputs = parse_inputs({"words": {"kind": "tokens", "into": "hier_encoder", "text": "src_text"}})
    prepare = preprocessor({"st": {"kind": "ctc", "lanes": ["translation"]}}, inputs=inputs)
    out = prepare("u0", {"src_text": "a b", "text": "X Y"})
    assert sorted(out) == ["input_words", "target_st"]
    assert words(out["input_words"]) == "a b" and out["input_words"].dtype == np.int64
    assert sorted(prepare("u0", DATA)) == ["speech", "target_st"]
    with pytest.raises(DataError, match="'u0'.*'src_text', which is the input, is empty"):
        prepare("u0", {"src_text": "-", "text": "X Y"})


def test_a_frontend_of_several_channels_gets_them():
    prepare = preprocessor({"joint": JOINT}, channels=2)
    assert prepare("u0", {"speech": np.ones((10, 2))})["speech"].shape == (10, 2)
    with pytest.raises(DataError, match=r"\(10,\), 2 channels are needed"):
        prepare("u0", {"speech": np.ones(10)})


def test_lanes_have_the_texts_that_the_configuration_says():
    lanes = parse_lanes({"second": {"like": "transcript"}, "transcript": {"data": "first"}})
    specs = {"asr": replace(parse_heads({"asr": {"kind": "ctc", "lanes": ["transcript"]}})["asr"], lanes=("second",))}
    prepare = JSTPreprocessor(False, specs=specs, tokenizers={"tgt": Tokenizer(TOKENS, token_type="word")}, lanes=lanes)
    out = prepare("u0", {"speech": np.ones(10), "first": "b", "second": "a", "text": "X"})
    assert sorted(out) == ["speech", "target_asr"] and words(out["target_asr"]) == "a"


def test_a_token_list_without_the_tags_is_refused():
    with pytest.raises(ConfigError, match="the token list has no <st>"):
        preprocessor({"joint": JOINT}, tokens=[token for token in TOKENS if token != "<st>"])


def test_an_unknown_key_is_named_with_the_closest():
    with pytest.raises(ConfigError, match="did you mean 'speed_prob'"):
        preprocessor({"joint": JOINT}, sped_prob=0.3)


def test_links_of_a_language_without_blanks_are_those_of_its_characters(tmp_path):
    train_tokenizer([["a", "b"], ["今天"], ["天气"], ["今", "天"]] * 5, tmp_path, vocab_size=20, model_type="char")
    tokenizer = Tokenizer.load(tmp_path)
    prepare = JSTPreprocessor(False, specs=parse_heads({"joint": JOINT}), tokenizers={"tgt": tokenizer})
    out = prepare("u0", {**DATA, "text": "今天气", "alignment": "0-0 1-1 1-2"})
    assert words(out["target_joint"], tokenizer.tokens) == "<asr> ▁ a <st> ▁ 今 <asr> ▁ b <st> 天 气"


TOLD = {
    "asr": {"kind": "ctc", "lanes": ["transcript"]},
    "st": {"kind": "ctc", "lanes": ["translation"], "reads": "hier_encoder"},
}
LANGUAGES = TargetLanguagesConf(at="hier_encoder", codes=("de", "es"))


def test_a_head_that_hears_the_target_language_needs_it_and_the_others_do_not():
    prepare = preprocessor(TOLD, tgt_langs=LANGUAGES)
    out = prepare("u0", {**DATA, "tgt_lang": "es"})
    assert out["tgt_lang"].tolist() == [1] and {"target_asr", "target_st"} <= set(out)
    assert sorted(prepare("u0", DATA)) == ["speech", "target_asr"]


def test_a_model_that_is_told_no_language_leaves_it_alone():
    assert sorted(preprocessor(TOLD)("u0", {**DATA, "tgt_lang": "es"})) == ["speech", "target_asr", "target_st"]


@pytest.mark.parametrize(
    ("value", "message"), [("fr", "the target language 'fr' is unknown"), ("-", "no target language is given")]
)
def test_an_utterance_without_a_known_target_language_is_named(value, message):
    with pytest.raises(DataError, match=f"utterance 'u0': {message}: the model translates into de, es.*utt2tgt_lang"):
        preprocessor(TOLD, tgt_langs=LANGUAGES)("u0", {**DATA, "tgt_lang": value})


LID = ["<blank>", "<unk>", "<fr>", "<it>", "<de>", "<es>", "a", "b", "X", "Y", "<sos/eos>"]
SEVERAL = {"source_languages": ["fr", "it"], "target_languages": ["de", "es"], "tokens": LID}


def test_the_tags_of_several_languages_are_those_of_the_utterance():
    prepare = preprocessor({"joint": {**JOINT, "tags": "lid"}}, **SEVERAL)
    told = {**DATA, "alignment": "0-0 1-1", "src_lang": "it", "tgt_lang": "de"}
    assert words(prepare("u0", told)["target_joint"], LID) == "<it> a <de> X <it> b <de> Y"
    other = prepare("u1", {**told, "src_lang": "fr", "tgt_lang": "es"})
    assert words(other["target_joint"], LID) == "<fr> a <es> X <fr> b <es> Y"
    assert prepare.needs["joint"] == ("src_text", "text", "alignment", "tgt_lang", "src_lang")
    with pytest.raises(DataError, match="utterance 'u2': language 'pl' has no asr tag: the model knows fr, it"):
        prepare("u2", {**told, "src_lang": "pl"})


def test_one_language_a_side_needs_no_table():
    one = {"source_languages": ["fr"], "target_languages": ["de"], "tokens": LID}
    prepare = preprocessor({"joint": {**JOINT, "tags": "lid"}}, **one)
    assert words(prepare("u0", DATA)["target_joint"], LID).startswith("<fr> a b <de>")


SPOKEN = ["<blank>", "<unk>", "<self>", "<other>", "a", "b", "<sos/eos>"]
APART = {"asr": {"kind": "ctc", "lanes": ["transcript"]}}


def test_a_head_of_one_lane_writes_the_tags_of_speakers_as_its_text_has_them():
    out = preprocessor(APART, tokens=SPOKEN, speakers=["self", "other"])("u0", {"src_text": "<self> a <other> b"})
    assert words(out["target_asr"], SPOKEN) == "<self> a <other> b"


def test_a_token_list_without_the_tags_of_speakers_is_refused():
    with pytest.raises(
        ConfigError, match=r"no <other1>: make it again \(stage 5\), or change preprocessor_conf.speakers"
    ):
        preprocessor(APART, tokens=SPOKEN, speakers=["self", "other1"])


TALK = {
    "src_text": "<self> a <other> b <self> a",
    "text": "<other> Y <self> X X",
    "alignment": "0-0 1-3 3-1 5-4",
    "word_times": "0.5 0.5 0.8 0.8 1.2 1.2",
}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        # The translation of the other one comes first, and that of self once it is complete.
        ("time", "<asr> <self> a <other> b <st> Y <self> X <asr> a <st> X"),
        ("align", "<asr> <self> a <other> b <st> Y <self> X <asr> a <st> X"),
        ("inter", "<asr> <self> a <other> b <self> a <st> <other> Y <self> X X"),
    ],
)
def test_one_sequence_of_both_lanes_names_the_speaker_at_every_change(policy, expected):
    tokens = [*TOKENS[:-1], "<self>", "<other>", "<sos/eos>"]
    prepared = preprocessor(
        {"joint": {**JOINT, "policy": policy, "gamma": 0.0}}, tokens=tokens, speakers=["self", "other"]
    )
    assert words(prepared("u0", {**DATA, **TALK})["target_joint"], tokens) == expected


def test_times_are_those_of_words_and_tags():
    prepared = preprocessor(
        {"joint": {**JOINT, "policy": "time"}},
        tokens=[*TOKENS[:-1], "<self>", "<other>", "<sos/eos>"],
        speakers=["self", "other"],
    )
    with pytest.raises(DataError, match="6 words and 3 end times"):
        prepared("u0", {**DATA, **TALK, "word_times": "0.5 0.8 1.2"})
