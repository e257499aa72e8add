"""A recipe of tones whose programs are replaced: what they write depends on what they are given, and only on that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from espnet_jst.config import config_files
from espnet_jst.data.kaldi import write_table
from espnet_jst.recipe.experiment import options_of
from espnet_jst.recipe.options import Options, parse_options
from espnet_jst.recipe.recipe import recipe_stages
from espnet_jst.recipe.stage import Stage, run_stages
from espnet_jst.recipe.stages import decoding, scoring, statistics, training

FS = 8000
WORDS = {"one": "eins", "two": "zwei", "three": "drei"}
SETS = {"train": 8, "more": 7, "valid": 4, "dev": 3, "test": 3, "other": 2}
UNLINKED, UNFITTING = "train-0", "train-1"
BASE = "--fs 8k --token_type word --nj 1 --inference_nj 1 --st_tag x --inference_tag y --test_sets test"
BASE += " --st_config conf/train.yaml --inference_config conf/decode.yaml"
SCRIPT = """
import shutil, sys
shutil.copytree("corpus", sys.argv[2], dirs_exist_ok=True)
"""
CODES = {
    "local data": "1", "split the corpus": "1", "token list": "token", "word alignment": "align",
    "utterances to train on": "fit", "cost of the policies": "policies", "collect statistics": "10",
    "corrupt links": "corrupt", "train": "11", "score": "13", "results and pictures": "report", "pack": "14",
}  # fmt: skip


def make_recipe(root: Path) -> None:
    """Corpus, script and configurations, in the current folder."""
    for name, count in SETS.items():
        tables: dict[str, dict[str, object]] = {}
        for number in range(count):
            key = f"{name}-{number}"
            words = [list(WORDS)[(number + i) % 3] for i in range(1 + number % 3)]
            words = words * 40 if key == UNFITTING else words
            path = Path("corpus") / "audio" / f"{key}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, np.full(FS, 0.1 + 0.01 * number), FS)
            row: dict[str, object] = {"wav.scp": path}
            for case in ("lc", "tc"):
                row[f"text.{case}.en"] = row[f"text.{case}.nl"] = " ".join(words)
                row[f"text.{case}.de"] = row[f"text.{case}.fr"] = " ".join(WORDS[word] for word in words)
            for table, value in row.items():
                tables.setdefault(table, {})[key] = value
        for table, values in tables.items():
            write_table(Path("corpus") / name / table, values)
    files = {"local/data.py": SCRIPT, "LICENSE.data": "free", "conf/train.yaml": "base: base.yaml\nmax_epoch: 3\n"}
    files |= {"conf/base.yaml": "optim: adam\n", "conf/other.yaml": "optim: sgd\nmax_epoch: 3\n"}
    files |= {
        "conf/decode.yaml": "phrases: conf/phrases.txt\n",
        "conf/phrases.txt": "one\n",
        "conf/beam.yaml": "beam_size: 4\n",
    }
    for file, text in files.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)


def options_for(flags: str = "") -> Options:
    return parse_options([*BASE.split(), *flags.split()])


def run(options: Options) -> list[str]:
    """Run the stages; returns which ran, in order. No stage may write its inputs."""
    said: list[str] = []
    run_stages(_watched(recipe_stages(options)), say=said.append)
    names = [line.removesuffix(" ...").split(": ", 1) for line in said if line.endswith(" ...")]
    return list(dict.fromkeys(CODES.get(name, number.removeprefix("stage ")) for number, name in names))


def _watched(stages: Iterator[Stage]) -> Iterator[Stage]:
    for stage in stages:
        before = stage.surroundings()
        yield stage
        if not stage.skip:
            assert stage.surroundings() == before, f"{stage.name} wrote its inputs"


def replace_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training, statistics, decoding, scoring and packing without a model."""
    monkeypatch.setattr(training, "run_logged", _program)
    monkeypatch.setattr(statistics, "run_logged", _program)
    monkeypatch.setattr(statistics, "run_jobs", lambda jobs, **_: [_statistics(job) for job in jobs])
    monkeypatch.setattr(decoding, "run_jobs", lambda jobs, **_: [_decode(job) for job in jobs])
    monkeypatch.setattr(scoring, "run_each", _score)
    monkeypatch.setattr("espnet_jst.text.align_corpus", _align)
    monkeypatch.setattr("espnet_jst.evaluation.diagnosis.write_diagnosis", _diagnosis)
    monkeypatch.setattr("espnet_jst.evaluation.write_results", _results)
    monkeypatch.setattr("espnet_jst.evaluation.write_report", _report)
    for name in ("plot_curves", "plot_latency", "plot_two_lanes"):
        monkeypatch.setattr(f"espnet_jst.evaluation.{name}", lambda *_, **__: Path("none.png"))
    monkeypatch.setattr("espnet_jst.hub.pack.pack", lambda exp, out, **rest: out.write_text(f"{rest}"))


def _align(sources: Sequence[Sequence[str]], targets: Any, *, names: Sequence[str], **_: Any) -> list[set]:
    return [set() if key == UNLINKED else {(i, i) for i in range(len(words))} for words, key in zip(sources, names)]


def _diagnosis(reports: Any, folder: Path, title: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "diagnosis.md").write_text(title)
    return [folder / "diagnosis.md"]


def _content(options: dict[str, list[str]], *leave_out: str) -> str:
    """A digest of options, and of the files that they name."""
    seen = hashlib.sha256()
    for name, values in sorted(options.items()):
        for value in () if name in leave_out else values:
            path = Path(value.split(",")[0].split(":")[0].rpartition("=")[2])
            seen.update(f"{name} {value}".encode() + (path.read_bytes() if path.is_file() else b""))
    return seen.hexdigest()


def _statistics(job: Any) -> None:
    given = options_of(job.command)
    data = [Path(value.split(",")[0]).with_name("utt2audio") for value in given["train_data_path_and_name_and_type"]]
    job.output.mkdir(parents=True, exist_ok=True)
    keys = Path(given["train_shape_file"][0]).read_text()
    (job.output / "made").write_text(hashlib.sha256((keys + data[0].read_text()).encode()).hexdigest())


def _program(command: Sequence[str], log: Path, **_: Any) -> None:
    given = options_of(command)
    folder = Path(given["output_dir"][-1])
    if "espnet2.bin.aggregate_stats_dirs" in command:
        made = "".join((Path(path) / "made").read_text() for path in given["input_dir"])
        (folder / "train").mkdir(parents=True, exist_ok=True)
        (folder / "train" / "feats_stats.npz").write_text(made)
        return
    layers = "".join(path.read_text() for path in config_files(given["config"][0]))
    weights = _content(given, "resume", "output_dir", "ngpu") + hashlib.sha256(layers.encode()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text("encoder: x\n")
    for name in ("valid.loss.ave.pth", "latest.pth", "checkpoint.pth"):
        (folder / name).write_text(f"{name} {weights}")
    log.write_text(f"{weights}\n")


def _decode(job: Any) -> None:
    given = options_of(job.command)
    found = _content(given, "key_file")
    job.output.mkdir(parents=True, exist_ok=True)
    keys = [line.split()[0] for line in Path(given["key_file"][0]).read_text().splitlines()]
    (job.output / "text").write_text("".join(f"{key} {found}\n" for key in keys))
    lines = (json.dumps({"utt_id": key, "duration_s": 1.0, "words": []}) + "\n" for key in keys)
    (job.output / "words.jsonl").write_text("".join(lines))


def _score(_: Any, jobs: Sequence[tuple[Path, Path]], **__: Any) -> list[str]:
    for out, reference in jobs:
        texts = "".join(path.read_text() for path in (out / "text", *sorted(reference.glob("text.*"))))
        (out / "scores.json").write_text(json.dumps(hashlib.sha256(texts.encode()).hexdigest()))
    return ["" for _ in jobs]


def _results(exp: Path) -> Path:
    (exp / "RESULTS.md").write_text("".join(path.read_text() for path in sorted(exp.rglob("scores.json"))))
    return exp / "RESULTS.md"


def _report(exp: Path, data: Path) -> Path:
    (exp / "report.html").write_text("page")
    return exp / "report.html"
