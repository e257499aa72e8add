"""Digit strings with a second talker: who it is, when and how loud, and what stays as it was."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_jst.data.kaldi import read_table
from espnet_jst.errors import DataError
from tests.recipe.digits import RECIPE, two_talkers
from tests.recipe.digits import digit_strings as ds

LISTED = ds.read_list(RECIPE / "lists" / "test.tsv")


def composed(string: ds.DigitString) -> tuple[np.ndarray, np.ndarray]:
    recordings = ds.load_recordings(RECIPE / "corpus")
    return ds.compose([recordings[key] for key in string.recordings], string.seed)


@pytest.fixture(scope="module")
def pair() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    first = LISTED[5]
    return composed(first), composed(two_talkers.second_talkers(LISTED)[first.utt_id])


def make(folder: Path, *flags: str) -> None:
    counts = ["--train_strings", "12", "--valid_strings", "4", "--test_strings", "8"]
    command = [sys.executable, str(RECIPE / "local" / "data.py"), "--data_dir", str(folder), *counts, *flags]
    subprocess.run(command, check=True, capture_output=True)


def test_the_second_talker_is_another_speaker_and_a_longer_list_keeps_the_pairs() -> None:
    pairs = two_talkers.second_talkers(LISTED)
    assert all(string.speaker != pairs[string.utt_id].speaker for string in LISTED)
    assert two_talkers.second_talkers(LISTED[:50]) == {string.utt_id: pairs[string.utt_id] for string in LISTED[:50]}


def test_strings_of_one_speaker_have_no_second_talker() -> None:
    alone = [string for string in LISTED if string.speaker == "george"][:3]
    with pytest.raises(DataError, match="3 strings of one speaker"):
        two_talkers.second_talkers(alone)


@pytest.mark.parametrize("level", [0.0, 5.0, 10.0, 20.0])
def test_the_second_talker_is_as_much_weaker_as_asked_for(pair, level: float) -> None:
    first, second = pair
    # So quiet that nothing is scaled down: what is added is the second talker alone.
    first, second = ((side[0] // 4, side[1]) for side in (first, second))
    long = np.concatenate([first[0], np.zeros(len(second[0]) + 2 * ds.FS, dtype=np.int16)]), first[1]
    added = two_talkers.overlap(long, second, 7, level).astype(float) - long[0]
    spoken = np.abs(added) > 0
    start = int(spoken.argmax())
    spans = second[1] + start / ds.FS  # its recording begins with the first sample that is not zero
    power = two_talkers.speech_power(np.round(added).astype(np.int16), spans)
    ratio = 10 * np.log10(two_talkers.speech_power(*first) / power)
    assert ratio == pytest.approx(level, abs=0.3)


@pytest.mark.parametrize("seed", range(20))
def test_the_first_talker_begins_and_the_recording_is_as_long_as_alone(pair, seed: int) -> None:
    first, second = pair
    mixed = two_talkers.overlap(first, second, seed, 20.0)
    assert mixed.dtype == np.int16 and len(mixed) == len(first[0])
    begins = round((first[1][0, 0] + two_talkers.BEGINS_S[0]) * ds.FS) - round(second[1][0, 0] * ds.FS) - 1
    assert np.array_equal(mixed[: max(0, begins)], first[0][: max(0, begins)])
    assert np.abs(mixed.astype(int) - first[0]).max() > 0
    assert np.array_equal(mixed, two_talkers.overlap(first, second, seed, 20.0))


def test_two_loud_talkers_are_scaled_down_and_not_clipped(pair) -> None:
    loud = [(np.round(samples * (32000 / np.abs(samples).max())).astype(np.int16), spans) for samples, spans in pair]
    mixed = two_talkers.overlap(loud[0], loud[1], 3, 0.0)
    assert 32000 < np.abs(mixed.astype(int)).max() <= two_talkers.CEILING


def test_mixed_sets_have_the_texts_of_the_first_talker_and_other_sets_stay(tmp_path: Path) -> None:
    make(tmp_path / "plain")
    make(tmp_path / "mixed", "--overlap", "0.5")
    names = {path.name for path in (tmp_path / "mixed").iterdir()}
    assert names - {path.name for path in (tmp_path / "plain").iterdir()} == {
        f"test_mix_{level}" for level in two_talkers.LEVELS_DB
    }
    for table in ("text.lc.en", "text.lc.de", "word_times.ref"):
        assert read_table(tmp_path / "mixed" / "test_mix_0" / table) == read_table(tmp_path / "plain" / "test" / table)
    assert audio(tmp_path / "mixed" / "test") == audio(tmp_path / "plain" / "test")
    before, after = audio(tmp_path / "plain" / "train"), audio(tmp_path / "mixed" / "train")
    changed = [key for key in before if before[key] != after[key]]
    assert 0 < len(changed) < len(before)
    assert all(len(before[key]) == len(after[key]) for key in changed)


def test_without_a_share_the_training_strings_stay(tmp_path: Path) -> None:
    make(tmp_path / "plain", "--sets", "train")
    make(tmp_path / "mixed", "--sets", "train", "test_mix_5", "--overlap", "0")
    assert audio(tmp_path / "mixed" / "train") == audio(tmp_path / "plain" / "train")


def audio(folder: Path) -> dict[str, bytes]:
    return {
        key: soundfile.read(path, dtype="int16")[0].tobytes() for key, path in read_table(folder / "wav.scp").items()
    }
