"""An mBART as the initial weights of a model whose configuration has its sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from espnet_jst.config import check_choice
from espnet_jst.encoders.mbart import MBartEncoder
from espnet_jst.errors import ConfigError
from espnet_jst.heads.attention import AttentionHead
from espnet_jst.heads.labels import MBartLabels
from espnet_jst.hub.mbart.fit import check_sizes
from espnet_jst.hub.mbart.folder import END, FIRST_PIECE, PAD, UNKNOWN, MBartFolder
from espnet_jst.hub.mbart.names import mbart_name
from espnet_jst.hub.source import Source
from espnet_jst.inputs.tokens import TokenInput
from espnet_jst.model import JSTModel
from espnet_jst.tasks.arguments import inputs_of, lists_of, loaded_arguments
from espnet_jst.tasks.jst import JSTTask
from espnet_jst.text.token_list import BLANK, SOS_EOS, UNK, WORD_START
from espnet_jst.units.alphabet import is_unit
from espnet_jst.units.conf import UNIT_INITS
from espnet_jst.weights import atomic_save, check_finite

EMBEDDING, BIAS = "model.shared.weight", "final_logits_bias"
TIED = ("model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "lm_head.weight")
SPECIAL = {BLANK: PAD, UNK: UNKNOWN, SOS_EOS: END}


def initial_model(
    config: Mapping[str, Any],
    folder: str | Path,
    *,
    src_lang: str,
    tgt_lang: str,
    unit_init: str = "normal",
    seed: int = 0,
    where: str = "the configuration",
) -> JSTModel:
    """A model that begins as an mBART; what mBART has not, such as CTC heads, begins as in any training.

    Args:
        config: a training configuration with `encoder: mbart`, an input of tokens and an attention head of the style
            mbart, and its token lists, trimmed ones of mBART (`text.trimmed`).
        folder: the mBART.
        src_lang, tgt_lang: languages of the texts, such as en or en_XX.
        unit_init: how rows of pieces of units are drawn, see `unit_rows`.
        seed: of what is drawn.
        where: the configuration, for messages.

    Raises:
        ConfigError: the folder is no mBART, has not the language, or other sizes than the configuration.
        CheckpointError: a weight of it is missing, left over, of another shape, or not finite.
    """
    check_choice(unit_init, UNIT_INITS, "--unit_init")
    mbart = MBartFolder.read(folder)
    name, head, reader = check_sizes(config, mbart, src_lang=src_lang, tgt_lang=tgt_lang, where=where)
    args = loaded_arguments(config, where)
    tokens, vocabulary = lists_of(args), inputs_of(args)[reader]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = JSTTask.build_model(args)
    state, file = mbart.weights()
    check_finite(state, file)
    source = Source(state, file)
    embedding = source.take(EMBEDDING, (mbart.conf["vocab_size"], mbart.conf["d_model"]))
    bias = source.state.pop(BIAS, embedding.new_zeros(1, len(embedding)))  # which transformers makes of zeros, too
    inputs = model.inputs[reader]
    attention, encoder = model.heads[name], model.encoder
    assert isinstance(inputs, TokenInput) and isinstance(attention, AttentionHead) and isinstance(encoder, MBartEncoder)
    labels = attention.decoder.embed
    assert isinstance(labels, MBartLabels)
    generator = torch.Generator().manual_seed(seed)
    before, after = mbart.source_rows(src_lang)
    read, written = tokens[vocabulary.vocabulary_in(tokens)], tokens[head]
    rows = _rows(written, mbart, units=False)
    with torch.no_grad():
        inputs.embedding.weight.copy_(_embedded(read, mbart, embedding, unit_init, generator))
        labels.embedding.weight.copy_(embedding[rows])
        attention.decoder.output_layer.bias.copy_(bias.flatten()[rows])
        for vectors, places in ((encoder.before, before), (encoder.after, after)):
            vectors.copy_(embedding[places])
        labels.start.copy_(embedding[mbart.target_rows(tgt_lang)])
        for prefix, part in (("encoder.", encoder), ("", attention)):
            for own, parameter in part.named_parameters():
                if (theirs := mbart_name(prefix + own)) is not None:
                    # fairseq's offset: nobody reads the first two positions.
                    skipped = 2 if theirs.endswith("embed_positions.weight") else 0
                    shape = (parameter.size(0) + skipped, *parameter.shape[1:])
                    parameter.copy_(source.take(theirs, shape)[skipped:])
    source.check_used(embedding, EMBEDDING, TIED)
    return model.eval()


def write_initial_weights(config: Mapping[str, Any], folder: str | Path, out: Path, **how: Any) -> str:
    """Write what `initial_model` makes as a file for `--init_param`. Returns a line about it."""
    model = initial_model(config, folder, **how)
    out.parent.mkdir(parents=True, exist_ok=True)
    state = model.state_dict()
    atomic_save(lambda stream: torch.save(state, stream), out)
    return f"{sum(parameter.numel() for parameter in model.parameters())} weights in {out}"


def unit_rows(embedding: Tensor, count: int, how: str, generator: torch.Generator) -> Tensor:
    """Rows for pieces that mBART has not, from the rows (V, D) of its own pieces, (count, D).

    Args:
        how: "normal": the mean and the variance of each feature; "mean_cov": the mean and the covariance of all
            features; "mean": the mean.
    """
    mean = embedding.mean(dim=0)
    drawn = torch.randn(count, len(mean), generator=generator)
    if how == "mean":
        drawn = drawn.zero_()
    elif how == "normal":
        drawn = drawn * embedding.std(dim=0)
    else:
        x = embedding - mean
        values, vectors = torch.linalg.eigh((x.T @ x / max(1, len(x) - 1)).double())
        drawn = drawn @ (vectors * values.clamp(min=0).sqrt()).T.float()
    return mean + drawn


def _embedded(
    tokens: Sequence[str], mbart: MBartFolder, embedding: Tensor, how: str, generator: torch.Generator
) -> Tensor:
    """The rows of a token list of pieces and units."""
    rows = torch.tensor(_rows(tokens, mbart, units=True))
    own = embedding[FIRST_PIECE : FIRST_PIECE + len(mbart.pieces)]
    drawn = unit_rows(own, int((rows < 0).sum()), how, generator)
    found = embedding[rows.clamp(min=0)]
    found[rows < 0] = drawn
    return found


def _rows(tokens: Sequence[str], mbart: MBartFolder, *, units: bool) -> list[int]:
    """Row of every token; -1 for pieces of units."""
    rows = []
    for token in tokens:
        row = SPECIAL.get(token, mbart.pieces.get(token))
        if row is None and units and is_unit(token.removeprefix(WORD_START)):
            row = -1
        if row is None:
            raise ConfigError(
                f"token {token!r} is no piece of {mbart.path}: make the token lists of it, stage 5 with --mbart "
                f"{mbart.path}"
            )
        rows.append(row)
    return rows
