"""A byte-level BPE of somebody else's, such as Whisper's: how it cuts a text, and what of it a text needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from espnet_jst.config import read_json
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.text.token_list import WORD_START
from espnet_jst.text.train_tokenizer import write_tokenizer
from espnet_jst.text.units import join_units

TOKENIZER = "tokenizer.json"
BROKEN = "�"  # what a part of a character is shown as


class BytePieces:
    """The pieces of `tokenizer.json`, as `tokenizers` reads it.

    Attributes:
        path: the file.

    Raises:
        ConfigError: the file is none of a byte-level BPE.
    """

    def __init__(self, path: str | Path) -> None:
        from tokenizers import Tokenizer, decoders

        self.path, values = Path(path), read_json(Path(path))
        kinds = [(values.get(part) or {}).get("type") for part in ("model", "decoder")]
        if kinds != ["BPE", "ByteLevel"]:
            raise ConfigError(f"{path} is no {TOKENIZER} of a byte-level BPE such as Whisper's: fetch it again")
        try:
            self._whole = Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers has no class for it
            raise ConfigError(f"{path} cannot be used ({error}): fetch it again") from error
        self._text = decoders.ByteLevel()
        merges = [pair.split(" ") if isinstance(pair, str) else pair for pair in values["model"]["merges"]]
        # The first rank counts: it is the one by which a piece is made.
        self._made = {"".join(pair): (rank, pair) for rank, pair in reversed([*enumerate(merges)])}

    def rows(self, text: str) -> list[int]:
        """The numbers of the pieces that a text is cut into."""
        found: list[int] = self._whole.encode(text, add_special_tokens=False).ids
        return found

    def special(self, name: str) -> int:
        """The number of a symbol such as `<|es|>`.

        Raises:
            ConfigError: there is none.
        """
        row: int | None = self._whole.token_to_id(name)
        if row is None:
            raise ConfigError(f"{self.path} has no {name}: give a language and a task that this model knows")
        return row

    def needed(self, words: Iterable[str]) -> dict[str, int]:
        """Pieces that words behind a space are cut into, and those that these are made of -> their ranks.

        Returns:
            Pieces of two characters and more, with a marker in place of the space; the lowest rank is merged first.
        """
        found: dict[str, int] = {}
        left = {piece for word in words for piece in self._whole.encode(f" {word}", add_special_tokens=False).tokens}
        seen = set(left)
        while left:
            piece = left.pop()
            if piece not in self._made:
                continue  # a byte
            rank, parts = self._made[piece]
            text = self._text.decode([piece]).replace(" ", WORD_START)
            if len(text) > 1 and BROKEN not in text:
                found[text] = rank
            left |= {*parts} - seen
            seen |= {*parts}
        return found


def trim_byte_pieces(
    file: str | Path,
    lines: Iterable[Sequence[str]],
    out_dir: str | Path,
    *,
    tags: Sequence[str] = (),
    most: int | None = None,
) -> None:
    """Write the token list and a SentencePiece model of the pieces that a text is cut into, and of its characters.

    The model merges by the ranks of the BPE, characters in place of bytes: nearly every word is cut alike, and what
    occurs in no line is cut into pieces that are there.

    Args:
        file: `tokenizer.json` of a byte-level BPE.
        lines: word lists (`text.units.split_units`).
        out_dir: directory to write to, as `train_tokenizer` does.
        tags: symbols of the text that cost one piece each.
        most: at most so many pieces, those that are merged first, of which all others are made; by default all.

    Raises:
        ConfigError: the file is no such model.
        DataError: there is no text.
    """
    from sentencepiece import sentencepiece_model_pb2

    whole, known = BytePieces(file), {*tags}
    words = {word for line in lines for word in join_units(word for word in line if word not in known).split()}
    if not words:
        raise DataError("no text to trim a token list to: check the text files of the training set")
    ranks = dict(sorted(whole.needed(words).items(), key=lambda item: item[1])[:most])
    characters = sorted({WORD_START, *"".join(words)})
    kinds = sentencepiece_model_pb2.ModelProto.SentencePiece
    model = sentencepiece_model_pb2.ModelProto()
    model.pieces.add(piece="<unk>", score=0.0, type=kinds.UNKNOWN)
    for tag in tags:
        model.pieces.add(piece=tag, score=0.0, type=kinds.USER_DEFINED)
    for piece, rank in ranks.items():
        model.pieces.add(piece=piece, score=-float(rank), type=kinds.NORMAL)
    last = -1.0 - max(ranks.values(), default=0)
    for character in characters:
        model.pieces.add(piece=character, score=last, type=kinds.NORMAL)
    spec = model.trainer_spec
    spec.model_type = sentencepiece_model_pb2.TrainerSpec.ModelType.Value("BPE")
    spec.vocab_size, spec.unk_id, spec.bos_id, spec.eos_id, spec.pad_id = len(model.pieces), 0, -1, -1, -1
    norm = model.normalizer_spec  # of blanks alone: text is normalised at the data stage
    norm.name, norm.add_dummy_prefix = "identity", True
    norm.remove_extra_whitespaces, norm.escape_whitespaces = True, True
    write_tokenizer(Path(out_dir), model.SerializeToString())
