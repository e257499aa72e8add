"""Kill a training with -9 at random moments, resume it each time, and compare its weights with an undisturbed run.

    python benchmarks/kill_test.py [--kills 10] [--workdir DIR] [--config YAML [-- OPTIONS OF jst_train]]

Without --config a model of a few thousand parameters is trained on generated tones. Between two kills every saved file
is read. Exit status 0: all kills were survived and the final weights are the same to the last bit.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

EACH = 10  # kills of one training: more would all fall into its first epoch
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


class Run:
    """One start of jst_train; `training` is set when its first epoch begins."""

    def __init__(self, exp: Path, options: list[str]) -> None:
        command = [sys.executable, "-m", "espnet_jst.bin.jst_train", "--output_dir", str(exp), *options]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        self.training = threading.Event()
        self.lines: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if re.search(r"epoch started", line):
                self.training.set()
        self.training.set()

    def finish(self) -> None:
        """Wait for the end of the training; leave with its messages where it fails."""
        if self.process.wait() != 0:
            sys.exit("".join(self.lines[-20:]) + "\nthe training failed")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10, help="number of kills (10)")
    parser.add_argument("--workdir", type=Path, help="folder for the runs; a temporary one by default")
    parser.add_argument("--config", type=Path, help="training configuration with everything but --output_dir")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (0)")
    parser.add_argument("options", nargs="*", help="further options of jst_train, after --")
    args = parser.parse_args()
    random.seed(args.seed)
    workdir = args.workdir or Path(tempfile.mkdtemp(prefix="kill_test"))
    workdir.mkdir(parents=True, exist_ok=True)
    options = ["--config", str(args.config or _tones(workdir)), *args.options]

    whole = Run(workdir / "whole", options)
    whole.training.wait()
    started = time.monotonic()
    whole.finish()
    train_s = time.monotonic() - started
    print(f"undisturbed: {train_s:.1f} s of training")

    kills, rounds = 0, 0
    while kills < args.kills:
        exp = workdir / f"killed{rounds}"
        kills += _kill_until_done(exp, [*options, "--resume", "true"], min(EACH, args.kills - kills), train_s)
        rounds += 1
        different = [name for name in _weights(workdir / "whole") if not _same(workdir / "whole" / name, exp / name)]
        if different:
            sys.exit(f"FAILED: {', '.join(different)} differ after kills")
    print(f"{kills} kills in {rounds} training(s): every one resumed, no file unreadable, final weights identical")


def _kill_until_done(exp: Path, options: list[str], most: int, train_s: float) -> int:
    from espnet_jst.weights import safe_load

    kills = 0
    while True:
        run = Run(exp, options)
        run.training.wait()
        # The kills share the training, so that they fall into all of it.
        delay_s = random.uniform(0, 1.5 * train_s / max(1, most)) if kills < most else None
        try:
            run.process.wait(delay_s)
        except subprocess.TimeoutExpired:
            run.process.send_signal(signal.SIGKILL)
            run.process.wait()
            kills += 1
            files = sorted(exp.glob("*.pth"))
            for path in files:
                safe_load(path)
            print(f"kill {kills} after {delay_s:.2f} s; {len(files)} files, all readable")
            continue
        run.finish()
        return kills


def _weights(exp: Path) -> list[str]:
    return sorted(path.name for path in exp.glob("*.pth") if path.name != "checkpoint.prev.pth")


def _same(one: Path, two: Path) -> bool:
    import torch

    from espnet_jst.weights import read_weights

    first, second = read_weights(one), read_weights(two)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def _tones(workdir: Path) -> Path:
    from tests.training.corpus import make_corpus, write_config

    corpus = workdir / "corpus"
    if not corpus.exists():
        make_corpus(corpus, train=48)
    return write_config(corpus, max_epoch=12, num_workers=1, keep_nbest_models=[3])


if __name__ == "__main__":
    main()
