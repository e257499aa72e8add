"""Milliseconds of the frontends for 10 s of audio, whole and streaming, and of torchaudio's Kaldi features.

    python benchmarks/features.py [--rounds 20] [--fs 16000] [--bands 80]

One thread, process CPU time, interleaved runs, minima; in brackets against log_mel. Whole: one signal, eight of equal
length, and eight of which each is 0.4 s shorter than the one before. Streaming: one session in steps of 0.32 s.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

SECONDS, STEP_S, ROWS = 10, 0.32, 8


def runs(fs: int, bands: int) -> dict[str, dict[str, Callable[[], object]]]:
    """For each row of the table, what each column runs."""
    import torch
    from torchaudio.compliance import kaldi

    from espnet_jst.inputs.filterbank import FilterBank
    from espnet_jst.inputs.kaldi_fbank import KaldiFbank
    from espnet_jst.inputs.log_mel import LogMel
    from espnet_jst.inputs.nemo_mel import NemoMel
    from espnet_jst.taps import Tap

    torch.set_num_threads(1)
    samples, step = SECONDS * fs, round(STEP_S * fs)
    x = 0.1 * torch.randn(ROWS, samples, generator=torch.Generator().manual_seed(0))
    equal = torch.full((ROWS,), samples)
    falling = equal - round(0.4 * fs) * torch.arange(ROWS)
    unequal = x.masked_fill(torch.arange(samples) >= falling[:, None], 0.0)

    def stream(frontend: FilterBank) -> None:
        state = frontend.init_state(1)
        for packet in x[:1].split(step, dim=1):
            _, state = frontend.step(Tap(packet, torch.tensor([packet.size(1)]), 1 / fs), state, [False])

    def torchaudios(signals: torch.Tensor) -> None:
        for signal in signals:
            kaldi.fbank(signal[None], num_mel_bins=bands, sample_frequency=fs, high_freq=-400, snip_edges=False)

    table: dict[str, dict[str, Callable[[], object]]] = {}
    for name, made in (("log_mel", LogMel), ("kaldi_fbank", KaldiFbank), ("nemo_mel", NemoMel)):
        frontend = made(fs=fs, n_mels=bands)
        table[name] = {
            "one": lambda f=frontend: f(x[:1], equal[:1]),
            "eight": lambda f=frontend: f(x, equal),
            "eight, unequal": lambda f=frontend: f(unequal, falling),
            "streaming": lambda f=frontend: stream(f),
        }
    table["torchaudio"] = {"one": lambda: torchaudios(x[:1]), "eight": lambda: torchaudios(x)}
    return table


def main() -> None:
    """Print the table."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--fs", type=int, default=16000)
    parser.add_argument("--bands", type=int, default=80)
    args = parser.parse_args()
    table = runs(args.fs, args.bands)
    columns = list(table["log_mel"])
    best = {(row, column): float("inf") for row, cells in table.items() for column in cells}
    with torch.inference_mode():
        for _ in range(args.rounds):
            for row, column in best:
                started = time.process_time()
                table[row][column]()
                best[row, column] = min(best[row, column], 1000 * (time.process_time() - started))
    print(f"| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for row in table:
        cells = [
            f"{best[row, c]:.2f} ({best[row, c] / best['log_mel', c]:.2f})" if (row, c) in best else "-"
            for c in columns
        ]
        print(f"| {row} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
