"""`--whisper_decoder FOLDER`: token lists of Whisper's pieces (stage 5), and initial weights of a head (stage 11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from espnet_jst.config import config_files, read_yaml
from espnet_jst.data import kaldi
from espnet_jst.errors import ConfigError
from espnet_jst.recipe.options import DataOptions, TextOptions, TrainingOptions
from espnet_jst.recipe.stage import Stage
from espnet_jst.text.token_list import read_tokens
from espnet_jst.text.units import split_units

TOKENIZER = "tokenizer.json"


def check(training: TrainingOptions, text: TextOptions) -> None:
    """Refuse a folder that is no Whisper, and a configuration whose head it gives no weights to.

    Raises:
        ConfigError: names the option, the key and what it must be.
    """
    from espnet_jst.hub.whisper.fit import check_sizes, find_head

    if training.finetune:
        raise ConfigError(f"--finetune {training.finetune} has weights of its own: leave out --whisper_decoder")
    check_sizes(find_head(_config(training), training.st_config), text.whisper_decoder, training.st_config)


def trim_token_lists(
    folders: Mapping[str, Path], texts: Sequence[Path], file: Path, *, joint: bool, tags: Sequence[str]
) -> str:
    """Write token lists of Whisper's pieces, those that occur.

    Args:
        texts: transcript and translation, or the one that there is.
        file: Whisper's tokenizer.
        joint: the target's list is made of all texts.
    """
    from espnet_jst.text.byte_pieces import trim_byte_pieces
    from espnet_jst.text.tokenizer import Tokenizer

    read = [[split_units(line) for line in kaldi.read_table(path).values()] for path in texts]
    lines = {"src": read[0], "tgt": [line for text in read for line in text] if joint else read[-1]}
    sizes = []
    for side, out in folders.items():
        trim_byte_pieces(file, lines[side], out, tags=tags)
        sizes.append(f"{len(Tokenizer.load(out).tokens)} tokens in {out / 'tokens.txt'}")
    return ", ".join(sizes)


def initial_weights(training: TrainingOptions, text: TextOptions, exp: Path) -> Path:
    """The file that a training starts from, beside its folder, which may begin again."""
    return exp.with_name(f"{exp.name}_whisper_decoder") / "init.pth"


def init_flag(training: TrainingOptions, text: TextOptions, exp: Path) -> str:
    """What `--init_param` is to say for it."""
    from espnet_jst.hub.whisper.fit import find_head, init_param

    spec = find_head(_config(training), training.st_config)
    return init_param(spec, initial_weights(training, text, exp))


def weights_stage(data: DataOptions, text: TextOptions, training: TrainingOptions, exp: Path, *, skip: str) -> Stage:
    """Weights of Whisper's decoder under the names of the head."""
    from espnet_jst.heads.spec import vocabulary_of
    from espnet_jst.hub.whisper.fit import files_of, find_head

    folders, out = text.token_dirs(data.datadir), initial_weights(training, text, exp)
    side = vocabulary_of(find_head(_config(training), training.st_config), folders)
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
    return write_initial_head(_config(training), read_tokens(tokens), folder, out, where=where, **languages)


def _config(training: TrainingOptions) -> dict[str, Any]:
    """The training configuration."""
    values = read_yaml(training.st_config)
    if values.get("runs"):
        raise ConfigError(f"--whisper_decoder: {training.st_config} names runs; give a configuration of one training")
    return values
