"""Sizes of a released model: what its weights do not show, and what they do, to be compared with them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from espnet_jst.config import shown
from espnet_jst.errors import ConfigError
from espnet_jst.keys import Conf, key, read, required

MAX_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class StackSizes(Conf):
    """The stacks of one encoder, a number for each, under the names of the released recipe."""

    encoder_dim: Sequence[int] = required("features", low=8, high=4096)
    feedforward_dim: Sequence[int] = required("hidden size of the second feed-forward module", low=4, high=32768)
    downsampling_factor: Sequence[int] = required("frames that are taken together", low=1, high=64)
    cnn_module_kernel: Sequence[int] = required("taps of the convolutions, odd", low=1, high=255)
    num_heads: Sequence[int] = required("attention heads", low=1, high=64)
    num_encoder_layers: Sequence[int] = required("layers", low=1, high=64)
    encoder_unmasked_dim: Sequence[int] | None = key(
        None, "features that training never masks: of no use to the weights; by default all", low=0, high=4096
    )

    def check(self) -> None:
        """Refuse lists of different lengths."""
        stacks = len(self.encoder_dim)
        for item in fields(self):
            values = getattr(self, item.name)
            if values is not None and len(values) != stacks:
                raise ConfigError(f"{item.name} has {len(values)} values and encoder_dim {stacks}: give one a stack")


@dataclass(frozen=True, kw_only=True)
class SharedSizes(Conf):
    """What all stacks have in common; the defaults are those of all published models."""

    query_head_dim: int = key(32, "of a query and a key, per head", low=1, high=512)
    value_head_dim: int = key(12, "of a value, per head", low=1, high=512)
    pos_head_dim: int = key(4, "of a query for positions, per head", low=1, high=64)
    pos_dim: int = key(48, "features of a relative position, even", low=2, high=1024)


@dataclass(frozen=True, kw_only=True)
class Sizes(Conf):
    """A file of sizes; what has no default and is None is read from the weights.

    Attributes:
        asr, st: the stacks of `encoder` and of `st_encoder`, from `config`.
        common: from `shared`.
    """

    config: Mapping[str, object] = required("the encoders: {asr: {encoder_dim: [...], ...}, st: {...}}; st where it is")
    shared: Mapping[str, object] | None = key(None, "sizes of all stacks: query_head_dim and the like")
    asr_output_downsampling: int | None = key(None, "frames of `encoder` that its heads get as one", low=1, high=64)
    st_output_downsampling: int | None = key(None, "the same of `st_encoder`", low=1, high=64)
    causal: bool | None = key(None, "whether the model can stream")
    chunk_frames: int = key(32, "chunk at 50 Hz for decoding; -1 for the whole utterance", low=-1, high=4096)
    left_context_frames: int = key(256, "left context at 50 Hz; -1 for all", low=-1, high=100_000)
    vocab_asr: int | None = key(None, "tokens of the transcript", low=2, high=200_000)
    vocab_st: int | None = key(None, "tokens of the translation", low=2, high=200_000)
    predictor_dim: int | None = key(None, "features of the predictors", low=4, high=4096)
    joiner_dim: int | None = key(None, "hidden size of the joint networks", low=1, high=8192)
    feature_dim: int = key(80, "mel bands", low=9, high=256)
    fs: int = key(16000, "sampling rate in Hz", low=1000, high=192_000)
    seed: int | None = key(None, "of random weights, not read")
    asr: StackSizes = field(init=False)
    st: StackSizes | None = field(init=False)
    common: SharedSizes = field(init=False)

    def check(self) -> None:
        """Read the parts."""
        known = {"asr", "st"}
        if "asr" not in self.config or not known.issuperset(self.config):
            raise ConfigError(f"config is {shown(dict(self.config))}: give asr, and st of a model with an ST encoder")
        st = self.config.get("st")
        object.__setattr__(self, "asr", read(StackSizes, self.config["asr"], "config.asr"))
        object.__setattr__(self, "st", None if st is None else read(StackSizes, st, "config.st"))
        object.__setattr__(self, "common", read(SharedSizes, self.shared, "shared"))
        if self.chunk_frames == 0:
            raise ConfigError("chunk_frames is 0: give -1 for the whole utterance")
        if self.st is not None and self.st.encoder_dim[0] != self.asr.encoder_dim[-1]:
            raise ConfigError(
                f"config.st.encoder_dim begins with {self.st.encoder_dim[0]}, and the last stack that it reads has "
                f"{self.asr.encoder_dim[-1]} features: they must be equal"
            )


def parse_sizes(values: object, where: str = "sizes") -> Sizes:
    """Sizes from what a file holds.

    Raises:
        ConfigError: a key is missing or unknown, or a value cannot be used; the message names it.
    """
    return read(Sizes, values, where)


def read_sizes(path: str | Path) -> Sizes:
    """Sizes from a JSON file such as those beside the golden tensors.

    Raises:
        ConfigError: it cannot be read, or see `parse_sizes`.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path} is larger than {MAX_BYTES} bytes; no file of sizes is")
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} cannot be read as JSON: {error}") from error
    return parse_sizes(values, str(path))
