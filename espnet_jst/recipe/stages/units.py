"""Stage 5: units of speech, learnt from the training set, and the files that a training on them reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from espnet_jst.config import json_text
from espnet_jst.data import kaldi
from espnet_jst.data.unit_files import read_units
from espnet_jst.recipe.dump import UTT2AUDIO
from espnet_jst.recipe.options import DataOptions, RunOptions, TextOptions
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stamp import present
from espnet_jst.units.alphabet import as_text, without_repeats

WORDS = "words"  # the input, and its data, of text that goes through the same parameters


def units_file(expdir: str, text: TextOptions) -> Path:
    """The unit set of a recipe."""
    return Path(expdir) / "kmeans" / text.unit_tag / "units.safetensors"


def unit_stages(data: DataOptions, text: TextOptions, expdir: str, run: RunOptions, *, skip: str) -> Iterator[Stage]:
    """Learn them, and write both training sets in them."""
    units, device = units_file(expdir, text), "cuda" if run.ngpu else "cpu"
    train = data.raw / data.train_set
    model = Path(text.kmeans_feature).parent
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
        inputs=[train / "wav.scp", *present(train / UTT2AUDIO, model / "config.json")],
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


@dataclass(frozen=True)
class UnitFiles:
    """What a training on units reads beside its sets.

    Attributes:
        units: the unit set, which the model keeps, so that it reads audio.
        ratio: file with the tokens of units for one of the transcript.
        words: (file, name in the batch) of the text that goes through the same parameters; none without it.
    """

    units: Path
    case: str
    ratio: Path
    upsample: str
    share: float
    words: Sequence[tuple[Path, str]]
    lengths: Path

    @classmethod
    def of(cls, data: DataOptions, text: TextOptions, expdir: str) -> UnitFiles:
        """Those of a recipe."""
        reader, folder = text.token_dirs(data.datadir)["src"], text_folder(data, text)
        names = (
            [] if not text.text_share else [(f"{text.files.transcript}", WORDS), (f"{text.files.translation}", "text")]
        )
        return cls(
            units=units_file(expdir, text),
            case=text.unit_case,
            ratio=ratio_file(data.raw / data.train_set, reader),
            upsample=text.upsample,
            share=text.text_share,
            words=[(folder / name, data_name) for name, data_name in names],
            lengths=lengths_file(folder, reader, words=True),
        )

    @property
    def inputs(self) -> list[Path]:
        """The files, whose contents count."""
        return [self.units, self.ratio, *((*(path for path, _ in self.words), self.lengths) if self.words else ())]

    @property
    def flags(self) -> list[str]:
        """Options of `jst_train`."""
        flags = ["--model_conf", f"inputs.units.unit_set={self.units.as_posix()}"]
        flags += ["--model_conf", f"inputs.units.unit_case={self.case}"]
        if self.words:
            group = {
                "data": [[path.as_posix(), name, "text"] for path, name in self.words],
                "shape_files": [self.lengths.as_posix()],
                "share": self.share,
            }
            flags += ["--model_conf", f"inputs.{WORDS}.repeat={repeats(self.ratio, self.upsample)}"]
            flags += ["--train_groups", json_text({WORDS: group})]
        return flags


def repeats(ratio: Path, upsample: str) -> int:
    """Frames of a token of text."""
    return max(1, round(float(ratio.read_text()))) if upsample == "auto" else int(upsample)


def text_folder(data: DataOptions, text: TextOptions) -> Path:
    """The dump directory of the text that goes through the same parameters."""
    return data.raw / (text.text_set or data.train_set)


def text_source(data: DataOptions, text: TextOptions) -> Path:
    """The data directory that this text is taken from: that folder, where another stage has made it."""
    out = text_folder(data, text)
    return out if out.name in data.training_sets else Path(data.datadir) / out.name


def lengths_file(folder: Path, reader: Path, *, words: bool = False) -> Path:
    """Frames of the units of a set, or of its words, and only of utterances that can be trained on."""
    return folder / f"utt2num_{WORDS if words else 'units'}.{reader.name}"


def ratio_file(folder: Path, reader: Path) -> Path:
    """How many tokens of units there are for one of the transcript."""
    return folder / f"ratio.{reader.name}"
