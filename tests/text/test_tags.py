from __future__ import annotations

import subprocess
import sys

import pytest

from espnet_jst.errors import ConfigError
from espnet_jst.text.tags import Tag, Tags


@pytest.mark.parametrize("word", ["asr", "<de>", "<noise>", "<st:>", "<st:en>", "x<st>"])
def test_what_the_model_has_no_tag_for_opens_nothing(word):
    assert Tags().read(word) is None


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
    assert [scheme_tags.read(tag).lane for tag in tags] == ["transcript"] * (len(tags) - 1) + ["translation"]
    assert scheme_tags.read(tags[-1]) == Tag("translation", None if scheme == "task" else "en")
    assert scheme_tags.target_tag("en") == tags[-1]
    assert scheme_tags.read("<fr>") is None


def test_speakers_have_tags_behind_those_of_the_lanes():
    tags = Tags(speakers=("self", "spk:1"))
    assert tags.all() == ["<asr>", "<st>", "<self>", "<spk:1>"]
    assert tags.read("<spk:1>") == Tag(speaker="spk:1") and tags.speaker_tag("self") == "<self>"
    with pytest.raises(ConfigError, match="speaker: 'me'"):
        tags.speaker_tag("me")


def test_a_configuration_gives_languages_and_speakers_as_lists_or_texts():
    conf = {"source_languages": "de es", "target_languages": ["en"], "speakers": "self other", "gain": 1}
    made = Tags(scheme="lid", source_languages=("de", "es"), target_languages=("en",), speakers=("self", "other"))
    assert Tags.configured("lid", conf) == made
    assert Tags.configured("task", None) == Tags()


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
        {"scheme": "lid", "source_languages": ("d:e",), "target_languages": ("en",)},
        {"speakers": ("a b",)},
        {"speakers": ("asr",)},
        {"speakers": ("self", "self")},
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
