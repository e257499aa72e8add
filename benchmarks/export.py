"""Time of a chunk in onnxruntime against PyTorch: an encoder of about 20 M parameters, chunks of 0.64 s, one thread.

    python benchmarks/export.py [--rounds 5] [--chunks 20]

A Conformer of 12 x 256 (feed-forward 1024, 40 ms frames, 5 s of left context) and a Zipformer of about its size,
random weights and input, one stream. PyTorch in float32 and with `quantize_model`, the exported graph in fp32 and in
int8. The runs are interleaved in one process; printed are medians over the rounds, by PyTorch's.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FEATURES = 80


def encoders() -> dict:
    """Name -> (encoder, context): chunks of 0.64 s."""
    from benchmarks.zipformer import make_zipformers
    from espnet_jst.encoders.chunk_conformer import ChunkConformer
    from espnet_jst.encoders.interface import ChunkContext

    [zipformer] = make_zipformers("20", shaped=False)
    conformer = ChunkConformer(FEATURES, size=256, layers=12, feed_forward_size=1024, kernel_size=15)
    return {"Conformer": (conformer, ChunkContext(16, 8)), "Zipformer": (zipformer, ChunkContext(16, 4))}


def runs_of(encoder, context, folder: Path) -> dict[str, Callable[[int], None]]:  # type: ignore[no-untyped-def]
    """What is compared: each hears so many chunks of one stream."""
    import copy

    import torch

    from espnet_jst.encoders.fixed import FixedEncoder
    from espnet_jst.encoders.fixed_steps import fixed_step
    from espnet_jst.export.graphs import of_encoder, write
    from espnet_jst.export.quantize import quantize
    from espnet_jst.inference.graphs.graph import Graph
    from espnet_jst.taps import Tap

    encoder.eval()
    step = fixed_step(encoder, context, FEATURES)
    part = of_encoder("encoder", step)
    write(part, folder)
    graphs = {"onnxruntime": folder / part.file, "onnxruntime, int8": folder / "int8.onnx"}
    shutil.copyfile(*graphs.values())
    quantize(graphs["onnxruntime, int8"])
    small = copy.deepcopy(encoder)
    torch.ao.quantization.quantize_dynamic(small, {torch.nn.Linear}, dtype=torch.qint8, inplace=True)
    modules = {"PyTorch": encoder, "PyTorch, int8": small}
    for name, path in graphs.items():
        modules[name] = FixedEncoder(step.shapes, step.tap_sizes, context, Graph(path, part.inputs))
    x = torch.randn(1, step.shapes.hop, FEATURES)
    heard = Tap(x, torch.tensor([step.shapes.hop]), 0.01)

    def run(module, chunks: int) -> None:  # type: ignore[no-untyped-def]
        with torch.inference_mode():
            state = module.init_state(1, context)
            for _ in range(chunks):
                _, state = module.step(heard, state, [False])

    return {name: lambda chunks, module=module: run(module, chunks) for name, module in modules.items()}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved runs (5)")
    parser.add_argument("--chunks", type=int, default=20, help="of a stream (20)")
    args = parser.parse_args()

    import torch

    from benchmarks.measure import hardware, interleaved, markdown

    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(hardware(), flush=True)
    rows = []
    for name, (encoder, context) in encoders().items():
        size = sum(weight.numel() for weight in encoder.parameters()) / 1e6
        with tempfile.TemporaryDirectory() as folder:
            runs = runs_of(encoder, context, Path(folder))
            median = interleaved({kind: partial(run, args.chunks) for kind, run in runs.items()}, args.rounds)
        rows.append([name, f"{size:.1f}", *(f"{median[kind] / median['PyTorch']:.2f}" for kind in median)])
    print(f"\n{markdown(['encoder', 'M parameters', *median], rows)}")


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
