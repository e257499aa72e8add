"""Tags of a serialized sequence: task and language (arXiv:2307.03354, arXiv:2310.14806), speaker (arXiv:2412.15415)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from espnet_jst.config import check_choice
from espnet_jst.errors import ConfigError
from espnet_jst.text.lanes import TRANSCRIPT, TRANSLATION

ASR_TAG = "<asr>"
ST_TAG = "<st>"
SCHEMES = ("task", "lid", "task+lid")
TAG_KEYS = ("source_languages", "target_languages", "speakers")

_NAME = re.compile(r"[^\s<>]+")


@dataclass(frozen=True)
class Tag:
    """What a tag opens, and where a stream of tokens is: a lane, its language, a speaker, each None where unknown."""

    lane: str | None = None
    language: str | None = None
    speaker: str | None = None

    def over(self, before: Tag) -> Tag:
        """Where a stream is after this tag: the tag of a speaker leaves the lane, that of a lane leaves the speaker."""
        if self.lane is None:
            return Tag(before.lane, before.language, self.speaker)
        return Tag(self.lane, self.language, before.speaker)


@dataclass(frozen=True, kw_only=True)
class Tags:
    """The tags of one model: which tag opens what.

    Attributes:
        scheme: "task" (`<asr>`, `<st>`), "lid" (`<de>`, `<en>`: the source tag doubles as language identification)
            or "task+lid" (`<asr:de>`, `<st:en>`).
        source_languages: languages of the transcript lane; several for a many-to-one model. Not used by "task".
        target_languages: languages of the translation lane, in the order that fixes their rank. Not used by "task".
        speakers: those whose words a tag of their own opens: "self" has `<self>`, "spk:1" `<spk:1>`.

    Raises:
        ConfigError: the scheme is unknown, a language is missing or malformed, or a tag would have two meanings: with
            "lid", a language that is both source and target.
    """

    scheme: str = "task"
    source_languages: tuple[str, ...] = ()
    target_languages: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()

    @classmethod
    def configured(cls, scheme: str, conf: Mapping[str, Any] | None) -> Tags:
        """The tags of a head from its scheme and from `preprocessor_conf`, where a list may be a text with blanks."""
        listed = {}
        for key in TAG_KEYS:
            value = (conf or {}).get(key) or ()
            listed[key] = tuple(value.split() if isinstance(value, str) else value)
        return cls(scheme=scheme, **listed)

    def __post_init__(self) -> None:
        check_choice(self.scheme, SCHEMES, "tag scheme")
        if self.scheme != "task":
            self._check_languages()
        for speaker in self.speakers:
            if not isinstance(speaker, str) or not _NAME.fullmatch(speaker):
                raise ConfigError(f"speaker {speaker!r} cannot be a tag: use a name such as 'self' or 'spk:1'")
        seen: set[str] = set()
        for tag in self.all():
            if tag in seen:
                raise ConfigError(f"the tag {tag} would have two meanings: call the speaker or the language otherwise")
            seen.add(tag)

    def _check_languages(self) -> None:
        for side, languages in (("source", self.source_languages), ("target", self.target_languages)):
            if isinstance(languages, str):
                raise ConfigError(f"{side}_languages is the text {languages!r}: give a list of languages")
            if not languages:
                raise ConfigError(f"tag scheme {self.scheme!r} needs {side}_languages: name at least one")
            for language in languages:
                if not _NAME.fullmatch(language) or ":" in language:
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

    def speaker_tag(self, speaker: str) -> str:
        """Tag of a speaker."""
        check_choice(speaker, self.speakers, "speaker")
        return f"<{speaker}>"

    def all(self) -> list[str]:
        """Every tag, source before target before speakers: the tokenizer's single symbols."""
        return [tag for tag, _ in self._meanings]

    def read(self, tag: str) -> Tag | None:
        """What `tag` opens, or None where it is not a tag of this model."""
        return self._table.get(tag)

    @cached_property
    def _table(self) -> Mapping[str, Tag]:
        return dict(self._meanings)

    @cached_property
    def _meanings(self) -> list[tuple[str, Tag]]:
        languages: tuple[Sequence[str | None], ...] = (self.source_languages, self.target_languages)
        sources, targets = ((None,), (None,)) if self.scheme == "task" else languages
        found = [(self.source_tag(language), Tag(TRANSCRIPT, language)) for language in sources]
        found += [(self.target_tag(language), Tag(TRANSLATION, language)) for language in targets]
        return found + [(self.speaker_tag(speaker), Tag(speaker=speaker)) for speaker in self.speakers]

    def _tag(self, task: str, language: str | None, known: Sequence[str]) -> str:
        if self.scheme == "task":
            return f"<{task}>"
        if language is None:
            language = known[0]
        if language not in known:
            raise ConfigError(f"language {language!r} has no {task} tag: the model knows {', '.join(known)}")
        return f"<{language}>" if self.scheme == "lid" else f"<{task}:{language}>"
