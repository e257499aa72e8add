"""Run the stages of a recipe from its folder (egs2/<corpus>/jst1)."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from espnet_jst.bin.arguments import run_main
from espnet_jst.recipe.options import RecipeOptions, parse_options


def main(cmd: Sequence[str] | None = None) -> int:
    """Run the stages that the command line asks for; returns the exit status."""
    options = parse_options(cmd)
    return run_main(lambda: _run(options))


def _run(options: RecipeOptions) -> None:
    from rich.console import Console

    from espnet_jst.recipe.recipe import recipe_stages
    from espnet_jst.recipe.stage import run_stages
    from espnet_jst.recipe.workers import workers

    say = Console(highlight=False, markup=False, soft_wrap=True).print
    stages = recipe_stages(options)
    with workers(options.scheduler):
        run_stages(stages, first=options.stage, last=options.stop_stage, force=options.force, say=say)


if __name__ == "__main__":
    sys.exit(main())
