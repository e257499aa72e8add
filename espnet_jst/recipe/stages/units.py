"""Stage 5: units of speech, learnt from the training set, and what is trained on them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from espnet_jst.data import kaldi
from espnet_jst.data.unit_files import read_units
from espnet_jst.recipe.dump import UTT2AUDIO
from espnet_jst.recipe.options import DataOptions, RunOptions, TextOptions
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stamp import present
from espnet_jst.recipe.unit_training import (
    units_file,
)
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
