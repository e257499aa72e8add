from __future__ import annotations

import numpy as np
import pytest

from espnet_jst.data.bad_item import BadItem
from tests.data.containers.sound import decoded, encoded, patched, tone

TONE = tone()


@pytest.mark.parametrize("coding", ["PCM_16", "PCM_24", "FLOAT", "DOUBLE", "ULAW"])
@pytest.mark.parametrize(
    "sizes", [(0, 0, 0), (0x7F000008, 0x3F800000, 0x7F000008), (None, 0, None), (None, 8000, None)]
)
def test_an_aiff_file_with_wrong_sizes_gives_all_samples(coding, sizes):
    content = encoded(TONE, "AIFF", coding)
    places = (4, content.find(b"COMM") + 10, content.find(b"SSND") + 4)
    wrong = patched(content, {at: size for at, size in zip(places, sizes) if size is not None}, "big")
    samples, info = decoded(wrong)
    assert np.array_equal(samples, decoded(content)[0])
    assert info.notes and not info.plain


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, len(TONE), 2 * len(TONE) + 24])
def test_an_au_file_with_a_wrong_size_gives_all_samples(size):
    samples, info = decoded(patched(encoded(TONE, "AU"), {8: size}, "big"))
    assert len(samples) == len(TONE) and info.notes


def test_an_au_file_that_says_that_its_size_is_unknown_is_right():
    samples, info = decoded(patched(encoded(TONE, "AU"), {8: 0xFFFFFFFF}, "big"))
    assert len(samples) == len(TONE) and not info.notes


@pytest.mark.parametrize("size", [0, (1 << 64) - 1, 1 << 62])
def test_a_caf_file_with_a_wrong_size_gives_all_samples(size):
    content = encoded(TONE, "CAF")
    samples, info = decoded(patched(content, {content.find(b"data") + 4: size}, "big", width=8))
    assert len(samples) == len(TONE)
    assert bool(info.notes) == (size != (1 << 64) - 1)  # -1 stands for the end of the file


@pytest.mark.parametrize("form", ["AIFF", "AU", "CAF", "NIST"])
def test_a_file_that_was_cut_short_is_refused(form):
    content = encoded(TONE, form)
    assert len(decoded(content)[0]) == len(TONE)
    with pytest.raises(BadItem, match="ends before its header says"):
        decoded(content[: len(content) * 6 // 10])
