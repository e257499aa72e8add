"""Digit strings with a pause: where it is, what stays as it was, and which sets have some."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_jst.data.kaldi import read_table
from tests.recipe.digits import RECIPE, pauses
from tests.recipe.digits import digit_strings as ds

STRING = ds.read_list(RECIPE / "lists" / "test.tsv")[5]


@pytest.fixture(scope="module")
def composed() -> tuple[np.ndarray, np.ndarray]:
    recordings = ds.load_recordings(RECIPE / "corpus")
    return ds.compose([recordings[key] for key in STRING.recordings], STRING.seed)


@pytest.mark.parametrize("place", range(len(STRING.digits) + 1))
def test_digits_are_those_of_the_string_and_lie_around_the_pause(composed, place: int) -> None:
    samples, spans_s = composed
    longer, moved_s = pauses.insert(samples, spans_s, place, 1.5)
    assert len(longer) == len(samples) + 1.5 * ds.FS and longer.dtype == np.int16
    assert np.allclose((moved_s - spans_s)[:, 0], [1.5 * (digit >= place) for digit in range(len(spans_s))])
    for before, after in zip(spans_s, moved_s):
        start, end, at = (round(second * ds.FS) for second in (*before, after[0]))
        assert np.array_equal(longer[at : at + end - start], samples[start:end])
    [silence] = [run for run in np.split(longer, np.flatnonzero(np.diff(longer == 0)) + 1) if len(run) > ds.FS]
    assert not silence.any()


def test_pauses_are_drawn_from_the_string_and_have_all_places(composed) -> None:
    drawn = [pauses.pause(*composed, seed) for seed in range(200)]
    assert all(np.array_equal(a[0], pauses.pause(*composed, seed)[0]) for seed, a in enumerate(drawn[:5]))
    lengths_s = [(len(samples) - len(composed[0])) / ds.FS for samples, _ in drawn]
    assert 0.0 <= min(lengths_s) < 0.5 and 9.5 < max(lengths_s) <= pauses.LONGEST_S
    moved = {int(np.isclose(spans_s[:, 0], composed[1][:, 0]).sum()) for _, spans_s in drawn}
    assert moved == set(range(len(STRING.digits) + 1))


def test_a_share_of_train_and_valid_has_pauses_and_the_tests_have_none(tmp_path: Path) -> None:
    lengths, texts = {}, {}
    for name, flags in (("none", []), ("some", ["--pauses", "0.3"])):
        counts = ["--train_strings", "60", "--valid_strings", "20", "--test_strings", "8"]
        counts += ["--data_dir", str(tmp_path / name)]
        command = [sys.executable, str(RECIPE / "local" / "data.py"), *counts, *flags]
        subprocess.run(command, check=True, capture_output=True)
        for folder in (tmp_path / name).iterdir():
            wavs = read_table(folder / "wav.scp")
            lengths[name, folder.name] = {key: soundfile.info(wav).duration for key, wav in wavs.items()}
            texts[name, folder.name] = read_table(folder / "text.lc.de")
    assert ("none", "test_silence") not in lengths
    more = {
        name: np.array([lengths["some", name][key] - length for key, length in lengths["none", name].items()])
        for name in ("train", "valid", "test")
    }
    assert 8 <= np.count_nonzero(more["train"]) <= 28 and np.count_nonzero(more["valid"]) >= 1
    assert not more["test"].any()
    silent = [lengths["some", "test_silence"][key] - length for key, length in lengths["none", "test"].items()]
    assert np.allclose(silent, 10.0)
    assert texts["some", "test_silence"] == texts["none", "test"]
    assert texts["some", "train"] == texts["none", "train"]
