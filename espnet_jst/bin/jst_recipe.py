"""Run the stages of a recipe from its folder (egs2/<corpus>/jst1)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from espnet_jst.bin.arguments import run_main
from espnet_jst.recipe.options import Options, parse_flags, parse_options

if TYPE_CHECKING:
    from espnet_jst.recipe.stage import Stage


def main(cmd: Sequence[str] | None = None) -> int:
    """Run the stages that the command line asks for; returns the exit status."""
    flags = list(sys.argv[1:] if cmd is None else cmd)
    return run_main(lambda: _main(flags))


def _main(flags: Sequence[str]) -> None:
    options, ignored = parse_flags(flags)
    for line in ignored:
        print(line)
    if options.run.compare:
        _compare(options, flags)
    elif options.run.sweep:
        _sweep(options)
    elif options.run.latency:
        _report_latency(options)
    elif options.run.stress:
        _stress(options)
    else:
        _run(options)


def _check(options: Options) -> None:
    """Refuse before the first stage what a later one, or the decoder after hours of training, would refuse."""
    from espnet_jst.recipe.recipe import check_options

    check_options(options)
    if options.run.runs(12, skip=options.run.skip_eval):
        from espnet_jst.bin.jst_inference import check_flags
        from espnet_jst.recipe.stages.decoding import check_search, check_translator

        check_translator(Path(options.training.st_config), options.decoding.mt_model)
        for mode in options.decoding.modes:
            asked = check_flags(options.decoding.flags(mode))
            if not options.training.finetune:
                check_search(Path(options.training.st_config), asked.search_heads, asked.blank_penalty)


def _check_training(options: Options) -> None:
    """The same for the training; from stage 10 on, it says so itself as soon."""
    run = options.run
    if run.stage < 10 and run.stop_stage >= 10 and not run.skip_train:
        from espnet_jst.recipe.preview import check_training

        check_training(options)


def _run(options: Options, *, tried: bool = False) -> None:
    _check(options)
    if not tried:
        _check_training(options)
    from espnet_jst.jobs.workers import workers
    from espnet_jst.recipe.recipe import recipe_stages
    from espnet_jst.recipe.stage import run_stages
    from espnet_jst.text.languages import unknown_note

    say = partial(print, flush=True)
    for code in options.text.languages:
        if note := unknown_note(code):
            say(note)
    stages, run = recipe_stages(options), options.run
    with workers(options.run.scheduler):
        run_stages(stages, first=run.stage, last=run.stop_stage, force=run.force, say=say)


def _compare(options: Options, flags: Sequence[str]) -> None:
    from espnet_jst.evaluation.comparison_table import write_table
    from espnet_jst.jobs.workers import workers
    from espnet_jst.recipe.compared_runs import comparison_table
    from espnet_jst.recipe.comparison import Comparison, check_shared, run_comparison, try_systems

    comparison = Comparison.read(Path(options.run.compare))
    # The last one counts: the runs themselves are plain runs, each in a folder of its own.
    flags = [*flags, "--compare", "", "--st_exp", ""]
    exp = Path(options.training.expdir)
    for system in comparison.systems:
        _check(parse_options([*flags, *comparison.arguments(system, comparison.seeds[0])]))
    with workers(options.run.scheduler):
        try_systems(comparison, flags, jobs=options.run.compare_nj)
    for preparation in comparison.preparations:
        _run(parse_options([*flags, *preparation]), tried=True)
    check_shared(comparison, flags)
    with workers(options.run.scheduler):
        run_comparison(comparison, flags, jobs=options.run.compare_nj, logs=exp / "logs")
    page = write_table(comparison_table(comparison, flags), exp)
    print(f"{page.read_text(encoding='utf-8')}\n{page}")


def _sweep(options: Options) -> None:
    from espnet_jst.bin.jst_inference import check_flags, search_options
    from espnet_jst.recipe.stages.decoding import check_search
    from espnet_jst.recipe.sweep import Sweep, sweep_stages

    _check_decoding(options)
    sweep = Sweep.read(Path(options.run.sweep))
    asked = {mode: check_flags(options.decoding.flags(mode)) for mode in options.decoding.modes}
    for args in asked.values():
        for penalty in sweep.penalties.values():
            check_search(options.exp / "config.yaml", args.search_heads, penalty)
    searches = {mode: search_options(args) for mode, args in asked.items()}
    _run_all(sweep_stages(sweep, options, searches), options)


def _report_latency(options: Options) -> None:
    from espnet_jst.bin.jst_inference import check_flags
    from espnet_jst.recipe.latency_report import LatencyReport, report_stages
    from espnet_jst.recipe.stages.decoding import check_search

    _check_decoding(options)
    report = LatencyReport.read(Path(options.run.latency))
    for name in report.settings:
        asked = check_flags(report.flags(options, name))
        check_search(options.exp / "config.yaml", asked.search_heads, asked.blank_penalty)
    _run_all(report_stages(report, options), options)


def _stress(options: Options) -> None:
    from espnet_jst.bin.jst_inference import check_flags
    from espnet_jst.recipe.stages.decoding import check_search
    from espnet_jst.recipe.stress import Stress, stress_stages

    _check_decoding(options)
    stress = Stress.read(Path(options.run.stress))
    asked = check_flags(options.decoding.flags("streaming"))
    check_search(options.exp / "config.yaml", asked.search_heads, asked.blank_penalty)
    _run_all(stress_stages(stress, options), options)


def _check_decoding(options: Options) -> None:
    from espnet_jst.recipe.options.option import check_words

    options.run.check()
    check_words("inference_args", options.decoding.inference_args)


def _run_all(stages: Iterable[Stage], options: Options) -> None:
    from espnet_jst.jobs.workers import workers
    from espnet_jst.recipe.stage import run_stages

    with workers(options.run.scheduler):
        run_stages(stages, force=options.run.force, say=partial(print, flush=True))


if __name__ == "__main__":
    sys.exit(main())
