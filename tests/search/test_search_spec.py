"""Which searches a configuration means, and what is wrong with those that cannot be."""

from __future__ import annotations

import pytest

from espnet_jst.errors import ConfigError
from espnet_jst.heads.spec import parse_heads
from espnet_jst.search.spec import parse_searches

TRANSCRIPT = {"kind": "transducer", "lanes": ["transcript"]}
JOINT = {"kind": "transducer", "lanes": ["transcript", "translation"]}
TRANSLATION = {"kind": "transducer", "lanes": ["translation"]}
CTC = {"kind": "ctc", "lanes": ["transcript"]}
TWO_PASS = {"two_pass": {"heads": ["offline"], "second_pass_of": "streaming"}}


def searches(heads: dict, conf: dict | None = None, only: list[str] | None = None) -> dict[str, tuple]:
    found = parse_searches(parse_heads(heads), conf, only)
    return {name: (search.heads, search.second_pass_of) for name, search in found.items()}


def test_every_transducer_is_searched_where_nothing_is_said() -> None:
    heads = {"asr": TRANSCRIPT, "ctc": CTC, "st": TRANSLATION}
    assert searches(heads) == {"asr": (("asr",), None), "st": (("st",), None)}


def test_a_ctc_head_is_searched_where_it_is_named_or_there_is_nothing_else() -> None:
    heads = {"asr": TRANSCRIPT, "ctc": CTC}
    assert searches(heads, only=["ctc"]) == searches(heads, {"ctc": {"heads": ["ctc"]}}) == {"ctc": (("ctc",), None)}
    above = {"kind": "ctc", "lanes": ["transcript"], "reads": "hier_encoder"}
    other = {"kind": "ctc", "lanes": ["translation"]}
    assert searches({"upper": above, "lower": CTC, "st": other}) == {"st": (("st",), None), "upper": (("upper",), None)}
    second = {"two_pass": {"heads": ["asr"], "second_pass_of": "ctc"}}
    assert searches(heads, second) == {"ctc": (("ctc",), None), "two_pass": (("asr",), "ctc")}


def test_a_second_pass_follows_its_first() -> None:
    heads = {"streaming": TRANSCRIPT, "offline": TRANSCRIPT}
    assert searches(heads, TWO_PASS) == {"streaming": (("streaming",), None), "two_pass": (("offline",), "streaming")}
    named = {**TWO_PASS, "streaming": {"heads": ["streaming"]}}
    assert list(searches(heads, named)) == ["streaming", "two_pass"]


def test_some_heads_alone_are_searched_in_their_order() -> None:
    heads = {"streaming": TRANSCRIPT, "offline": TRANSCRIPT, "st": TRANSLATION}
    assert searches(heads, only=["st", "offline"]) == {"st": (("st",), None), "offline": (("offline",), None)}
    assert searches(heads, TWO_PASS, only=["offline"]) == {"two_pass": (("offline",), None)}
    assert searches(heads, TWO_PASS, only=["streaming", "offline"]) == searches(heads, TWO_PASS)


@pytest.mark.parametrize(
    "heads",
    [
        {"first": TRANSCRIPT, "second": TRANSCRIPT},
        {"first": JOINT, "second": TRANSLATION},
        {"first": TRANSLATION, "second": JOINT},
    ],
)
def test_two_searches_of_one_lane_are_refused_with_both_ways_out(heads: dict) -> None:
    with pytest.raises(ConfigError, match=r"two_pass: \{heads: \[second\], second_pass_of: first\}.*\[second\]"):
        parse_searches(parse_heads(heads))
    parse_searches(parse_heads(heads), {"two_pass": {"heads": ["second"], "second_pass_of": "first"}})
    parse_searches(parse_heads(heads), only=["second"])


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ("all", "give a mapping of names to entries"),
        ({"a": {"second_pass_of": "streaming"}}, "'heads' is missing"),
        ({"a": {"heads": "streaming"}}, "heads is 'streaming'"),
        ({"a": {"heads": ["ctc", "st"]}}, "one ctc head"),
        ({"a": {"heads": ["ofline"]}}, "did you mean 'offline'"),
        ({"a": {"heads": ["streaming", "offline"]}}, "one transducer head"),
        ({"a": {"heads": ["offline"], "second_pass": "streaming"}}, "did you mean 'second_pass_of'"),
        (
            {"a": {"heads": ["offline"], "second_pass_of": "straming"}},
            "one of ctc, st, streaming .did you mean 'streaming'",
        ),
        ({"a": {"heads": ["offline"], "second_pass_of": "a"}}, "is not one of ctc, st, streaming"),
        ({"a": {"heads": ["offline"], "second_pass_of": "offline"}}, "is not one of ctc, st, streaming"),
        ({"a": {"heads": ["st"], "second_pass_of": "streaming"}}, "writes none of the lanes"),
        ({**TWO_PASS, "b": {"heads": ["streaming"], "second_pass_of": "two_pass"}}, "second pass itself"),
    ],
)
def test_a_search_that_cannot_be_is_one_message(conf: dict, message: str) -> None:
    heads = parse_heads({"streaming": TRANSCRIPT, "offline": TRANSCRIPT, "ctc": CTC, "st": TRANSLATION})
    with pytest.raises(ConfigError, match=message):
        parse_searches(heads, conf)
