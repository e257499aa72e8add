"""Real-time factor of streaming recognition, whole chain and parts, against ESPnet's streaming transducer.

    python benchmarks/streaming.py [--rounds 3] [--seconds 30] [--no-espnet]

A Conformer of 12 x 256 (feed-forward 1024, 40 ms frames, 32 frames of left context) and a Zipformer of about its size
(benchmarks/zipformer.py), greedy search over 500 symbols, random weights. In ours the blank's logit is set so that 3 to
4 labels leave a second; ESPnet's writes nothing, which is its search at its cheapest. The audio is spoken digits of the
Free Spoken Digit Dataset, resampled to 16 kHz. One session, or eight in one batch. Times are process CPU seconds of one
thread; with two threads, seconds on the wall. All runs are interleaved; the figures are medians over the rounds.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "egs2" / "fsdd_digits" / "jst1" / "corpus"
FS, VOCAB, LEFT_FRAMES = 16_000, 500, 32


def audio(seconds: float):  # type: ignore[no-untyped-def]
    """Spoken digits one after the other, (samples,) at 16 kHz."""
    import soundfile
    import soxr
    import torch

    path = sorted(CORPUS.glob("*.flac"))[0]  # the recordings of one speaker, one after the other
    with soundfile.SoundFile(path) as recordings:
        samples = recordings.read(int(seconds * recordings.samplerate), dtype="float32")
        samples = soxr.resample(samples, recordings.samplerate, FS)
    if len(samples) < seconds * FS - 1:
        raise SystemExit(f"{path} holds no {seconds:g} s")
    return torch.from_numpy(samples)


class Ours:
    """Frontend, normalization, encoder and search of this package, chunk by chunk."""

    def __init__(self, *, zipformer: bool = False, quantize: bool = False) -> None:
        import numpy as np
        import torch

        from benchmarks.zipformer import make_zipformers
        from espnet_jst.encoders.chunk_conformer import ChunkConformer
        from espnet_jst.heads.transducer import TransducerHead
        from espnet_jst.inputs.log_mel import LogMel
        from espnet_jst.inputs.normalize import RunningMVN

        torch.manual_seed(0)
        self.frontend = LogMel(fs=FS, n_mels=80)
        with tempfile.TemporaryDirectory() as folder:  # statistics as stage 10 leaves them
            stats, ones = Path(folder) / "feats_stats.npz", np.ones(80)
            np.savez(stats, count=np.array(100), sum=-900.0 * ones, sum_square=9000.0 * ones)
            self.normalize = RunningMVN(stats_file=stats)
        if zipformer:
            [self.encoder] = make_zipformers("20", shaped=False)
        else:
            self.encoder = ChunkConformer(80, size=256, layers=12, feed_forward_size=1024, kernel_size=15)
        self.encoder.eval()
        if quantize:  # as Speech2Text(quantize_model=True)
            torch.ao.quantization.quantize_dynamic(self.encoder, {torch.nn.Linear}, dtype=torch.qint8, inplace=True)
        self.head = TransducerHead(
            encoder_size=self.encoder.output_size(),
            vocab_size=VOCAB,
            predictor="stateless",
            joint_size=256,
            simple_weight=0.0,
        ).eval()

    def parameters(self) -> float:
        """Millions of parameters."""
        return sum(p.numel() for module in (self.encoder, self.head) for p in module.parameters()) / 1e6

    def run(self, speech, chunk_frames: int, sessions: int, search) -> tuple[dict[str, float], int]:  # type: ignore[no-untyped-def]
        """CPU seconds of each part, and the number of labels of the first session."""
        import torch

        from espnet_jst.encoders.interface import ChunkContext
        from espnet_jst.taps import Tap

        context = ChunkContext(chunk_frames, LEFT_FRAMES // chunk_frames)
        spent = dict.fromkeys(("features", "encoder", "search"), 0.0)
        with torch.inference_mode():
            batch = speech.expand(sessions, -1)
            features, mean = self.frontend.init_state(sessions), self.normalize.init_state(sessions)
            state, written = self.encoder.init_state(sessions, context), search.init_state(sessions)
            labels, samples = 0, int(chunk_frames * 0.04 * FS)
            for start in range(0, batch.size(1), samples):
                last = [start + samples >= batch.size(1)] * sessions
                t0 = time.process_time()
                heard = batch[:, start : start + samples]
                tap = Tap(heard, torch.full((sessions,), heard.size(1)), 1 / FS)
                tap, features = self.frontend.step(tap, features, last)
                tap, mean = self.normalize.step(tap, mean)
                t1 = time.process_time()
                taps, state = self.encoder.step(tap, state, last)
                t2 = time.process_time()
                emissions, written = search.step({"encoder": taps[""]}, written)
                t3 = time.process_time()
                labels += len(emissions[0])
                for part, seconds in zip(spent, (t1 - t0, t2 - t1, t3 - t2)):
                    spent[part] += seconds
        return spent, labels

    def calibrated(self, speech, beam_size: int = 1, chunk_frames: int = 16):  # type: ignore[no-untyped-def]
        """A search whose blank penalty lets 3 to 4 labels out a second."""
        from espnet_jst.search.beam import BeamSearch
        from espnet_jst.search.greedy import GreedySearch

        low, high, seconds = -30.0, 30.0, len(speech) / FS
        for _ in range(30):
            penalty = (low + high) / 2
            search = GreedySearch(self.head, blank_penalty=penalty, max_symbols=3)
            rate = self.run(speech, chunk_frames, 1, search)[1] / seconds
            if 3 <= rate <= 4:
                break
            low, high = (penalty, high) if rate < 3 else (low, penalty)
        if beam_size > 1:
            return BeamSearch(self.head, beam_size=beam_size, blank_penalty=penalty, max_symbols=3), rate
        return search, rate


class ESPnets:
    """ESPnet's streaming transducer of the same size, as `asr_transducer_inference --streaming true` runs it."""

    def __init__(self) -> None:
        import torch
        from espnet2.asr.frontend.default import DefaultFrontend
        from espnet2.asr_transducer.beam_search_transducer import BeamSearchTransducer
        from espnet2.asr_transducer.decoder.stateless_decoder import StatelessDecoder
        from espnet2.asr_transducer.encoder.encoder import Encoder
        from espnet2.asr_transducer.joint_network import JointNetwork

        torch.manual_seed(0)
        block = {"block_type": "conformer", "linear_size": 1024, "hidden_size": 256, "heads": 4, "num_blocks": 12}
        self.encoder = Encoder(
            80,
            [{**block, "conv_mod_kernel_size": 15}],
            {"subsampling_factor": 4, "conv_size": 256},
            {"dynamic_chunk_training": True, "short_chunk_size": 25, "num_left_chunks": 4},
        ).eval()
        self.encoder.dynamic_chunk_training = False
        self.frontend = DefaultFrontend(fs=FS, n_fft=512, hop_length=160)
        decoder, joint = StatelessDecoder(VOCAB, embed_size=256).eval(), JointNetwork(VOCAB, 256, 256, 256).eval()
        joint.lin_out.bias.data[0] = 5.0  # random weights write nothing, or without end: here nothing
        self.search = BeamSearchTransducer(decoder, joint, beam_size=1, streaming=True)
        self.joint, self.decoder = joint, decoder

    def parameters(self) -> float:
        """Millions of parameters."""
        return sum(p.numel() for m in (self.encoder, self.joint, self.decoder) for p in m.parameters()) / 1e6

    def run(self, speech, chunk_frames: int) -> tuple[dict[str, float], int]:  # type: ignore[no-untyped-def]
        """CPU seconds of each part, and the number of labels."""
        import torch
        from espnet2.asr_transducer.frontend.online_audio_processor import OnlineAudioProcessor

        device = torch.device("cpu")
        conf = {"n_fft": 512, "hop_length": 160}
        online = OnlineAudioProcessor(self.frontend, None, chunk_frames * 40, 4, conf, device, FS)
        self.encoder.reset_cache(LEFT_FRAMES, device=device)
        self.search.reset_cache()
        done, samples = torch.tensor([[0]]), int(chunk_frames * 0.04 * FS)
        spent = dict.fromkeys(("features", "encoder", "search"), 0.0)
        hypotheses = []
        with torch.no_grad():
            for start in range(0, len(speech) - samples + 1, samples):
                last = start + 2 * samples > len(speech)
                t0 = time.process_time()
                x, lengths = online.compute_features(speech[start : start + samples], last)
                t1 = time.process_time()
                out = self.encoder.chunk_forward(x, lengths, done, left_context=LEFT_FRAMES)
                done = done + out.size(1)
                t2 = time.process_time()
                hypotheses = self.search(out[0], is_final=last)
                t3 = time.process_time()
                for part, seconds in zip(spent, (t1 - t0, t2 - t1, t3 - t2)):
                    spent[part] += seconds
        return spent, len(hypotheses[0].yseq) - 1


def cases(ours: Ours, speech, espnet: ESPnets | None):  # type: ignore[no-untyped-def]
    """(system, chunk in frames, sessions, threads) -> a call that returns the CPU seconds of each part."""
    search, rate = ours.calibrated(speech)
    beam, _ = ours.calibrated(speech, beam_size=4)
    print(f"ours: {ours.parameters():.1f} M parameters, {rate:.1f} labels a second", flush=True)
    small, other, runs = Ours(quantize=True), Ours(zipformer=True), {}
    others = {chunk: other.calibrated(speech, chunk_frames=chunk)[0] for chunk in (8, 16, 32)}
    print(f"ours, Zipformer: {other.parameters():.1f} M parameters", flush=True)
    for chunk in (8, 16, 32):
        for sessions in (1, 8):
            for threads in (1, 2):
                runs["ours", chunk, sessions, threads] = lambda c=chunk, n=sessions: ours.run(speech, c, n, search)[0]
            call = lambda c=chunk, n=sessions: other.run(speech, c, n, others[c])[0]  # noqa: E731
            runs["ours, Zipformer", chunk, sessions, 1] = call
        runs["ours, 8 bits", chunk, 1, 1] = lambda c=chunk: small.run(speech, c, 1, search)[0]
    runs["ours, beam 4", 16, 1, 1] = lambda: ours.run(speech, 16, 1, beam)[0]
    if espnet is not None:
        print(f"ESPnet: {espnet.parameters():.1f} M parameters, no label: its search is at its cheapest", flush=True)
        for chunk in (8, 16, 32):
            runs["ESPnet", chunk, 1, 1] = lambda c=chunk: espnet.run(speech, c)[0]
    return runs


def measured(runs, rounds: int):  # type: ignore[no-untyped-def]
    """CPU seconds of the parts, and seconds on the wall, of every run and round; a first round warms up."""
    import torch

    cpu: dict = {key: [] for key in runs}
    wall: dict = {key: [] for key in runs}
    for number in range(rounds + 1):
        for key, run in runs.items():
            torch.set_num_threads(key[3])
            started = time.perf_counter()
            spent = run()
            if number:
                cpu[key].append(spent)
                wall[key].append(time.perf_counter() - started)
    return cpu, wall


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="interleaved runs (3)")
    parser.add_argument("--seconds", type=float, default=30.0, help="audio of a session (30)")
    parser.add_argument("--no-espnet", action="store_true", help="ours alone")
    args = parser.parse_args()

    import statistics

    import torch

    from benchmarks.measure import hardware, markdown

    torch.set_num_threads(1)
    print(hardware(), flush=True)
    speech = audio(args.seconds)
    cpu, wall = measured(cases(Ours(), speech, None if args.no_espnet else ESPnets()), args.rounds)
    rows = []
    for key, spent in cpu.items():
        name, chunk, sessions, threads = key
        parts = {part: statistics.median(s[part] for s in spent) for part in spent[0]}
        total = statistics.median(sum(s.values()) for s in spent) if threads == 1 else statistics.median(wall[key])
        shares = " / ".join(f"{100 * seconds / sum(parts.values()):.0f}" for seconds in parts.values())
        rows.append(
            [
                name,
                f"{0.04 * chunk:.2f}",
                str(sessions),
                f"{threads} ({'CPU' if threads == 1 else 'wall'})",
                f"{total / args.seconds / sessions:.3f}",
                f"{1000 * total * 0.04 * chunk / args.seconds:.1f}",
                shares,
            ]
        )
    header = [
        "system",
        "chunk s",
        "sessions",
        "threads",
        "RTF a session",
        "ms a chunk (all)",
        "share % feat/enc/search",
    ]
    print(f"\n{markdown(header, rows)}")


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    main()
