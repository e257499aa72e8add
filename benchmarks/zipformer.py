"""Encoders of one size: seconds and memory of forward and backward pass, share of the product rate, streaming chunks.

    python benchmarks/zipformer.py [--rounds 3] [--sizes 3,20,60] [--no-memory] [--streaming]

One thread, process CPU time, interleaved runs in one process, medians. Two utterances of 10 s, 80 features, training
chunks of 0.64 s with 2.56 s before them; bfloat16 is autocast. "Of the products": floating-point operations (counted by
PyTorch, in float32) over the seconds, against the rate of a 1,024 x 1,024 product in the same dtype in the same run.
Memory: growth of the resident memory of a fresh process in its first step. ESPnet's Conformer hears whole
utterances. 60 M are the two encoders of conf/hent_srt.yaml, one on the other.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UTTERANCES, FRAMES = 2, 1000
ZIPFORMERS: dict[str, dict] = {
    "3": {
        "layers": (1, 1, 1, 1, 1),
        "sizes": (128, 160, 160, 160, 160),
        "unmasked_sizes": (128,) * 5,
        "downsampling": (1, 2, 4, 8, 4),
        "feed_forward_sizes": (256, 320, 320, 320, 320),
        "heads": (4,) * 5,
        "kernel_sizes": (31, 31, 15, 15, 15),
        "subsampling_channels": (8, 16, 32),
    },
    "20": {
        "layers": (2, 2, 2, 2, 2, 2),
        "sizes": (192, 256, 256, 256, 256, 192),
        "unmasked_sizes": (192,) * 6,
        "downsampling": (1, 2, 4, 8, 4, 2),
        "feed_forward_sizes": (512, 768, 768, 768, 768, 768),
        "heads": (4, 4, 4, 8, 4, 4),
        "kernel_sizes": (31, 31, 15, 15, 15, 31),
    },
}
CONFORMERS = {"3": (144, 6, 576), "20": (256, 12, 1024), "60": (512, 9, 2048)}  # size, layers, feed-forward size
KINDS = ("Zipformer", "Zipformer, not shaped", "our Conformer", "ESPnet's Conformer")


def make_zipformers(size: str, *, shaped: bool):  # type: ignore[no-untyped-def]
    """One, or two of which the second reads the first."""
    import yaml

    from espnet_jst.encoders.zipformer.zipformer import Zipformer

    common: dict = {} if shaped else {"balancers": False, "whitening": False}
    if size in ZIPFORMERS:
        contexts = {"train_chunk_frames": (16,), "train_left_frames": (64,), "chunk_frames": 16, "left_chunks": 4}
        return [_later(Zipformer(80, **ZIPFORMERS[size], **contexts, **common))]
    conf = yaml.safe_load((ROOT / "conf" / "hent_srt.yaml").read_text())
    made = []
    for name, features, scale in (("encoder", 80, 1), ("hier_encoder", 384, 2)):
        contexts = {"train_chunk_frames": (16 * scale,), "train_left_frames": (64 * scale,)}
        made.append(_later(Zipformer(features, **{**conf[f"{name}_conf"], **contexts, **common})))
    return made


def _later(zipformer):  # type: ignore[no-untyped-def]
    zipformer.at(20000, 1)  # what is left out at the start of a training is no longer
    return zipformer


def make_step(kind: str, size: str, dtype_name: str) -> tuple[Callable[[], None], float]:
    """Forward and backward pass, and millions of parameters."""
    import torch
    from torch import nn

    from espnet_jst.encoders.chunk_conformer import ChunkConformer
    from espnet_jst.taps import Tap

    torch.manual_seed(0)
    width, layers, hidden = CONFORMERS[size]
    if kind == "ESPnet's Conformer":
        from espnet2.asr.encoder.conformer_encoder import ConformerEncoder

        kernel = {"cnn_module_kernel": 15, "rel_pos_type": "latest", "macaron_style": True}
        encoders = [ConformerEncoder(80, width, 4, hidden, layers, **kernel)]
    elif kind == "our Conformer":
        contexts = {"train_chunk_frames": [16], "train_left_chunks": [4]}
        encoders = [ChunkConformer(80, size=width, layers=layers, feed_forward_size=hidden, dropout=0.1, **contexts)]
    else:
        encoders = make_zipformers(size, shaped=kind == "Zipformer")
    modules = nn.ModuleList(encoders).train()
    x, lengths, dtype = torch.randn(UTTERANCES, FRAMES, 80), torch.tensor([FRAMES, 850]), getattr(torch, dtype_name)

    def step() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
            if kind == "ESPnet's Conformer":
                loss = encoders[0](x, lengths)[0].sum()
            else:
                found = encoders[0].encode(Tap(x, lengths, 0.01), encoders[0].train_contexts[0])
                loss = found[""].x.sum()
                for upper in encoders[1:]:
                    loss = loss + upper.encode(found["last_stack"], upper.train_contexts[0])[""].x.sum()
        loss.backward()
        modules.zero_grad(set_to_none=True)

    return step, sum(p.numel() for p in modules.parameters()) / 1e6


def training_table(sizes: list[str], rounds: int, *, memory: bool) -> str:
    """Seconds and memory of a step."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from benchmarks.measure import in_fresh_process, interleaved, markdown

    rows = []
    for size in sizes:
        made = {(kind, dtype): make_step(kind, size, dtype) for dtype in ("float32", "bfloat16") for kind in KINDS}
        squares = {dtype: torch.randn(1024, 1024, dtype=getattr(torch, dtype)) for dtype in ("float32", "bfloat16")}
        runs = {f"{kind}|{dtype}": step for (kind, dtype), (step, _) in made.items()}
        timed = interleaved({**runs, **{dtype: lambda x=x: x @ x for dtype, x in squares.items()}}, rounds)
        counted = {}
        for kind in KINDS:
            with FlopCounterMode(display=False) as counter:
                made[kind, "float32"][0]()
            counted[kind] = counter.get_total_flops()
        for (kind, dtype), (_, parameters) in made.items():
            seconds, flops = timed[f"{kind}|{dtype}"], counted[kind]
            share = flops / seconds / (2 * 1024**3 / timed[dtype])
            ratio = seconds / timed[f"ESPnet's Conformer|{dtype}"]
            mb = in_fresh_process(__file__, "--grown", kind, size, dtype)["mb"] if memory else None
            cells = [f"{seconds:.3f}", f"{ratio:.2f}", f"{flops / 1e9:.0f}", f"{100 * share:.0f} %"]
            rows.append([f"{parameters:.1f} M", kind, dtype, *cells, "-" if mb is None else f"{mb:.0f}"])
            print(rows[-1], flush=True)
    return markdown(["parameters", "encoder", "dtype", "CPU s", "of ESPnet's", "GFLOP", "of the products", "MB"], rows)


def streaming_table(rounds: int) -> str:
    """CPU milliseconds of a chunk of 0.64 s, 20 M parameters, 2.56 s of left context."""
    import torch

    from benchmarks.measure import interleaved, markdown
    from espnet_jst.encoders.chunk_conformer import ChunkConformer
    from espnet_jst.encoders.interface import ChunkContext
    from espnet_jst.taps import Tap

    width, layers, hidden = CONFORMERS["20"]
    zipformer = make_zipformers("20", shaped=False)[0].eval()
    conformer = ChunkConformer(80, size=width, layers=layers, feed_forward_size=hidden).eval()
    context, chunks, runs = ChunkContext(16, 4), 20, {}
    for name, encoder in (("Zipformer", zipformer), ("our Conformer", conformer)):
        for streams in (1, 8):
            x = torch.randn(streams, 64, 80)

            def run(encoder=encoder, x=x, streams=streams) -> None:  # type: ignore[no-untyped-def]
                with torch.inference_mode():
                    state = encoder.init_state(streams, context)
                    for _ in range(chunks):
                        tap = Tap(x, torch.full((streams,), 64), 0.01)
                        _, state = encoder.step(tap, state, [False] * streams)

            runs[f"{name}|{streams}"] = run
    rows = []
    for key, seconds in interleaved(runs, rounds).items():
        name, streams = key.split("|")
        chunk = seconds / chunks
        rows.append([name, streams, f"{1000 * chunk:.1f}", f"{chunk / 0.64 / int(streams):.3f}"])
    return markdown(["encoder", "streams", "ms a chunk (all)", "CPU s a second of a stream"], rows)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="interleaved runs (3)")
    parser.add_argument("--sizes", default="3,20,60", help="millions of parameters (3,20,60)")
    parser.add_argument("--no-memory", action="store_true", help="seconds alone")
    parser.add_argument("--streaming", action="store_true", help="chunks in place of training steps")
    parser.add_argument("--grown", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()

    import torch

    from benchmarks.measure import hardware, peak_growth_mb

    torch.set_num_threads(1)
    if args.grown:
        step, _ = make_step(*args.grown)
        print(json.dumps({"mb": peak_growth_mb(step)}))
        return
    print(f"{hardware()}\n", flush=True)
    if args.streaming:
        print(streaming_table(args.rounds))
    else:
        print(training_table(args.sizes.split(","), args.rounds, memory=not args.no_memory))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
