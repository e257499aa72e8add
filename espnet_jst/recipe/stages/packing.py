"""Stage 14: pack the model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from espnet_jst.data import kaldi
from espnet_jst.errors import ConfigError
from espnet_jst.recipe.fit import misfits
from espnet_jst.recipe.options import DataOptions, Options, ReleaseOptions, RunOptions
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


def pack_file(options: Options) -> Path:
    """The pack, exp/st_<tag>/st_<tag>_<checkpoint>.zip, as ESPnet names it."""
    return options.exp / f"{options.exp.name}_{Path(options.decoding.inference_st_model).stem}.zip"


def trial_table(data: DataOptions) -> Path:
    """`wav.scp` of the set whose first recording the pack must decode."""
    return data.raw / data.tests[0] / "wav.scp"


def trial_recording(data: DataOptions) -> tuple[str, str]:
    """Name and file of that recording."""
    return next(iter(kaldi.read_table(trial_table(data)).items()))


def packing_stage(options: Options, *, skip: str) -> Stage:
    """The pack, tried out on one test utterance before it is called done."""
    exp, release = options.exp, options.release
    shown = [*present(exp / "RESULTS.md"), *sorted((exp / "images").glob("*.png"))]
    given = [*options.decoding.config_files, *([Path(release.data_license)] if release.data_license else [])]
    return Stage(
        number=14,
        name="pack",
        run=partial(pack, options),
        uses={
            "corpus": release.corpus,
            "license": release.license,
            "languages": options.text.languages,
            "further": bool(options.training.finetune),
        },
        inputs=[*model_inputs(exp / "config.yaml", exp / options.decoding.inference_st_model), *given, *shown],
        outputs=[pack_file(options)],
        facts=plugins,
        stamp=exp / ".stages" / "14.json",
        skip=skip,
    )


def training_data(corpus: str, table: Path, fs: int) -> str:
    """What the model was trained on: name, utterances and hours of the training set."""
    if not table.is_file():
        return corpus
    samples = [int(count) for count in kaldi.read_table(table).values()]
    hours = sum(samples) / fs / 3600
    return f"{corpus or 'a corpus without a name'}, {len(samples)} utterances, {hours:.2g} hours"


def pack(options: Options, *, corpus: str, license: str, languages: Sequence[str], further: bool) -> str:
    """The zip is there only after it was loaded from an empty folder and decoded an utterance.

    Args:
        languages: of the texts, the spoken one first.
    """
    from espnet_jst.hub.card import CardInfo
    from espnet_jst.hub.pack import pack as pack_model

    exp, data = options.exp, options.data
    utterance, wav = trial_recording(data)
    unfit = misfits(options.tokens["tgt"]) if further else []
    card = CardInfo(
        name=exp.name,
        languages=tuple(languages),
        dataset=corpus,
        license=license,
        data=training_data(corpus, data.raw / data.train_set / "utt2num_samples", data.fs_hz),
        warnings=[f"the model that it was trained further from {line}" for line in unfit],
    )
    made = pack_model(
        exp,
        pack_file(options),
        wav=wav,
        model=exp / options.decoding.inference_st_model,
        data_license=options.release.data_license or None,
        card=card,
        decoding=options.decoding.inference_config or None,
    )
    return f"{made}; loaded again from an empty folder, it decodes {utterance}"
