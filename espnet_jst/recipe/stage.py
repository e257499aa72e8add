"""A stage: a named function with declared inputs, outputs and values; run only when one of these changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from espnet_jst.config import read_json
from espnet_jst.errors import JSTError
from espnet_jst.recipe.stamp import as_json, digests, write_stamp


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step of a recipe.

    It never writes its inputs, and no other stage writes its outputs.

    Attributes:
        run: does the work; gets `uses` as keywords; returns a line or None. What else is bound to it says where and
            how fast it works, or names files among `inputs` and `outputs`.
        uses: values that its outputs depend on.
        inputs: files that it reads and that must exist; their contents count.
        facts: what else its outputs depend on, as JSON; asked for only when it counts.
        skip: why the stage has nothing to do; empty where it has.
    """

    number: int
    name: str
    run: Callable[..., str | None]
    uses: Mapping[str, object] = field(default_factory=dict)
    inputs: Sequence[Path] = ()
    outputs: Sequence[Path] = ()
    facts: Callable[[], Mapping[str, object]] = dict
    stamp: Path | None = None
    skip: str = ""

    @classmethod
    def skipped(cls, number: int, name: str, why: str) -> Stage:
        """A stage of ESPnet's that a recipe does not need."""
        return cls(number=number, name=name, run=lambda: None, skip=why)

    def surroundings(self) -> dict[str, object]:
        """What a run depends on, as it is now: values, contents of the inputs, and the facts."""
        return as_json({"uses": self.uses, "inputs": digests(self.inputs), "facts": dict(self.facts())})

    def is_done(self) -> bool:
        """True when the outputs exist and the last run depended on the same."""
        if self.stamp is None or not all(path.exists() for path in self.outputs):
            return False
        return read_json(self.stamp) == self.surroundings()


class StageError(JSTError):
    """A stage failed; the message names it, the reason and how to go on."""


def run_stages(
    stages: Iterable[Stage],
    *,
    first: int = 1,
    last: int = 10000,
    force: bool = False,
    say: Callable[[str], None] = print,
) -> list[int]:
    """Run the stages numbered first to last, in order.

    Args:
        stages: in the order they run in; several may share a number.

    Returns:
        Numbers of the stages that did run.

    Raises:
        StageError: a stage failed, its inputs are missing, or it did not leave its outputs.
    """
    ran = []
    for stage in stages:
        if not first <= stage.number <= last:
            continue
        title = f"stage {stage.number}: {stage.name}"
        if stage.skip:
            say(f"{title}: skip ({stage.skip})")
            continue
        if not force and stage.is_done():
            say(f"{title}: up to date")
            continue
        say(f"{title} ...")
        started = time.monotonic()
        note = _run_one(stage)
        ran.append(stage.number)
        say(f"{title}: done in {duration(time.monotonic() - started)}{f': {note}' if note else ''}")
    return ran


def _run_one(stage: Stage) -> str | None:
    title = f"stage {stage.number} ({stage.name})"
    missing = [path for path in stage.inputs if not path.exists()]
    if missing:
        raise StageError(f"{title} needs {missing[0]}, which does not exist; run the stage that writes it first")
    try:
        return perform(stage)
    except (JSTError, OSError) as error:
        if isinstance(error, StageError):
            raise
        raise StageError(f"{title} failed: {error}; then go on with --stage {stage.number}") from error


def perform(stage: Stage) -> str | None:
    """Run a stage and leave its stamp. Returns its line for the terminal.

    Raises:
        StageError: it did not leave its outputs.
        JSTError, OSError: whatever it raises.
    """
    # As they are now: what changes while the stage runs is a reason to run it again.
    before = stage.surroundings() if stage.stamp is not None else {}
    if stage.stamp is not None:
        stage.stamp.unlink(missing_ok=True)
    note = stage.run(**stage.uses)
    absent = [path for path in stage.outputs if not path.exists()]
    if absent:
        raise StageError(
            f"stage {stage.number} ({stage.name}) did not write {absent[0]}; run it again with --stage {stage.number} "
            "--force"
        )
    if stage.stamp is not None:
        write_stamp(stage.stamp, before)
    return note


def duration(seconds: float) -> str:
    """A time span for the terminal."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds) // 60} min {int(seconds) % 60} s"
    return f"{int(seconds) // 3600} h {int(seconds) % 3600 // 60} min"
