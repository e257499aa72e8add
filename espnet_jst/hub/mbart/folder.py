"""The folder of an mBART as `transformers` saves it: sizes, pieces and languages with their rows, weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from espnet_jst.config import closest, read_json, shown
from espnet_jst.errors import ConfigError
from espnet_jst.text.sentencepiece_model import check_model

PIECES = "sentencepiece.bpe.model"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
# Rows of the embedding: fairseq's four special symbols, pieces, languages, <mask>.
PAD, END, UNKNOWN, FIRST_PIECE = 1, 2, 3, 4
SIZES = (
    *("d_model", "encoder_layers", "decoder_layers", "encoder_attention_heads", "decoder_attention_heads"),
    *("encoder_ffn_dim", "decoder_ffn_dim", "max_position_embeddings", "vocab_size"),
)


@dataclass(frozen=True)
class MBartFolder:
    """What is known of an mBART before its weights are read.

    Attributes:
        conf: `config.json`.
        pieces: row of every piece of its SentencePiece model.
        languages: row of every language, such as `de_DE`.
    """

    path: Path
    conf: Mapping[str, Any]
    pieces: Mapping[str, int]
    languages: Mapping[str, int]

    @classmethod
    def read(cls, path: str | Path) -> MBartFolder:
        """That of a folder.

        Raises:
            ConfigError: it is none, or its files do not belong together; names the file.
        """
        path = Path(path)
        conf = read_config(path)
        names = _pieces(path / PIECES)
        pieces = {name: row for row, name in enumerate(names, start=FIRST_PIECE)}
        first = FIRST_PIECE + len(names)
        lists = _language_lists()
        left = conf["vocab_size"] - first - 1  # the last row is that of <mask>
        if left not in lists:
            raise ConfigError(
                f"{path / PIECES} has {len(names)} pieces, so that vocab_size {conf['vocab_size']} of config.json "
                f"leaves {left} languages, and an mBART has {' or '.join(map(str, lists))}: fetch both files of one "
                "model"
            )
        return cls(path, conf, pieces, {code: first + place for place, code in enumerate(lists[left])})

    @property
    def is_50(self) -> bool:
        """Whether sentences have the layout of mBART-50: the language before the pieces, the end of a sentence before
        the target's language.
        """
        return len(self.languages) == max(_language_lists())

    def language(self, code: str) -> int:
        """Row of a language, by its name (`de_DE`) or the first part of it (`de`).

        Raises:
            ConfigError: it has none.
        """
        found = [name for name in self.languages if code in (name, name.split("_")[0])]
        if not found:
            hint, known = closest(code, self.languages), ", ".join(self.languages)
            raise ConfigError(f"{self.path} has no language {code!r}{hint}: give one of {known}, or its first part")
        return self.languages[found[0]]

    def source_rows(self, code: str) -> tuple[list[int], list[int]]:
        """Rows before and behind the pieces of a source sentence."""
        language = self.language(code)
        return ([language], [END]) if self.is_50 else ([], [END, language])

    def target_rows(self, code: str) -> list[int]:
        """Rows that the decoder begins with."""
        language = self.language(code)
        return [END, language] if self.is_50 else [language]

    def weights(self) -> tuple[dict[str, Tensor], Path]:
        """Weights by their names, and their file.

        Raises:
            ConfigError: there are none.
            CheckpointError: the file is damaged or unsafe.
        """
        from espnet_jst.weights import read_weights

        found = [self.path / name for name in WEIGHTS if (self.path / name).is_file()]
        if not found:
            raise ConfigError(f"{self.path} has no {WEIGHTS[0]}: give the folder of an mBART as transformers saves it")
        return read_weights(found[0]), found[0]


def files_of(path: str | Path) -> list[Path]:
    """The files of a folder that count by their contents; those that are there."""
    return [file for name in ("config.json", PIECES, *WEIGHTS) if (file := Path(path) / name).is_file()]


def read_config(path: Path) -> dict[str, Any]:
    """The sizes of an mBART.

    Raises:
        ConfigError: the folder has none.
    """
    conf = read_json(path / "config.json")
    if conf.get("model_type") != "mbart":
        kind = f"is of the kind {shown(conf['model_type'])}" if conf.get("model_type") else "has no config.json"
        raise ConfigError(
            f"--mbart {path}: the folder {kind}: give that of mbart-large-cc25 or mbart-large-50, as transformers "
            "saves it"
        )
    for name in SIZES:
        if type(conf.get(name)) is not int or not 0 < conf[name] < 2**24:
            raise ConfigError(f"{path / 'config.json'}: {name} is {shown(conf.get(name))}: fetch the file again")
    return conf


def _pieces(file: Path) -> list[str]:
    """The pieces of a SentencePiece model in their order, without its three special symbols."""
    import sentencepiece

    if not file.is_file():
        raise ConfigError(f"{file} does not exist: an mBART has its SentencePiece model beside the weights")
    try:
        content = file.read_bytes()
        check_model(content)
        processor = sentencepiece.SentencePieceProcessor(model_proto=content)
    except (RuntimeError, OSError, ValueError) as error:
        raise ConfigError(f"{file} is no SentencePiece model ({error}): fetch it again") from error
    first = [processor.id_to_piece(place) for place in range(3)]
    if first != ["<unk>", "<s>", "</s>"]:
        raise ConfigError(f"{file} begins with {', '.join(first)}, mBART's with <unk>, <s>, </s>: fetch it again")
    return [processor.id_to_piece(place) for place in range(3, processor.get_piece_size())]


def _language_lists() -> dict[int, Sequence[str]]:
    """The languages of mbart-large-cc25 and of mBART-50, in the order of their rows, by their number."""
    from transformers.models.mbart.tokenization_mbart import FAIRSEQ_LANGUAGE_CODES as cc25
    from transformers.models.mbart50.tokenization_mbart50 import FAIRSEQ_LANGUAGE_CODES as mbart50

    return {len(codes): codes for codes in (cc25, mbart50)}
