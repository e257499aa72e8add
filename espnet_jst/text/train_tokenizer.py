"""Training a joint SentencePiece model over source, target and tags."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from espnet_jst.config import check_choice
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.text.tags import ASR_TAG, ST_TAG
from espnet_jst.text.token_list import BLANK, SOS_EOS, UNK
from espnet_jst.text.units import join_units

MODEL_TYPES = ("unigram", "bpe", "char", "word")


def train_tokenizer(
    lines: Iterable[Sequence[str]],
    out_dir: str | Path,
    *,
    vocab_size: int = 500,
    model_type: str = "unigram",
    tags: Sequence[str] = (ASR_TAG, ST_TAG),
) -> None:
    """Train on `lines` and write `tokens.txt` (ESPnet's order) and `bpe.model` into `out_dir`; the same input gives
    the same files. `Tokenizer.load(out_dir)` reads them.

    Args:
        lines: word lists of both languages (`text.units.split_units`); tags in them are left out.
        out_dir: directory to write to, made when it is missing.
        vocab_size: pieces, `<unk>` and tags included (ESPnet's `nbpe`; the token list has two more). A limit: a small
            text that cannot fill it gives fewer. Not used by "char" and "word", which take all that occurs.
        model_type: "unigram", "bpe", "char", or "word" (each word of the text is a piece).
        tags: symbols that cost one piece each.

    Raises:
        DataError: there is no text.
        ConfigError: `vocab_size` is too small for the characters and tags, or `model_type` is unknown.
    """
    check_choice(model_type, MODEL_TYPES, "model_type")
    known = set(tags)
    # Pieces of a model of words begin with a marker, so that a glued unit cannot be told: each stands for itself.
    join = " ".join if model_type == "word" else join_units
    texts = [join(word for word in line if word not in known) for line in lines]
    texts = [text for text in texts if text.strip()]
    if not texts:
        raise DataError("no text to train the tokenizer on: check the text files of the training set")
    write_tokenizer(Path(out_dir), _train(texts, vocab_size, model_type, list(tags)))


def join_tokenizers(directories: Sequence[str | Path], out_dir: str | Path) -> None:
    """One token list and one SentencePiece model of several, whose texts have no character in common: each text is cut
    into the same pieces as by its own model. That is how units of speech and words share a vocabulary
    (arXiv:2309.15826).

    Args:
        directories: of `train_tokenizer`; the first one's tokens come first.
        out_dir: directory to write to.

    Raises:
        ConfigError: the models are of several kinds.
    """
    from sentencepiece import sentencepiece_model_pb2

    joined, known = sentencepiece_model_pb2.ModelProto(), set[str]()
    for place, directory in enumerate(map(Path, directories)):
        model = sentencepiece_model_pb2.ModelProto()
        model.ParseFromString((directory / "bpe.model").read_bytes())
        if place == 0:
            joined.CopyFrom(model)
        elif model.trainer_spec.model_type != joined.trainer_spec.model_type:
            raise ConfigError(
                f"{directory}: a SentencePiece model of another kind than {directories[0]}: give both one"
            )
        else:
            joined.pieces.extend(piece for piece in model.pieces if piece.piece not in known)
        known |= {piece.piece for piece in model.pieces}
    joined.trainer_spec.vocab_size = len(joined.pieces)
    write_tokenizer(Path(out_dir), joined.SerializeToString())


def write_tokenizer(out_dir: Path, model: bytes) -> None:
    """Write `bpe.model`, and its pieces in ESPnet's order as `tokens.txt`."""
    out_dir.mkdir(parents=True, exist_ok=True)
    tokens = [BLANK, UNK, *(piece for piece in _pieces(model) if piece != UNK), SOS_EOS]
    _write(out_dir / "bpe.model", model)
    _write(out_dir / "tokens.txt", "".join(f"{token}\n" for token in tokens).encode())


def _train(texts: list[str], vocab_size: int, model_type: str, tags: list[str]) -> bytes:
    import sentencepiece

    writer = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=writer,
            model_type=model_type,
            vocab_size=vocab_size,
            use_all_vocab=model_type in ("char", "word"),
            hard_vocab_limit=False,
            user_defined_symbols=tags,
            # Text is normalised at the data stage; a second normalization here would not decode to the same words.
            normalization_rule_name="identity",
            character_coverage=1.0,
            max_sentence_length=max(4192, *(4 * len(text) for text in texts)),
            bos_id=-1,
            eos_id=-1,
            unk_id=0,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise ConfigError(
            f"SentencePiece cannot make {vocab_size} {model_type} pieces from {len(texts)} lines ({error}): "
            "change the vocabulary size (it must hold every character and tag)"
        ) from error
    return writer.getvalue()


def _pieces(model: bytes) -> list[str]:
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    return [processor.id_to_piece(index) for index in range(processor.get_piece_size())]


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(content)
    os.replace(partial, path)
