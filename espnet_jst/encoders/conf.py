"""Keys of the encoders, `encoder_conf` and `hier_encoder_conf`, and of `model_conf.tgt_langs`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from espnet_jst.config import shown
from espnet_jst.errors import ConfigError
from espnet_jst.keys import Conf, key, required

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,20}")


@dataclass(frozen=True, kw_only=True)
class ChunksConf(Conf):
    """What encoders of layers that attend by chunks have in common."""

    output_subsampling: int = key(
        1, "frames of the last layer that are joined to one of the top; lower taps keep their rate", low=1, high=64
    )
    dropout: float = key(0.1, "dropout of residual branches", low=0, high=1)
    attention_dropout: float = key(0.0, "dropout of attention weights", low=0, high=1)
    chunk_frames: int = key(
        16, "chunk for validation and decoding in frames of the top, 0 for the whole utterance", low=0, high=4096
    )
    left_chunks: int = key(4, "chunks of left context for validation and decoding, -1 for all", low=-1, high=100_000)
    train_chunk_frames: Sequence[int] = key(
        (8, 16, 32, 0), "chunks drawn from in training, one a batch, 0 for the whole utterance", low=0, high=4096
    )
    train_left_chunks: Sequence[int] = key((2, 4, -1), "left contexts drawn from in training", low=-1, high=100_000)
    taps: Sequence[int] = key(
        (),
        "layers (1-based) whose outputs may be read beside the top one; that of the last layer is under the norm, "
        "before its frames are joined",
        low=1,
        high=128,
    )

    def check(self) -> None:
        """Refuse nothing to draw from."""
        if not self.train_chunk_frames or not self.train_left_chunks:
            raise ConfigError("train_chunk_frames and train_left_chunks must hold what is drawn from in training")

    def check_taps(self, layers: int) -> None:
        """Refuse layers that do not exist."""
        if any(tap > layers for tap in self.taps):
            raise ConfigError(f"taps {list(self.taps)} must lie in 1..{layers}")


@dataclass(frozen=True, kw_only=True)
class ChunkConformerConf(ChunksConf):
    """Streaming Conformer: chunk mask in training and offline, caches in a stream."""

    size: int = key(256, "model dimension, a multiple of 2 * heads", low=1, high=4096)
    layers: int = key(12, "Conformer blocks", low=1, high=128)
    heads: int = key(4, "attention heads", low=1, high=64)
    feed_forward_size: int = key(1024, "hidden size of the feed-forward modules", low=1, high=32768)
    kernel_size: int = key(15, "taps of the causal depthwise convolution", low=1, high=512)
    subsampling: int = key(
        4,
        "input frames per output frame: 2 or a multiple of 4; 1 only projects (an encoder on an encoder)",
        low=1,
        high=64,
    )
    subsampling_channels: tuple[int, int] = key(
        (16, 32), "channels of the two subsampling convolutions", low=1, high=256
    )

    def check(self) -> None:
        """Refuse sizes that do not divide, layers that do not exist, nothing to draw from."""
        if self.size % (2 * self.heads):
            raise ConfigError(f"size={self.size} must be a multiple of 2 * heads={2 * self.heads}")
        if self.subsampling not in (1, 2) and self.subsampling % 4:
            raise ConfigError(f"subsampling must be 1, 2 or a multiple of 4, not {self.subsampling}")
        self.check_taps(self.layers)
        super().check()


@dataclass(frozen=True, kw_only=True)
class ChunkWhisperConf(ChunksConf):
    """Whisper's encoder (arXiv:2212.04356) by chunks, from a model that is trained already, over `whisper_mel`."""

    model: Path | str | None = key(
        None,
        "folder that transformers saved, or a name on the Hugging Face hub: its sizes and weights are the first ones",
    )
    layers: int | None = key(None, "layers that are kept, from the lowest on; by default all", low=1, high=128)
    size: int | None = key(None, "model dimension: written by a training", low=2, high=4096)
    heads: int | None = key(None, "attention heads: written by a training", low=1, high=64)
    feed_forward_size: int | None = key(
        None, "hidden size of the feed-forward modules: written by a training", low=1, high=32768
    )
    positions: int = key(
        1500, "frames (of 20 ms) after which its positions begin again, as the model has them", low=2, high=65_536
    )
    move_positions: bool = key(
        True, "in training an utterance begins at any of them, so that a stream may go on beyond the last one"
    )
    written: ClassVar[tuple[str, ...]] = ("size", "heads", "feed_forward_size", "layers")

    def check(self) -> None:
        """Refuse neither a model nor sizes, and both."""
        super().check()
        known = [getattr(self, name) is not None for name in ("size", "heads", "feed_forward_size")]
        if self.model is None and not (all(known) and self.layers is not None):
            raise ConfigError("model is missing: give the folder of a Whisper as transformers saves it, or its name")
        if self.model is not None and any(known):
            raise ConfigError("size, heads and feed_forward_size are the model's: leave them out")
        if self.size is not None and self.heads is not None and self.size % (2 * self.heads):
            raise ConfigError(f"size={self.size} must be a multiple of 2 * heads={2 * self.heads}")
        if self.layers is not None:
            self.check_taps(self.layers)


@dataclass(frozen=True, kw_only=True)
class ContextualBlockConformerConf(Conf):
    """Contextual block Conformer: blocks that overlap, with a context vector from block to block (arXiv:1910.07204).

    ESPnet's `contextual_block_conformer` with its names of parameters; defaults are its own.
    """

    size: int = key(256, "model dimension (output_size)", low=2, high=4096)
    layers: int = key(6, "Conformer blocks (num_blocks)", low=1, high=128)
    heads: int = key(4, "attention heads (attention_heads)", low=1, high=64)
    feed_forward_size: int = key(2048, "hidden size of the feed-forward modules (linear_units)", low=1, high=32768)
    kernel_size: int = key(31, "taps of the depthwise convolution, an odd number (cnn_module_kernel)", low=1, high=511)
    macaron: bool = key(False, "a feed-forward module before the attention too (macaron_style)")
    subsampling: int = key(4, "input frames per output frame: 4, 6 or 8 (conv2d, conv2d6, conv2d8) or 1 (linear)")
    dropout: float = key(0.1, "dropout of residual branches", low=0, high=1)
    position_dropout: float = key(0.1, "dropout after the positions are added", low=0, high=1)
    attention_dropout: float = key(0.0, "dropout of attention weights", low=0, high=1)
    chunk_frames: int = key(
        16, "frames that a block adds, for validation and decoding (hop_size); 0: whole utterances", low=0, high=4096
    )
    past_frames: int = key(
        8, "frames that a block hears before them (block_size - hop_size - look_ahead)", low=0, high=4096
    )
    look_ahead_frames: int = key(
        16, "frames that it hears behind them, for validation and decoding (look_ahead)", low=0, high=4096
    )
    train_chunk_frames: Sequence[int] = key(
        (),
        "chunks drawn from in training, one a batch, 0 for the whole utterance; by default chunk_frames",
        low=0,
        high=4096,
    )
    train_look_ahead_frames: Sequence[int] = key(
        (), "look-aheads drawn from in training, one a batch; by default look_ahead_frames", low=0, high=4096
    )
    place_vectors: bool = key(True, "context vectors have positions (ctx_pos_enc)")
    taps: Sequence[int] = key((), "layers (1-based) whose outputs may be read beside the top one", low=1, high=128)

    def check(self) -> None:
        """Refuse sizes that do not divide and layers that do not exist."""
        if self.size % self.heads or self.size % 2:
            raise ConfigError(f"size={self.size} must be even and a multiple of heads={self.heads}")
        if self.subsampling not in (1, 4, 6, 8):
            raise ConfigError(f"subsampling is {self.subsampling}: give 4, 6, 8, or 1")
        if not self.kernel_size % 2:
            raise ConfigError(f"kernel_size is {self.kernel_size}: give an odd number")
        if any(tap > self.layers for tap in self.taps):
            raise ConfigError(f"taps {list(self.taps)} must lie in 1..{self.layers}")


@dataclass(frozen=True, kw_only=True)
class MBartEncoderConf(Conf):
    """mBART's encoder (arXiv:2001.08210), for whole utterances; the defaults are the sizes of mbart-large."""

    size: int = key(1024, "model dimension, which is input_size as well", low=1, high=4096)
    layers: int = key(12, "Transformer layers", low=1, high=128)
    heads: int = key(16, "attention heads", low=1, high=64)
    feed_forward_size: int = key(4096, "hidden size of the feed-forward modules", low=1, high=32768)
    activation: str = key("gelu", "of the feed-forward modules", choices=("gelu", "relu"))
    positions: int = key(
        1024, "learned positions: the most frames, those of `before` and `after` among them", low=1, high=65_536
    )
    before: int = key(
        0, "learned vectors before the frames of an utterance: 1 in mBART-50, its language", low=0, high=16
    )
    after: int = key(
        2, "learned vectors behind them: 2 in mbart-large-cc25, end and language; 1 in mBART-50", low=0, high=16
    )
    scale_embedding: bool = key(True, "frames and these vectors are multiplied by the square root of size")
    dropout: float = key(0.1, "dropout of the input and of residual branches", low=0, high=1)
    attention_dropout: float = key(0.0, "dropout of attention weights", low=0, high=1)

    def check(self) -> None:
        """Refuse sizes that do not divide, and no position for a frame."""
        if self.size % self.heads:
            raise ConfigError(f"size={self.size} must be a multiple of heads={self.heads}")
        if self.positions <= self.before + self.after:
            raise ConfigError(f"positions={self.positions} leaves none for a frame: give more than before + after")


@dataclass(frozen=True, kw_only=True)
class TargetLanguagesConf(Conf):
    """The languages that a model translates into, one an utterance (`utt2tgt_lang`, `--tgt_lang`)."""

    at: str = required("encoder to whose output the language's vector is added", choices=("encoder", "hier_encoder"))
    codes: tuple[str, ...] = required("the languages, such as [de, es]: those of utt2tgt_lang")

    def check(self) -> None:
        """Refuse codes that are none, or there twice."""
        if not self.codes or len(set(self.codes)) != len(self.codes) or not all(map(_CODE.fullmatch, self.codes)):
            raise ConfigError(f"codes is {shown(list(self.codes))}: name each language once, by a code such as de")
