"""Time of the transducer searches against ESPnet's BeamSearchTransducer, on the same model and posteriors.

    python benchmarks/search.py [--rounds 3] [--vocab 500,4000] [--batches 1,8,32]

250 frames (10 s at 40 ms), 35 labels; an LSTM predictor of 256 and a joint network of 256 (ESPnet's default), and in
the rows that say so a stateless predictor over two labels, which ESPnet's search does not take. The weights are set
so that the posteriors are as peaky as a trained model's: a frame asks for its label until the label is written. One
thread, process CPU time, interleaved, medians. Greedy output is compared label by label: ESPnet's greedy search
writes at most one symbol a frame, so it is compared with ours under the same limit; ours with the usual limit of 20
stands beside it.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

FRAMES, LABELS, SIZE, JOINT, BEAM = 250, 35, 256, 256, 4


@dataclass
class Search:
    """One row of the table: a search, the number of utterances in one call, and the call, which returns the labels."""

    name: str
    kind: str
    batch: int
    run: Callable[[], list[list[int]]]


def head_of(vocab_size: int, keys, predictor: str = "lstm"):  # type: ignore[no-untyped-def]
    """Our head, with weights under which a frame asks for its key until the predictor has seen that label."""
    import torch

    from espnet_jst.heads.transducer import TransducerHead

    same = torch.eye(SIZE)
    head = TransducerHead(
        encoder_size=SIZE,
        vocab_size=vocab_size,
        predictor=predictor,
        predictor_conf={"size": SIZE},
        joint_size=JOINT,
        simple_weight=0.0,
    ).eval()
    joint = head.joint
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.zero_()
        head.predictor.embedding.weight.copy_(keys)
        if predictor == "lstm":
            lstm = head.predictor.lstm
            lstm.weight_ih_l0[2 * SIZE : 3 * SIZE].copy_(same)  # the cell holds the last label
            lstm.bias_ih_l0.copy_(torch.cat([torch.full((SIZE,), x) for x in (9.0, -9.0, 0.0, 9.0)]))
            joint.predictor_proj.weight.copy_(-same / float(torch.tanh(torch.tanh(torch.tensor(1.0)))))
        else:
            head.predictor.conv.weight[..., -1] = 1.0  # the last label's positive half, which turns negative
            joint.predictor_proj.weight.copy_(-2 * same)
        joint.encoder_proj.weight.copy_(same)
        joint.output.weight.copy_(40.0 / JOINT * keys)
        joint.output.bias[0] = 12.0
    return head


def espnets(vocab_size: int, head):  # type: ignore[no-untyped-def]
    """ESPnet's decoder and joint network with the weights of our head."""
    from espnet2.asr.decoder.transducer_decoder import TransducerDecoder
    from espnet2.asr_transducer.joint_network import JointNetwork

    decoder = TransducerDecoder(vocab_size, hidden_size=SIZE).eval()
    joint = JointNetwork(vocab_size, SIZE, SIZE, JOINT, lin_dec_bias=False).eval()
    decoder.embed.weight.data.copy_(head.predictor.embedding.weight)
    decoder.decoder[0].load_state_dict(head.predictor.lstm.state_dict())
    for name, layer in (("lin_enc", "encoder_proj"), ("lin_dec", "predictor_proj"), ("lin_out", "output")):
        getattr(joint, name).load_state_dict(getattr(head.joint, layer).state_dict())
    return decoder, joint


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


def espnet_searches(decoder, joint, x) -> Iterator[Search]:  # type: ignore[no-untyped-def]
    """ESPnet's searches; each takes one utterance."""
    import torch
    from espnet2.asr.transducer.beam_search_transducer import BeamSearchTransducer

    for name, kind, options in (
        ("ESPnet greedy", "greedy, 1 symbol a frame", {"beam_size": 1}),
        ("ESPnet maes, beam 4", "beam, 2 symbols a frame", {"beam_size": BEAM, "search_type": "maes"}),
        ("ESPnet alsd, beam 4", "beam, label-synchronous", {"beam_size": BEAM, "search_type": "alsd", "u_max": 60}),
        ("ESPnet default, beam 4", "beam, any number of symbols", {"beam_size": BEAM}),
    ):
        search = BeamSearchTransducer(decoder, joint, **options)

        def run(search=search):  # type: ignore[no-untyped-def]
            with torch.no_grad():
                return [search(x[0])[0].yseq[1:]]

        yield Search(name, kind, 1, run)


def our_searches(head, x, batches: list[int], name: str) -> Iterator[Search]:  # type: ignore[no-untyped-def]
    """Greedy and beam search with one symbol a frame, and with the usual limit."""
    import torch

    from espnet_jst.search.beam import BeamSearch
    from espnet_jst.search.greedy import GreedySearch
    from espnet_jst.taps import Tap

    for batch in batches:
        for limit in (1, 20):
            for kind, search in (
                ("greedy", GreedySearch(head, max_symbols=limit)),
                (f"beam {BEAM}", BeamSearch(head, beam_size=BEAM, max_symbols=limit)),
            ):

                def run(search=search, batch=batch):  # type: ignore[no-untyped-def]
                    with torch.inference_mode():
                        tap = Tap(x[:batch], torch.full((batch,), FRAMES), 0.04)
                        _, state = search.step({"encoder": tap}, search.init_state(batch))
                    return [[e.token for e in nbest[0].emissions] for nbest in search.finish(state)]

                kind = f"{kind}, {limit} symbol{'s' * (limit > 1)} a frame"
                yield Search(f"{name}, {kind}, B={batch}", kind, batch, run)


def table(vocab_size: int, batches: list[int], rounds: int) -> list[list[str]]:
    """Rows of the table for one vocabulary."""
    import torch

    from benchmarks.measure import interleaved

    torch.manual_seed(0)
    keys = torch.randint(0, 2, (vocab_size, SIZE)).float() * 2 - 1
    keys[0] = 0.0
    x, spoken = utterances(max(batches), keys)
    head = head_of(vocab_size, keys)
    searches = [
        *espnet_searches(*espnets(vocab_size, head), x),
        *our_searches(head, x, batches, "ours"),
        *our_searches(head_of(vocab_size, keys, "stateless"), x, batches[-1:], "ours, stateless predictor"),
    ]
    found = {search.name: search.run() for search in searches}
    if found["ESPnet greedy"] != found[f"ours, greedy, 1 symbol a frame, B={batches[0]}"][:1]:
        raise SystemExit("our greedy search and ESPnet's write different labels")
    seconds = interleaved({search.name: search.run for search in searches}, rounds)
    rows = []
    for search in searches:
        each = seconds[search.name] / search.batch
        right = sum(a == b for a, b in zip(found[search.name], spoken))
        rows.append(
            [
                str(vocab_size),
                search.name,
                search.kind,
                f"{1000 * each:.1f}",
                f"{each / seconds['ESPnet greedy']:.3f}",
                f"{each / seconds['ESPnet default, beam 4']:.3f}",
                f"{right}/{len(found[search.name])}",
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
