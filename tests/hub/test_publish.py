"""What may leave, and the row of the model zoo."""

from __future__ import annotations

import csv
import shutil
import zipfile
from pathlib import Path

import pandas
import pytest
import yaml

from espnet_jst.errors import CheckpointError
from espnet_jst.hub import publish, zenodo, zoo
from espnet_jst.hub.load import read_pack
from espnet_jst.hub.safe_archive import file_sha256
from tests.hub.packs import packed_recipe


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed_recipe(tmp_path_factory.mktemp("recipe"))


@pytest.fixture
def folder(pack: Path, tmp_path: Path) -> Path:
    with zipfile.ZipFile(pack) as archive:
        archive.extractall(tmp_path / "pack")
    return tmp_path / "pack"


def zipped(folder: Path) -> Path:
    return Path(shutil.make_archive(str(folder), "zip", folder))


def refused(pack: Path, match: str) -> None:
    with pytest.raises(CheckpointError, match=match), publish.checked_pack(pack, "none.wav"):
        pass


def test_no_pack_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "none.zip", "no such pack; make it first")


def test_a_pack_that_is_damaged_or_knows_this_computer_is_refused(folder: Path) -> None:
    (folder / "RESULTS.md").write_text("changed")
    refused(zipped(folder), "RESULTS.md.*SHA-256 differs")
    meta = yaml.safe_load((folder / "meta.yaml").read_text())
    (folder / "RESULTS.md").write_text("decoded in /home/somebody/exp")
    meta["sha256"]["RESULTS.md"] = file_sha256(folder / "RESULTS.md")
    (folder / "meta.yaml").write_text(yaml.safe_dump(meta))
    refused(zipped(folder), "RESULTS.md: holds the absolute path '/home/somebody/exp'")


def test_the_card_names_the_repository_and_the_pack_is_still_sound(folder: Path) -> None:
    card = publish.name_repository(folder, "org/name")
    assert 'Speech2Text.from_pretrained("org/name")' in card
    assert "DATA_LICENSE.md" in card and "|test|1.0|" in card and "@inproceedings" in card
    read_pack(folder)
    (folder / "README.md").unlink()
    with pytest.raises(CheckpointError, match="no README.md, the model card"):
        publish.read_card(folder)


def test_the_table_lists_every_file(folder: Path) -> None:
    lines = publish.table(folder).splitlines()
    names = {line.split()[0] for line in lines[1:]}
    assert names == {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    weights = next(line for line in lines if line.startswith("model.safetensors")).split()
    assert int(weights[1].replace(",", "")) == (folder / "model.safetensors").stat().st_size
    assert weights[2] == file_sha256(folder / "model.safetensors")


def test_espnets_model_zoo_finds_the_models_of_our_rows(folder: Path, tmp_path: Path) -> None:
    from espnet_model_zoo.downloader import ModelDownloader

    url = zenodo.file_url(zenodo.SITE, 77, "st tiny.zip")
    about = {"corpus": "noise, mostly", "languages": ("en", "de")}
    rows = [
        zoo.row(folder, name="Doe, Jo/st_tiny", url=url, **about),
        zoo.row(folder, name="org/name", url=zoo.HUGGINGFACE_URL, **about),
    ]
    downloader = ModelDownloader(tmp_path / "cache")
    assert tuple(downloader.data_frame.columns) == zoo.COLUMNS
    table = tmp_path / "table.csv"
    table.write_text(downloader.csv.read_text(encoding="utf-8").rstrip("\n") + "\n" + "\n".join(rows) + "\n")
    downloader.data_frame = pandas.read_csv(table, dtype=str)
    assert downloader.get_url("Doe, Jo/st_tiny") == url
    assert downloader._get_file_name(url) == "st%20tiny.zip"
    assert downloader.get_url("org/name") == "https://huggingface.co/"
    assert downloader.query("name", corpus="noise, mostly", task="st", lang="en-de", fs="8000", valid="true") == [
        "Doe, Jo/st_tiny",
        "org/name",
    ]
    assert all(len(next(csv.reader([row]))) == len(zoo.COLUMNS) for row in rows)
