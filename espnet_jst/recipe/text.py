"""Stage 5: token list, text that fits its frames, word alignment, what the policies would cost."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from espnet_jst.data import checks, kaldi
from espnet_jst.data.audio_file import BadItem
from espnet_jst.data.checks import Problem
from espnet_jst.data.utterances import OPTIONAL
from espnet_jst.errors import DataError
from espnet_jst.recipe.options import RecipeOptions
from espnet_jst.recipe.pool import run_each
from espnet_jst.recipe.prepare import limits, summary, tag_symbols
from espnet_jst.recipe.stage import Stage
from espnet_jst.text.units import split_units

if TYPE_CHECKING:
    from espnet_jst.text.align import AlignmentScore
    from espnet_jst.text.tokenizer import Tokenizer

DIAGNOSED = 5000  # utterances of the training set, evenly spaced: a few seconds, and more would change no figure


def text_stages(options: RecipeOptions) -> Iterator[Stage]:
    """Stage 5: token list, word alignment, what each policy would cost; 6-9 belong to a language model."""
    skip = "--skip_data_prep" if options.skip_data_prep else ""
    train = options.raw / options.train_set
    texts = [train / options.src_text, train / options.tgt_text]
    token_files = [directory / "tokens.txt" for directory in options.token_dirs.values()]
    yield Stage(
        number=5,
        name="token list",
        run=lambda: make_token_lists(options),
        inputs=texts,
        outputs=token_files,
        options={
            "tags": options.tag_scheme,
            "limits": repr(limits(options)),
            "finetune": options.finetune,
            "anyway": options.finetune_anyway,
        },
        stamp=token_files[0].parent / ".stages" / "5.json",
        skip=skip,
    )
    sets = [options.raw / name for name in options.training_sets]
    yield Stage(
        number=5,
        name="word alignment",
        run=lambda: align_sets(options),
        inputs=[path / text for path in sets for text in (options.src_text, options.tgt_text)],
        outputs=[path / "alignment" for path in sets],
        options={
            "symmetrization": options.symmetrization,
            "aligner": options.aligner,
            "aligner_model": options.aligner_model,
        },
        stamp=train / ".stages" / "5-alignment.json",
        skip=skip,
    )
    folder = options.raw / "diagnosis"
    joint = "" if options.token_joint else "two token lists: nothing is serialized"
    yield Stage(
        number=5,
        name="cost of the policies",
        run=lambda: diagnose_policies(options, folder),
        inputs=[*texts, train / "alignment", *token_files],
        outputs=[folder / "diagnosis.md"],
        stamp=folder / ".stages" / "5.json",
        skip=skip or joint,
    )
    for number, name in ((6, "LM statistics"), (7, "LM training"), (8, "LM perplexity"), (9, "n-gram LM")):
        yield Stage(number=number, name=name, run=lambda: None, skip="no language model")


def make_token_lists(options: RecipeOptions) -> str:
    """Make the token lists, then drop utterances whose pieces do not fit."""
    from espnet_jst.recipe.finetune import copy_token_lists
    from espnet_jst.text.tokenizer import Tokenizer

    made = copy_token_lists(options) if options.finetune else train_token_lists(options)
    reader = Tokenizer.load(options.token_dirs.get("src", options.token_dirs["tgt"]))
    dropped = [remove_unfitting(options, name, reader) for name in options.training_sets]
    return ", ".join([made, *(note for note in dropped if note)])


def train_token_lists(options: RecipeOptions) -> str:
    """Train the SentencePiece model or models on the training text."""
    from espnet_jst.text.tokenizer import Tokenizer, train_tokenizer

    train = options.raw / options.train_set
    source = [split_units(text) for text in kaldi.read_table(train / options.src_text).values()]
    target = [split_units(text) for text in kaldi.read_table(train / options.tgt_text).values()]
    tags = tag_symbols(options)
    lines = {"src": source, "tgt": source + target if options.token_joint else target}
    sizes = []
    for side, out in options.token_dirs.items():
        kind, vocab_size = options.pieces(side)
        model_type = options.bpemode if kind == "bpe" else kind
        train_tokenizer(lines[side], out, vocab_size=vocab_size, model_type=model_type, tags=tags)
        sizes.append(f"{len(Tokenizer.load(out).tokens)} tokens in {out / 'tokens.txt'}")
    return ", ".join(sizes)


def remove_unfitting(options: RecipeOptions, name: str, tokenizer: Tokenizer) -> str:
    """Drop utterances whose transcript has more pieces than CTC can place in their frames. Returns a note."""
    directory = options.raw / name
    samples = kaldi.read_table(directory / "utt2num_samples")
    texts = kaldi.read_table(directory / options.src_text)
    problems = []
    for key, text in texts.items():
        try:
            pieces = tokenizer.encode(split_units(text))
            checks.check_fit(options.src_text, pieces, int(samples[key]), options.fs_hz, limits(options))
        except BadItem as bad:
            problems.append(Problem.of(key, bad))
    return drop(options, name, problems)


def drop(options: RecipeOptions, name: str, problems: list[Problem]) -> str:
    """Take utterances out of every table of a dump directory and add them to its list. Returns a note.

    Raises:
        DataError: nothing would be left.
    """
    if not problems:
        return ""
    directory = options.raw / name
    names = ["wav.scp", "utt2num_samples", options.src_text, options.tgt_text, "utt2spk"]
    names += [extra for extra in OPTIONAL if extra not in names and (directory / extra).exists()]
    bad = {problem.utt_id for problem in problems}
    tables = {
        table: {key: value for key, value in kaldi.read_table(directory / table).items() if key not in bad}
        for table in names
    }
    if not tables["wav.scp"]:
        raise DataError(f"{directory}: every utterance was left out (first: {problems[0]})")
    kaldi.write_data_dir(directory, tables)
    checks.write_skipped(directory, [*checks.read_skipped(directory), *problems])
    return f"{name}: " + summary(len(tables["wav.scp"]), problems)


def align_sets(options: RecipeOptions) -> str:
    """Write `alignment` of the training sets: the user's own links, or those of the aligner.

    It sees training and validation text together, so that both get links of one model.
    """
    estimate = [name for name in options.training_sets if not (options.raw / "org" / name / "alignment").exists()]
    notes = [f"{name}: links as given" for name in options.training_sets if name not in estimate]
    if estimate:
        notes += _estimate(options, estimate)
    report = options.raw / "alignment.txt"
    report.write_text("".join(f"{note}\n" for note in notes), encoding="utf-8")
    return "; ".join(notes)


def _estimate(options: RecipeOptions, names: list[str]) -> list[str]:
    from espnet_jst.text import align_corpus
    from espnet_jst.text.align import format_pharaoh

    keys: list[tuple[str, str]] = []
    sources: list[list[str]] = []
    targets: list[list[str]] = []
    for name in names:
        source = kaldi.read_table(options.raw / name / options.src_text)
        target = kaldi.read_table(options.raw / name / options.tgt_text)
        keys += [(name, key) for key in source]
        sources += [split_units(text) for text in source.values()]
        targets += [split_units(target[key]) for key in source]
    mapper = partial(run_each, nj=options.nj, title="word alignment")
    links = align_corpus(
        sources,
        targets,
        aligner=options.aligner,
        symmetrization=options.symmetrization,
        model=options.aligner_model,
        device="cuda" if options.ngpu else "cpu",
        names=[key for _, key in keys],
        mapper=mapper,
    )
    notes = []
    for name in names:
        mine = {key: link for (owner, key), link in zip(keys, links) if owner == name}
        table = {key: format_pharaoh(link) if link else "-" for key, link in mine.items()}
        kaldi.write_table(options.raw / name / "alignment", table)
        note = f"{name}: {sum(map(len, mine.values()))} links"
        reference = options.raw / name / "alignment.ref"
        if reference.exists():
            score = against_reference(mine, reference)
            note += f", AER {score.aer:.4f} against {reference.name}"
            note += f" (precision {score.precision:.3f}, recall {score.recall:.3f})"
        unaligned = [
            Problem(
                key,
                "the aligner found no link to the translation",
                "check that both texts belong together",
                "links-missing",
            )
            for key, link in mine.items()
            if not link
        ]
        notes.append(note + (f", {dropped}" if (dropped := drop(options, name, unaligned)) else ""))
    return notes


def diagnose_policies(options: RecipeOptions, folder: Path) -> str:
    """Write what each policy would cost on the training text into `folder`. Returns the figures of the default."""
    from espnet_jst.evaluation.diagnosis import read_and_compare, write_diagnosis
    from espnet_jst.text.tokenizer import Tokenizer

    train = options.raw / options.train_set
    reference = train / "alignment.ref"
    reports, title = read_and_compare(
        train / options.src_text,
        train / options.tgt_text,
        train / "alignment",
        reference=reference if reference.exists() else None,
        tokenizer=Tokenizer.load(options.token_dirs["tgt"]),
        sample=DIAGNOSED,
    )
    written = write_diagnosis(reports, folder, title)
    block = reports["align"]
    band = block.longest_bursts().prune_range()
    return f"align writes {block.tags_per_sentence:.1f} tags a sentence, prune_range {band} does for 99 %: {written[0]}"


def against_reference(links: dict[str, set[tuple[int, int]]], reference: Path) -> AlignmentScore:
    """Compare `links` with a file of Pharaoh links."""
    from espnet_jst.text.align import alignment_score, parse_pharaoh

    gold = {key: parse_pharaoh(value) for key, value in kaldi.read_table(reference).items() if key in links}
    return alignment_score([links[key] for key in gold], list(gold.values()))
