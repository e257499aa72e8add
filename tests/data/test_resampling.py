from __future__ import annotations

import numpy as np
import pytest
import soxr

from espnet_jst.data.resampling import resampled
from tests.data.containers.sound import tone


@pytest.mark.parametrize(("input_fs", "output_fs"), [(8000, 16000), (48000, 16000), (44100, 16000), (96000, 8000)])
@pytest.mark.parametrize("size", [1, 700, 100000])
def test_blocks_give_what_the_whole_signal_gives(input_fs, output_fs, size):
    whole = tone(3000, 300.0, input_fs)
    blocks = [whole[start : start + size] for start in range(0, len(whole), size)]
    out = np.concatenate(list(resampled(blocks, input_fs, output_fs)))
    expected = soxr.resample(whole, input_fs, output_fs)
    assert len(out) == len(expected)
    assert np.abs(out - expected).max() < 1e-5


def test_a_signal_at_the_right_rate_is_left_alone():
    blocks = [tone(100), tone(50)]
    assert all(out is block for out, block in zip(resampled(blocks, 8000, 8000), blocks, strict=True))
