"""`--whisper_decoder FOLDER`: token lists of Whisper's pieces (stage 5), and initial weights of a head (stage 11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from espnet_jst.config import config_files
from espnet_jst.data import kaldi
from espnet_jst.recipe.options import DataOptions, TextOptions, TrainingOptions
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stages.start import check_new, initial_weights, one_training
from espnet_jst.text.token_list import read_tokens
from espnet_jst.text.units import split_units

FLAG = "--whisper_decoder"


def check(training: TrainingOptions, text: TextOptions) -> None:
    """Refuse a folder that is no Whisper, and a configuration whose head it gives no weights to.

    Raises:
        ConfigError: names the option, the key and what it must be.
    """
    from espnet_jst.hub.whisper.fit import check_sizes, find_head

    check_new(training, FLAG)
    check_sizes(find_head(one_training(training, FLAG), training.st_config), text.whisper_decoder, training.st_config)


def trim_token_lists(
    folders: Mapping[str, Path], texts: Sequence[Path], file: Path, *, joint: bool, tags: Sequence[str], pieces: int = 0
) -> str:
    """Write token lists of Whisper's pieces, those that occur.

    Args:
        texts: transcript and translation, or the one that there is.
        file: Whisper's tokenizer.
        joint: the target's list is made of all texts.
        pieces: at most so many for a list, beside characters; 0: all that occur.
    """
    from espnet_jst.text.byte_pieces import trim_byte_pieces
    from espnet_jst.text.tokenizer import Tokenizer

    read = [[split_units(line) for line in kaldi.read_table(path).values()] for path in texts]
    lines = {"src": read[0], "tgt": [line for text in read for line in text] if joint else read[-1]}
    sizes = []
    for side, out in folders.items():
        trim_byte_pieces(file, lines[side], out, tags=tags, most=pieces or None)
        sizes.append(f"{len(Tokenizer.load(out).tokens)} tokens in {out / 'tokens.txt'}")
    return ", ".join(sizes)


def init_flag(training: TrainingOptions, file: Path) -> str:
    """What `--init_param` is to say for a file of initial weights."""
    from espnet_jst.hub.whisper.fit import find_head, init_param

    return init_param(find_head(one_training(training, FLAG), training.st_config), file)


def weights_stage(data: DataOptions, text: TextOptions, training: TrainingOptions, exp: Path, *, skip: str) -> Stage:
    """Weights of Whisper's decoder under the names of the head."""
    from espnet_jst.heads.spec import vocabulary_of
    from espnet_jst.hub.whisper.fit import files_of, find_head

    folders, out = text.token_dirs(data.datadir), initial_weights(exp, FLAG)
    side = vocabulary_of(find_head(one_training(training, FLAG), training.st_config), folders)
    tokens = folders[side] / "tokens.txt"
    return Stage(
        number=11,
        name=f"start from {Path(text.whisper_decoder).name}",
        run=partial(write_weights, training, tokens, Path(text.whisper_decoder), out),
        uses={"src_lang": text.src_lang, "tgt_lang": text.tgt_lang},
        inputs=[*config_files(Path(training.st_config)), tokens, *files_of(text.whisper_decoder)],
        outputs=[out],
        stamp=out.parent / ".stages" / "11.json",
        skip=skip,
    )


def write_weights(training: TrainingOptions, tokens: Path, folder: Path, out: Path, **languages: str) -> str:
    """Write them."""
    from espnet_jst.hub.whisper.convert import write_initial_head

    where = training.st_config
    return write_initial_head(one_training(training, FLAG), read_tokens(tokens), folder, out, where=where, **languages)
