"""What units cost: reading audio as units against the encoder alone, and k-means against scikit-learn and faiss.

    python benchmarks/units.py [--model /models/whisper-base --layer 5] [--rounds 5]

One thread, interleaved in one process, medians of process CPU time. Extraction: 32 utterances of 2 to 8 s of noise,
through `inference.units` with its files, against the features alone. k-means: 20,000 frames of 256 features, K = 500,
clusters of Gaussians; scikit-learn with the settings of ESPnet's learn_kmeans.py but n_init=1 and 20 passes.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

FRAMES, SIZE, CLUSTERS, PASSES = 20_000, 256, 500, 20


def seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def interleaved(rows: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each."""
    found: dict[str, list[float]] = {name: [] for name in rows}
    for round_ in range(rounds + 1):
        for name, work in rows.items():
            taken = seconds(work)
            if round_:  # the first one warms up
                found[name].append(taken)
    return {name: statistics.median(values) for name, values in found.items()}


def extraction(model: str, layer: int, rounds: int) -> None:
    """Audio to files of units against the features alone."""
    import numpy as np
    import soundfile
    import torch

    from espnet_jst.inference import units as pipeline
    from espnet_jst.inference.recordings import batches
    from espnet_jst.inputs.unit_features import UnitFeatures, UnitReader, parse_features, unit_set

    fs = 16_000
    features = UnitFeatures(parse_features(f"{model}/{layer}" if model else "log_mel", fs), trusted=True)
    size, generator = features.frontend.output_size(), np.random.default_rng(0)
    units = unit_set(features, torch.randn(2000, size, generator=torch.Generator().manual_seed(0)))
    with tempfile.TemporaryDirectory() as name:
        folder, items, speech = Path(name), [], []
        for n in range(32):
            samples = 0.1 * generator.standard_normal(fs * (2 + n % 7)).astype(np.float32)
            soundfile.write(folder / f"{n}.flac", samples, fs)
            items.append((f"u{n:02}", str(folder / f"{n}.flac")))
            speech.append((f"u{n:02}", soundfile.read(folder / f"{n}.flac", dtype="float32")[0]))
        units.save(folder / "units.safetensors")
        reader = UnitReader(units)
        order = sorted(speech, key=lambda item: len(item[1]))
        together = [[samples for _, samples in some] for some in batches(order, fs)]
        rows = {
            "features alone": lambda: [features(batch) for batch in together],
            "features and units": lambda: [reader(batch) for batch in together],
            "audio files to unit files": lambda: pipeline.extract_units(
                items, folder / "units.safetensors", folder / "out"
            ),
        }
        found = interleaved(rows, rounds)
    audio_s = sum(len(samples) for _, samples in speech) / fs
    for name, taken in found.items():
        share = taken / found["features alone"] - 1
        print(f"{name:<28} {audio_s / taken:8.1f} s of audio a CPU second, {share:+.1%} of the features' time")


def clustering(rounds: int) -> None:
    """Time and inertia of k-means."""
    import torch

    from espnet_jst.units.conf import KMeansConf
    from espnet_jst.units.kmeans import first_centroids, lloyd

    generator = torch.Generator().manual_seed(0)
    middles = torch.randn(CLUSTERS, SIZE, generator=generator)
    frames = middles[torch.randint(CLUSTERS, (FRAMES,), generator=generator)]
    frames = frames + 0.7 * torch.randn(FRAMES, SIZE, generator=generator)
    inertia: dict[str, float] = {}

    def ours(init: str) -> None:
        conf = KMeansConf(clusters=CLUSTERS, init=init, iterations=PASSES, tolerance=0.0)
        *_, last = lloyd([frames], first_centroids([frames], conf), conf)
        inertia[f"ours, {init}"] = last.inertia

    def sklearn() -> None:
        from sklearn.cluster import MiniBatchKMeans

        settings = {"max_iter": PASSES, "batch_size": 10_000, "n_init": 1, "reassignment_ratio": 0.0, "tol": 0.0}
        model = MiniBatchKMeans(CLUSTERS, init="random", max_no_improvement=100, random_state=0, **settings)
        model.fit(frames.numpy())
        inertia["scikit-learn, MiniBatchKMeans, random"] = -model.score(frames.numpy()) / FRAMES

    rows: dict[str, Callable[[], object]] = {
        "ours, random": lambda: ours("random"),
        "ours, k-means++": lambda: ours("k-means++"),
        "scikit-learn, MiniBatchKMeans, random": sklearn,
    }
    try:
        import faiss
    except ImportError:
        print("faiss is not installed: pip install faiss-cpu")
    else:

        def with_faiss() -> None:
            model = faiss.Kmeans(SIZE, CLUSTERS, niter=PASSES, seed=1, max_points_per_centroid=FRAMES)
            model.train(frames.numpy())
            inertia["faiss"] = float(model.obj[-1]) / FRAMES

        rows["faiss"] = with_faiss
    needed = {name: memory_mb(row) for name, row in rows.items()}
    for name, taken in interleaved(rows, rounds).items():
        print(f"{name:<40} {taken:7.2f} CPU s, inertia {inertia[name]:.2f}, {needed[name]:.0f} MB more")


def memory_mb(row: Callable[[], object]) -> float:
    """How far the memory of a process grows that does it once, libraries and frames being there before."""
    import torch

    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        row()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        os.write(writing, f"{grown / 1024}".encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as stream:
        return float(stream.read() or "nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="", help="folder of a pretrained encoder; without it log-mel")
    parser.add_argument("--layer", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    extraction(args.model, args.layer, args.rounds)
    clustering(args.rounds)


if __name__ == "__main__":
    main()
