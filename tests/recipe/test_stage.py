from __future__ import annotations

import os
from pathlib import Path

import pytest

from espnet_jst.errors import DataError
from espnet_jst.recipe.stage import Stage, StageError, run_stages


class Copy:
    """A stage that copies a file, and counts how often it ran."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = 0
        (folder / "in").write_text("a")

    def run(self, *, fs: int) -> str:
        self.runs += 1
        assert fs in (8000, 16000)
        (self.folder / "out").write_text((self.folder / "in").read_text())
        return "one file"

    def stage(self, **changes) -> Stage:
        values = {
            "number": 3,
            "name": "copy",
            "run": self.run,
            "inputs": [self.folder / "in"],
            "outputs": [self.folder / "out"],
            "uses": {"fs": 8000},
            "stamp": self.folder / ".stages" / "3.json",
        }
        return Stage(**{**values, **changes})


@pytest.fixture
def copy(tmp_path) -> Copy:
    return Copy(tmp_path)


def test_a_finished_stage_is_not_run_again(copy):
    said = []
    assert run_stages([copy.stage()], say=said.append) == [3]
    assert run_stages([copy.stage()], say=said.append) == []
    assert copy.runs == 1
    assert said[-1] == "stage 3: copy: up to date"


@pytest.mark.parametrize("change", ["input", "value", "output", "force"])
def test_a_stage_runs_again_when_something_changed(copy, change):
    run_stages([copy.stage()], say=str)
    stage = copy.stage(uses={"fs": 16000}) if change == "value" else copy.stage()
    if change == "input":
        (copy.folder / "in").write_text("b")
        os.utime(copy.folder / "in", ns=(1, 1))  # older than the output, and yet another file
    if change == "output":
        (copy.folder / "out").unlink()
    run_stages([stage], say=str, force=change == "force")
    assert copy.runs == 2
    assert (copy.folder / "out").read_text() == ("b" if change == "input" else "a")


def test_a_stage_that_failed_is_run_again_even_though_its_outputs_exist(copy):
    run_stages([copy.stage()], say=str)

    def fail(*, fs: int) -> None:
        raise DataError("u1: a.wav: no such file; correct wav.scp")

    with pytest.raises(StageError, match=r"stage 3 \(copy\) failed: u1: a\.wav.*go on with --stage 3"):
        run_stages([copy.stage(run=fail)], say=str, force=True)
    assert run_stages([copy.stage()], say=str) == [3]


def test_only_the_stages_that_were_asked_for_run(copy):
    stages = [copy.stage(number=number, stamp=None) for number in (1, 2, 2, 3, 11)]
    assert run_stages(stages, first=2, last=3, say=str) == [2, 2, 3]


def test_a_missing_input_is_named(copy):
    with pytest.raises(StageError, match=r"stage 3 \(copy\) needs .*gone, which does not exist"):
        run_stages([copy.stage(inputs=[copy.folder / "gone"])], say=str)


def test_a_stage_that_leaves_no_output_is_an_error(copy):
    with pytest.raises(StageError, match=r"did not write .*never"):
        run_stages([copy.stage(outputs=[copy.folder / "never"])], say=str)


def test_a_skipped_stage_says_why(copy):
    said = []
    assert run_stages([copy.stage(skip="--skip_train")], say=said.append) == []
    assert said == ["stage 3: copy: skip (--skip_train)"]


def test_a_later_stage_is_made_when_the_earlier_one_has_run(copy):
    def stages():
        yield copy.stage()
        yield copy.stage(number=4, inputs=[copy.folder / "out"] if (copy.folder / "out").exists() else [], stamp=None)

    made = list(zip((3, 4), stages()))
    assert made[1][1].inputs == []  # without running the first
    seen = []
    run_stages((seen.append(stage) or stage for stage in stages()), say=str)
    assert seen[1].inputs == [copy.folder / "out"]
