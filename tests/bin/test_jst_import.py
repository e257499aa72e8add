"""Data directories from tables, cuts and data sets: what is in them, what is left out, and what cannot be read."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
import soundfile

from espnet_jst.bin import cli
from espnet_jst.data.kaldi import read_table
from tests.inference import tiny


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Two recordings of two seconds."""
    (tmp_path / "clips").mkdir()
    for number, name in enumerate(("a", "b")):
        soundfile.write(tmp_path / "clips" / f"{name}.wav", tiny.speech(2.0, seed=number), 8000)
    return tmp_path


def imported(folder: Path, *arguments: str) -> int:
    return cli.main(["import", *arguments, "--data_dir", str(folder / "data")])


def tables(folder: Path) -> dict[str, dict[str, str]]:
    names = ("wav.scp", "segments", "utt2spk", "text.tc.es", "text.tc.en")
    return {name: dict(read_table(folder / "data" / name)) for name in names if (folder / "data" / name).exists()}


TSV = """client_id\tpath\tsentence\ttranslation
ana\ta.wav\tHola,  "mundo".\tHello, "world".
ben\tb.wav\tAdiós.\tGoodbye.
ana\tnone.wav\tNada.\tNothing.
ana\t\tx\ty
"""


def test_a_table_with_usual_names_of_columns(clips: Path, capsys: pytest.CaptureFixture) -> None:
    (clips / "all.tsv").write_text(TSV, encoding="utf-8")
    flags = ["--audio_dir", str(clips / "clips"), "--src_lang", "es", "--tgt_lang", "en"]
    assert imported(clips, "tsv", str(clips / "all.tsv"), *flags) == 0
    found = tables(clips)
    assert found["text.tc.es"] == {"a": 'Hola, "mundo".', "b": "Adiós."}
    assert found["text.tc.en"] == {"a": 'Hello, "world".', "b": "Goodbye."}
    assert found["utt2spk"] == {"a": "ana", "b": "ben"} and "segments" not in found
    assert found["wav.scp"]["a"].endswith("/clips/a.wav")
    skipped = [json.loads(line) for line in (clips / "data" / "skipped.jsonl").read_text().splitlines()]
    assert [(entry["utt_id"], entry["kind"]) for entry in skipped] == [
        ("line_5", "line-invalid"), ("none", "audio-missing")
    ]  # fmt: skip
    assert "2 utterances" in capsys.readouterr().out  # of the doctor


def test_columns_of_other_names_parts_of_recordings_and_one_text(clips: Path) -> None:
    rows = [
        "datei,von,bis,gesagt",
        'clips/a.wav,0.5,1.25,"Hola, mundo"',
        "clips/a.wav,1.25,,Otra",
        "clips/a.wav,x,2,No",
    ]
    (clips / "parts.csv").write_text("\n".join(rows), encoding="utf-8")
    flags = ["--audio", "datei", "--start", "von", "--end", "bis", "--transcript", "gesagt", "--src_lang", "es"]
    assert imported(clips, "tsv", str(clips / "parts.csv"), *flags, "--case", "lc.rm", "--skip_doctor") == 0
    found = read_table(clips / "data" / "text.lc.rm.es")
    assert dict(found) == {"a-0000050": "hola mundo", "a-0000125": "otra"}
    segments = tables(clips)["segments"]
    assert [line.split()[1:] for line in segments.values()] == [["0.500", "1.250"], ["1.250", "2.000"]]


def cut(name: str, folder: Path, start: float, said: list[dict[str, Any]]) -> dict[str, Any]:
    recording = {"id": name, "sampling_rate": 8000, "duration": 2.0, "num_samples": 16000}
    recording["sources"] = [{"type": "file", "channels": [0], "source": str(folder / "clips" / f"{name}.wav")}]
    return {"id": f"cut-{name}", "start": start, "duration": 2.0 - start, "supervisions": said, "recording": recording}


def test_supervisions_of_cuts_are_utterances(clips: Path) -> None:
    first = {"id": "u1", "start": 0.0, "duration": 2.0, "text": "Hola", "speaker": "ana"}
    second = {"id": "u2", "start": 0.25, "duration": 0.5, "text": "Adiós"}
    for said, text in ((first, "Hello"), (second, "Bye")):
        said["custom"] = {"translated_text": {"en": text, "de": "x"}}
    cuts = [cut("a", clips, 0.0, [first]), cut("b", clips, 0.5, [second])]
    with gzip.open(clips / "cuts.jsonl.gz", "wt", encoding="utf-8") as stream:
        stream.write("".join(json.dumps(entry) + "\n" for entry in cuts))
    flags = ["--translation", "translated_text.en", "--src_lang", "es", "--tgt_lang", "en", "--skip_doctor"]
    assert imported(clips, "lhotse", str(clips / "cuts.jsonl.gz"), *flags) == 0
    found = tables(clips)
    assert found["text.tc.en"] == {"u1": "Hello", "u2": "Bye"} and found["utt2spk"] == {"u1": "ana", "u2": "u2"}
    parts = [line.split()[1:] for line in found["segments"].values()]
    assert parts == [["0.000", "2.000"], ["0.750", "1.250"]]


def test_a_data_set_of_the_hub_brings_its_recordings(clips: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = {
        "audio": [str(clips / "clips" / f"{name}.wav") for name in "ab"],
        "sentence": ["Hola", "Adiós"],
        "translation": ["Hello", "Bye"],
    }
    data = datasets.Dataset.from_dict(rows).cast_column("audio", datasets.Audio())
    datasets.DatasetDict(train=data).save_to_disk(clips / "saved")
    flags = ["--split", "train", "--src_lang", "es", "--tgt_lang", "en", "--skip_doctor"]
    assert imported(clips, "hf", str(clips / "saved"), *flags) == 0
    assert tables(clips)["text.tc.en"] == {"a": "Hello", "b": "Bye"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tsv", "none.tsv"], "none.tsv: there is no such table"),
        (["tsv", "all.tsv", "--audio", "pth"], "no column 'pth' .did you mean 'path'"),
        (["tsv", "bare.tsv"], "which column is the audio. give --audio, one of x, sentence"),
        (["tsv", "latin.tsv"], "latin.tsv is not UTF-8"),
        (["tsv", "all.tsv"], "all.tsv has translations: give --tgt_lang"),
        (["tsv", "single.tsv", "--tgt_lang", "en"], "has no translations: leave --tgt_lang out"),
        (["lhotse", "all.tsv"], "all.tsv: no manifest of cuts"),
        (["lhotse", "odd.jsonl"], "odd.jsonl:1: no cut with a recording in a file"),
        (["commonvoice", "clips"], "commonvoice: give --covost"),
    ],
)
def test_what_cannot_be_read_is_one_message(
    clips: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(clips)
    Path("all.tsv").write_text(TSV, encoding="utf-8")
    Path("bare.tsv").write_text("x\tsentence\n", encoding="utf-8")
    Path("latin.tsv").write_bytes("path\tsentence\na.wav\tAdiós\n".encode("latin-1"))
    Path("single.tsv").write_text("path\tsentence\nclips/a.wav\tHola\n", encoding="utf-8")
    Path("odd.jsonl").write_text('{"id": "x"}\n', encoding="utf-8")
    assert imported(clips, *arguments, "--src_lang", "es") == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and re.search(message, said)
