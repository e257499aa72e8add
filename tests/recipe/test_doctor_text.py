"""Texts that a person cannot see to be wrong: the doctor names them, and the stages do what it says."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_jst.bin import jst_doctor
from espnet_jst.data import kaldi
from espnet_jst.data.checks import ERROR, WARNING
from espnet_jst.recipe.doctor import Diagnosis, diagnose
from espnet_jst.recipe.options import DataOptions, Options
from tests.recipe.stages.one_stage import do

TEXTS = {
    "nfc": ("fünf", None),
    "nfd": (unicodedata.normalize("NFD", "fünf"), "text-form"),
    "only_zwsp": ("\u200b", "text-empty"),
    "zwsp": ("one\u200b", "text-invisible"),
    "soft_hyphen": ("one\u00ad", "text-invisible"),
    "bom_inside": ("\ufeffone", "text-invisible"),
    "nbsp": ("one\u00a0two", "text-blank"),
    "bell": ("one\x07", "text-control"),
    "nul": ("one \x00", "text-control"),
    "replacement": ("tw\ufffd", "text-replacement"),
    "unk": ("one <unk> two", "text-reserved-symbol"),
    "blank": ("one <blank>", "text-reserved-symbol"),
    "sos": ("<sos/eos>", "text-reserved-symbol"),
    "space": ("<space>", "text-reserved-symbol"),
    "marker": ("\u2581one", "text-reserved-symbol"),
    "inside": ("one<st>", "text-reserved-symbol"),
    "dash": ("-", "text-empty"),
    "dots": ("...", "text-without-letters"),
    "persian": ("می\u200cخواهم", None),
    "family": ("one 👨\u200d👩\u200d👧", None),
}
REFUSED = ("text-empty", "text-control", "text-replacement", "text-reserved-symbol")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data" / "train"
    folder.mkdir(parents=True)
    soundfile.write("a.wav", 0.1 * np.random.default_rng(0).standard_normal(32000), 16000)
    for name in ("wav.scp", "text.lc.en", "text.lc.de"):
        lines = (f"{key} {'a.wav' if name == 'wav.scp' else text}\n" for key, (text, _) in sorted(TEXTS.items()))
        (folder / name).write_bytes("".join(lines).encode("utf-8"))
    return folder


def kinds(found: Diagnosis, severity: str) -> dict[str, str]:
    return {problem.utt_id: problem.kind for problem in found.problems if problem.severity == severity}


def test_each_is_called_what_it_is(data: Path) -> None:
    found = diagnose(data, DataOptions())
    assert kinds(found, ERROR) == {key: kind for key, (_, kind) in TEXTS.items() if kind in REFUSED}
    mended = {key: kind for key, (_, kind) in TEXTS.items() if kind and kind not in REFUSED}
    assert kinds(found, WARNING) == mended
    assert found.good == len(TEXTS) - len(kinds(found, ERROR))


def test_the_stages_leave_out_the_same_and_write_the_mended_texts(data: Path) -> None:
    options = Options.of(nj=1)
    said = do(options, "format audio of train")
    assert "8 mended (text-invisible)" in said and "2 mended (text-form)" in said  # both texts of each utterance
    do(options, "remove bad items of train")
    for side in ("text.lc.en", "text.lc.de"):
        written = kaldi.read_table(options.data.raw / "train" / side)
        assert sorted(written) == sorted(key for key, (_, kind) in TEXTS.items() if kind not in REFUSED)
        assert written["nfd"] == written["nfc"] == "fünf"
        assert {written[key] for key in ("zwsp", "soft_hyphen", "bom_inside")} == {"one"}
        assert written["nbsp"] == "one two" and written["persian"] == TEXTS["persian"][0]
        assert written["family"] == TEXTS["family"][0]


def test_files_that_were_joined_with_their_marks_are_read(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("text.lc.en", "text.lc.de"):
        (data / name).write_bytes("\ufeffa one\n\ufeffb two\r\n".encode())
    (data / "wav.scp").write_bytes(b"a a.wav\nb a.wav\n")
    found = diagnose(data, DataOptions())
    assert found.good == 2 and not kinds(found, ERROR)
    assert set(kinds(found, WARNING).values()) == {"text-byte-order-mark"}


def test_what_cannot_be_seen_is_printed_as_an_escape(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, key in (("text.lc.en", "u\u200b1"), ("text.lc.de", "u1"), ("wav.scp", "u1")):
        (data / name).write_text(f"{key} {'a.wav' if name == 'wav.scp' else 'one'}\n", encoding="utf-8")
    assert jst_doctor.main([str(data)]) == 1
    assert "u\\u200b1" in capsys.readouterr().out
