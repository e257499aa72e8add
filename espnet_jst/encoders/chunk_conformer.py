"""Chunked Conformer: chunk mask in training and offline, key/value and convolution caches in streaming."""

from __future__ import annotations

from torch import nn

from espnet_jst.encoders.chunked import ChunkedEncoder
from espnet_jst.encoders.conf import ChunkConformerConf
from espnet_jst.encoders.conformer_layer import ConformerLayer
from espnet_jst.encoders.subsampling import ConvSubsampling
from espnet_jst.keys import takes


class ChunkConformer(ChunkedEncoder):
    """Streaming Conformer encoder.

    A frame hears its own chunk, `left_chunks` chunks before it (per layer) and, through causal convolutions, a fixed
    number of frames before those. Whole utterances go through the same layers with a mask.

    Args:
        input_size: features per input frame.
    """

    @takes(ChunkConformerConf)
    def __init__(self, input_size: int, conf: ChunkConformerConf) -> None:
        size, subsampling = conf.size, conf.subsampling
        super().__init__(conf, size=size, heads=conf.heads, subsampling=subsampling)
        if subsampling == 1:
            self.input = nn.Linear(input_size, size)
        else:
            channels = conf.subsampling_channels
            self.input = ConvSubsampling(input_size=input_size, size=size, factor=subsampling, channels=channels)
        self.layers = nn.ModuleList(
            ConformerLayer(
                size=size,
                heads=conf.heads,
                feed_forward_size=conf.feed_forward_size,
                kernel_size=conf.kernel_size,
                dropout=conf.dropout,
                attention_dropout=conf.attention_dropout,
            )
            for _ in range(conf.layers)
        )
