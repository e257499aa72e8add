"""Stage 14: pack the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from espnet_jst.data import kaldi
from espnet_jst.errors import ConfigError
from espnet_jst.recipe.fit import misfits
from espnet_jst.recipe.options import Options, ReleaseOptions, RunOptions
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stages.decoding import model_inputs
from espnet_jst.recipe.stages.statistics import plugins
from espnet_jst.recipe.stamp import present


def check(release: ReleaseOptions, run: RunOptions) -> None:
    """Refuse a licence that is not there.

    Raises:
        ConfigError: names the file.
    """
    if run.runs(14) and release.data_license and not Path(release.data_license).is_file():
        raise ConfigError(f"--data_license {release.data_license}: no such file")


@dataclass(frozen=True, kw_only=True)
class PackFiles:
    """What a pack is made of.

    Attributes:
        exp: folder of the experiment.
        weights: the checkpoint.
        zip: the pack.
        trial: `wav.scp` of the set whose first recording the pack must decode.
        samples: lengths of the training set's utterances.
        fs: their sampling rate in Hz.
        tokens: the target's token list.
        decoding: decoding configuration, None where there is none.
        data_license: licence of the data, None where there is none.
    """

    exp: Path
    weights: Path
    zip: Path
    trial: Path
    samples: Path
    fs: int
    tokens: Path
    decoding: Path | None = None
    data_license: Path | None = None

    @classmethod
    def of(cls, options: Options) -> PackFiles:
        """The files of a recipe; the pack is exp/st_<tag>/st_<tag>_<checkpoint>.zip, as ESPnet names it."""
        exp, data = options.exp, options.data
        weights = exp / options.decoding.inference_st_model
        return cls(
            exp=exp,
            weights=weights,
            zip=exp / f"{exp.name}_{weights.stem}.zip",
            trial=data.raw / data.tests[0] / "wav.scp",
            samples=data.raw / data.train_set / "utt2num_samples",
            fs=data.fs_hz,
            tokens=options.tokens["tgt"],
            decoding=next(iter(options.decoding.config_files), None),
            data_license=Path(options.release.data_license) if options.release.data_license else None,
        )

    def recording(self) -> tuple[str, str]:
        """Name and file of the recording that the pack must decode."""
        return next(iter(kaldi.read_table(self.trial).items()))


def packing_stage(options: Options, *, skip: str) -> Stage:
    """The pack, tried out on one test utterance before it is called done."""
    files, release = PackFiles.of(options), options.release
    shown = [*present(files.exp / "RESULTS.md"), *sorted((files.exp / "images").glob("*.png"))]
    given = [path for path in (files.decoding, files.data_license) if path is not None]
    return Stage(
        number=14,
        name="pack",
        run=partial(pack, files),
        uses={
            "corpus": release.corpus,
            "license": release.license,
            "languages": options.text.languages,
            "further": bool(options.training.finetune),
        },
        inputs=[*model_inputs(files.exp / "config.yaml", files.weights), *given, *shown],
        outputs=[files.zip],
        facts=plugins,
        stamp=files.exp / ".stages" / "14.json",
        skip=skip,
    )


def training_data(corpus: str, table: Path, fs: int) -> str:
    """What the model was trained on: name, utterances and hours of the training set."""
    if not table.is_file():
        return corpus
    samples = [int(count) for count in kaldi.read_table(table).values()]
    hours = sum(samples) / fs / 3600
    return f"{corpus or 'a corpus without a name'}, {len(samples)} utterances, {hours:.2g} hours"


def pack(files: PackFiles, *, corpus: str, license: str, languages: Sequence[str], further: bool) -> str:
    """The zip is there only after it was loaded from an empty folder and decoded an utterance.

    Args:
        languages: of the texts, the spoken one first.
        further: the model was trained further from another one.
    """
    from espnet_jst.hub.card import CardInfo
    from espnet_jst.hub.pack import pack as pack_model

    utterance, wav = files.recording()
    unfit = misfits(files.tokens) if further else []
    card = CardInfo(
        name=files.exp.name,
        languages=tuple(languages),
        dataset=corpus,
        license=license,
        data=training_data(corpus, files.samples, files.fs),
        warnings=[f"the model that it was trained further from {line}" for line in unfit],
    )
    pack_model(
        files.exp,
        files.zip,
        wav=wav,
        model=files.weights,
        data_license=files.data_license,
        card=card,
        decoding=files.decoding,
    )
    return f"{files.zip}; loaded again from an empty folder, it decodes {utterance}"
