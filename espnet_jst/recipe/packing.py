"""Stage 14: pack the model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from espnet_jst.data import kaldi
from espnet_jst.recipe.decoding import config_files, trained_model
from espnet_jst.recipe.fit import misfits
from espnet_jst.recipe.options import RecipeOptions
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stamp import present
from espnet_jst.recipe.training import plugins


def packing_stages(options: RecipeOptions) -> Iterator[Stage]:
    """The pack, tried out on one test utterance before it is called done."""
    shown = [*present(options.exp / "RESULTS.md"), *sorted((options.exp / "images").glob("*.png"))]
    yield Stage(
        number=14,
        name="pack",
        run=pack,
        options=options,
        inputs=[*trained_model(options), *config_files(options), *license_files(options), *shown],
        outputs=[pack_file(options)],
        facts=plugins,
        stamp=options.exp / ".stages" / "14.json",
        skip="--skip_packing" if options.skip_packing else "",
    )


def pack_file(options: RecipeOptions) -> Path:
    """exp/st_<tag>/st_<tag>_<checkpoint>.zip, as ESPnet names it."""
    return options.exp / f"{options.exp.name}_{Path(options.inference_st_model).stem}.zip"


def license_files(options: RecipeOptions) -> list[Path]:
    return [Path(options.data_license)] if options.data_license else []


def trial_recording(options: RecipeOptions) -> tuple[str, str]:
    """Name and file of the recording that a pack must decode: the first of the first test set."""
    return next(iter(kaldi.read_table(trial_list(options)).items()))


def trial_list(options: RecipeOptions) -> Path:
    """The list that it comes from."""
    return options.raw / options.test_sets.split()[0] / "wav.scp"


def training_data(options: RecipeOptions) -> str:
    """What the model was trained on: name, utterances and hours of the training set."""
    table = options.raw / options.train_set / "utt2num_samples"
    if not table.is_file():
        return options.corpus
    samples = [int(count) for count in kaldi.read_table(table).values()]
    hours = sum(samples) / options.fs_hz / 3600
    return f"{options.corpus or 'a corpus without a name'}, {len(samples)} utterances, {hours:.2g} hours"


def pack(options: RecipeOptions) -> str:
    """Stage 14. The zip is there only after it was loaded from an empty folder and decoded an utterance."""
    from espnet_jst.hub.card import CardInfo
    from espnet_jst.hub.pack import pack as pack_model

    utterance, wav = trial_recording(options)
    card = CardInfo(
        name=options.exp.name,
        languages=(options.src_lang, options.tgt_lang),
        dataset=options.corpus,
        license=options.license,
        data=training_data(options),
        warnings=[f"the model that it was trained further from {line}" for line in misfits(options)],
    )
    pack_model(
        options.exp,
        pack_file(options),
        wav=wav,
        model=options.exp / options.inference_st_model,
        data_license=options.data_license or None,
        card=card,
        decoding=options.inference_config or None,
    )
    return f"{pack_file(options)}; loaded again from an empty folder, it decodes {utterance}"
