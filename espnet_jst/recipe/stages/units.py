"""Stage 5: units of speech, learnt from the training set, and what is trained on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from espnet_jst.data import checks, kaldi
from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import Problem
from espnet_jst.data.unit_files import read_units
from espnet_jst.errors import DataError
from espnet_jst.recipe.dump import UTT2AUDIO, summary
from espnet_jst.recipe.options import DataOptions, RunOptions, TextOptions
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stamp import present
from espnet_jst.recipe.unit_training import (
    WORDS,
    lengths_file,
    ratio_file,
    repeats,
    text_folder,
    translations,
    units_file,
    words_file,
)
from espnet_jst.text.units import split_units
from espnet_jst.units.alphabet import as_text, without_repeats

MODEL_FILES = ("config.json", "config.yaml", "valid.loss.ave.pth")  # of transformers, and of an experiment of ours


def model_files(model: Path) -> list[Path]:
    """What says whether units are still those of a model: an original checkpoint, or files of a folder."""
    return [model] if model.is_file() else [model / name for name in MODEL_FILES]


def unit_stages(data: DataOptions, text: TextOptions, expdir: str, run: RunOptions, *, skip: str) -> Iterator[Stage]:
    """Learn them, and write both training sets in them."""
    units, device = units_file(expdir, text), "cuda" if run.ngpu else "cpu"
    train = data.raw / data.train_set
    model = Path(text.kmeans_feature.rpartition(":")[2]).parent  # of s3prl:NAME:FILE/LAYER the file
    yield Stage(
        number=5,
        name=f"units {text.unit_tag}",
        run=partial(learn, train, units.parent, fs=data.fs_hz, nj=run.nj, device=device),
        uses={
            "feature": text.kmeans_feature,
            "clusters": text.nclusters,
            "max_frames": text.kmeans_frames,
            "seed": text.kmeans_seed,
        },
        inputs=[train / "wav.scp", *present(train / UTT2AUDIO, *model_files(model))],
        outputs=[units, units.parent / "kmeans.json"],
        stamp=units.parent / ".stages" / "5.json",
        skip=skip,
    )
    for name in data.training_sets:
        folder = data.raw / name
        yield Stage(
            number=5,
            name=f"{name} as units",
            run=partial(extract, folder, units, folder / text.units_text, nj=run.nj, device=device),
            uses={"case": text.unit_case},
            inputs=[units, folder / "wav.scp", *present(folder / UTT2AUDIO)],
            outputs=[folder / text.units_text, folder / "units" / "units"],
            stamp=folder / ".stages" / f"5-{text.units_text}.json",
            skip=skip,
        )


def learn(
    train: Path, out: Path, *, fs: int, nj: int, device: str, feature: str, clusters: int, max_frames: int, seed: int
) -> str:
    """Cluster the frames of the training set."""
    from espnet_jst.inference.units import learn_units
    from espnet_jst.inputs.unit_features import parse_features
    from espnet_jst.units.conf import KMeansConf

    samples = kaldi.read_table(train / "utt2num_samples")
    hours = sum(map(int, samples.values())) / fs / 3600
    conf = KMeansConf(clusters=clusters, max_frames=max_frames, seed=seed)
    items = list(kaldi.read_table(train / "wav.scp").items())
    units = learn_units(items, parse_features(feature, fs), conf, out, hours=hours, nj=nj, device=device)
    return f"{units.clusters} units ({units.digest}) in {out}"


def extract(folder: Path, units: Path, out: Path, *, nj: int, device: str, case: str) -> str:
    """Write a set in units, as ids and as a text."""
    from espnet_jst.inference.units import extract_units
    from espnet_jst.units.unit_set import UnitSet

    extract_units(list(kaldi.read_table(folder / "wav.scp").items()), units, folder / "units", nj=nj, device=device)
    about = UnitSet.load(units).about()
    table = read_units(folder / "units" / "units", about)
    frames = sum(map(len, table.values()))
    if case == "rm":
        table = {key: without_repeats(found) for key, found in table.items()}
    kept = sum(map(len, table.values()))
    kaldi.write_table(out, {key: as_text(found, about["clusters"]) for key, found in table.items()})
    return f"{len(table)} utterances, {frames} frames, {kept} units ({kept / max(1, frames):.0%})"


def unit_fitting_stages(data: DataOptions, text: TextOptions, *, skip: str) -> Iterator[Stage]:
    """Utterances whose texts have a place in their units, and texts that have one in their up-sampled words."""
    folders = text.token_dirs(data.datadir)
    reader, lists = (
        folders["src"],
        [folder / name for folder in folders.values() for name in ("tokens.txt", "bpe.model")],
    )
    sets = [data.raw / name for name in data.training_sets]
    yield Stage(
        number=5,
        name="utterances to train on",
        run=partial(choose_utterances, sets, text, folders),
        inputs=[*(folder / name for folder in sets for name in (text.units_text, *text.files.names)), *lists],
        outputs=[file for folder in sets for file in (lengths_file(folder, reader), ratio_file(folder, reader))],
        stamp=sets[0] / ".stages" / f"5-{reader.name}.json",
        skip=skip,
    )
    if not text.text_share:
        return
    out = text_folder(data, text)
    source = out if out in sets else Path(data.datadir) / out.name
    ratio, words = ratio_file(sets[0], reader), words_file(out, reader, text)
    yield Stage(
        number=5,
        name="text to train on",
        run=partial(choose_text, source, out, text, folders, ratio),
        uses={"upsample": text.upsample, "shuffled": text.text_shuffled},
        inputs=[*(source / name for name in text.files.names), ratio, *lists],
        outputs=[words, *(out / name for name in text.files.names if source != out)],
        stamp=out / ".stages" / f"5-{words.name}.json",
        skip=skip,
    )


def choose_utterances(sets: Sequence[Path], text: TextOptions, folders: Mapping[str, Path]) -> str:
    """List what training takes of each set of units.

    Raises:
        DataError: nothing of a set is left.
    """
    said = []
    for folder in sets:
        units = kaldi.read_table(folder / text.units_text)
        lines = {key: [line] if line else [] for key, line in units.items()}
        texts = {name: kaldi.read_table(folder / name) for name in text.files.names}
        kept, problems, ratio = _fitting(texts, text, folders, lines, 1)
        reader = folders["src"]
        kaldi.write_table(lengths_file(folder, reader), kept)
        checks.write_problems(folder / f"skipped.{reader.name}.jsonl", problems)
        ratio_file(folder, reader).write_text(f"{ratio:.3f}\n", encoding="utf-8")
        line = summary(len(kept), problems, listed=f"skipped.{reader.name}.jsonl")
        said.append(f"{folder.name}: {line}, {ratio:.2f} tokens of units for one of the transcript")
    return "; ".join(said)


def choose_text(
    source: Path,
    out: Path,
    text: TextOptions,
    folders: Mapping[str, Path],
    ratio: Path,
    *,
    upsample: str,
    shuffled: bool,
) -> str:
    """List what training takes of a text, which is copied where it has no dump directory yet.

    Raises:
        DataError: nothing is left.
    """
    if source != out:
        tables, problems = checks.read_tables(source, text.files.names)
        for name, table in tables.items():
            kaldi.write_table(out / name, table)
        checks.write_skipped(out, problems)
    texts = {name: kaldi.read_table(out / name) for name in text.files.names}
    if shuffled:
        texts[f"{text.files.translation}"] = others = shuffle(texts[f"{text.files.translation}"])
        kaldi.write_table(out / translations(text), others)
    repeat = repeats(ratio, upsample)
    lines = {key: split_units(line) for key, line in texts[f"{text.files.transcript}"].items()}
    kept, problems, _ = _fitting(texts, text, folders, lines, repeat)
    kaldi.write_table(words_file(out, folders["src"], text), kept)
    checks.write_problems(out / f"skipped.{WORDS}.{folders['src'].name}.jsonl", problems)
    return f"{summary(len(kept), problems, listed=f'skipped.{WORDS}.jsonl')}, {repeat} frames a token"


def shuffle(table: Mapping[str, str]) -> dict[str, str]:
    """To every key the line of another one, in an order that is always the same."""
    order = np.random.default_rng(0).permutation(list(table))
    return {key: table[other] for key, other in zip(order, np.roll(order, 1), strict=True)}


def _fitting(
    texts: Mapping[str, Mapping[str, str]],
    text: TextOptions,
    folders: Mapping[str, Path],
    lines: Mapping[str, list[str]],
    repeat: int,
) -> tuple[dict[str, int], list[Problem], float]:
    """Frames of the lines whose texts CTC can place in them, what is wrong with the others, and how many tokens of a
    line there are for one of the transcript.
    """
    from espnet_jst.text.tokenizer import Tokenizer

    tokenizers = {side: Tokenizer.load(place) for side, place in folders.items()}
    problems: list[Problem] = []
    kept, counts = dict[str, int](), [0, 0]
    for key, line in lines.items():
        frames = repeat * len(tokenizers["src"].encode(line))
        try:
            for name, table in texts.items():
                side = "src" if name == text.files.transcript else "tgt"
                labels = tokenizers[side].encode(split_units(table[key]))
                if (needed := checks.ctc_frames(labels)) > frames:
                    reason = f"{name}: {len(labels)} tokens need {needed} frames, and there are {frames}"
                    raise BadItem(
                        reason, "fewer pieces of units, --unit_case ts, or more --upsample", "text-over-frames"
                    )
                if side == "src":
                    counts = [counts[0] + frames, counts[1] + len(labels)]
            kept[key] = frames
        except BadItem as bad:
            problems.append(Problem.of(key, bad))
    if not kept:
        raise DataError(f"every utterance was left out (first: {problems[0]})")
    return kept, problems, counts[0] / max(1, counts[1])
