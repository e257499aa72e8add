"""Stage 5: word links of the training sets, and what the policies would cost with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from espnet_jst.data import kaldi
from espnet_jst.data.texts import Texts
from espnet_jst.jobs.shards import run_each
from espnet_jst.recipe.options import DataOptions, RunOptions, TextOptions
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stages.tokens import token_files
from espnet_jst.recipe.stamp import present
from espnet_jst.text.align.pharaoh import format_pharaoh, read_pharaoh
from espnet_jst.text.align.scores import AlignmentScore, alignment_score
from espnet_jst.text.units import split_units

Links = Mapping[str, set[tuple[int, int]]]
DIAGNOSIS = "cost of the policies"
DIAGNOSED = 5000  # utterances of the training set, evenly spaced: a few seconds, and more would change no figure
ONE_TEXT = "one text: nothing is aligned"


def alignment_stage(data: DataOptions, text: TextOptions, run: RunOptions, *, skip: str) -> Stage:
    """Word links of both training sets."""
    if not text.files.both:
        return Stage.skipped(5, "word alignment", skip or ONE_TEXT)
    sets = [data.raw / name for name in data.training_sets]
    # Links that the user gave with the data, as stage 3 found them.
    given = {name: data.raw / "org" / name / "alignment" for name in data.training_sets}
    references = [path / "alignment.ref" for path in sets]
    report = data.raw / "alignment.txt"
    return Stage(
        number=5,
        name="word alignment",
        run=partial(align_sets, sets, text.files, given, report, nj=run.nj, device="cuda" if run.ngpu else "cpu"),
        uses={"aligner": text.aligner, "model": text.aligner_model, "symmetrization": text.symmetrization},
        inputs=[
            *(path / name for path in sets for name in text.files.names),
            *present(*given.values(), *references),
        ],
        outputs=[*(path / "alignment" for path in sets), report],
        stamp=sets[0] / ".stages" / "5-alignment.json",
        skip=skip,
    )


def diagnosis_stage(data: DataOptions, text: TextOptions, *, skip: str) -> Stage:
    """What each policy of serializing would cost on the training text."""
    unserialized = "" if text.joint else "two token lists: nothing is serialized"
    if skip or unserialized or not text.files.both:
        return Stage.skipped(5, DIAGNOSIS, skip or unserialized or ONE_TEXT)
    train, folder, folders = data.raw / data.train_set, data.raw / "diagnosis", text.token_dirs(data.datadir)
    return Stage(
        number=5,
        name=DIAGNOSIS,
        run=partial(diagnose_policies, train, text.files, folders["tgt"], folder),
        inputs=[
            *(train / name for name in (*text.files.names, "alignment")),
            *token_files(folders),
            *present(train / "alignment.ref"),
        ],
        outputs=[folder / "diagnosis.md"],
        stamp=folder / ".stages" / "5.json",
    )


def align_sets(
    sets: Sequence[Path],
    texts: Texts,
    given: Mapping[str, Path],
    report: Path,
    *,
    nj: int = 1,
    device: str = "cpu",
    aligner: str,
    model: str = "",
    symmetrization: str,
) -> str:
    """Write `alignment` of the training sets: the user's own links, or those of the aligner.

    It sees training and validation text together, so that both get links of one model. Every utterance has a line; "-"
    says that there is no link.

    Args:
        given: name of a set -> the user's links, where there are some.
        device: of an aligner that is a network.
    """
    estimate = []
    notes = []
    for folder in sets:
        if not given[folder.name].exists():
            estimate.append(folder)
            continue
        links = kaldi.read_table(given[folder.name])
        keys = kaldi.read_table(folder / f"{texts.transcript}")
        kaldi.write_table(folder / "alignment", {key: links.get(key, "-") for key in keys})
        notes.append(f"{folder.name}: links as given")
    if estimate:
        from espnet_jst.text import align_corpus

        mapper = partial(run_each, nj=nj, title="word alignment")
        align = partial(
            align_corpus, aligner=aligner, symmetrization=symmetrization, model=model, device=device, mapper=mapper
        )
        notes += _estimate(estimate, texts, align)
    report.write_text("".join(f"{note}\n" for note in notes), encoding="utf-8")
    return "; ".join(notes)


def _estimate(sets: Sequence[Path], texts: Texts, align: partial) -> list[str]:
    keys: list[tuple[Path, str]] = []
    sources: list[list[str]] = []
    targets: list[list[str]] = []
    for folder in sets:
        source, target = (kaldi.read_table(folder / name) for name in texts.names)
        keys += [(folder, key) for key in source]
        sources += [split_units(text) for text in source.values()]
        targets += [split_units(target[key]) for key in source]
    links = align(sources, targets, names=[key for _, key in keys])
    notes = []
    for folder in sets:
        mine = {key: link for (owner, key), link in zip(keys, links) if owner == folder}
        table = {key: format_pharaoh(link) if link else "-" for key, link in mine.items()}
        kaldi.write_table(folder / "alignment", table)
        note = f"{folder.name}: {sum(map(len, mine.values()))} links"
        reference = folder / "alignment.ref"
        if reference.exists():
            score = against_reference(mine, reference)
            note += f", AER {score.aer:.4f} against {reference.name}"
            note += f" (precision {score.precision:.3f}, recall {score.recall:.3f})"
        unlinked = sum(not link for link in mine.values())
        notes.append(note + (f", {unlinked} utterances without a link" if unlinked else ""))
    return notes


def against_reference(links: Links, reference: Path) -> AlignmentScore:
    """Compare `links` with a file of Pharaoh links."""
    gold = {key: value for key, value in read_pharaoh(reference).items() if key in links}
    return alignment_score([links[key] for key in gold], list(gold.values()))


def diagnose_policies(train: Path, texts: Texts, tokens: Path, folder: Path) -> str:
    """Write what each policy would cost on the training text into `folder`. Returns the figures of the default."""
    from espnet_jst.evaluation.diagnosis import read_and_compare, write_diagnosis
    from espnet_jst.text.tokenizer import Tokenizer

    reference = train / "alignment.ref"
    reports, title = read_and_compare(
        *(train / name for name in (*texts.names, "alignment")),
        reference=reference if reference.exists() else None,
        tokenizer=Tokenizer.load(tokens),
        sample=DIAGNOSED,
    )
    written = write_diagnosis(reports, folder, title)
    block = reports["align"]
    band = block.longest_bursts().prune_range()
    return f"align writes {block.tags_per_sentence:.1f} tags a sentence, prune_range {band} does for 99 %: {written[0]}"
