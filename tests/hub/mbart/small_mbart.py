"""Small mBARTs with random weights, in both layouts of language symbols, as `transformers` saves them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from transformers import MBartConfig, MBartForConditionalGeneration
from transformers.models.mbart.tokenization_mbart import FAIRSEQ_LANGUAGE_CODES as CC25
from transformers.models.mbart50.tokenization_mbart50 import FAIRSEQ_LANGUAGE_CODES as MBART50

LANGUAGES = {"cc25": CC25, "mbart50": MBART50}
SIZES: dict[str, Any] = {
    **{"d_model": 16, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24},
    **{"encoder_attention_heads": 2, "decoder_attention_heads": 4, "max_position_embeddings": 64},
    "scale_embedding": True,
}
DEFAULT_TEXT = (
    "the small house stands by the river, and the large one on the hill",
    "das kleine Haus steht am Fluss, und das grosse auf dem Berg",
    "one two three four five six seven eight nine zero",
    "eins zwei drei vier fünf sechs sieben acht neun null",
)


def make_mbart(
    folder: Path, kind: str = "cc25", *, text: tuple[str, ...] = DEFAULT_TEXT, pieces: int = 120, **sizes: Any
) -> MBartForConditionalGeneration:
    """Save one; weights are large enough for every part to count."""
    folder.mkdir(parents=True)
    writer = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text),
        model_writer=writer,
        vocab_size=pieces,
        hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc",
        unk_id=0,
        bos_id=1,
        eos_id=2,
        minloglevel=2,
    )
    (folder / "sentencepiece.bpe.model").write_bytes(writer.getvalue())
    count = sentencepiece.SentencePieceProcessor(model_proto=writer.getvalue()).get_piece_size()
    vocab_size = count + 1 + len(LANGUAGES[kind]) + 1
    torch.manual_seed(0)
    model = MBartForConditionalGeneration(MBartConfig(**{**SIZES, "vocab_size": vocab_size, **sizes})).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(1.0 if "norm" in name and name.endswith("weight") else 0.0, 0.3)
        model.final_logits_bias.normal_()
    model.save_pretrained(folder)
    return model


def conf_of(kind: str, **changes: Any) -> dict[str, Any]:
    """The configuration that such an mBART gives the weights of."""
    fifty = kind == "mbart50"
    common = {"layers": 2, "feed_forward_size": 24, "positions": 64}
    return {
        "input_size": 16,
        "encoder": "mbart",
        "encoder_conf": {**common, "size": 16, "heads": 2, "before": int(fifty), "after": 1 if fifty else 2},
        "model_conf": {
            "inputs": {
                "units": {"kind": "tokens", "into": "encoder"},
                "words": {"kind": "tokens", "into": "encoder", "shares": "units"},
            },
            "heads": {
                "st": {
                    **{"kind": "attention", "style": "mbart", "lanes": ["translation"], "activation": "gelu"},
                    **{"starts": 2 if fifty else 1, "heads": 4, "label_smoothing": 0.0, **common},
                },
                "st_ctc": {"kind": "ctc", "lanes": ["translation"], "weight": 0.3},
            },
        },
        **changes,
    }
