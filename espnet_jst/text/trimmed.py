"""A SentencePiece model of somebody else's, trimmed to what a text needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from espnet_jst.errors import ConfigError, DataError
from espnet_jst.text.sentencepiece_model import check_model
from espnet_jst.text.train_tokenizer import write_tokenizer
from espnet_jst.text.units import join_units


def trim_tokenizer(model: str | Path, lines: Iterable[Sequence[str]], out_dir: str | Path) -> None:
    """Write the token list and the model of the pieces that a text is cut into, and of its characters.

    The text is cut as by the whole model: the pieces and their scores are the same. What occurs in no line is cut into
    pieces that are kept, so that it can be written wherever its characters occur.

    Args:
        model: a unigram model, such as mBART's `sentencepiece.bpe.model`.
        lines: word lists (`text.units.split_units`).
        out_dir: directory to write to, as `train_tokenizer` does.

    Raises:
        ConfigError: the file is no such model.
        DataError: there is no text.
    """
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    whole = sentencepiece_model_pb2.ModelProto()
    try:
        content = Path(model).read_bytes()
        check_model(content)
        whole.ParseFromString(content)
        processor = sentencepiece.SentencePieceProcessor(model_proto=content)
    except (RuntimeError, OSError, ValueError) as error:
        raise ConfigError(f"{model} is no SentencePiece model ({error}): fetch it again") from error
    kinds = sentencepiece_model_pb2.TrainerSpec.ModelType
    if whole.trainer_spec.model_type != kinds.Value("UNIGRAM"):
        raise ConfigError(f"{model} is no unigram model, without whose scores no piece can be left out")
    kept = set[str]()
    for line in lines:
        kept.update(processor.encode(join_units(line), out_type=str))
    if not kept:
        raise DataError("no text to trim a token list to: check the text files of the training set")
    kept |= {character for piece in kept for character in piece}
    special = sentencepiece_model_pb2.ModelProto.SentencePiece
    pieces = [piece for piece in whole.pieces if piece.type == special.UNKNOWN or piece.piece in kept]
    # <s> and </s> would be tags here, and a sequence has symbols of its own.
    trimmed = [piece for piece in pieces if piece.type != special.CONTROL]
    del whole.pieces[:]
    whole.pieces.extend(trimmed)
    whole.trainer_spec.vocab_size = len(trimmed)
    whole.ClearField("self_test_data")
    write_tokenizer(Path(out_dir), whole.SerializeToString())
