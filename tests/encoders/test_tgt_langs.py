"""The vector of a target language on an encoder's output."""

import pytest
import torch

from espnet_jst.encoders.conf import TargetLanguagesConf
from espnet_jst.encoders.tgt_langs import TargetLanguages
from espnet_jst.errors import ConfigError
from espnet_jst.keys import read
from espnet_jst.taps import Tap


@pytest.fixture
def languages():
    torch.manual_seed(0)
    return TargetLanguages(size=5, at="hier_encoder", codes=("de", "es", "to"))


def taps():
    return {name: Tap(torch.ones(2, 3, 5), torch.tensor([3, 2]), 0.04) for name in ("encoder", "hier_encoder")}


def test_each_row_has_the_vector_of_its_language_on_that_encoder_alone(languages):
    given = taps()
    told = languages(given, languages.places(["es", "de"]))
    assert told["encoder"] is given["encoder"]
    added = told["hier_encoder"].x - given["hier_encoder"].x
    for row, code in enumerate(["es", "de"]):
        expected = languages.get_parameter(f"to_{code}").expand(3, 5)
        torch.testing.assert_close(added[row], expected)
    assert told["hier_encoder"].lengths.tolist() == [3, 2]


def test_the_gradient_reaches_the_vectors_of_the_languages_that_are_there(languages):
    languages(taps(), languages.places(["es", "es"]))["hier_encoder"].x.sum().backward()
    reached = {name: bool(parameter.grad.any()) for name, parameter in languages.named_parameters()}
    assert reached == {"to_de": False, "to_es": True, "to_to": False}


def test_a_tap_whose_languages_nobody_knows_is_not_there(languages):
    assert set(languages(taps(), None)) == {"encoder"}
    below = {"encoder": taps()["encoder"]}
    assert set(languages(below, languages.places(["de", "de"]))) == {"encoder"}


def test_the_order_in_which_languages_are_named_says_nothing(languages):
    other = TargetLanguages(size=5, at="hier_encoder", codes=("to", "de", "es"))
    other.load_state_dict(languages.state_dict())
    told, again = (one(taps(), one.places(["es", "to"]))["hier_encoder"].x for one in (languages, other))
    assert torch.equal(told, again)


@pytest.mark.parametrize(("code", "message"), [(None, "no target language is given"), ("fr", "'fr' is unknown")])
def test_a_missing_or_unknown_language_is_answered_by_those_that_there_are(languages, code, message):
    with pytest.raises(ConfigError, match=f"{message}: the model translates into de, es, to; give one of them"):
        languages.places(["de", code])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"codes": ["de"]}, "'at' is missing"),
        ({"at": "encoder.3", "codes": ["de"]}, "at"),
        ({"at": "encoder", "codes": []}, "name each language once"),
        ({"at": "encoder", "codes": ["de", "de"]}, "name each language once"),
        ({"at": "encoder", "codes": ["d.e"]}, "by a code such as de"),
        ({"at": "encoder", "code": ["de"]}, "did you mean 'codes'"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_one_message(values, message):
    with pytest.raises(ConfigError, match=message):
        read(TargetLanguagesConf, values, "model_conf.tgt_langs")
