"""What is heard of an utterance: the piece of the file that it has, as the model gets it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import Limits
from espnet_jst.data.kaldi import Segment, write_table
from espnet_jst.data.utterances import AudioItem, hear, read_set
from espnet_jst.errors import DataError
from tests.data.containers.sound import FS, encoded, tone


def kinds(path: Path, start_s: float = 0.0, end_s: float = -1.0, **options) -> set[str]:
    heard = hear(AudioItem("u", str(path), Segment("r", start_s, end_s)), fs=FS, strict_fs=False, **options)
    assert all(problem.utt_id == "u" and str(path) in problem.reason for problem in heard.remarks)
    return {problem.kind for problem in heard.remarks}


@pytest.fixture
def recording(tmp_path) -> Path:
    """Four seconds: a tone, silence, a tone with one channel turned, samples that are no numbers."""
    second = tone()
    left = np.concatenate([second, 0 * second, second, np.full(FS, np.nan)])
    right = np.concatenate([second, 0 * second, -second, second])
    soundfile.write(tmp_path / "r.wav", np.stack([left, right], axis=1), FS, subtype="FLOAT")
    return tmp_path / "r.wav"


def test_a_segment_is_judged_by_its_own_samples(recording):
    usual = {"audio-stereo", "audio-depth"}
    assert kinds(recording, 0, 1) == usual
    assert kinds(recording, 1, 2) == {*usual, "audio-silent"}
    assert kinds(recording, 0.5, 2.5) == usual
    for start_s, end_s, kind in ((2, 3, "audio-silent"), (2, 4, "audio-nan"), (3, -1, "audio-nan")):
        with pytest.raises(BadItem) as error:
            kinds(recording, start_s, end_s)
        assert error.value.kind == kind


@pytest.mark.parametrize("times", [(5, 6), (0, 9), (4, -1), (1e300, -1), (1e308, -1), (0, 1e308)])
def test_a_segment_outside_of_the_file_is_an_error_of_that_segment(recording, times):
    with pytest.raises(BadItem, match=r"r\.wav"):
        kinds(recording, *times)


def test_a_wrong_header_is_told_and_the_length_checked_by_what_is_there(tmp_path):
    path = tmp_path / "a.wav"
    content = encoded(tone(), "WAV")
    path.write_bytes(content[:40] + (0x7FFFF000).to_bytes(4, "little") + content[44:])
    assert kinds(path, limits=Limits(min_s=0.9, max_s=1.1)) == {"audio-header"}
    for limits, kind in ((Limits(min_s=1.1), "audio-short"), (Limits(max_s=0.9), "audio-long")):
        with pytest.raises(BadItem) as error:
            kinds(path, limits=limits)
        assert error.value.kind == kind


def test_what_receives_the_samples_gets_one_channel_and_its_errors_are_not_the_items(recording):
    lengths = []

    def write(blocks, info):
        lengths.append((sum(len(block) for block in blocks), info.channels))
        raise DataError("no space left")

    with pytest.raises(DataError, match=r"^no space left$"):
        hear(AudioItem("u", str(recording), Segment("r", 0, 1.5)), fs=FS, strict_fs=False, write=write)
    assert lengths == [(FS * 3 // 2, 2)]


def test_one_channel_is_heard_where_it_is_named(recording):
    def peak(channel: int | None, end_s: float = 3.0) -> float:
        item = AudioItem("u", str(recording), Segment("r", 2.0, end_s), channel)
        heard = hear(item, fs=FS, strict_fs=False)
        assert "audio-stereo" not in {problem.kind for problem in heard.remarks}
        return heard.peak

    assert peak(0) == pytest.approx(0.3, abs=0.05)  # both together cancel each other
    assert peak(1, 4.0) == pytest.approx(0.3, abs=0.05)  # and the other has samples that are no numbers
    with pytest.raises(BadItem, match=r"no channel 3 in a file of 2; correct its line in reco2file_and_channel"):
        peak(2)


def test_a_file_of_one_channel_is_what_is_meant_already(tmp_path):
    soundfile.write(tmp_path / "b.wav", tone(), FS)
    assert not hear(AudioItem("u", str(tmp_path / "b.wav"), channel=1), fs=FS, strict_fs=False).remarks


def test_channels_of_recordings_reach_their_utterances(tmp_path):
    write_table(tmp_path / "wav.scp", {"c-A": "c.sph", "c-B": "c.sph", "d": "d.wav", "e-A": "e.sph"})
    write_table(tmp_path / "text", dict.fromkeys(("u1", "u2", "u3", "u4"), "word"))
    write_table(tmp_path / "segments", {"u1": "c-A 0 1", "u2": "c-B 0 1", "u3": "d 0 1", "u4": "e-A 0 1"})
    write_table(tmp_path / "reco2file_and_channel", {"c-A": "c A", "c-B": "c B", "e-A": "e left"})
    found = read_set(tmp_path, "text", None)
    assert {item.utt_id: item.channel for item in found.items} == {"u1": 0, "u2": 1, "u3": None}
    listed = {problem.utt_id: problem.kind for problem in found.problems}
    assert listed == {"e-A": "segment-channel", "u4": "segment-no-recording"}
