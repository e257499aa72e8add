"""Stage 1: the recipe's own script writes the data directories, or one directory of the user's is split."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path

from espnet_jst.errors import ConfigError
from espnet_jst.jobs.command import python, run_logged
from espnet_jst.recipe.options import DataOptions, RunOptions, TextOptions
from espnet_jst.recipe.options.option import check_words
from espnet_jst.recipe.own_corpus import split_corpus
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stamp import named_files, variables_of

MAKERS = ("local", "lists")  # a recipe's folders that say how its data is made


def check(data: DataOptions, run: RunOptions) -> None:
    """Refuse what could not be read, or not be split.

    Raises:
        ConfigError: names the option.
    """
    check_words("local_data_opts", data.local_data_opts)
    check_labelling(data)
    if not data.corpus_dir or not run.runs(1, skip=run.skip_data_prep):
        return
    if not Path(data.corpus_dir).is_dir():
        raise ConfigError(f"--corpus_dir {data.corpus_dir}: no such folder")
    shares = data.valid_share, data.test_share
    if min(shares) <= 0 or sum(shares) >= 1:
        raise ConfigError(
            f"--valid_share {shares[0]} --test_share {shares[1]}: shares of the corpus, such as 0.05, that leave "
            "something to train on"
        )
    if len(data.tests) != 1:
        raise ConfigError(f"--test_sets {data.test_sets!r}: one test set is made from --corpus_dir, name one")


def check_labelling(data: DataOptions) -> None:
    """Refuse a teacher without pupils, and a training set that is itself one of those it is made of.

    Raises:
        ConfigError: names the option.
    """
    check_words("teacher_args", data.teacher_args)
    if bool(data.teacher) != bool(data.unlabelled_set):
        raise ConfigError("--teacher and --unlabelled_set go together: who labels, and what is labelled")
    if not data.unlabelled_set:
        return
    if data.corpus_dir:
        raise ConfigError("--unlabelled_set does not go with --corpus_dir: split the corpus first, then --stage 2")
    if not 0 <= data.min_confidence <= 1:
        raise ConfigError(f"--min_confidence {data.min_confidence:g}: a probability, 0 to 1")
    if data.train_set in (data.labelled_set, data.unlabelled_set, data.valid_set, *data.tests):
        raise ConfigError(
            f"--train_set {data.train_set}: it is made of --labelled_set and --unlabelled_set, give it a new name"
        )


def local_data_stage(data: DataOptions, text: TextOptions, *, skip: str) -> Stage:
    """`local/data.py` (or `local/data.sh`), or the split of `--corpus_dir`."""
    datadir = Path(data.datadir)
    # A text alone may be called "text": stage 3 looks for it.
    names = ["wav.scp", *(text.files.names if text.files.both else ())]
    outputs = [
        datadir / name / table
        for name in data.prepared_sets
        for table in (names[:1] if name == data.unlabelled_set else names)
    ]
    stamp = datadir / ".stages" / "1.json"
    if data.corpus_dir:
        corpus = Path(data.corpus_dir)
        return Stage(
            number=1,
            name="split the corpus",
            run=partial(split_corpus, corpus, datadir),
            uses={
                "texts": text.files,
                "train": data.train_set,
                "shares": {data.tests[0]: data.test_share, data.valid_set: data.valid_share},
            },
            inputs=sorted(path for path in corpus.glob("*") if path.is_file()),
            outputs=outputs,
            stamp=stamp,
            skip=skip,
        )
    # The code that makes the data is an input too: another composition is other data. So is what it is told.
    files = sorted(path for folder in MAKERS for path in Path(folder).rglob("*") if path.is_file())
    code = [path for path in files if "__pycache__" not in path.parts]
    return Stage(
        number=1,
        name="local data",
        run=partial(make_local_data, datadir),
        uses={"flags": data.local_data_opts},
        inputs=[*code, *named_files(data.local_data_opts)],
        outputs=outputs,
        facts=lambda: {"environment": variables_of(code)},
        stamp=stamp,
        skip=skip,
    )


def make_local_data(datadir: Path, *, flags: str) -> None:
    """Run the recipe's own script."""
    script = next((path for path in (Path("local/data.py"), Path("local/data.sh")) if path.is_file()), None)
    if script is None:
        raise ConfigError("the recipe has no local/data.py: write one, give --corpus_dir, or start with --stage 3")
    start = python(script, "--data_dir", datadir) if script.suffix == ".py" else ["bash", str(script)]
    run_logged([*start, *shlex.split(flags)], datadir / "local_data.log")
