"""The stages of a recipe in ESPnet's order, and what is refused before the first."""

from __future__ import annotations

from collections.abc import Iterator

from espnet_jst.recipe.options import Options
from espnet_jst.recipe.options.option import check_words
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stages import formatting, local_data, packing, training, uploading
from espnet_jst.recipe.stages.alignment import alignment_stage, diagnosis_stage
from espnet_jst.recipe.stages.cleaning import remove_stage
from espnet_jst.recipe.stages.decoding import decoding_stages
from espnet_jst.recipe.stages.fitting import fitting_stage
from espnet_jst.recipe.stages.formatting import format_stage
from espnet_jst.recipe.stages.frames import frames_stages
from espnet_jst.recipe.stages.labelling import labelling_stage
from espnet_jst.recipe.stages.local_data import local_data_stage
from espnet_jst.recipe.stages.packing import packing_stage
from espnet_jst.recipe.stages.scoring import scoring_stages
from espnet_jst.recipe.stages.statistics import statistics_stage
from espnet_jst.recipe.stages.tokens import tokens_stage
from espnet_jst.recipe.stages.training import training_stages
from espnet_jst.recipe.stages.unit_fitting import unit_fitting_stages
from espnet_jst.recipe.stages.units import unit_stages
from espnet_jst.recipe.stages.uploading import uploading_stages


def check_options(options: Options) -> None:
    """Refuse before the first stage what a later one would refuse, or what no stage could work with.

    Raises:
        ConfigError: names the option.
    """
    options.run.check()
    options.text.check()
    local_data.check(options.data, options.run)
    formatting.check(options.data)
    training.check(options.training, options.run, options.text)
    check_words("inference_args", options.decoding.inference_args)  # what the decoder refuses, jst_recipe asks it
    packing.check(options.release, options.run)
    uploading.check(options.release, options.run)


def recipe_stages(options: Options) -> Iterator[Stage]:
    """Stages 1-16. Each is made when the one before has run: its inputs are those of that moment."""
    run = options.run
    yield from data_stages(options)
    for number, name in ((6, "LM statistics"), (7, "LM training"), (8, "LM perplexity"), (9, "n-gram LM")):
        yield Stage.skipped(number, name, "no language model")
    skip = "--skip_train" if run.skip_train else ""
    yield from frames_stages(options.data, options.training, run, skip=skip)
    yield statistics_stage(options.data, options.text, options.training, run, skip=skip)
    yield from training_stages(options, skip=skip)
    skip = "--skip_eval" if run.skip_eval else ""
    yield from decoding_stages(options.data, options.decoding, options.exp, run, skip=skip)
    yield from scoring_stages(options.data, options.text, options.decoding, options.exp, run, skip=skip)
    yield packing_stage(options, skip="--skip_packing" if run.skip_packing else "")
    yield from uploading_stages(options)


def data_stages(options: Options) -> Iterator[Stage]:
    """Stages 1-5, whose results all systems of a comparison share."""
    run, data, text = options.run, options.data, options.text
    skip = "--skip_data_prep" if run.skip_data_prep else ""
    yield local_data_stage(data, text, skip=skip)
    yield Stage.skipped(2, "speed perturbation", skip or "speed is varied in training, see preprocessor_conf")
    if data.unlabelled_set:
        yield labelling_stage(data, text, run, skip=skip)
    for name in data.every_set:
        yield format_stage(data, text, name, nj=run.nj, skip=skip)
    for name in data.training_sets:
        yield remove_stage(data, text, name, skip=skip)
    if text.has_units:
        yield from unit_stages(data, text, options.training.expdir, run, skip=skip)
    yield tokens_stage(data, text, options.training, skip=skip)
    yield alignment_stage(data, text, run, skip=skip)
    if text.has_units:
        yield from unit_fitting_stages(data, text, skip=skip)
    else:
        yield fitting_stage(data, text, skip=skip)
    yield diagnosis_stage(data, text, skip=skip)
