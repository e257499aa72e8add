"""Time and memory of the pruned transducer loss, joint network included, against the full lattice and the products.

    python benchmarks/transducer_loss.py [--rounds 5] [--shapes small,large,long] [--growth] [--device cuda [--tf32]]

On the CPU: one thread, process CPU time, interleaved runs in one process, medians; memory is the growth of the resident
memory in one step of a fresh process, after a step on a tiny input. Gradients are exact. "Products" are the three
matrix products of the joint network's output layer on the band, and nothing else. On a GPU: seconds on the wall between
synchronisations, and the memory that PyTorch's allocator counts.
"""

from __future__ import annotations

import argparse
import json
import os

SHAPES = {"small": (8, 150, 40, 500), "large": (8, 150, 60, 4000), "long": (4, 300, 80, 8000)}
WIDE = {"wide": (32, 300, 60, 4000)}  # on a GPU
FULL_BATCH = {"small": 8, "large": 2, "long": 1}  # the full lattice of the whole batch would need gigabytes
GROWTH = {
    "T": [(8, T, 40, 500) for T in (75, 150, 300, 600)],
    "U": [(8, 150, U, 500) for U in (5, 10, 20, 40, 80)],
    "V": [(8, 150, 40, V) for V in (50, 500, 2000, 8000)],
    "B": [(B, 150, 40, 500) for B in (1, 2, 8, 16)],
}
D = 512


def steps(shape: tuple[int, int, int, int], ranges: tuple[int, ...], device: str, kinds: tuple[str, ...]) -> dict:
    """Callables, each one forward and backward pass."""
    import torch
    import torchaudio

    from espnet_jst.heads import JointNetwork
    from espnet_jst.losses import PrunedTransducerLoss

    B, T, U, V = shape
    torch.manual_seed(0)
    x, p = torch.randn(B, T, D, device=device), torch.randn(B, U + 1, D, device=device)
    targets = torch.randint(1, V, (B, U), device=device)
    frames, labels = (torch.full((B,), n, device=device) for n in (T, U))
    joint = JointNetwork(D, D, D, V).to(device)

    def pruned(prune_range: int):  # type: ignore[no-untyped-def]
        module = PrunedTransducerLoss(D, D, D, V, prune_range=prune_range).to(device)

        def run() -> None:
            a, b = x.clone().requires_grad_(), p.clone().requires_grad_()
            simple, main = module(a, frames, b, targets, labels, joint)
            (0.5 * simple + main).sum().backward()
            clear(module)

        return run

    def full() -> None:
        a, b = x.clone().requires_grad_(), p.clone().requires_grad_()
        logits = joint(a[:, :, None], b[:, None])
        args = (targets.int(), frames.int(), labels.int())
        torchaudio.functional.rnnt_loss(logits, *args, blank=0, reduction="sum").backward()
        clear()

    def products(prune_range: int):  # type: ignore[no-untyped-def]
        rows = B * T * prune_range
        hidden, weight = torch.randn(rows, D, device=device), joint.output.weight.detach()

        def run() -> None:
            logits = hidden @ weight.t()
            _ = logits @ weight, logits.t() @ hidden

        return run

    def clear(*modules: torch.nn.Module) -> None:
        for module in (joint, *modules):
            module.zero_grad(set_to_none=True)

    made = {}
    if "pruned" in kinds:
        made |= {f"pruned {r}": pruned(r) for r in ranges}
    if "full" in kinds:
        made["full"] = full
    if "products" in kinds:
        made |= {f"products {r}": products(r) for r in ranges}
    return made


def memory(name: str, shape: tuple[int, int, int, int]) -> float:
    """MB that one step takes, in this process."""
    import torch

    from benchmarks.measure import peak_growth_mb

    torch.set_num_threads(1)
    kind, *prune_range = name.split()
    ranges = (int(prune_range[0]),) if prune_range else (5,)
    for run in steps((1, 8, 3, 20), ranges, "cpu", (kind,)).values():
        run()
    [run] = steps(shape, ranges, "cpu", (kind,)).values()
    return peak_growth_mb(run)


def memory_in_fresh_process(name: str, shape: tuple[int, int, int, int]) -> float:
    """As `memory`, after nothing else."""
    from benchmarks.measure import in_fresh_process

    return in_fresh_process(__file__, "--memory-of", name, "--shape", ",".join(map(str, shape)))["mb"]


def main_table(names: list[str], rounds: int) -> str:
    """The CPU's table."""
    from benchmarks.measure import interleaved, markdown

    rows = []
    for name in names:
        shape = SHAPES[name]
        timed = interleaved(steps(shape, (5, 10), "cpu", ("pruned", "products")), rounds)
        less = (FULL_BATCH[name], *shape[1:])
        fair = interleaved(steps(less, (5, 10), "cpu", ("pruned", "full")), max(2, rounds // 2))
        full_mb = memory_in_fresh_process("full", less)
        for r in (5, 10):
            rows.append(
                [
                    str(shape),
                    str(r),
                    f"1/{fair['full'] / fair[f'pruned {r}']:.1f} (B={less[0]})",
                    f"{timed[f'pruned {r}'] / timed[f'products {r}']:.2f}",
                    f"{1000 * timed[f'pruned {r}']:.0f}",
                    f"{memory_in_fresh_process(f'pruned {r}', shape):.0f}",
                    f"{full_mb:.0f} (B={less[0]})",
                ]
            )
            print(rows[-1], flush=True)
    header = ["(B, T, U, V)", "R", "of the full lattice", "of three products", "CPU ms", "MB", "full lattice MB"]
    return markdown(header, rows)


def growth_table(rounds: int) -> str:
    """How both losses grow with each dimension."""
    from benchmarks.measure import interleaved, markdown

    rows = []
    for axis, shapes in GROWTH.items():
        for shape in shapes:
            kinds = ("pruned", "full") if shape[1] * shape[2] * shape[3] * shape[0] <= 60_000_000 else ("pruned",)
            timed = interleaved(steps(shape, (5,), "cpu", kinds), rounds)
            full = timed.get("full")
            rows.append(
                [
                    axis,
                    str(shape),
                    f"{1000 * timed['pruned 5']:.1f}",
                    f"{memory_in_fresh_process('pruned 5', shape):.0f}",
                    f"{1000 * full:.1f}" if full else "-",
                    f"{memory_in_fresh_process('full', shape):.0f}" if full else "-",
                    f"{timed['pruned 5'] / full:.2f}" if full else "-",
                ]
            )
            print(rows[-1], flush=True)
    return markdown(["grows", "(B, T, U, V)", "pruned ms", "MB", "full ms", "MB", "time ratio"], rows)


def cuda_table(names: list[str], rounds: int) -> str:
    """Triton's kernels, what takes their place, and torchaudio's full lattice; and how far from the limit.

    The limit is the larger of the products at the measured rate and the least traffic at the measured bandwidth.
    """
    import torch

    from benchmarks.measure import cuda_clock, interleaved, markdown
    from espnet_jst.losses.backends import BACKEND_VARIABLE

    def by(backend: str, run):  # type: ignore[no-untyped-def]
        def of_backend() -> None:
            os.environ[BACKEND_VARIABLE] = backend
            run()

        return of_backend

    one = torch.randn(8192, 8192, device="cuda")
    timed = interleaved({"matmul": lambda: one @ one, "copy": lambda: one.clone()}, 5, cuda_clock)
    rate, bandwidth = 2 * 8192**3 / timed["matmul"], 2 * one.nbytes / timed["copy"]
    rows = []
    for name in names:
        B, T, U, V = shape = {**SHAPES, **WIDE}[name]
        for r in (5, 10):
            nodes = B * T * r
            least_s = max(8 * nodes * D * V / rate, 4 * (3 * nodes * D + 4 * V * D) / bandwidth)
            pruned = steps(shape, (r,), "cuda", ("pruned",))[f"pruned {r}"]
            runs = {"triton": by("triton", pruned), "numba": by("numba", pruned)}
            logits = B * T * (U + 1) * V  # torchaudio counts them in 32 bits
            if logits < 2**31 and 16 * logits < torch.cuda.get_device_properties(0).total_memory:
                runs["full"] = steps(shape, (r,), "cuda", ("full",))["full"]
            seconds = interleaved(runs, rounds, cuda_clock)
            mb, kinds = {}, ("triton", "numba", "full")
            for kind, run in runs.items():
                torch.cuda.reset_peak_memory_stats()
                before = torch.cuda.memory_allocated()
                run()
                mb[kind] = (torch.cuda.max_memory_allocated() - before) / 2**20
            cells = [f"{1000 * seconds[k]:.2f} / {mb[k]:.0f}" if k in runs else "-" for k in kinds]
            rows.append([str(shape), str(r), *cells, f"{seconds['triton'] / least_s:.1f}"])
            print(rows[-1], flush=True)
    print(f"measured: {rate / 1e12:.0f} TFLOP/s, {bandwidth / 1e12:.2f} TB/s")
    of_each = [f"{name}: ms / MB" for name in ("Triton", "PyTorch and numba", "full lattice")]
    return markdown(["(B, T, U, V)", "R", *of_each, "Triton, of the limit"], rows)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved runs (5)")
    parser.add_argument("--shapes", default="small,large,long", help="of the table")
    parser.add_argument("--growth", action="store_true", help="the second table: growth with T, U, V and B")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--tf32", action="store_true", help="on a GPU: products may round to TF32")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    parser.add_argument("--shape", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory_of:
        shape = tuple(int(n) for n in args.shape.split(","))
        print(json.dumps({"mb": memory(args.memory_of, shape)}))
        return

    import torch

    from benchmarks.measure import hardware
    from espnet_jst.losses.backends import backend

    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = args.tf32
    print(f"{hardware()}; backend {backend(torch.device(args.device))}\n", flush=True)
    names = args.shapes.split(",")
    if args.device == "cuda":
        table = cuda_table([*names, *WIDE], args.rounds)
    else:
        table = growth_table(args.rounds) if args.growth else main_table(names, args.rounds)
    print(f"\n{table}")


if __name__ == "__main__":
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
