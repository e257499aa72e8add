"""The packs that are committed: small, said what they are, loadable, and streams say what whole recordings do."""

from __future__ import annotations

from pathlib import Path

import pytest

from espnet_jst.evaluation.measured import read_measured
from espnet_jst.hub.about import DATA_LICENSE, said_of
from espnet_jst.hub.load import find_config
from espnet_jst.hub.shelf import packs
from espnet_jst.inference import Speech2Text
from tests.inference import tiny

PACKS = packs()
LANES = {"kichwa": {"transcript"}, "spanish_english": {"transcript", "translation"}}


@pytest.fixture(params=sorted(PACKS))
def name(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("JST_CACHE", str(tmp_path / "cache"))
    return str(request.param)


def test_a_pack_is_small_and_says_what_it_is_and_what_was_measured(name: str) -> None:
    assert PACKS[name].stat().st_size < 30e6
    config = find_config(PACKS[name])
    about, license, results = said_of(config)
    lanes = LANES[name]
    assert Speech2Text.from_pretrained(name).lanes.keys() == lanes
    assert about.license and about.dataset and len(about.languages) == len(lanes) and len(license) > 100
    assert (Path(config).parent / DATA_LICENSE).is_file()
    assert {entry.lane for entry in read_measured(results)} >= lanes


def test_a_stream_of_a_pack_has_the_words_of_the_whole(name: str) -> None:
    model = Speech2Text.from_pretrained(name)
    speech, fs = tiny.speech(6.0, fs=16_000, seed=1), 16_000
    whole = model(speech, fs=fs)[0][3].words
    session, words = model.session(fs=fs), []
    for start in range(0, len(speech), 4000):
        words += session.push(speech[start : start + 4000])
    words += session.finish()
    for lane in model.lanes:
        assert [word.text for word in words if word.lane == lane] == [word.text for word in whole if word.lane == lane]
    assert words


@pytest.mark.slow
def test_a_pack_says_the_same_on_onnxruntime(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    from espnet_jst.export.onnx_folder import export_onnx

    speech = tiny.speech(6.0, fs=16_000, seed=1)
    folder = export_onnx(PACKS[name], tmp_path / "onnx", say=lambda line: None)
    ours, theirs = (Speech2Text.from_pretrained(model)(speech, fs=16_000)[0] for model in (name, folder))
    assert ours[2] == theirs[2] and ours[2]  # the same tokens, and some
