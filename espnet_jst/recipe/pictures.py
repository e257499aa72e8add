"""Pictures of an experiment: loss curves, latency, and the two lanes over time for some utterances."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from espnet_jst.data import audio_file, kaldi
from espnet_jst.data.names import file_name
from espnet_jst.data.texts import Texts, segments_file
from espnet_jst.errors import DataError

if TYPE_CHECKING:
    from espnet_jst.evaluation.files import DecodedUtterance

UTTERANCES = 2


def draw(exp: Path, raw: Path, texts: Texts, decoded: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Draw into `images` of the experiment.

    Args:
        decoded: decode directories, exp/st_<tag>/<inference_tag>/<set>.

    Returns:
        The pictures, and notes on those that could not be drawn.
    """
    from espnet_jst.evaluation import plot_curves, plot_latency
    from espnet_jst.evaluation.history import read_history

    images = exp / "images"
    for stale in (*images.glob("latency_*.png"), *images.glob("lanes_*.png")):
        stale.unlink()  # of decodings that are gone, or of other utterances
    pictures: list[Path] = []
    notes: list[str] = []
    try:
        pictures.append(plot_curves(read_history(exp / "train.log"), images / "curves.png"))
    except DataError as error:
        notes.append(str(error))
    for directory in decoded:
        name = f"{directory.parent.name}_{directory.name}"
        if (directory / "latency.json").exists():
            pictures.append(plot_latency(directory, images / f"latency_{name}.png"))
        pictures += _two_lanes(raw / directory.name, texts, directory, images / f"lanes_{name}")
    return pictures, notes


def _two_lanes(data: Path, texts: Texts, directory: Path, stem: Path) -> Iterator[Path]:
    from espnet_jst.evaluation import plot_two_lanes
    from espnet_jst.evaluation.files import read_signature

    chunk = read_signature(directory).get("chunk_s")
    chunk_s = chunk if isinstance(chunk, (int, float)) else None
    wav = kaldi.read_table(data / "wav.scp")
    lanes = {lane: _references(data, name) for lane, name in texts.by_lane.items()}
    for utterance in longest(directory / "words.jsonl", UTTERANCES):
        key = utterance.utt_id
        samples, fs = audio_file.read(wav[key])
        reference = {lane: table[key] for lane, table in lanes.items() if key in table}
        path = stem.with_name(f"{stem.name}_{file_name(key)}.png")
        yield plot_two_lanes(samples.mean(axis=1), fs, utterance.words, path, reference, title=key, chunk_s=chunk_s)


def _references(data: Path, name: str) -> Mapping[str, str | Mapping[str | None, str]]:
    """Utterance -> its text, or what each speaker of it says."""
    from espnet_jst.evaluation.speakers.segments import read_segments

    if not (data / segments_file(name)).is_file():
        return kaldi.read_table(data / name)
    found: dict[str, dict[str | None, str]] = {}
    for key, segments in read_segments(data / segments_file(name)).items():
        said = found.setdefault(key, {})
        for segment in segments:
            said[segment.speaker] = f"{said.get(segment.speaker, '')} {segment.words}".strip()
    return found


def longest(words_file: Path, count: int) -> list[DecodedUtterance]:
    """The utterances with the most words (the first of equals)."""
    from espnet_jst.evaluation.files import read_words

    return sorted(read_words(words_file).values(), key=lambda utterance: -len(utterance.words))[:count]
