"""Alignment error rates of every word aligner that is installed, and what the policies do with their links.

    python benchmarks/aligners.py [--pairs 1000] [--seed 0] [--aligners builtin,eflomal,fast_align] [--model DIR]

On the generated German-like to English-like corpus with gold links (espnet_jst/text/align/synthetic.py). Three tables
in Markdown: error rates; the policies with gold links and with a share of them corrupted; the default policy with each
aligner's links. Premature words and waits are always measured by the gold links. An aligner that is not installed is
named and left out; a neural one needs --model, and one without a model of real languages says nothing about it here,
since the words are made up.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping, Sequence

from espnet_jst.errors import ConfigError
from espnet_jst.evaluation.diagnosis import compare_policies, policy_name
from espnet_jst.text.align.corpus import align_corpus
from espnet_jst.text.align.corrupt import corrupt_links
from espnet_jst.text.align.scores import alignment_score
from espnet_jst.text.align.synthetic import GoldPair, synthetic_corpus
from espnet_jst.text.diagnose import SerializationReport
from espnet_jst.text.links import Link

KINDS = ("forward", "reverse", "intersect", "grow-diag-final-and")
NEURAL = ("simalign", "awesome-align")
COLUMNS = "tags a sentence | target words before their source | extra wait (words) | source heard"
Links = Sequence[Collection[Link]]


def align_all(corpus: Sequence[GoldPair], aligners: Sequence[str], model: str) -> dict[str, dict[str, Links]]:
    """Links of each aligner that is installed, by symmetrization; prints the table of their error rates."""
    sources, targets = [pair.source for pair in corpus], [pair.target for pair in corpus]
    gold = [pair.links for pair in corpus]
    found: dict[str, dict[str, Links]] = {}
    missing = []
    print("| aligner | AER forward | AER reverse | AER (precision) intersect | AER (precision) gdfa |")
    print("|---|---|---|---|---|")
    for aligner in aligners:
        kinds = KINDS[2:] if aligner == "awesome-align" else KINDS  # it has no directions
        try:
            own = model if aligner in NEURAL else ""
            links = {
                kind: align_corpus(sources, targets, aligner=aligner, symmetrization=kind, model=own) for kind in kinds
            }
        except ConfigError as error:
            missing.append(str(error))
            continue
        scores = {kind: alignment_score(links[kind], gold) for kind in kinds}
        cells = [f"{scores[kind].aer:.3f}" if kind in scores else "-" for kind in KINDS[:2]]
        cells += [f"{scores[kind].aer:.3f} ({scores[kind].precision:.3f})" for kind in KINDS[2:]]
        print(f"| {aligner} | {' | '.join(cells)} |", flush=True)
        found[aligner] = links
    for message in missing:
        print(f"\nleft out: {message}")
    return found


def row(name: str, report: SerializationReport) -> str:
    """A line of the second and third table."""
    cells = [f"{report.tags_per_sentence:.1f}", f"{100 * report.premature_share:.1f} %"]
    return f"| {name} | {' | '.join([*cells, f'{report.extra_wait:.2f}', f'{report.heard_share:.2f}'])} |"


def print_policies(corpus: Sequence[GoldPair], seed: int) -> None:
    """The policies with gold links, and with 5, 10 and 20 % of them corrupted."""
    keys = [f"{number:06d}" for number in range(len(corpus))]
    gold = {key: pair.links for key, pair in zip(keys, corpus)}
    words = {key: len(pair.target) for key, pair in zip(keys, corpus)}

    def reports(links: Mapping[str, Collection[Link]], policies: Sequence[str]) -> dict[str, SerializationReport]:
        sides = [pair.source for pair in corpus], [pair.target for pair in corpus]
        return compare_policies(*sides, list(links.values()), reference=list(gold.values()), policies=policies)

    print(f"\n| policy, gold links | {COLUMNS} |\n|---|---|---|---|---|")
    for policy, report in reports(gold, ["0.0", "0.3", "0.5", "1.0", "align", "eager"]).items():
        print(row(policy_name(policy), report))
    for share in (0.05, 0.1, 0.2):
        wrong = corrupt_links(gold, words, share, seed=seed)
        for policy, report in reports(wrong, ["align", "eager"]).items():
            print(row(f"{policy_name(policy)}, {100 * share:.0f} % corrupted", report))


def print_automatic(corpus: Sequence[GoldPair], found: Mapping[str, Mapping[str, Links]]) -> None:
    """The default policy with the links of each aligner, measured by the gold ones."""
    sources, targets = [pair.source for pair in corpus], [pair.target for pair in corpus]
    gold = [pair.links for pair in corpus]
    print(f"\n| links, ALIGN block | {COLUMNS} |\n|---|---|---|---|---|")
    every = {"gold": gold} | {
        f"{aligner}, {kind}": links[kind] for aligner, links in found.items() for kind in KINDS[2:]
    }
    for name, links in every.items():
        report = compare_policies(sources, targets, links, reference=gold, policies=["align"])["align"]
        print(row(name, report))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="of the corpus, and of the links that are corrupted")
    parser.add_argument("--aligners", default="builtin,eflomal,fast_align,simalign,awesome-align")
    parser.add_argument("--model", default="", help="folder of the neural aligners' model")
    args = parser.parse_args()
    corpus = synthetic_corpus(args.pairs, seed=args.seed)
    aligners = [name for name in args.aligners.split(",") if args.model or name not in NEURAL]
    found = align_all(corpus, aligners, args.model)
    print_policies(corpus, args.seed)
    # Links that a model knows nothing about would only blur the comparison.
    print_automatic(corpus, {name: links for name, links in found.items() if name not in NEURAL})


if __name__ == "__main__":
    main()
