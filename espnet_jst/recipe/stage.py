"""A stage: a named function with declared inputs, outputs and options; run only when something changed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from espnet_jst.config import json_text
from espnet_jst.errors import JSTError


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step of a recipe.

    Attributes:
        number: ESPnet's number of the stage.
        name: two or three words for the terminal.
        run: does the work; returns a line for the terminal or None.
        inputs: files that it reads and that must exist; a directory stands for itself, not its contents.
        outputs: files that it leaves behind.
        options: values (JSON) that its outputs depend on.
        stamp: file that records a finished run.
        skip: why the stage has nothing to do; empty where it has.
    """

    number: int
    name: str
    run: Callable[[], str | None]
    inputs: Sequence[Path] = ()
    outputs: Sequence[Path] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    stamp: Path | None = None
    skip: str = ""

    def fingerprint(self) -> dict:
        """What a finished run is compared by: options, and the times of the inputs."""
        times = {str(path): path.stat().st_mtime_ns if path.exists() else None for path in self.inputs}
        return json.loads(json_text({"options": dict(self.options), "inputs": times}, default=str))

    def is_done(self) -> bool:
        """True when the outputs exist and the last run had the same options and inputs."""
        if self.stamp is None or not self.stamp.is_file() or not all(path.exists() for path in self.outputs):
            return False
        try:
            return json.loads(self.stamp.read_text(encoding="utf-8")) == self.fingerprint()
        except json.JSONDecodeError:
            return False

    def missing_inputs(self) -> list[Path]:
        return [path for path in self.inputs if not path.exists()]


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
        force: run stages that are up to date too.
        say: receives one line a stage.

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
        say(f"{title}: done in {_duration(time.monotonic() - started)}{f': {note}' if note else ''}")
    return ran


def _run_one(stage: Stage) -> str | None:
    title = f"stage {stage.number} ({stage.name})"
    missing = stage.missing_inputs()
    if missing:
        raise StageError(f"{title} needs {missing[0]}, which does not exist; run the stage that writes it first")
    if stage.stamp is not None:
        stage.stamp.unlink(missing_ok=True)
    try:
        note = stage.run()
    except (JSTError, OSError) as error:
        raise StageError(f"{title} failed: {error}; then go on with --stage {stage.number}") from error
    absent = [path for path in stage.outputs if not path.exists()]
    if absent:
        raise StageError(f"{title} did not write {absent[0]}; run it again with --stage {stage.number} --force")
    if stage.stamp is not None:
        stage.stamp.parent.mkdir(parents=True, exist_ok=True)
        stage.stamp.write_text(json_text(stage.fingerprint(), indent=1), encoding="utf-8")
    return note


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds) // 60} min {int(seconds) % 60} s"
