"""The stages of a recipe in ESPnet's order."""

from __future__ import annotations

from collections.abc import Iterator

from espnet_jst.recipe.decoding import decoding_stages
from espnet_jst.recipe.options import RecipeOptions
from espnet_jst.recipe.packing import packing_stages
from espnet_jst.recipe.prepare import prepare_stages
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.text import text_stages
from espnet_jst.recipe.training import training_stages
from espnet_jst.recipe.uploading import uploading_stages


def recipe_stages(options: RecipeOptions) -> Iterator[Stage]:
    """Stages 1-16. Each is made when the one before has run: its inputs are those of that moment."""
    yield from prepare_stages(options)
    yield from text_stages(options)
    yield from training_stages(options)
    yield from decoding_stages(options)
    yield from packing_stages(options)
    yield from uploading_stages(options)
