"""Files with any bytes changed, lost, added or cut off are heard or refused by name, and nothing else happens."""

from __future__ import annotations

import random

import pytest

from espnet_jst.data.audio_file import AudioFile
from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.signal import Mixer
from tests.data.containers.sound import encoded, tone

FORMS = [("WAV", "PCM_16"), ("WAV", "IMA_ADPCM"), ("WAVEX", "FLOAT"), ("RF64", None), ("W64", None), ("AIFF", None),
         ("AU", None), ("CAF", None), ("FLAC", None), ("MP3", None), ("OGG", "VORBIS"), ("OGG", "OPUS"),
         ("NIST", None)]  # fmt: skip
EXTREMES = [bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80"]


def damaged(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 5, 30])):
        # Headers are what matters most.
        at = chance.randrange(min(len(changed), 200) if chance.random() < 0.6 else len(changed))
        what = chance.randrange(5)
        if what == 0:
            changed[at] = chance.randrange(256)
        elif what == 1:
            changed[at : at + 4] = chance.choice(EXTREMES)
        elif what == 2:
            del changed[at : min(at + chance.randrange(1, 50), len(changed) - 1)]
        elif what == 3:
            changed[at:at] = chance.randbytes(chance.randrange(1, 50))
        else:
            del changed[max(1, at) :]
    return bytes(changed)


def hear(content: bytes) -> None:
    with AudioFile(content, name="x") as audio:
        mixer = Mixer(audio.name)
        for _ in audio.signal(mixer=mixer):
            pass
        mixer.remarks(audio.info.coding)


@pytest.mark.parametrize(("form", "coding"), FORMS)
@pytest.mark.parametrize("times", [60, pytest.param(5000, marks=pytest.mark.long)])
def test_damaged_files_are_heard_or_refused_by_name(form, coding, times):
    content = encoded(tone(12000), form, coding)
    chance = random.Random(f"{form} {coding} {times}")
    refused = 0
    for _ in range(times):
        try:
            hear(damaged(content * chance.choice([1, 1, 2]), chance))
        except BadItem as bad:
            refused += 1
            assert bad.reason.startswith("x: ") and bad.fix and bad.kind.startswith("audio-")
    assert 0 < refused
