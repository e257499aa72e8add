"""Task and language tags of a serialized sequence (arXiv:2307.03354, arXiv:2310.14806)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from espnet_jst.config import check_choice
from espnet_jst.errors import ConfigError
from espnet_jst.text.words import TRANSCRIPT, TRANSLATION

ASR_TAG = "<asr>"
ST_TAG = "<st>"
SCHEMES = ("task", "lid", "task+lid")

_TASK_LANE = {"asr": TRANSCRIPT, "st": TRANSLATION}
_TASK_TAG = re.compile(r"<(asr|st)(?::([^\s<>:]+))?>")
_LANGUAGE = re.compile(r"[^\s<>:]+")


def parse_tag(tag: str) -> tuple[str, str | None] | None:
    """Lane and language of a tag that names its task: `<asr>`, `<st>`, `<asr:de>`, `<st:en>`.

    Returns:
        (lane, language or None), or None when `tag` names no task (a word, or a tag of the scheme `lid`, whose lane
        only `Tags.lane_of` knows).
    """
    match = _TASK_TAG.fullmatch(tag)
    return (_TASK_LANE[match[1]], match[2]) if match else None


@dataclass(frozen=True, kw_only=True)
class Tags:
    """The tags of one model: which tag opens which lane.

    Attributes:
        scheme: "task" (`<asr>`, `<st>`), "lid" (`<de>`, `<en>`: the source tag doubles as language identification)
            or "task+lid" (`<asr:de>`, `<st:en>`).
        source_languages: languages of the transcript lane; several for a many-to-one model. Not used by "task".
        target_languages: languages of the translation lane, in the order that fixes their rank. Not used by "task".

    Raises:
        ConfigError: the scheme is unknown, a language is missing or malformed, or, with "lid", a language is both
            source and target, so that its tag would not say which lane it opens.
    """

    scheme: str = "task"
    source_languages: tuple[str, ...] = ()
    target_languages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_choice(self.scheme, SCHEMES, "tag scheme")
        if self.scheme == "task":
            return
        for side, languages in (("source", self.source_languages), ("target", self.target_languages)):
            if isinstance(languages, str):
                raise ConfigError(f"{side}_languages is the text {languages!r}: give a list of languages")
            if not languages:
                raise ConfigError(f"tag scheme {self.scheme!r} needs {side}_languages: name at least one")
            for language in languages:
                if not _LANGUAGE.fullmatch(language):
                    raise ConfigError(f"{side} language {language!r} cannot be a tag: use a code such as 'de'")
        both = set(self.source_languages) & set(self.target_languages)
        if self.scheme == "lid" and both:
            raise ConfigError(
                f"tag scheme 'lid': {', '.join(sorted(both))} is both source and target language, so its tag does not "
                "say the lane: use scheme 'task+lid'"
            )

    def source_tag(self, language: str | None = None) -> str:
        """Tag of the transcript in `language` (default: the first source language)."""
        return self._tag("asr", language, self.source_languages)

    def target_tag(self, language: str | None = None) -> str:
        """Tag of the translation into `language` (default: the first target language)."""
        return self._tag("st", language, self.target_languages)

    def all(self) -> list[str]:
        """Every tag, source before target: the tokenizer's single symbols."""
        if self.scheme == "task":
            return [ASR_TAG, ST_TAG]
        sources = [self.source_tag(language) for language in self.source_languages]
        return sources + [self.target_tag(language) for language in self.target_languages]

    def lane_of(self, tag: str) -> tuple[str, str | None] | None:
        """(lane, language or None) that `tag` opens, or None when it is not a tag of this model."""
        if tag not in self.all():
            return None
        if self.scheme != "lid":
            return parse_tag(tag)
        language = tag[1:-1]
        return (TRANSCRIPT if language in self.source_languages else TRANSLATION), language

    def _tag(self, task: str, language: str | None, known: Sequence[str]) -> str:
        if self.scheme == "task":
            return f"<{task}>"
        if language is None:
            language = known[0]
        if language not in known:
            raise ConfigError(f"language {language!r} has no {task} tag: the model knows {', '.join(known)}")
        return f"<{language}>" if self.scheme == "lid" else f"<{task}:{language}>"
