"""Kill a training with -9 at random moments, resume it each time, and compare its weights with an undisturbed run.

    python benchmarks/kill_test.py [--kills 10] [--workdir DIR] [--config YAML [-- OPTIONS OF jst_train]]

Without --config a model of a few thousand parameters is trained on generated tones. Between two kills every saved file
is read. Exit status 0: all kills were survived and the final weights are the same to the last bit.
"""

from __future__ import annotations

import argparse
import os
import queue
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

EACH = 10  # kills of one training at most
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


class Run:
    """One start of jst_train, which can be waited for epoch by epoch."""

    def __init__(self, exp: Path, options: list[str]) -> None:
        command = [sys.executable, "-m", "espnet_jst.bin.jst_train", "--output_dir", str(exp), *options]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        self.epochs: queue.SimpleQueue[bool] = queue.SimpleQueue()  # True as each begins, False at the end
        self.lines: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if "epoch started" in line:
                self.epochs.put(True)
        self.epochs.put(False)

    def wait_for_epochs(self, number: int) -> bool:
        """Whether so many more epochs begin; returns when the last of them does, or at the end of the training."""
        return all(self.epochs.get() for _ in range(number))

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
    whole.wait_for_epochs(1)
    started = time.monotonic()
    whole.finish()
    train_s = time.monotonic() - started
    epoch_s = train_s / whole.epochs.qsize()
    print(f"undisturbed: {train_s:.1f} s of training, {epoch_s:.2f} s an epoch")

    kills, rounds = 0, 0
    while kills < args.kills:
        exp = workdir / f"killed{rounds}"
        kills += _kill_until_done(exp, [*options, "--resume", "true"], min(EACH, args.kills - kills), epoch_s)
        rounds += 1
        different = [name for name in _weights(workdir / "whole") if not _same(workdir / "whole" / name, exp / name)]
        if different:
            sys.exit(f"FAILED: {', '.join(different)} differ after kills")
    print(f"{kills} kills in {rounds} training(s): every one resumed, no file unreadable, final weights identical")


def _kill_until_done(exp: Path, options: list[str], most: int, epoch_s: float) -> int:
    from espnet_jst.weights import safe_load

    kills = 0
    while True:
        run = Run(exp, options)
        # A kill repeats its epoch: without whole epochs in between, all would fall before the first save.
        run.wait_for_epochs(random.choice((1, 2)))
        delay_s = random.uniform(0, 1.5 * epoch_s) if kills < most else None
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
