"""The decoder of a Whisper as the initial weights of a head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from espnet_jst.errors import ConfigError
from espnet_jst.heads.attention import AttentionHead
from espnet_jst.heads.labels import MBartLabels
from espnet_jst.hub.mbart.folder import WEIGHTS
from espnet_jst.hub.mbart.names import mbart_name
from espnet_jst.hub.source import Source
from espnet_jst.hub.whisper.fit import START, begin_with, check_sizes, find_head, read_config
from espnet_jst.text.byte_pieces import TOKENIZER, BytePieces
from espnet_jst.text.token_list import BLANK, SOS_EOS, UNK, WORD_START
from espnet_jst.weights import atomic_save, check_finite, read_weights

PART, EMBEDDING, TIED = "model.decoder.", "model.decoder.embed_tokens.weight", ("proj_out.weight",)
END = "<|endoftext|>"


def initial_head(
    conf: Mapping[str, Any], tokens: Sequence[str], folder: str | Path, begin: Sequence[str]
) -> AttentionHead:
    """A head that begins as the decoder of a Whisper.

    A token that is one of Whisper's pieces has its vector; another one has the mean of those that Whisper cuts it into.

    Args:
        conf: keys of the head, with Whisper's sizes, see `check_sizes`.
        tokens: its token list.
        folder: the Whisper.
        begin: symbols that a sequence begins with.

    Raises:
        ConfigError: the folder is no Whisper, or has not one of the symbols.
        CheckpointError: a weight of it is missing, left over, of another shape, or not finite.
    """
    sizes, pieces = read_config(folder), BytePieces(Path(folder) / TOKENIZER)
    found = [file for name in WEIGHTS if (file := Path(folder) / name).is_file()]
    if not found:
        raise ConfigError(f"{folder} has no {WEIGHTS[0]}: give the folder of a Whisper as transformers saves it")
    # A model that was saved without its output layer has names without the first part.
    weights = {
        f"model.{name}" if name.startswith("decoder.") else name: x for name, x in read_weights(found[0]).items()
    }
    state = {name: value for name, value in weights.items() if name.startswith((PART, *TIED))}
    check_finite(state, found[0])
    source = Source(state, found[0])
    embedding = source.take(EMBEDDING, (sizes["vocab_size"], sizes["d_model"]))
    head = AttentionHead(encoder_size=sizes["d_model"], vocab_size=len(tokens), **conf)
    labels = head.decoder.embed
    assert isinstance(labels, MBartLabels)
    with torch.no_grad():
        labels.embedding.weight.copy_(torch.stack([embedding[rows].mean(dim=0) for rows in _rows(tokens, pieces)]))
        labels.start.copy_(embedding[[pieces.special(name) for name in begin]])
        for own, parameter in head.named_parameters():
            theirs = mbart_name(own)  # Whisper's decoder has its names
            if theirs is None:
                continue
            if theirs.endswith("k_proj.bias"):
                parameter.zero_()  # a bias of keys moves all scores alike, and Whisper has none
            else:
                parameter.copy_(source.take(theirs, parameter.shape))
    source.check_used(embedding, EMBEDDING, TIED)
    return head.eval()


def write_initial_head(
    config: Mapping[str, Any],
    tokens: Sequence[str],
    folder: str | Path,
    out: Path,
    *,
    src_lang: str,
    tgt_lang: str,
    where: str = "the configuration",
) -> str:
    """Write the weights of the head of a configuration as a file for `init_param`.

    Args:
        tokens: the token list of the head.
        src_lang, tgt_lang: languages of the texts.

    Returns:
        A line about it.

    Raises:
        ConfigError, CheckpointError: as `find_head`, `check_sizes` and `initial_head` do.
    """
    spec = find_head(config, where)
    check_sizes(spec, folder, where)
    begin = begin_with(spec.lanes[0], src_lang, tgt_lang)
    head = initial_head(spec.conf, tokens, folder, begin)
    state: dict[str, Tensor] = {f"heads.{spec.name}.{name}": value for name, value in head.state_dict().items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    atomic_save(lambda stream: torch.save(state, stream), out)
    return f"heads.{spec.name} in {out}, which begins with {''.join(begin)}"


def _rows(tokens: Sequence[str], pieces: BytePieces) -> list[list[int]]:
    """Rows of every token. What is never written, or not known, is what only ever begins a sequence."""
    special = {BLANK: START, UNK: START, SOS_EOS: END}
    return [
        [pieces.special(special[token])] if token in special else pieces.rows(token.replace(WORD_START, " "))
        for token in tokens
    ]
