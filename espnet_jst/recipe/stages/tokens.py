"""Stage 5: the token lists, made of the training text or taken from the model that is trained further."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from espnet_jst.data import kaldi
from espnet_jst.errors import ConfigError
from espnet_jst.recipe.finetune import copy_token_lists, model_inputs
from espnet_jst.recipe.options import DataOptions, TextOptions, TrainingOptions
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stages import whisper_decoder
from espnet_jst.recipe.stages.mbart import PIECES, read_texts, trim_token_lists
from espnet_jst.text.units import split_units


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """One token list: kind of its pieces, and number and SentencePiece model where they are a choice."""

    kind: str
    size: int | None = None
    mode: str | None = None

    @classmethod
    def of(cls, text: TextOptions, side: str) -> Pieces:
        """What the options say of a side."""
        kind = text.pieces(side)
        return cls(kind=kind, size=text.nbpe_of(side), mode=text.bpemode_of(side)) if kind == "bpe" else cls(kind=kind)


def tokens_stage(data: DataOptions, text: TextOptions, training: TrainingOptions, *, skip: str) -> Stage:
    """Token lists and SentencePiece models."""
    folders, train = text.token_dirs(data.datadir), data.raw / data.train_set
    texts = {lane: train / name for lane, name in text.files.by_lane.items()}
    units = train / text.units_text if text.has_units else None
    run: Callable[..., str]
    uses: dict[str, object]
    inputs: list[Path] = []
    if training.finetune:
        run = partial(copy_token_lists, folders, texts)
        uses = {"model": training.finetune, "anyway": training.finetune_anyway, "languages": text.languages}
    elif text.mbart:
        assert units is not None
        read = read_texts(data, text)
        run = partial(trim_token_lists, folders, read, units, text)
        uses = {"joint": text.joint, "unit_nbpe": text.unit_nbpe}
        inputs = [folder / name for folder in read[1:] for name in text.files.names] + [Path(text.mbart) / PIECES]
    elif text.whisper_decoder:
        from espnet_jst.text.byte_pieces import TOKENIZER

        file = Path(text.whisper_decoder) / TOKENIZER
        run, inputs = partial(whisper_decoder.trim_token_lists, folders, [*texts.values()], file), [file]
        uses = {"joint": text.joint, "tags": text.tags, "pieces": text.whisper_pieces}
    else:
        run = partial(train_token_lists, folders, [*texts.values()], units=units)
        pieces = {side: Pieces.of(text, side) for side in folders}
        uses = {"pieces": pieces, "joint": text.joint, "tags": text.tags}
        uses |= {"unit_nbpe": text.unit_nbpe} if units else {}
    lists = token_files(folders)
    return Stage(
        number=5,
        name="token list",
        run=run,
        uses=uses,
        inputs=[*texts.values(), *([units] if units else []), *model_inputs(training.finetune), *inputs],
        outputs=lists,
        stamp=lists[0].parent / ".stages" / "5.json",
        skip=skip,
    )


def token_files(folders: Mapping[str, Path]) -> list[Path]:
    """Token lists and SentencePiece models, the list of the target first."""
    return [folder / name for folder in folders.values() for name in ("tokens.txt", "bpe.model")]


def reader_dir(folders: Mapping[str, Path]) -> Path:
    """The token list that transcripts are read with."""
    return folders.get("src", folders["tgt"])


def train_token_lists(
    folders: Mapping[str, Path],
    texts: Sequence[Path],
    *,
    units: Path | None = None,
    pieces: Mapping[str, Pieces],
    joint: bool,
    tags: Sequence[str],
    unit_nbpe: int = 0,
) -> str:
    """Train the SentencePiece model or models on the training text.

    Args:
        texts: transcript and translation, or the one that there is.
        units: units of speech as a text, which the source's list holds as well.
        joint: the target's list is made of all texts.
        unit_nbpe: pieces of units; 0: a unit is a piece.
    """
    from espnet_jst.text.tokenizer import Tokenizer
    from espnet_jst.text.train_tokenizer import train_tokenizer

    read = [[split_units(line) for line in kaldi.read_table(path).values()] for path in texts]
    lines = {"src": read[0], "tgt": [line for text in read for line in text] if joint else read[-1]}
    sizes = []
    for side, out in folders.items():
        made = pieces[side]
        how = {"vocab_size": made.size, "model_type": made.mode} if made.kind == "bpe" else {"model_type": made.kind}
        if side == "src" and units is not None:
            _train_joined(units, lines[side], out, unit_nbpe, how)
        else:
            train_tokenizer(lines[side], out, tags=list(tags), **how)
        sizes.append(f"{len(Tokenizer.load(out).tokens)} tokens in {out / 'tokens.txt'}")
    return ", ".join(sizes)


def _train_joined(units: Path, words: list[list[str]], out: Path, unit_nbpe: int, how: Mapping[str, Any]) -> None:
    """A token list of units and words, each cut as by a model of its own."""
    from espnet_jst.text.train_tokenizer import join_tokenizers, train_tokenizer

    lines = [[line] for line in kaldi.read_table(units).values() if line]
    kind = {"vocab_size": unit_nbpe, "model_type": how["model_type"]} if unit_nbpe else {"model_type": "char"}
    if not unit_nbpe and how["model_type"] != "char":
        raise ConfigError(
            f"--unit_nbpe 0 makes every unit a token, and the words have {how['model_type']} pieces: give "
            "--src_token_type char, or pieces of units"
        )
    train_tokenizer(lines, out / "units", tags=(), **kind)
    train_tokenizer(words, out / "words", tags=(), **how)
    join_tokenizers([out / "units", out / "words"], out)
