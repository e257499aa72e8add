"""What clients may know of the model, and ask of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from espnet_jst.errors import ConfigError
from espnet_jst.inference.speech2text import Speech2Text
from espnet_jst.serving.conf import RefusedError


@dataclass(frozen=True)
class ServedModel:
    """A model that streams.

    Attributes:
        speech2text: the one copy of its weights.
        name: what clients are told.
        transcript: the lane of what was spoken, if there is one.
        translation: the lane of what it means, if there is one.
        languages: of each lane, where they are known.
    """

    speech2text: Speech2Text
    name: str
    transcript: str | None
    translation: str | None
    languages: Mapping[str, str]

    @classmethod
    def of(cls, speech2text: Speech2Text, name: str) -> ServedModel:
        """The model, if it can be served.

        Raises:
            ConfigError: it writes at the end alone, may take words back, or takes several channels.
        """
        if not speech2text.schedule.chunk_frames or speech2text.st_model.source.whole:
            raise ConfigError("chunk_s 0, or a model that hears whole utterances: nothing would appear; give --chunk_s")
        if speech2text.options.revise:
            raise ConfigError("revise: what clients were shown would be taken back")
        if speech2text.channels > 1:
            raise ConfigError(f"the model takes {speech2text.channels} channels, and the protocols have one")
        speech2text.session()  # whatever else does not stream is refused here
        sources = [name for name, lane in speech2text.lanes.items() if lane.source]
        others = [name for name, lane in speech2text.lanes.items() if not lane.source]
        transcript, translation = next(iter(sources), None), next(iter(others), None)
        return cls(speech2text, name, transcript, translation, dict(speech2text.languages))

    @property
    def hears_whole(self) -> bool:
        """Whether an encoder or a second pass hears a session as a whole, so that all of it is kept to its end."""
        ours = self.speech2text
        seconds = any(search.follows or search.kind == "attention" for search in ours.decoder.searches.values())
        texts = ours.translator is not None and ours.translator.context.hears_whole
        return seconds or texts or ours.schedule.context.hears_whole

    def tgt_lang(self, asked: str | None) -> str | None:
        """The language to translate into that a client has asked for, as the model wants it.

        Raises:
            RefusedError: the model does not translate into it; names those that it has.
        """
        try:
            if self.speech2text.tgt_langs:
                return self.speech2text.language(asked or None)
        except ConfigError as error:
            raise RefusedError(str(error), kind="language") from error
        own = self.languages.get(self.translation or "")
        if asked and own and _primary(asked) != _primary(own):
            raise RefusedError(f"the model translates into {own!r}, not into {asked!r}", kind="language")
        return None


def public_name(tag_or_path: str) -> str:
    """What clients are told of where a model is from: no folders of this machine."""
    path = Path(tag_or_path).expanduser()
    return tag_or_path if "@" in tag_or_path and not path.exists() else path.resolve().stem


def _primary(code: str) -> str:
    """A language without its region: of "pt-BR" "pt"."""
    return code.replace("_", "-").partition("-")[0].lower()
