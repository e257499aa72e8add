"""What the report shows of one decode directory, and which of its utterances."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from espnet_jst.data import kaldi
from espnet_jst.errors import DataError
from espnet_jst.evaluation.files import DecodedUtterance, read_words
from espnet_jst.evaluation.lane_latency import utterance_laal
from espnet_jst.evaluation.lanes import LaneTexts, load_lane
from espnet_jst.evaluation.quality import edit_score, make_metric
from espnet_jst.evaluation.results import find_scores, short_names
from espnet_jst.text.align.pharaoh import read_pharaoh
from espnet_jst.text.links import Link
from espnet_jst.text.words import TRANSCRIPT, TRANSLATION


@dataclass(frozen=True)
class DecodedSet:
    """One decode directory with its references.

    Attributes:
        name: what the page calls it (`results.short_names`).
        scores: content of scores.json.
        lanes: texts of the lanes; empty where the references are not there.
        decoded: words with times; empty where the decoder wrote no words.jsonl.
        links: word alignment of the references by utterance, where the data directory has one.
        audio: audio file by utterance.
        notes: what could not be shown, and why.
        folder: path below the experiment, <inference tag>/<set>.
    """

    name: str
    scores: Mapping[str, Any]
    lanes: Sequence[LaneTexts] = ()
    decoded: Mapping[str, DecodedUtterance] = field(default_factory=dict)
    links: Mapping[str, set[Link]] = field(default_factory=dict)
    audio: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    folder: str = ""


def load_sets(exp_dir: Path, data_dir: Path) -> list[DecodedSet]:
    """Everything that was scored below `exp_dir`; references, alignment and audio are read from <data_dir>/<set>.

    Raises:
        DataError: nothing was scored, or scores.json or words.jsonl is damaged.
    """
    found = find_scores(exp_dir)
    paths = {
        folder: folder.relative_to(exp_dir).as_posix() if folder != exp_dir else folder.resolve().name
        for folder in found
    }
    short = short_names(paths.values())
    return [
        replace(_load(data_dir, folder, scores, short[paths[folder]]), folder=paths[folder])
        for folder, scores in found.items()
    ]


def _load(data_dir: Path, folder: Path, scores: Mapping[str, Any], name: str) -> DecodedSet:
    reference, notes = data_dir / scores["references"], []
    lanes: list[LaneTexts] = []
    try:
        for lane, entry in scores["lanes"].items():
            case = entry["reference"].removeprefix("text.").removesuffix(f".{entry['language']}")
            lanes.append(load_lane(folder, reference, lane=lane, language=entry["language"], case=case))
    except DataError as error:
        return DecodedSet(name, scores, notes=[f"utterances are not shown: {error}"])
    decoded = read_words(folder / "words.jsonl") if (folder / "words.jsonl").exists() else {}
    if not decoded:
        notes.append("no times: the decoder wrote no words.jsonl")
    # A corpus may know the true alignment of its test sets, where stage 5 aligns the training sets only.
    aligned = next((path for path in (reference / "alignment", reference / "alignment.ref") if path.exists()), None)
    links = read_pharaoh(aligned) if aligned else {}
    wav = reference / "wav.scp"
    return DecodedSet(name, scores, lanes, decoded, links, kaldi.read_table(wav) if wav.exists() else {}, notes)


@dataclass
class Utterance:
    """An utterance with its measures: WER of the transcript (%), chrF++ of the translation, LAAL by lane (ms)."""

    key: str
    chosen: list[str] = field(default_factory=list)
    wer: float | None = None
    chrf: float | None = None
    laal: dict[str, float] = field(default_factory=dict)


def measure(decoded_set: DecodedSet) -> list[Utterance]:
    """Every utterance of a set with its measures, in the order of the references."""
    found = {key: Utterance(key) for texts in decoded_set.lanes for key in texts.keys}
    lowercase = str(decoded_set.scores["case"]).startswith("lc")
    for texts in decoded_set.lanes:
        if texts.lane == TRANSCRIPT:
            counts = edit_score(texts.references, texts.hypotheses, language=texts.language).per_utterance
            for key, (errors, words) in zip(texts.keys, counts, strict=True):
                found[key].wer = 100.0 * errors / max(words, 1)
        if texts.lane == TRANSLATION:
            metric = make_metric("chrF++", lowercase=lowercase)
            for key, reference, hypothesis in zip(texts.keys, texts.references, texts.hypotheses, strict=True):
                found[key].chrf = metric.sentence_score(hypothesis, [reference]).score
        for key, value in utterance_laal(texts, decoded_set.decoded).items():
            found[key].laal[texts.lane] = value
    return list(found.values())


def choose(decoded_set: DecodedSet, utterances: Sequence[Utterance], worst: int) -> list[Utterance]:
    """The utterances to show, each once with the reasons: the one with most words, and the worst by each measure.

    Args:
        worst: how many for each measure; those without an error are no worst ones.
    """
    lengths: Counter[str] = Counter()
    for texts in decoded_set.lanes:
        lengths.update({key: len(texts.units(text)) for key, text in zip(texts.keys, texts.references, strict=True)})
    chosen: dict[str, Utterance] = {}

    def take(reason: str, ranked: Sequence[Utterance]) -> None:
        for rank, utterance in enumerate(ranked, 1):
            utterance.chosen.append(f"{reason} {rank}" if len(ranked) > 1 else reason)
            chosen.setdefault(utterance.key, utterance)

    take("longest", sorted(utterances, key=lambda u: -lengths[u.key])[:1])
    take("WER", sorted((u for u in utterances if u.wer), key=lambda u: -(u.wer or 0.0))[:worst])
    flawed = [u for u in utterances if u.chrf is not None and u.chrf < 99.99]
    take("chrF++", sorted(flawed, key=lambda u: u.chrf or 0.0)[:worst])
    for texts in decoded_set.lanes:
        slow = [u for u in utterances if texts.lane in u.laal]
        take(f"{texts.lane} latency", sorted(slow, key=lambda u: -u.laal[texts.lane])[:worst])
    return list(chosen.values())
