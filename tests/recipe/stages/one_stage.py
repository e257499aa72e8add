"""One stage of a recipe, or those of some numbers, whatever else the recipe would run."""

from __future__ import annotations

from collections.abc import Iterator

from espnet_jst.recipe.options import Options
from espnet_jst.recipe.recipe import recipe_stages
from espnet_jst.recipe.stage import Stage


def numbered(options: Options, *numbers: int) -> Iterator[Stage]:
    """The stages of these numbers, each made when the one before has run."""
    return (stage for stage in recipe_stages(options) if stage.number in numbers)


def named(options: Options, name: str) -> Stage:
    """The stage of this name."""
    return next(stage for stage in recipe_stages(options) if stage.name == name)


def do(options: Options, name: str) -> str:
    """Do the work of it, up to date or not, and leave no stamp; returns what it says."""
    stage = named(options, name)
    return stage.run(**stage.uses) or ""
