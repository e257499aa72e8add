"""The entries of model_conf.inputs."""

import pytest

from espnet_jst.errors import ConfigError
from espnet_jst.inputs.spec import build_inputs, parse_inputs

ENTRY = {"kind": "tokens", "into": "hier_encoder", "repeat": 4}


def test_an_entry_says_where_text_enters_and_which_heads_it_reaches():
    [spec] = parse_inputs({"src_text": ENTRY}).values()
    assert (spec.key, spec.text, spec.conf) == ("input_src_text", "src_text", {"repeat": 4})
    assert spec.reaches("hier_encoder") and spec.reaches("hier_encoder.3") and not spec.reaches("encoder.3")
    [module] = build_inputs({"src_text": spec}, {"tgt": 9, "src": 5}, {"hier_encoder": (6, 0.08)}).values()
    assert module.embedding.weight.shape == (5, 6) and module.repeat == 4
    assert (module.into, module.shift_s) == ("hier_encoder", 0.08)
    assert spec.vocabulary_in({"tgt": 9}) == "tgt"
    assert parse_inputs(None) == {}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"speech": ENTRY}, "speech is there by itself"),
        ({"src_text": {**ENTRY, "repaet": 2}}, "did you mean 'repeat'"),
        ({"src_text": {"kind": "tokens"}}, r"inputs\.src_text: 'into' is missing"),
        ({"src_text": {**ENTRY, "into": "hier"}}, "did you mean 'hier_encoder'"),
        ({"src_text": {**ENTRY, "kind": "token"}}, "did you mean 'tokens'"),
        ({"src_text": {**ENTRY, "repeat": 0}}, r"inputs\.src_text: repeat is 0: give a number from 1"),
        ({"src_text": {**ENTRY, "repeat": "4"}}, "repeat is '4': give a whole number"),
        ({"src_text": {**ENTRY, "vocabulary": "source"}}, "vocabulary: 'source' is not one of src, tgt"),
        ({"src_text": 4}, "it must be a mapping"),
        ([ENTRY], "give a mapping of names to entries"),
    ],
)
def test_an_entry_that_cannot_be_used_is_one_message(inputs, message):
    with pytest.raises(ConfigError, match=message):
        parse_inputs(inputs)


def test_an_encoder_or_a_token_list_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match="inputs.src_text.into: 'hier_encoder' is not one of encoder"):
        build_inputs(parse_inputs({"src_text": ENTRY}), {"tgt": 9}, {"encoder": (6, 0.01)})
    with pytest.raises(ConfigError, match="'src' needs --src_token_list"):
        build_inputs(parse_inputs({"a": {**ENTRY, "vocabulary": "src"}}), {"tgt": 9}, {"hier_encoder": (6, 0.01)})
