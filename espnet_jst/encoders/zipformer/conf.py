"""Keys of the Zipformer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from espnet_jst.errors import ConfigError
from espnet_jst.keys import Conf, key

MOST_LAYERS = 128  # of all stacks together
PER_STACK = ("layers", "sizes", "unmasked_sizes", "downsampling", "feed_forward_sizes", "heads", "kernel_sizes")


@dataclass(frozen=True, kw_only=True)
class ZipformerConf(Conf):
    """Stacks of layers at several rates (arXiv:2310.11230), streaming or not; the defaults are HENT-SRT's ASR encoder.

    Frames below are those between the stacks: 20 ms after the front end at a shift of 10 ms. Keys with a value for
    every stack have as many of them as `layers`.
    """

    layers: Sequence[int] = key((2, 2, 2, 2, 2), "layers of each stack", low=1, high=64)
    sizes: Sequence[int] = key((192, 256, 384, 512, 384), "model dimension of each stack", low=8, high=4096)
    unmasked_sizes: Sequence[int] = key(
        (192, 192, 256, 256, 256), "features of each stack that training never masks", low=0, high=4096
    )
    downsampling: Sequence[int] = key((1, 2, 4, 8, 4), "frames that each stack takes together", low=1, high=64)
    feed_forward_sizes: Sequence[int] = key(
        (512, 768, 1024, 1024, 1024),
        "hidden size of the second feed-forward module; the first has 3/4, the third 5/4 of it",
        low=4,
        high=32768,
    )
    heads: Sequence[int] = key((4, 4, 4, 8, 8), "attention heads", low=1, high=64)
    kernel_sizes: Sequence[int] = key((31, 31, 15, 15, 15), "taps of the convolutions, odd", low=1, high=255)
    query_head_size: int = key(32, "of a query and a key, per head", low=1, high=512)
    value_head_size: int = key(12, "of a value, per head", low=1, high=512)
    pos_head_size: int = key(4, "of a query for positions, per head", low=1, high=64)
    pos_size: int = key(48, "features of a relative position, even", low=2, high=1024)
    subsampling: int = key(
        2,
        "input frames per frame: 2 with convolutions in front, 1 without (an encoder on an encoder)",
        low=1,
        high=2,
    )
    subsampling_channels: tuple[int, int, int] = key(
        (8, 32, 128), "channels of the three convolutions in front; small models take fewer", low=1, high=1024
    )
    output_subsampling: int = key(2, "frames that are joined to one of the top", low=1, high=64)
    causal: bool = key(
        True,
        "convolutions that hear their chunk and what was before; without them there are whole utterances only",
    )
    released_padding: bool = key(
        False,
        "let what stands behind an utterance into its last frames, as the released code does; for its weights and "
        "golden tensors. A stream hears none of it",
    )
    chunk_frames: int = key(
        32, "chunk for validation and decoding in frames of the top, 0 for the whole utterance", low=0, high=4096
    )
    left_chunks: int = key(2, "chunks of left context for validation and decoding, -1 for all", low=-1, high=100_000)
    train_chunk_frames: Sequence[int] = key(
        (8, 16, 32, 0), "chunks drawn from in training, one a batch, 0 for the whole utterance", low=0, high=4096
    )
    train_left_frames: Sequence[int] = key(
        (32, 64, 128, -1),
        "left contexts drawn from in training in frames of the top, -1 for all; cut to whole chunks, one at least",
        low=-1,
        high=100_000,
    )
    dropout: tuple[float, float] = key(
        (0.3, 0.1),
        "dropout at the start and after 20,000 batches, one mask for all frames; zeros: none of positions either",
        low=0,
        high=1,
    )
    skips: bool = key(True, "leave out modules and layers of some utterances, less and less of them")
    feature_mask: float = key(
        0.125, "share of utterances whose features beyond `unmasked_sizes` are masked in training", low=0, high=1
    )
    balancers: bool = key(True, "push features towards a range of means and sizes in training")
    whitening: bool = key(True, "push groups of features apart in training")
    warm_batches: float = key(4000.0, "batches in which one stack after the other is warmed up", low=1, high=1e7)
    batch_scale: float = key(
        1.0,
        "batches, as all schedules count them, for each one of the training: they are published for batches of 600 s "
        "of speech; a short training counts faster",
        low=0,
        high=1e6,
    )

    def check(self) -> None:
        """Refuse sizes that do not fit together, and chunks that a stack cannot have."""
        stacks = len(self.layers)
        for name in PER_STACK:
            if len(getattr(self, name)) != stacks:
                raise ConfigError(f"{name} has {len(getattr(self, name))} values and layers {stacks}: give one a stack")
        if sum(self.layers) > MOST_LAYERS:
            raise ConfigError(f"layers are {sum(self.layers)} in all: give at most {MOST_LAYERS}")
        for size, free in zip(self.sizes, self.unmasked_sizes):
            if free > size:
                raise ConfigError(
                    f"unmasked_sizes {list(self.unmasked_sizes)} must not exceed sizes {list(self.sizes)}"
                )
            if size % 4:
                raise ConfigError(f"sizes {list(self.sizes)} must be multiples of 4")
        if any(kernel % 2 == 0 for kernel in self.kernel_sizes):
            raise ConfigError(f"kernel_sizes {list(self.kernel_sizes)} must be odd")
        if any(size % 4 for size in self.feed_forward_sizes):
            raise ConfigError(f"feed_forward_sizes {list(self.feed_forward_sizes)} must be multiples of 4")
        if self.pos_size % 2:
            raise ConfigError(f"pos_size={self.pos_size} must be even")
        if not self.train_chunk_frames or not self.train_left_frames:
            raise ConfigError("train_chunk_frames and train_left_frames must hold what is drawn from in training")
        if not self.causal and (self.chunk_frames or any(self.train_chunk_frames)):
            raise ConfigError(
                "causal: false takes whole utterances only: give chunk_frames: 0, train_chunk_frames: [0]"
            )
        for name, chunks in (("chunk_frames", [self.chunk_frames]), ("train_chunk_frames", self.train_chunk_frames)):
            for chunk in chunks:
                self.check_chunk(name, chunk)

    def check_chunk(self, name: str, chunk: int) -> None:
        """Refuse a chunk, in frames of the top, that does not fill whole frames of every stack.

        Raises:
            ConfigError: names the multiple to give.
        """
        frames = chunk * self.output_subsampling
        for factor in self.downsampling:
            if frames % factor:
                unit = math.lcm(*(f // math.gcd(f, self.output_subsampling) for f in self.downsampling))
                raise ConfigError(
                    f"{name} {chunk} is {frames} frames between the stacks, and one of them takes {factor} together: "
                    f"give a multiple of {unit}"
                )
