"""One lane of a decode directory beside its reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from espnet_jst.errors import DataError
from espnet_jst.evaluation.files import read_signature, read_texts, some_names
from espnet_jst.text.words import TRANSCRIPT, TRANSLATION

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


def bleu_tokenizer(language: str) -> str | None:
    """sacrebleu's tokenizer for a language: None (13a) where words are written apart."""
    base = language.lower().replace("_", "-").split("-")[0]
    return {"zh": "zh", "zho": "zh", "ja": "char", "jpn": "char", "th": "char"}.get(base)
