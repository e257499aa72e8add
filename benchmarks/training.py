"""Seconds of a whole training step (features, loss, backward, clipping, Muon) and its share of the product rate.

    python benchmarks/training.py [--rounds 5] [--sizes 1.5,4,20] [--zipformers 3,20,60] [--varied]

One thread, process CPU time, interleaved runs in one process, medians. 16 utterances of 3.2 s with 30 words; data are
ready in memory. The rows "bfloat16, ..." put back one part each of what PyTorch offers: its dropout, its fused
attention, its depthwise convolution. Zipformers are those of benchmarks/zipformer.py, without shapers; 60 is
conf/hent_srt.yaml, whose transducer reads the second encoder. "Of the products": floating-point operations of the step
(counted by PyTorch, in float32) over its seconds, against the rate of a 1,024 x 1,024 product in the same dtype in the
same run.

--varied: 48 batches of other lengths, 1 to 6 s and 10 to 50 words; the second and third pass over them, each kind in a
process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

SIZES = {  # parameters in millions: size, layers, feed-forward size
    "1.5": {"size": 128, "layers": 5, "feed_forward_size": 256},
    "4": {"size": 160, "layers": 8, "feed_forward_size": 384},
    "20": {"size": 256, "layers": 12, "feed_forward_size": 1024},
}
VOCABULARY, LABELS, UTTERANCES, SECONDS = 300, 30, 16, 3.2


def conformer(conf: dict):  # type: ignore[no-untyped-def]
    """An encoder, as a list of one."""
    from espnet_jst.encoders.chunk_conformer import ChunkConformer

    contexts = {"train_chunk_frames": [16], "train_left_chunks": [4]}  # drawn ones would differ from run to run
    return [ChunkConformer(80, **conf, **contexts, dropout=0.1)]


def make_step(  # type: ignore[no-untyped-def]
    encoders, dtype_name: str, *, rounded: bool = False, lengths=((SECONDS, LABELS),)
) -> tuple[Callable[[], None], int]:
    """One training step for each batch of (seconds, labels), and the number of the model's parameters."""
    import torch

    from espnet_jst.heads.build import build_heads
    from espnet_jst.heads.spec import parse_heads
    from espnet_jst.inputs.log_mel import LogMel
    from espnet_jst.model import JSTModel
    from espnet_jst.training.muon import Muon

    torch.manual_seed(0)
    names = ("encoder", "hier_encoder")[: len(encoders)]
    sizes = {name: encoder.output_size() for name, encoder in zip(names, encoders)}
    width = min(256, sizes[names[-1]])
    specs = parse_heads(
        {
            "joint": {
                "kind": "transducer",
                "reads": names[-1],
                "lanes": ["transcript", "translation"],
                "joint_size": width,
                "predictor_conf": {"size": width},
                "loss": "pruned_rnnt",
            },
            "ctc": {"kind": "ctc", "lanes": ["transcript"]},
        }
    )
    model = JSTModel(
        frontend=LogMel(),
        specaug=None,
        normalize=None,
        encoder=encoders[0],
        hier_encoder=encoders[1] if len(encoders) > 1 else None,
        hier_reads="encoder.last_stack" if len(encoders) > 1 else "encoder",
        heads=build_heads(specs, sizes, {"tgt": VOCABULARY}),
        specs=specs,
    ).train()
    optimizer = Muon(Muon.groups(model), fused=True)
    model.train_dtype = optimizer.product_dtype = getattr(torch, dtype_name)
    model.rounded = rounded
    batches = []
    for seconds, labels in lengths:
        samples = int(seconds * 16000)
        batch = {"speech": 0.1 * torch.randn(UTTERANCES, samples), "speech_lengths": torch.full((UTTERANCES,), samples)}
        for name in specs:
            batch[f"target_{name}"] = torch.randint(1, VOCABULARY, (UTTERANCES, labels))
            batch[f"target_{name}_lengths"] = torch.full((UTTERANCES,), labels)
        batches.append(batch)

    def step() -> None:
        for batch in batches:
            model(**batch)[0].backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            optimizer.zero_grad()

    return step, sum(p.numel() for p in model.parameters())


@contextmanager
def replaced(owner: object, name: str, value: object) -> Iterator[None]:
    """Another attribute for a while."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def runs(conf: dict) -> tuple[dict[str, Callable[[], None]], int]:
    """The steps that are compared, by name, and the number of parameters."""
    from torch import nn
    from torch.nn.functional import scaled_dot_product_attention

    from espnet_jst.encoders import conformer_layer
    from espnet_jst.encoders.attention import CachedAttention
    from espnet_jst.encoders.dropout import Dropout

    plain, parameters = make_step(conformer(conf), "float32")
    half, _ = make_step(conformer(conf), "bfloat16")

    def conv1d(x, weight, bias):  # type: ignore[no-untyped-def]
        return nn.functional.conv1d(x.transpose(1, 2), weight, bias, groups=len(bias)).transpose(1, 2)

    def fused(_self, q, k, v, bias):  # type: ignore[no-untyped-def]
        return scaled_dot_product_attention(q, k, v, attn_mask=bias)

    def with_other(owner: object, name: str, value: object) -> Callable[[], None]:
        def step() -> None:
            with replaced(owner, name, value):
                half()

        return step

    return {
        "float32": plain,
        "bfloat16": half,
        "bfloat16, nn.Dropout": with_other(Dropout, "forward", nn.Dropout.forward),
        "bfloat16, fused attention": with_other(CachedAttention, "_products", fused),
        "bfloat16, nn.Conv1d": with_other(conformer_layer, "depthwise", conv1d),
    }, parameters


def zipformer_runs(size: str) -> tuple[dict[str, Callable[[], None]], int]:
    """As `runs`, of Zipformers: both dtypes."""
    from benchmarks.zipformer import make_zipformers

    made = {}
    for dtype in ("float32", "bfloat16"):
        made[dtype], parameters = make_step(make_zipformers(size, shaped=False), dtype)
    return made, parameters


def table(sizes: list[str], zipformers: list[str], rounds: int) -> str:
    """The table of docs/performance.md."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from benchmarks.measure import interleaved, markdown

    rows = []
    conformers = [("", partial(runs, SIZES[size])) for size in sizes]
    for kind, make in conformers + [("Zipformer, ", partial(zipformer_runs, size)) for size in zipformers]:
        made, parameters = make()
        made["float32"]()
        with FlopCounterMode(display=False) as counter:
            made["float32"]()
        squares = {name: torch.randn(1024, 1024, dtype=getattr(torch, name)) for name in ("float32", "bfloat16")}
        products = {f"product {name}": lambda x=x: x @ x for name, x in squares.items()}
        timed = interleaved({**made, **products}, rounds)
        for name in made:
            rate = 2 * 1024**3 / timed[f"product {name.split(',')[0]}"]
            share = counter.get_total_flops() / timed[name] / rate
            ratio = timed[name] / timed["float32"]
            cells = f"{timed[name]:.3f}", f"{ratio:.2f}", f"{counter.get_total_flops() / 1e9:.1f}", f"{rate / 1e9:.0f}"
            rows.append([f"{parameters / 1e6:.1f} M", f"{kind}{name}", *cells, f"{100 * share:.0f} %"])
            print(rows[-1], flush=True)
    header = ["parameters", "step", "CPU s", "of float32", "GFLOP", "GFLOP/s of products", "of the products"]
    return markdown(header, rows)


VARIED = {  # name: dtype of products, whether batches are padded to few sizes, whether freed memory is kept
    "float32": ("float32", False, True),
    "float32, memory given back": ("float32", False, False),
    "bfloat16, lengths as they are": ("bfloat16", False, True),
    "bfloat16, few sizes": ("bfloat16", True, True),
}


def one_of_varied(size: str, name: str) -> dict:
    """CPU seconds a step where every batch has other lengths, in the second and third pass over them, and memory."""
    import resource
    import time

    import numpy as np

    from espnet_jst.training.memory import keep_freed_memory

    drawn = np.random.default_rng(0)
    lengths = [(seconds, int(8 * seconds) + 2) for seconds in drawn.uniform(1.0, 6.0, 48)]
    dtype, rounded, kept = VARIED[name]
    if kept:
        keep_freed_memory()
    step, parameters = make_step(conformer(SIZES[size]), dtype, rounded=rounded, lengths=lengths)
    step()  # kernels are made
    started = time.process_time()
    step()
    step()
    cpu_s = (time.process_time() - started) / 2 / len(lengths)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {"cpu_s": cpu_s, "parameters": parameters, "peak_gb": used.ru_maxrss / 2**20}


def varied(sizes: list[str], rounds: int) -> str:
    """The same of all kinds in turn, each in a process of its own: in one they would share the kernels."""
    import statistics

    from benchmarks.measure import in_fresh_process, markdown

    rows = []
    for size in sizes:
        runs: dict[str, list[dict]] = {name: [] for name in VARIED}
        for _ in range(rounds):
            for name, found in runs.items():
                found.append(in_fresh_process(__file__, "--one", name, "--sizes", size))
        seconds = {name: statistics.median(run["cpu_s"] for run in found) for name, found in runs.items()}
        for name, taken in seconds.items():
            parameters = f"{runs[name][0]['parameters'] / 1e6:.1f} M"
            peak = f"{max(run['peak_gb'] for run in runs[name]):.1f}"
            rows.append([parameters, name, f"{taken:.3f}", f"{taken / seconds['float32']:.2f}", peak])
    return markdown(["parameters", "batches of all lengths", "CPU s a step", "of float32", "most memory, GB"], rows)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved runs (5)")
    parser.add_argument("--sizes", default="1.5,4,20", help=f"of {', '.join(SIZES)} million parameters")
    parser.add_argument("--zipformers", default="3,20,60", help="of 3, 20, 60 million parameters; empty for none")
    parser.add_argument("--varied", action="store_true", help="batches of all lengths instead")
    parser.add_argument("--one", choices=VARIED, help=argparse.SUPPRESS)
    args = parser.parse_args()

    import torch

    from benchmarks.measure import hardware

    torch.set_num_threads(1)
    if args.one:
        print(json.dumps(one_of_varied(args.sizes, args.one)))
        return
    print(f"{hardware()}\n", flush=True)
    sizes, zipformers = ([size for size in given.split(",") if size] for given in (args.sizes, args.zipformers))
    if args.varied:
        print(f"\n{varied(sizes, args.rounds)}")
        return
    print(f"\n{table(sizes, zipformers, args.rounds)}")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
