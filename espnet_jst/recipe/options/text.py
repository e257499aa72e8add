"""Options of the texts: their languages and files, token lists, tags, word links."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from espnet_jst.data.texts import Texts
from espnet_jst.errors import ConfigError
from espnet_jst.recipe.options.option import check_least, option
from espnet_jst.recipe.options.units import UnitOptions
from espnet_jst.text.align.external import ALIGNERS
from espnet_jst.text.align.symmetrize import SYMMETRIZATIONS
from espnet_jst.text.tags import SCHEMES, Tags
from espnet_jst.text.token_list import TOKEN_TYPES

BPE_MODES = ("unigram", "bpe")
NO_TEXT = "none"


@dataclass(frozen=True, kw_only=True)
class TextOptions(UnitOptions):
    """Languages, token lists, word alignment, and units where speech is written in them."""

    src_lang: str = option("en", "language of the transcript: text.<src_case>.<src_lang>; none: there is no transcript")
    tgt_lang: str = option(
        "de", "language of the translation: text.<tgt_case>.<tgt_lang>; none: speech recognition alone"
    )
    src_case: str = option("lc", "form of the transcript's text: lc, tc, lc.rm, ...")
    tgt_case: str = option("lc", "form of the translation's text")
    token_joint: bool = option(True, "one token list for both languages")
    token_type: str = option("bpe", "pieces of both languages", TOKEN_TYPES)
    src_token_type: str = option(
        "", "pieces of the source where they differ; beside a joint list, one of its own for CTC", ("", *TOKEN_TYPES)
    )
    tgt_token_type: str = option(
        "", "pieces of the target (and of a joint token list), where they differ", ("", *TOKEN_TYPES)
    )
    bpemode: str = option("unigram", "kind of SentencePiece model", BPE_MODES)
    src_bpemode: str = option("", "the same for the source's own list, where it differs", ("", *BPE_MODES))
    tgt_bpemode: str = option("", "the same for the joint (or the target's) list, where it differs", ("", *BPE_MODES))
    nbpe: int = option(500, "pieces of the joint (or the target's) token list")
    tgt_nbpe: int = option(0, "the same under ESPnet's name; 0 takes nbpe")
    src_nbpe: int = option(500, "pieces of the source's own token list, where it has one")
    tag_scheme: str = option(
        "",
        "tags of the serialized output, where --st_config does not say it (tags of its heads), else task",
        ("", *SCHEMES),
    )
    whisper_decoder: str = option(
        "",
        "folder of a Whisper, as transformers saves it, as whose decoder the head of style whisper begins; all texts "
        "have its pieces",
    )
    whisper_pieces: int = option(
        0, "of the pieces that each text needs so many at most, those that are merged first; 0: all"
    )
    aligner: str = option("builtin", "word aligner; all but the first have to be installed", ALIGNERS)
    aligner_model: str = option("", "for simalign and awesome-align: folder or name of the pre-trained model")
    symmetrization: str = option("grow-diag-final-and", "of the word aligner", tuple(SYMMETRIZATIONS))

    # Of the training configuration, which names several languages where one model has several; no flags.
    source_languages: tuple[str, ...] = ()
    target_languages: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()  # whose tags stand in the texts
    frame_tokens: int = 1  # for an output frame of the encoder

    def check(self) -> None:
        """Refuse a corpus without any text.

        Raises:
            ConfigError: names the options.
        """
        if not self.languages:
            raise ConfigError(f"--src_lang {NO_TEXT} --tgt_lang {NO_TEXT}: a corpus needs a text, name a language")
        self.check_units()
        check_least(self, whisper_pieces=0)
        kinds = {side: self.pieces(side) for side in self.token_sides}
        if self.mbart and set(kinds.values()) != {"bpe"}:
            raise ConfigError("--mbart has pieces of its own: give --token_type bpe, and no other for source or target")
        if self.whisper_decoder and (set(kinds.values()) != {"bpe"} or self.has_units):
            raise ConfigError(
                "--whisper_decoder has pieces of its own: give --token_type bpe, no other for source or target, and no "
                "--kmeans_feature"
            )

    @property
    def files(self) -> Texts:
        """File names of transcript and translation."""
        names = [
            None if language == NO_TEXT else f"text.{case}.{language}"
            for case, language in ((self.src_case, self.src_lang), (self.tgt_case, self.tgt_lang))
        ]
        return Texts(*names)

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages of the texts, the spoken one first."""
        return tuple(code for code in (self.src_lang, self.tgt_lang) if code != NO_TEXT)

    @property
    def joint(self) -> bool:
        """Whether all text has one token list; a text alone has."""
        return self.token_joint or not self.files.both

    @property
    def tags(self) -> list[str]:
        """The single symbols of the token lists: tags of the serialized output (a text alone is not serialized), source
        before target, and of speakers.
        """
        if not self.files.both:
            return self.speaker_tags
        sources, targets = self.source_languages or (self.src_lang,), self.target_languages or (self.tgt_lang,)
        scheme = self.tag_scheme or "task"
        return Tags(scheme=scheme, source_languages=sources, target_languages=targets, speakers=self.speakers).all()

    @property
    def speaker_tags(self) -> list[str]:
        """The tags that stand in texts, where they say who speaks."""
        tags = Tags(speakers=self.speakers)
        return [tags.speaker_tag(speaker) for speaker in self.speakers]

    @property
    def token_sides(self) -> list[str]:
        """The token lists: "tgt", and "src" where that is not joint or the transcript has pieces of its own as well, as
        it has beside units.
        """
        own = self.src_token_type or self.kmeans_feature
        return ["tgt"] if self.joint and not own else ["tgt", "src"]

    def token_dirs(self, datadir: str) -> dict[str, Path]:
        """Token list folders by side, see `token_sides`."""
        base = Path(datadir) / f"{'_'.join(self.languages)}_token_list"
        return {side: base / f"{side}_{self._pieces(side, mode=True)}" for side in self.token_sides}

    @property
    def has_units(self) -> bool:
        """Whether speech is read as units."""
        return bool(self.kmeans_feature)

    def pieces(self, side: str) -> str:
        """Kind of pieces of a token list."""
        return (self.src_token_type if side == "src" else self.tgt_token_type) or self.token_type

    def nbpe_of(self, side: str) -> int:
        """Number of pieces of a token list, where it is a choice."""
        return self.src_nbpe if side == "src" else self.tgt_nbpe or self.nbpe

    def bpemode_of(self, side: str) -> str:
        """Kind of SentencePiece model of a token list."""
        return (self.src_bpemode if side == "src" else self.tgt_bpemode) or self.bpemode

    @property
    def tag(self) -> str:
        """What tells token lists and languages of two experiments apart."""
        return "_".join([*self.languages, *(self._pieces(side, mode=False) for side in self.token_sides)])

    def _pieces(self, side: str, *, mode: bool) -> str:
        units = f"{self.unit_pieces}_" if side == "src" and self.has_units else ""
        if self.mbart:
            return units + Path(self.mbart).name
        if self.whisper_decoder:
            return Path(self.whisper_decoder).name + (f"_{self.whisper_pieces}" if self.whisper_pieces else "")
        if self.pieces(side) != "bpe":
            return units + self.pieces(side)
        return (
            units + f"bpe_{self.bpemode_of(side)}{self.nbpe_of(side)}" if mode else units + f"bpe{self.nbpe_of(side)}"
        )
