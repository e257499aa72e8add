"""A small Whisper with random weights and a tokenizer of its own, as `transformers` saves it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import WhisperConfig, WhisperForConditionalGeneration

SIZES: dict[str, Any] = {
    **{"d_model": 16, "encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24},
    **{"encoder_attention_heads": 2, "decoder_attention_heads": 4, "max_target_positions": 40, "num_mel_bins": 20},
    **{"max_source_positions": 50, "activation_function": "gelu"},
}
TEXT = (
    "the small house stands by the river, and the large one on the hill",
    "la casa pequeña está junto al río, y la grande en la colina",
    "one two three four five six seven eight nine zero",
    "уно два три",
)
SPECIAL = (
    *("<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|es|>", "<|de|>", "<|translate|>", "<|transcribe|>"),
    "<|notimestamps|>",
)


def make_tokenizer(file: Path, pieces: int = 330) -> Tokenizer:
    """Save one: bytes, merges that the text teaches, and Whisper's symbols."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=pieces, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    made.train_from_iterator([f" {line}" for line in TEXT], trainer)
    made.add_special_tokens([AddedToken(name, special=True) for name in SPECIAL])
    made.save(str(file))
    return made


def make_whisper(folder: Path, **sizes: Any) -> WhisperForConditionalGeneration:
    """Save one; weights are large enough for every part to count."""
    folder.mkdir(parents=True)
    tokenizer = make_tokenizer(folder / "tokenizer.json")
    end = tokenizer.token_to_id("<|endoftext|>")
    ids = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), end)
    torch.manual_seed(0)
    values = {**SIZES, **ids, "vocab_size": tokenizer.get_vocab_size() + 3, **sizes}
    model = WhisperForConditionalGeneration(WhisperConfig(**values)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(1.0 if "norm" in name and name.endswith("weight") else 0.0, 0.3)
    model.save_pretrained(folder)
    return model
