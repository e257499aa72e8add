"""`espnet-jst models`: packs of the tree, by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from espnet_jst.bin.cli import main
from espnet_jst.errors import CheckpointError
from espnet_jst.hub import shelf
from espnet_jst.hub.load import resolve
from tests.hub.packs import packed_recipe

RESULTS = """# RESULTS
### Transcript (en): quality and latency
|dataset|WER %|LAAL|
|---|---|---|
|test|3.4|620|
|noisy|9.9|650|
### Translation (de): quality and latency
|dataset|BLEU|LAAL|
|---|---|---|
|whole utterances/test|91.2|2880|
|streaming/test|88.1|880|
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one pack, `tiny`."""
    work, root = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("tree")
    pack = packed_recipe(work, results=RESULTS)
    shelf_folder = root / "egs2" / "noise" / "jst1" / "model"
    shelf_folder.mkdir(parents=True)
    shutil.copy(pack, shelf_folder / "tiny.zip")
    return root


@pytest.fixture(autouse=True)
def in_tree(tree: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shelf, "ROOT", tree)
    monkeypatch.setenv("JST_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def test_a_pack_of_the_tree_is_listed_with_its_first_scores(tree: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["models"]) == 0
    said = capsys.readouterr().out
    assert "tiny: en -> de," in said and "cc-by-4.0" in said and "trained on noise" in said
    assert "transcript, test: WER % 3.4, 620 ms behind" in said and "translation, streaming/test: BLEU 88.1" in said
    assert "noisy" not in said and str(tree / "egs2/noise/jst1/model/tiny.zip") in said
    assert main(["models", "tiny"]) == 0
    assert "transcript, noisy: WER % 9.9" in capsys.readouterr().out


def test_a_pack_of_the_tree_is_a_model_by_its_name(tmp_path: Path) -> None:
    assert Path(resolve("tiny")["st_train_config"]).is_file()
    (tmp_path / "tiny").mkdir()  # what exists is never taken for a name
    with pytest.raises(CheckpointError, match="neither meta.yaml"):
        resolve("tiny")


def test_an_unknown_name_lists_those_that_are_there(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=r"spanish: no such zip .* no pack of this tree \(tiny\)"):
        resolve("spanish")
    assert main(["models", "spanish"]) == 1
    assert "spanish: no such pack in this tree; there are: tiny" in capsys.readouterr().err
    monkeypatch.setattr(shelf, "ROOT", tmp_path)
    assert main(["models"]) == 0
    assert "No packs in this tree" in capsys.readouterr().out
