"""ESPnet's Trainer whose files survive a kill, and that keeps to a time budget."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from espnet2.iterators.abs_iter_factory import AbsIterFactory
from espnet2.train.distributed_utils import DistributedOption
from espnet2.train.reporter import Reporter
from espnet2.train.trainer import Trainer, TrainerOptions
from espnet2.utils.build_dataclass import build_dataclass

from espnet_jst.data.checks import SKIPPED
from espnet_jst.errors import CheckpointError
from espnet_jst.scheduled import Scheduled
from espnet_jst.training import budget, costs
from espnet_jst.training.accumulation import last_update, updates
from espnet_jst.training.batches import PlannedBatches
from espnet_jst.training.checkpoints import read_checkpoint, repair
from espnet_jst.training.guard import LossGuard
from espnet_jst.training.hooks import PlannedScheduler
from espnet_jst.training.memory import keep_freed_memory
from espnet_jst.training.precision import offer_training_dtypes, set_training_dtype
from espnet_jst.training.processes import first_process, is_first
from espnet_jst.training.progress import Course, TrackedBatches, say
from espnet_jst.training.safe_files import safe_checkpoints
from espnet_jst.training.usage import CPUClock
from espnet_jst.weights import load_strict

USAGE_FILE = "training_time.json"
BUDGET_FILE = "budget.json"


@dataclass
class JSTTrainerOptions(TrainerOptions):
    """ESPnet's options and ours; see `JSTTrainer.add_arguments`."""

    max_train_minutes: float | None


class JSTTrainer(Trainer):
    """Trainer with atomic saves, safe loads, repair on resume, progress, a time budget, CPU seconds and a guard."""

    clock: CPUClock | None = None
    guard: LossGuard | None = None
    course: Course | None = None

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Options beside ESPnet's."""
        group = parser.add_argument_group("Time budget")
        group.add_argument(
            "--max_train_minutes",
            type=_minutes,
            default=None,
            help="Choose the number of epochs, at most --max_epoch, so that training with validation and saving takes "
            "so many minutes on this machine",
        )
        offer_training_dtypes(parser)

    @classmethod
    def build_options(cls, args: argparse.Namespace) -> JSTTrainerOptions:
        """Options consumed by `run`."""
        options = build_dataclass(JSTTrainerOptions, args)
        options.train_dtype = vars(args)["train_dtype"]  # what was asked for; see precision.Float32Arguments
        return options

    @staticmethod
    def resume(
        checkpoint: str | Path,
        model: torch.nn.Module,
        reporter: Reporter,
        optimizers: Sequence[torch.optim.Optimizer],
        schedulers: Sequence[Any],
        scaler: Any,
        ngpu: int = 0,
        strict: bool = True,
    ) -> None:
        """Load a checkpoint strictly, without executing code from it.

        Raises:
            CheckpointError: it is damaged, unsafe or of another model; the message lists the keys.
        """
        where = f"cuda:{torch.cuda.current_device()}" if ngpu > 0 else "cpu"
        states = read_checkpoint(checkpoint, map_location=where)
        load_strict(model, states["model"], checkpoint, may_miss=None if strict else lambda key: True)
        reporter.load_state_dict(states["reporter"])
        try:
            for optimizer, state in zip(optimizers, states["optimizers"]):
                optimizer.load_state_dict(state)
            for scheduler, state in zip(schedulers, states["schedulers"]):
                if scheduler is not None and state is not None:
                    scheduler.load_state_dict(state)
        except (ValueError, KeyError) as error:
            raise CheckpointError(
                f"{checkpoint}: the optimizer's state does not fit ({error}): resume with the optimizer and "
                "scheduler that it was trained with"
            ) from error
        if scaler is not None and states["scaler"] is not None:
            scaler.load_state_dict(states["scaler"])
        logging.info(f"resumed after epoch {reporter.get_epoch()} from {checkpoint}")

    @classmethod
    def run(
        cls,
        *,
        model: Any,
        optimizers: Sequence[torch.optim.Optimizer],
        schedulers: Sequence[Any],
        train_iter_factory: AbsIterFactory,
        valid_iter_factory: AbsIterFactory,
        trainer_options: JSTTrainerOptions,
        distributed_option: DistributedOption,
        **others: Any,
    ) -> None:
        """Train. Arguments as ESPnet's; `resume` also finishes what a kill left half written."""
        options = trainer_options
        output_dir = Path(options.output_dir)
        rank = distributed_option.dist_rank if distributed_option.distributed else 0
        done = repair(output_dir, options.best_model_criterion) if options.resume and rank == 0 else 0
        # Nobody reads a checkpoint before it is repaired, or writes a file while what a kill left is cleared away.
        done = first_process(done)
        cls.clock = CPUClock(
            output_dir / (f"rank{rank}_{USAGE_FILE}" if rank else USAGE_FILE), fresh=not options.resume
        )
        cls.guard = LossGuard(output_dir / (f"rank{rank}_{SKIPPED}" if rank else SKIPPED), fresh=not options.resume)
        device = "cuda" if options.ngpu > 0 else "cpu"
        set_training_dtype(getattr(model, "module", model), optimizers, options.train_dtype, device)
        keep_freed_memory()
        cls.clock.save(now=True)  # what the start took counts, even if the run is killed at once
        cls.course, pace = Course(), None
        if options.max_train_minutes is not None:
            pace = cls._pace(model, optimizers, train_iter_factory, valid_iter_factory, options, done)
            options.max_epoch = pace.epochs
        _plan_schedules(schedulers, train_iter_factory, options, pace, cls.course)
        train = partial(
            super().run,
            model=model,
            optimizers=optimizers,
            schedulers=schedulers,
            train_iter_factory=train_iter_factory,
            valid_iter_factory=valid_iter_factory,
            trainer_options=options,
            distributed_option=distributed_option,
            **others,
        )
        with safe_checkpoints() as reporters:
            try:
                train()
            except budget.BudgetSpentError:
                assert pace is not None
                logging.warning(f"the budget is spent: the training ends after epoch {pace.epochs}")
                options.max_epoch, options.resume = pace.epochs, True
                train()  # ends as one that was complete
        if rank == 0 and options.use_matplotlib:
            for reporter in reporters:
                reporter.finish_plots(output_dir / "images")
        cls.clock.save(now=True)
        summary = cls.clock.summary()
        if rank == 0:
            if cls.course.planned is not None:
                say(f"training took {cls.course.done} of {cls.course.planned} planned steps")
            say(summary)

    @classmethod
    def train_one_epoch(
        cls, *, model: Any, iterator: Iterable[Any], reporter: Any, options: Any, **others: Any
    ) -> bool:
        """ESPnet's, with progress, the guard and an update of its last steps. Returns whether no update was made."""
        whole = getattr(model, "module", model)
        told = [whole, *(scheduler for scheduler in others["schedulers"] if isinstance(scheduler, Scheduled))]
        tracked = cls._tracked(model, iterator, reporter, options, others["distributed_option"], told, training=True)
        invalid = super().train_one_epoch(model=model, iterator=tracked, reporter=reporter, options=options, **others)
        left = tracked.done % options.accum_grad
        if not left or options.no_forward_run:
            return invalid
        optimizers, schedulers, scaler = (others[name] for name in ("optimizers", "schedulers", "scaler"))
        done = reporter.get_total_count()
        made = last_update(model, optimizers, schedulers, scaler, options, left=left, done=done)
        return invalid and not made

    @classmethod
    def validate_one_epoch(
        cls, *, model: Any, iterator: Iterable[Any], reporter: Any, options: Any, **others: Any
    ) -> None:
        """ESPnet's, with progress; utterances whose loss is not finite are left out of the averages."""
        tracked = cls._tracked(model, iterator, reporter, options, others["distributed_option"], [], training=False)
        super().validate_one_epoch(model=model, iterator=tracked, reporter=reporter, options=options, **others)

    @classmethod
    def _tracked(
        cls,
        model: Any,
        batches: Iterable[Any],
        reporter: Any,
        options: Any,
        distributed_option: Any,
        told: Sequence[Scheduled],
        *,
        training: bool,
    ) -> TrackedBatches:
        epoch, whole = reporter.get_epoch(), getattr(model, "module", model)

        def begin() -> None:
            for part in told:  # the reporter counts over all epochs and runs
                part.at(reporter.get_total_count(), epoch)

        def tick() -> None:
            assert cls.clock is not None and cls.guard is not None
            cls.clock.save()
            if training:
                cls.guard.step(whole.nonfinite, epoch)
            else:
                cls.guard.write(whole.nonfinite, epoch)

        return TrackedBatches(
            batches,
            label=f"epoch {epoch}/{options.max_epoch}{'' if training else ', validation'}",
            course=cls.course,
            training=training,
            loss=lambda: _latest_loss(reporter),
            begin=begin,
            tick=tick,
            shown=not distributed_option.distributed or distributed_option.dist_rank == 0,
        )

    @classmethod
    def _pace(
        cls, model: Any, optimizers: Any, train: Any, valid: Any, options: JSTTrainerOptions, done: int
    ) -> budget.Pace:
        assert cls.clock is not None
        output_dir, minutes = Path(options.output_dir), options.max_train_minutes or 0.0
        return budget.plan_pace(
            output_dir / BUDGET_FILE,
            minutes=minutes,
            max_epoch=options.max_epoch,
            done=done,
            resume=options.resume,
            train=train,
            clock_s=cls.clock.wall_seconds,
            costs=lambda: costs.measure(
                model,
                optimizers,
                train,
                valid,
                device="cuda" if options.ngpu > 0 else "cpu",
                grad_clip=options.grad_clip,
                unused_parameters=options.unused_parameters,
                output_dir=output_dir,
                most_s=costs.PROBE_SHARE * 60 * minutes,
            ),
        )


def _plan_schedules(
    schedulers: Sequence[Any], train: Any, options: JSTTrainerOptions, pace: budget.Pace | None, course: Course
) -> None:
    """Tell schedules, curriculum and console how long the training is; with a budget, again before every epoch."""
    planned = [scheduler for scheduler in schedulers if isinstance(scheduler, PlannedScheduler)]
    if not isinstance(train, PlannedBatches):
        for scheduler in planned:
            scheduler.plan(None)
        return

    def begin(epoch: int) -> None:
        if pace is not None:
            pace.begin(epoch)
            options.max_epoch = train.epochs = pace.epochs
        steps = [train.steps] * options.max_epoch if pace is None else pace.steps_of_epochs(epoch)
        total = sum(updates(count, options.accum_grad) for count in steps)
        for scheduler in planned:
            scheduler.plan(total)
            logging.info(f"{scheduler}")
        if course.planned is None and is_first():
            say(f"training: {sum(steps)} steps in {len(steps)} epochs planned, {sum(steps[: epoch - 1])} done")
        course.plan(sum(steps[: epoch - 1]), sum(steps))

    train.plan(options.max_epoch, begin)


def _latest_loss(reporter: Any) -> float | None:
    values = reporter.stats.get("loss")
    return float(values[-1].value) if values else None


def _minutes(text: str) -> float | None:
    if text.lower() in ("none", "null", ""):
        return None
    minutes = float(text)
    if minutes <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number of minutes")
    return minutes
