"""`--mbart FOLDER`: token lists of its pieces (stage 5), and initial weights of the model (stage 11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from espnet_jst.config import config_files
from espnet_jst.data import checks, kaldi
from espnet_jst.recipe.options import DataOptions, TextOptions, TrainingOptions
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stages.start import check_new, initial_weights, one_training
from espnet_jst.recipe.unit_training import text_source
from espnet_jst.text.units import split_units

FLAG = "--mbart"
PIECES = "sentencepiece.bpe.model"


def check(training: TrainingOptions, text: TextOptions) -> None:
    """Refuse a folder that is no mBART, and a configuration that it gives no weights to.

    Raises:
        ConfigError: names the option, the key and what it must be.
    """
    from espnet_jst.hub.mbart.fit import check_sizes
    from espnet_jst.hub.mbart.folder import MBartFolder

    check_new(training, FLAG)
    config = _config(training, {})
    languages = {"src_lang": text.src_lang, "tgt_lang": text.tgt_lang}
    check_sizes(config, MBartFolder.read(text.mbart), **languages, where=training.st_config)


def read_texts(data: DataOptions, text: TextOptions) -> list[Path]:
    """Folders of all texts that are trained on."""
    further = [text_source(data, text)] if text.text_share else []
    return list(dict.fromkeys([data.raw / data.train_set, *further]))


def trim_token_lists(
    folders: Mapping[str, Path],
    texts: Sequence[Path],
    units: Path,
    options: TextOptions,
    *,
    joint: bool,
    unit_nbpe: int,
) -> str:
    """Write token lists of mBART's pieces, those that occur, with pieces of units in that of the source.

    Args:
        texts: folders of all texts that are trained on.
        units: units of speech as a text.
        joint: the target's list is made of all texts.
        unit_nbpe: pieces of units.
    """
    from espnet_jst.text.tokenizer import Tokenizer
    from espnet_jst.text.train_tokenizer import join_tokenizers, train_tokenizer
    from espnet_jst.text.trimmed import trim_tokenizer

    files, model = options.files, Path(options.mbart) / PIECES
    lines: dict[str, list[list[str]]] = {"src": [], "tgt": []}
    for folder in texts:
        tables, _ = checks.read_tables(folder, files.names)
        for name, table in tables.items():
            read = [split_units(line) for line in table.values()]
            lines["src"] += read if name == files.transcript else []
            lines["tgt"] += read if joint or name != files.transcript else []
    sizes = []
    for side, out in folders.items():
        if side == "src":
            trim_tokenizer(model, lines[side], out / "words")
            train_tokenizer(
                [[line] for line in kaldi.read_table(units).values() if line],
                out / "units",
                vocab_size=unit_nbpe,
                model_type="unigram",
                tags=(),
            )
            join_tokenizers([out / "words", out / "units"], out)  # its scores and its normalization are mBART's
        else:
            trim_tokenizer(model, lines[side], out)
        sizes.append(f"{len(Tokenizer.load(out).tokens)} tokens in {out / 'tokens.txt'}")
    return ", ".join(sizes)


def weights_stage(data: DataOptions, text: TextOptions, training: TrainingOptions, exp: Path, *, skip: str) -> Stage:
    """Weights of the mBART under the names of the model, with rows for units."""
    from espnet_jst.hub.mbart.folder import files_of

    folders, out = text.token_dirs(data.datadir), initial_weights(exp, FLAG)
    lists = {side: folder / "tokens.txt" for side, folder in folders.items()}
    config = Path(training.st_config)
    return Stage(
        number=11,
        name=f"start from {Path(text.mbart).name}",
        run=partial(write_weights, training, lists, Path(text.mbart), out),
        uses={
            "src_lang": text.src_lang,
            "tgt_lang": text.tgt_lang,
            "unit_init": text.unit_init,
            "seed": training.seed,
        },
        inputs=[*config_files(config), *lists.values(), *files_of(text.mbart)],
        outputs=[out],
        stamp=out.parent / ".stages" / "11.json",
        skip=skip,
    )


def write_weights(training: TrainingOptions, lists: Mapping[str, Path], folder: Path, out: Path, **how: Any) -> str:
    """Write them."""
    from espnet_jst.hub.mbart.convert import write_initial_weights

    return write_initial_weights(_config(training, lists), folder, out, where=training.st_config, **how)


def _config(training: TrainingOptions, lists: Mapping[str, Path]) -> dict[str, Any]:
    """The training configuration, with its token lists."""
    names = {"tgt": "token_list", "src": "src_token_list"}
    return {**one_training(training, FLAG), **{names[side]: str(file) for side, file in lists.items()}}
