"""Stage 5: token list, text that fits its frames, word alignment, what the policies would cost."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from espnet_jst.data import checks, kaldi
from espnet_jst.data.audio_file import BadItem
from espnet_jst.data.checks import Problem
from espnet_jst.errors import DataError
from espnet_jst.recipe.finetune import model_inputs
from espnet_jst.recipe.options import RecipeOptions
from espnet_jst.recipe.pool import run_each
from espnet_jst.recipe.prepare import summary, tag_symbols
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stamp import present
from espnet_jst.text.units import split_units

if TYPE_CHECKING:
    from espnet_jst.text.align.scores import AlignmentScore
    from espnet_jst.text.tokenizer import Tokenizer

UNLINKED = ("there is no link to the translation", "check that both texts belong together", "links-missing")
DIAGNOSIS = "cost of the policies"
DIAGNOSED = 5000  # utterances of the training set, evenly spaced: a few seconds, and more would change no figure


def text_stages(options: RecipeOptions) -> Iterator[Stage]:
    """Stage 5: token list, word alignment, which utterances to train on, what each policy would cost.

    6-9 belong to a language model.
    """
    skip = "--skip_data_prep" if options.skip_data_prep else ""
    train = options.raw / options.train_set
    texts = [train / options.src_text, train / options.tgt_text]
    lists = token_files(options)
    yield Stage(
        number=5,
        name="token list",
        run=make_token_lists,
        options=options,
        inputs=[*texts, *model_inputs(options)],
        outputs=lists,
        stamp=lists[0].parent / ".stages" / "5.json",
        skip=skip,
    )
    yield alignment_stage(options, skip)
    yield fitting_stage(options, skip)
    folder = options.raw / "diagnosis"
    joint = "" if options.token_joint else "two token lists: nothing is serialized"
    reference = train / "alignment.ref"
    yield Stage(
        number=5,
        name=DIAGNOSIS,
        run=partial(diagnose_policies, folder=folder),
        options=options,
        inputs=[*texts, train / "alignment", *lists, *present(reference)],
        outputs=[folder / "diagnosis.md"],
        stamp=folder / ".stages" / "5.json",
        skip=skip or joint,
    )
    for number, name in ((6, "LM statistics"), (7, "LM training"), (8, "LM perplexity"), (9, "n-gram LM")):
        yield Stage(number=number, name=name, run=lambda _: None, skip="no language model")


def alignment_stage(options: RecipeOptions, skip: str) -> Stage:
    """Word links of both training sets."""
    sets = [options.raw / name for name in options.training_sets]
    given = [given_links(options, name) for name in options.training_sets]
    references = [path / "alignment.ref" for path in sets]
    return Stage(
        number=5,
        name="word alignment",
        run=align_sets,
        options=options,
        inputs=[
            *(path / text for path in sets for text in (options.src_text, options.tgt_text)),
            *present(*given, *references),
        ],
        outputs=[*(path / "alignment" for path in sets), options.raw / "alignment.txt"],
        stamp=options.raw / options.train_set / ".stages" / "5-alignment.json",
        skip=skip,
    )


def fitting_stage(options: RecipeOptions, skip: str) -> Stage:
    """The utterances that training takes: a list of its own, so that no table of another stage is rewritten."""
    sets = [options.raw / name for name in options.training_sets]
    reader = reader_dir(options)
    return Stage(
        number=5,
        name="utterances to train on",
        run=choose_utterances,
        options=options,
        inputs=[
            *(path / table for path in sets for table in ("utt2num_samples", options.src_text, "alignment")),
            *(reader / name for name in ("tokens.txt", "bpe.model")),
        ],
        outputs=[
            path for name in options.training_sets for path in (shape_file(options, name), left_out(options, name))
        ],
        stamp=options.raw / options.train_set / ".stages" / f"5-{reader.name}.json",
        skip=skip,
    )


def token_files(options: RecipeOptions) -> list[Path]:
    """Token lists and SentencePiece models, the list of the target first."""
    return [folder / name for folder in options.token_dirs.values() for name in ("tokens.txt", "bpe.model")]


def reader_dir(options: RecipeOptions) -> Path:
    """The token list that transcripts are read with."""
    return options.token_dirs.get("src", options.token_dirs["tgt"])


def shape_file(options: RecipeOptions, name: str) -> Path:
    """Lengths of the utterances of a set that fit the token list and have links: those that training takes."""
    return options.raw / name / f"utt2num_samples.{reader_dir(options).name}"


def left_out(options: RecipeOptions, name: str) -> Path:
    """The list of those that do not."""
    return options.raw / name / f"skipped.{reader_dir(options).name}.jsonl"


def given_links(options: RecipeOptions, name: str) -> Path:
    """Links that the user gave with the data, as stage 3 found them."""
    return options.raw / "org" / name / "alignment"


def make_token_lists(options: RecipeOptions) -> str:
    """Make the token lists, or take those of the model to train further."""
    from espnet_jst.recipe.finetune import copy_token_lists

    return copy_token_lists(options) if options.finetune else train_token_lists(options)


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
        kind = options.pieces(side)
        if kind == "bpe":
            size = options.nbpe_of(side)
            train_tokenizer(lines[side], out, vocab_size=size, model_type=options.bpemode_of(side), tags=tags)
        else:
            train_tokenizer(lines[side], out, model_type=kind, tags=tags)
        sizes.append(f"{len(Tokenizer.load(out).tokens)} tokens in {out / 'tokens.txt'}")
    return ", ".join(sizes)


def choose_utterances(options: RecipeOptions) -> str:
    """List what training takes: transcripts that CTC can place in their frames, and texts that have links."""
    from espnet_jst.text.tokenizer import Tokenizer

    reader = Tokenizer.load(reader_dir(options))
    return "; ".join(f"{name}: {_choose(options, name, reader)}" for name in options.training_sets)


def _choose(options: RecipeOptions, name: str, reader: Tokenizer) -> str:
    directory = options.raw / name
    samples, limits = kaldi.read_table(directory / "utt2num_samples"), checks.Limits(frame_s=options.encoder_frame_s)
    texts, links = (kaldi.read_table(directory / table) for table in (options.src_text, "alignment"))
    problems = []
    for key, text in texts.items():
        try:
            pieces = reader.encode(split_units(text))
            checks.check_fit(options.src_text, pieces, int(samples[key]), options.fs_hz, limits)
            if links.get(key, "-") == "-":
                raise BadItem(*UNLINKED)
        except BadItem as bad:
            problems.append(Problem.of(key, bad))
    bad_keys = {problem.utt_id for problem in problems}
    kept = {key: value for key, value in samples.items() if key not in bad_keys}
    if not kept:
        raise DataError(f"{directory}: every utterance was left out (first: {problems[0]})")
    kaldi.write_table(shape_file(options, name), kept)
    checks.write_problems(left_out(options, name), problems)
    return summary(len(kept), problems, listed=left_out(options, name).name)


def align_sets(options: RecipeOptions) -> str:
    """Write `alignment` of the training sets: the user's own links, or those of the aligner.

    It sees training and validation text together, so that both get links of one model. Every utterance has a line; "-"
    says that there is no link.
    """
    estimate = []
    notes = []
    for name in options.training_sets:
        if not given_links(options, name).exists():
            estimate.append(name)
            continue
        links = kaldi.read_table(given_links(options, name))
        texts = kaldi.read_table(options.raw / name / options.src_text)
        kaldi.write_table(options.raw / name / "alignment", {key: links.get(key, "-") for key in texts})
        notes.append(f"{name}: links as given")
    if estimate:
        notes += _estimate(options, estimate)
    report = options.raw / "alignment.txt"
    report.write_text("".join(f"{note}\n" for note in notes), encoding="utf-8")
    return "; ".join(notes)


def _estimate(options: RecipeOptions, names: list[str]) -> list[str]:
    from espnet_jst.text import align_corpus
    from espnet_jst.text.align.pharaoh import format_pharaoh

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
        unlinked = sum(not link for link in mine.values())
        notes.append(note + (f", {unlinked} utterances without a link" if unlinked else ""))
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
    from espnet_jst.text.align.pharaoh import parse_pharaoh
    from espnet_jst.text.align.scores import alignment_score

    gold = {key: parse_pharaoh(value) for key, value in kaldi.read_table(reference).items() if key in links}
    return alignment_score([links[key] for key in gold], list(gold.values()))
