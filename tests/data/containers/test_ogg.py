from __future__ import annotations

import numpy as np
import pytest

from espnet_jst.data.bad_item import BadItem
from tests.data.containers.sound import ID3, ID3V1, decoded, encoded, tone

TONE, SECOND = tone(40000), tone(24000, 900.0)
FILES = {coding: (encoded(TONE, "OGG", coding), encoded(SECOND, "OGG", coding)) for coding in ("VORBIS", "OPUS")}


@pytest.fixture(params=list(FILES))
def files(request) -> tuple[bytes, bytes]:
    return FILES[request.param]


def pages(content: bytes) -> list[bytes]:
    found = []
    while content:
        table = content[27 : 27 + content[26]]
        stop = 27 + len(table) + sum(table)
        found.append(content[:stop])
        content = content[stop:]
    return found


def test_streams_that_follow_each_other_are_all_heard(files):
    first, second = files
    samples, info = decoded(first + second + first)
    assert info.samples == 104000 and not info.plain
    assert info.notes == ("3 recordings one after the other, all are taken",)
    parts = [decoded(first)[0], decoded(second)[0], decoded(first)[0]]
    assert np.array_equal(samples, np.concatenate(parts))


def test_a_damaged_or_lost_page_is_refused(files):
    first, _ = files
    middle = len(first) // 2
    flipped = first[:middle] + bytes([first[middle] ^ 1]) + first[middle + 1 :]
    for bad in (flipped, b"".join(pages(first)[:3] + pages(first)[4:])):
        with pytest.raises(BadItem, match="damaged or missing data at byte"):
            decoded(bad)


def test_a_stream_without_its_end_is_refused_wherever_it_stands(files):
    first, second = files
    for bad in (b"".join(pages(first)[:-1]), first + second[: len(second) // 2], b"".join(pages(first)[:-1]) + second):
        with pytest.raises(BadItem, match="ends before its header says"):
            decoded(bad)


def test_tags_are_no_audio(files):
    first, _ = files
    for content in (ID3 + first, first + ID3V1):
        assert len(decoded(content)[0]) == 40000


def test_streams_of_different_rates_are_refused(files):
    with pytest.raises(BadItem, match="joined from parts"):
        decoded(files[0] + encoded(TONE, "OGG", "OPUS", 8000))
