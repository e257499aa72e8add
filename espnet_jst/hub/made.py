"""How a model was really made: what its training left in the experiment's folder, as lines of a model card."""

from __future__ import annotations

import os
import platform
import re
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from espnet_jst.config import json_text, read_json
from espnet_jst.hub.about import About
from espnet_jst.version import __version__, installed

MADE_FILE = "made.json"
_EPOCH = re.compile(r"(\d+)epoch results: \[train\].*?total_count=(\d+)")
_ABSOLUTE = re.compile(r"(?<![\w.:/\-])/(?:[^\s/,:'\"]+/)*([^\s/,:'\"]+)")


def note_training(folder: Path, command: Sequence[str]) -> None:
    """Write down the start of a training: command, machine and versions; those of a resumed one are kept."""
    file = folder / MADE_FILE
    before = read_json(file).get("runs") if (folder / "checkpoint.pth").is_file() else None
    words = sys.argv[2:] if sys.argv[1:2] == ["recipe"] else sys.argv[1:]
    others = {package: installed(package) for package in ("espnet", "torch")}
    run = {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "recipe": words if "recipe" in Path(sys.argv[0]).name else [],
        "command": list(command),
        "machine": machine(),
        "versions": {"python": platform.python_version(), "espnet_jst": __version__, **others},
    }
    folder.mkdir(parents=True, exist_ok=True)
    runs = [*(before if isinstance(before, list) else []), run]
    file.write_text(json_text({"runs": runs}, indent=1), encoding="utf-8")


def machine() -> str:
    """Processor, cores, and the graphics cards that the system names."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    except OSError:  # another system than Linux
        pass
    cards = []
    for info in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        text = info.read_text(encoding="utf-8", errors="replace")
        cards += [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("Model")]
    return ", ".join([f"{os.cpu_count()} cores of {model}", *cards])


def made_lines(folder: Path, base: About | None, data: str) -> list[str]:
    """Markdown list and commands for a card."""
    kept = read_json(folder / MADE_FILE).get("runs")
    runs = [run for run in kept if isinstance(run, dict)] if isinstance(kept, list) else []
    lines = [f"- Trained further from {described(base)}." if base else "", f"- Data: {data}." if data else ""]
    for further in base.chain if base else []:
        lines.append(f"- That model was itself trained further from {described(further)}.")
    lines += [_length(folder), _time(folder)]
    if runs:
        machines = list(dict.fromkeys(str(run.get("machine")) for run in runs))
        lines.append(f"- Machine: {'; '.join(machines)}; --ngpu in the command says whether graphics cards were used.")
        versions = dict(runs[-1].get("versions") or {})
        lines.append("- Versions: " + ", ".join(f"{name} {value}" for name, value in versions.items()) + ".")
    lines = [line for line in lines if line]
    commands = [text for run in runs for text in (_shown("espnet-jst recipe", run.get("recipe")), _train(run)) if text]
    if commands:
        commands = list(dict.fromkeys(commands))
        lines += ["", "The commands, of the recipe's folder; `...` stands for a folder of its maker's:", "", "```sh"]
        lines += [*commands, "```"]
    return lines


def described(about: About) -> str:
    """A model in a sentence of a card."""
    revision = f"@{about.revision}" if about.revision else ""
    parts = [f"weights with the SHA-256 `{about.sha256}`" if about.sha256 else ""]
    parts += [f"licence {about.license}" if about.license else "which names no licence"]
    parts += [f"trained on {about.dataset}" if about.dataset else ""]
    parts += [f"for {' -> '.join(about.languages)}" if about.languages else ""]
    return f"`{about.name or 'a model without a name'}{revision}` ({', '.join(part for part in parts if part)})"


def portable(text: str) -> str:
    """The same without folders of this computer: an absolute path keeps its last name."""
    return _ABSOLUTE.sub(lambda match: f".../{match[1]}", re.sub(r"file:///\S*/", "file://.../", text))


def _train(run: dict[str, Any]) -> str:
    command = [str(word) for word in run.get("command") or ()]
    start = next((i for i, word in enumerate(command) if word == "espnet_jst.bin.jst_train"), None)
    return _shown("espnet-jst train", command[start + 1 :] if start is not None else command)


def _shown(program: str, arguments: Any) -> str:
    return portable(f"{program} {shlex.join(map(str, arguments))}") if arguments else ""


def _length(folder: Path) -> str:
    """Epochs and steps, as ESPnet's log counts them."""
    log, epochs = folder / "train.log", {}
    if log.is_file():
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            if found := _EPOCH.search(line):
                epochs[int(found[1])] = int(found[2])
    return f"- Length: {_count(max(epochs), 'epoch')}, {_count(epochs[max(epochs)], 'step')}." if epochs else ""


def _count(number: float, unit: str) -> str:
    return f"{number:.0f} {unit}" + ("" if f"{number:.0f}" == "1" else "s")


def _time(folder: Path) -> str:
    used = read_json(folder / "training_time.json")
    if not isinstance(used.get("wall_s"), (int, float)):
        return ""
    processors = f"{_count(used.get('cpu_s', 0) / 60, 'minute')} of processors"
    return f"- Time: {_count(used['wall_s'] / 60, 'minute')}, {processors}, in {_count(used.get('runs', 1), 'run')}."
