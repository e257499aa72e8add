"""What tells that an installation works, in a minute; and that packs pass between the two lines of ESPnet versions.

`tools/test --short` runs these alone: on the line of versions whose whole suite is not run.
"""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pytest
import soundfile

from espnet_jst.hub.pack import pack
from espnet_jst.inference import Speech2Text
from espnet_jst.tasks.jst import JSTTask
from espnet_jst.weights import safe_load
from tests.lines.make_pack import PACKS, decode, speech
from tests.training.corpus import FS, make_corpus, write_config


def train(root: Path, *options: str) -> Path:
    JSTTask.main(cmd=["--config", str(root / "train.yaml"), "--output_dir", str(root / "exp"), *options])
    return root / "exp"


def test_register_train_two_steps_resume_decode_pack_and_load(tmp_path, monkeypatch):
    from espnet2.bin import st_inference  # the module whose task a plugin replaces
    from espnet2.tasks import st

    from espnet_jst import register

    register()
    assert {"chunk_conformer"} <= set(st.encoder_choices.classes) and hasattr(st_inference, "STTask")

    monkeypatch.setenv("JST_CACHE", str(tmp_path / "cache"))
    root = make_corpus(tmp_path, train=8, valid=4)  # batches of four: two steps an epoch
    write_config(root, max_epoch=2)
    exp = train(root, "--max_epoch", "1", "--scheduler_conf", "total_steps=4")
    assert safe_load(exp / "checkpoint.pth")["reporter"]["epoch"] == 1
    train(root, "--resume", "true")
    assert safe_load(exp / "checkpoint.pth")["reporter"]["epoch"] == 2

    expected = decode(Speech2Text.from_pretrained(exp))
    soundfile.write(root / "a.wav", speech(), FS)
    packed = pack(exp, tmp_path / "model.zip", wav=root / "a.wav")
    assert decode(Speech2Text.from_pretrained(packed)) == expected


@pytest.mark.parametrize("name", ["espnet-202511", "espnet-202611"])
def test_a_pack_of_either_line_decodes_to_the_tokens_that_it_had_where_it_was_made(name, tmp_path, monkeypatch):
    monkeypatch.setenv("JST_CACHE", str(tmp_path))
    expected = json.loads((PACKS / f"{name}.json").read_text(encoding="utf-8"))
    assert len(expected["whole"]) >= 16  # it has learnt: five words and their translations, with tags between
    assert decode(Speech2Text.from_pretrained(PACKS / f"{name}.zip")) == expected


def test_the_installed_espnet_has_a_pack_of_its_line():
    assert (PACKS / f"espnet-{importlib.metadata.version('espnet')}.zip").is_file()


def test_subtitles_name_the_languages_of_the_pack(tmp_path, monkeypatch, capsys):
    from espnet_jst.bin import cli

    monkeypatch.setenv("JST_CACHE", str(tmp_path / "cache"))
    soundfile.write(tmp_path / "a.wav", speech(), FS)
    pack_file = str(PACKS / "espnet-202611.zip")
    assert cli.main(["transcribe", "--model", pack_file, "--format", "ttml", str(tmp_path / "a.wav")]) == 0
    document = capsys.readouterr().out
    assert 'xml:lang="en"' in document and 'xml:lang="de"' in document and "und" not in document.split(">")[1]
