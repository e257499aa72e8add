"""What is the Conformer's own; what every encoder promises is in test_streaming_contract.py."""

import pytest

from espnet_jst.encoders.chunk_conformer import ChunkConformer
from espnet_jst.encoders.interface import ChunkContext
from espnet_jst.errors import ConfigError


def test_the_contexts_of_a_training_are_those_of_the_configuration():
    module = ChunkConformer(20, size=16, layers=1, heads=1, train_chunk_frames=(4, 0), train_left_chunks=(1,))
    assert list(module.train_contexts) == [ChunkContext(4, 1), ChunkContext(0, 1)]


def test_wrong_sizes_are_refused():
    with pytest.raises(ConfigError, match=r"size=30 must be a multiple of 2 \* heads=8"):
        ChunkConformer(20, size=30, heads=4)
    with pytest.raises(ConfigError, match=r"taps \[3\] must lie in 1..2"):
        ChunkConformer(20, size=16, layers=2, heads=1, taps=[3])
    with pytest.raises(ConfigError, match="multiple of 4, not 6"):
        ChunkConformer(20, size=16, heads=1, subsampling=6)
