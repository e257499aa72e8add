"""Time of the transducer searches against ESPnet's BeamSearchTransducer, on the same model and posteriors.

    python benchmarks/search.py [--rounds 3] [--vocab 500,4000] [--batches 1,8,32]

250 frames (10 s at 40 ms), 35 labels; an LSTM predictor of 256 and a joint network of 256 (ESPnet's default). The
weights are set so that the posteriors are as peaky as a trained model's: a frame asks for its label until the label is
written. One thread, process CPU time, interleaved, medians. Greedy output is compared label by label: ESPnet's greedy
search writes at most one symbol a frame, so it is compared with ours under the same limit; ours with the usual limit of
20 stands beside it.
"""

from __future__ import annotations

import argparse
import os

FRAMES, LABELS, SIZE, JOINT = 250, 35, 256, 256


def model(vocab_size: int):  # type: ignore[no-untyped-def]
    """Our head, ESPnet's decoder and joint network with the same weights, and the symbols' keys."""
    import torch
    from espnet2.asr.decoder.transducer_decoder import TransducerDecoder
    from espnet2.asr_transducer.joint_network import JointNetwork

    from espnet_jst.heads.transducer import TransducerHead

    torch.manual_seed(0)
    keys = torch.randint(0, 2, (vocab_size, SIZE)).float() * 2 - 1
    keys[0] = 0.0
    same = torch.eye(SIZE)
    head = TransducerHead(
        encoder_size=SIZE, vocab_size=vocab_size, predictor_conf={"size": SIZE}, joint_size=JOINT, simple_weight=0.0
    ).eval()
    lstm, joint = head.predictor.lstm, head.joint
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.zero_()
        head.predictor.embedding.weight.copy_(keys)
        lstm.weight_ih_l0[2 * SIZE : 3 * SIZE].copy_(same)  # the cell holds the last label
        lstm.bias_ih_l0.copy_(torch.cat([torch.full((SIZE,), x) for x in (9.0, -9.0, 0.0, 9.0)]))
        written = float(torch.tanh(torch.tanh(torch.tensor(1.0))))
        joint.encoder_proj.weight.copy_(same)
        joint.predictor_proj.weight.copy_(-same / written)
        joint.output.weight.copy_(40.0 / JOINT * keys)
        joint.output.bias[0] = 12.0
    decoder = TransducerDecoder(vocab_size, hidden_size=SIZE).eval()
    theirs = JointNetwork(vocab_size, SIZE, SIZE, JOINT, lin_dec_bias=False).eval()
    decoder.embed.weight.data.copy_(head.predictor.embedding.weight)
    decoder.decoder[0].load_state_dict(lstm.state_dict())
    for name, layer in (("lin_enc", "encoder_proj"), ("lin_dec", "predictor_proj"), ("lin_out", "output")):
        getattr(theirs, name).load_state_dict(getattr(joint, layer).state_dict())
    return head, decoder, theirs, keys


def utterances(count: int, keys):  # type: ignore[no-untyped-def]
    """Encoder outputs (count, FRAMES, SIZE) and the labels in them."""
    import torch

    g = torch.Generator().manual_seed(1)
    x = 0.3 * torch.randn(count, FRAMES, SIZE, generator=g)
    labels = []
    for row in x:
        frames = torch.randperm(FRAMES, generator=g)[:LABELS].sort().values
        written = torch.randint(1, len(keys), (LABELS,), generator=g)
        row[frames] += keys[written]
        labels.append(written.tolist())
    return x, labels


def table(vocab_size: int, batches: list[int], rounds: int) -> list[list[str]]:
    """Rows of the table for one vocabulary."""
    import torch
    from espnet2.asr.transducer.beam_search_transducer import BeamSearchTransducer

    from benchmarks.measure import interleaved
    from espnet_jst.search.beam import BeamSearch
    from espnet_jst.search.greedy import GreedySearch

    head, decoder, joint, keys = model(vocab_size)
    x, spoken = utterances(max(batches), keys)
    found: dict[str, list[list[int]]] = {}

    def espnet(name: str, **options):  # type: ignore[no-untyped-def]
        search = BeamSearchTransducer(decoder, joint, **options)

        def run() -> None:
            with torch.no_grad():
                found[name] = [search(x[0])[0].yseq[1:]]

        return run

    def ours(name: str, search, batch: int):  # type: ignore[no-untyped-def]
        lengths = torch.full((batch,), FRAMES)

        def run() -> None:
            with torch.inference_mode():
                emissions, state = search.step(x[:batch], lengths, search.init_state(batch))
                if isinstance(search, BeamSearch):
                    emissions = [nbest[0].emissions for nbest in search.finish(state)]
            found[name] = [[e.token for e in row] for row in emissions]

        return run

    runs, classes = {}, {}
    for name, kind, options in (
        ("ESPnet greedy", "greedy, 1 symbol a frame", {"beam_size": 1}),
        ("ESPnet maes, beam 4", "beam, 2 symbols a frame", {"beam_size": 4, "search_type": "maes"}),
        ("ESPnet alsd, beam 4", "beam, label-synchronous", {"beam_size": 4, "search_type": "alsd", "u_max": 60}),
        ("ESPnet default, beam 4", "beam, any number of symbols", {"beam_size": 4}),
    ):
        runs[name], classes[name] = espnet(name, **options), (kind, 1)
    for batch in batches:
        for limit in (1, 20):
            kind = f"greedy, {limit} symbol{'s' * (limit > 1)} a frame"
            name = f"ours, {kind}, B={batch}"
            runs[name], classes[name] = ours(name, GreedySearch(head, max_symbols=limit), batch), (kind, batch)
            kind = kind.replace("greedy", "beam 4")
            name = f"ours, {kind}, B={batch}"
            runs[name], classes[name] = (
                ours(name, BeamSearch(head, beam_size=4, max_symbols=limit), batch),
                (kind, batch),
            )
    seconds = interleaved(runs, rounds)
    if found["ESPnet greedy"] != [found[f"ours, greedy, 1 symbol a frame, B={batches[0]}"][0]]:
        raise SystemExit("our greedy search and ESPnet's write different labels")
    rows = []
    for name, (kind, batch) in classes.items():
        each = seconds[name] / batch
        right = sum(a == b for a, b in zip(found[name], spoken))
        rows.append(
            [
                str(vocab_size),
                name,
                kind,
                f"{1000 * each:.1f}",
                f"{each / seconds['ESPnet greedy']:.3f}",
                f"{each / seconds['ESPnet default, beam 4']:.3f}",
                f"{right}/{len(found[name])}",
            ]
        )
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="interleaved runs (3)")
    parser.add_argument("--vocab", default="500,4000", help="vocabulary sizes")
    parser.add_argument("--batches", default="1,8,32", help="batch sizes")
    args = parser.parse_args()

    import torch

    from benchmarks.measure import hardware, markdown

    torch.set_num_threads(1)
    print(f"{hardware()}\n", flush=True)
    batches = [int(n) for n in args.batches.split(",")]
    rows = [row for vocab in args.vocab.split(",") for row in table(int(vocab), batches, args.rounds)]
    header = ["V", "search", "class", "ms an utterance", "of ESPnet greedy", "of ESPnet default", "as spoken"]
    print(f"\n{markdown(header, rows)}")


if __name__ == "__main__":
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
