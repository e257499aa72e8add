from __future__ import annotations

import subprocess
import sys

import pytest

from espnet_jst.errors import ConfigError
from espnet_jst.text.tags import Tags, parse_tag


def test_a_task_tag_names_its_lane_and_language():
    assert parse_tag("<asr>") == ("transcript", None)
    assert parse_tag("<st>") == ("translation", None)
    assert parse_tag("<st:en>") == ("translation", "en")


@pytest.mark.parametrize("word", ["asr", "<de>", "<noise>", "<st:>", "x<st>"])
def test_what_names_no_task_is_no_task_tag(word):
    assert parse_tag(word) is None


@pytest.mark.parametrize(
    ("scheme", "tags"),
    [
        ("task", ["<asr>", "<st>"]),
        ("lid", ["<de>", "<es>", "<en>"]),
        ("task+lid", ["<asr:de>", "<asr:es>", "<st:en>"]),
    ],
)
def test_a_scheme_gives_its_tags(scheme, tags):
    scheme_tags = Tags(scheme=scheme, source_languages=("de", "es"), target_languages=("en",))
    assert scheme_tags.all() == tags
    assert [scheme_tags.lane_of(tag)[0] for tag in tags] == ["transcript"] * (len(tags) - 1) + ["translation"]
    assert scheme_tags.target_tag("en") == tags[-1]
    assert scheme_tags.lane_of("<fr>") is None


def test_a_language_that_is_source_and_target_needs_the_combined_scheme():
    with pytest.raises(ConfigError, match=r"task\+lid"):
        Tags(scheme="lid", source_languages=("de", "en"), target_languages=("en", "de"))
    assert len(Tags(scheme="task+lid", source_languages=("de", "en"), target_languages=("en", "de")).all()) == 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"scheme": "language"},
        {"scheme": "lid", "source_languages": ("de",)},
        {"scheme": "lid", "source_languages": "de", "target_languages": ("en",)},
        {"scheme": "lid", "source_languages": ("d e",), "target_languages": ("en",)},
    ],
)
def test_an_unusable_scheme_is_refused(wrong):
    with pytest.raises(ConfigError):
        Tags(**wrong)


def test_an_unknown_language_is_named():
    with pytest.raises(ConfigError, match="fr"):
        Tags(scheme="lid", source_languages=("de",), target_languages=("en",)).target_tag("fr")


def test_importing_the_text_room_loads_no_heavy_package():
    heavy = "{'torch', 'numpy', 'sentencepiece', 'espnet'}"
    code = f"import sys, espnet_jst.text; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
