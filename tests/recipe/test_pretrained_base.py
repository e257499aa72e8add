"""A training on an encoder of somebody else says so in its experiment, and the pack's card after it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from espnet_jst.hub.about import read_base
from espnet_jst.recipe.pretrained import keep_pretrained
from tests.hub.packs import packed_recipe

CARD = "---\nlicense: apache-2.0\nlanguage: [en]\n---\n# A model\n"


@pytest.fixture
def whisper(tmp_path: Path) -> Path:
    """A folder as it comes from the hub."""
    folder = tmp_path / "whisper-small"
    folder.mkdir()
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


@pytest.mark.parametrize("choice", ["encoder", "frontend", "hier_encoder"])
def test_the_folder_of_a_configuration_is_kept_with_its_licence(tmp_path: Path, whisper: Path, choice: str) -> None:
    keep_pretrained({f"{choice}_conf": {"model": str(whisper)}}, "", tmp_path / "exp")
    about, _ = read_base(tmp_path / "exp")
    assert about is not None
    assert (about.name, about.license, about.languages) == ("whisper-small", "apache-2.0", ())
    assert about.sha256 == hashlib.sha256(b"weights").hexdigest()
    keep_pretrained({}, "", tmp_path / "exp")  # another training in the same folder, without one
    assert read_base(tmp_path / "exp")[0] is None


def test_what_the_flags_say_goes_before_the_configuration(tmp_path: Path, whisper: Path) -> None:
    flags = f"--max_epoch 1 --encoder_conf layers=5 model={whisper}"
    keep_pretrained({"encoder_conf": {"model": "elsewhere"}}, flags, tmp_path / "exp")
    assert read_base(tmp_path / "exp")[0].name == "whisper-small"  # type: ignore[union-attr]
    keep_pretrained({"encoder_conf": {"model": "org/whisper-tiny@1a2b"}}, "", tmp_path / "other")
    about = read_base(tmp_path / "other")[0]
    assert about is not None and (about.name, about.revision, about.license) == ("org/whisper-tiny", "1a2b", "")


def test_without_a_pretrained_encoder_nothing_is_written(tmp_path: Path) -> None:
    keep_pretrained({"encoder": "chunk_conformer", "encoder_conf": {"size": 8}}, "--max_epoch 3", tmp_path)
    keep_pretrained({"encoder_conf": None}, "--encoder_conf size=8", tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_encoder_of_ours_says_of_itself_what_its_pack_says(tmp_path: Path) -> None:
    pack = packed_recipe(tmp_path)
    keep_pretrained({"frontend": "trained", "frontend_conf": {"model": str(pack)}}, "", tmp_path / "exp")
    about, _ = read_base(tmp_path / "exp")
    assert about is not None and about.license == "cc-by-4.0" and len(about.sha256) == 64
