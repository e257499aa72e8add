"""From a zip, a folder or a hub tag to the files of the model."""

import hashlib
import os
import zipfile
from pathlib import Path

import pytest
import yaml

from espnet_jst.errors import CheckpointError
from espnet_jst.hub.load import find_config, resolve
from espnet_jst.hub.safe_archive import unpack_to_cache

CONTENT = {"config.yaml": b"lr: 0.1\n", "valid.loss.ave.pth": b"pickle", "model.safetensors": b"tensors"}


def meta(content: dict[str, bytes] = CONTENT, **changes: object) -> bytes:
    fields: dict[str, object] = {
        "files": {"st_model_file": "valid.loss.ave.pth"},
        "yaml_files": {"st_train_config": "config.yaml"},
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in content.items()},
    }
    return yaml.safe_dump({**fields, **changes}).encode()


def folder_of(path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def zip_of(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def snapshot(folder: Path) -> dict[str, tuple]:
    """Everything below a folder: times, links, content."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mtime_ns, path.is_file() and path.read_bytes())
        for path in sorted(folder.rglob("*"))
    }


def test_a_zip_gives_its_files_and_prefers_safetensors(tmp_path: Path) -> None:
    found = resolve(zip_of(tmp_path / "m.zip", {"meta.yaml": meta(), **CONTENT}), cache_dir=tmp_path / "cache")
    assert set(found) == {"st_train_config", "st_model_file"}
    assert Path(found["st_train_config"]).read_bytes() == CONTENT["config.yaml"]
    assert Path(found["st_model_file"]).name == "model.safetensors"
    assert all(Path(path).is_absolute() and Path(path).is_relative_to(tmp_path / "cache") for path in found.values())


def test_a_zip_without_safetensors_gives_its_pickle(tmp_path: Path) -> None:
    files = {name: data for name, data in CONTENT.items() if name != "model.safetensors"}
    found = resolve(zip_of(tmp_path / "m.zip", {"meta.yaml": meta(files), **files}), cache_dir=tmp_path / "cache")
    assert Path(found["st_model_file"]).name == "valid.loss.ave.pth"


def test_a_folder_is_read_where_it_is_and_not_written_to(tmp_path: Path, monkeypatch) -> None:
    folder = folder_of(tmp_path / "pack", {"meta.yaml": meta(), **CONTENT})
    before = snapshot(folder)
    monkeypatch.chdir(tmp_path)
    assert resolve("pack")["st_train_config"] == str(folder / "config.yaml")
    assert snapshot(folder) == before


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        (["valid.loss.ave.pth", "valid.loss.best.pth", "latest.pth"], "valid.loss.ave.pth"),
        (["valid.loss.ave_3best.pth", "valid.loss.best.pth"], "valid.loss.ave_3best.pth"),
        (["valid.loss.best.pth", "latest.pth", "1epoch.pth"], "valid.loss.best.pth"),
        (["latest.pth", "1epoch.pth"], "latest.pth"),
    ],
)
def test_an_experiment_gives_the_best_weights_that_it_has(present: list[str], expected: str, tmp_path: Path) -> None:
    folder_of(tmp_path, {"config.yaml": b"lr: 1\n", **dict.fromkeys(present, b"x")})
    assert Path(resolve(tmp_path)["st_model_file"]).name == expected


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"README.md": b""}, "neither meta.yaml"),
        ({"config.yaml": b"lr: 1\n", "1epoch.pth": b"x"}, "no weights"),
        ({"meta.yaml": meta()}, "missing"),
        ({"meta.yaml": b"- 1\n", **CONTENT}, "no mapping"),
        ({"meta.yaml": meta(files=None), **CONTENT}, "must map"),
        ({"meta.yaml": meta(files={"st_model_file": ["a"]}), **CONTENT}, "must map"),
        ({"meta.yaml": meta(files={"asr_model_file": "valid.loss.ave.pth"}), **CONTENT}, "another task"),
        ({"meta.yaml": meta(files={"st_model_file": "../outside.pth"}), **CONTENT}, "outside"),
        ({"meta.yaml": meta(files={"st_model_file": "/etc/hostname"}), **CONTENT}, "outside"),
        ({"meta.yaml": meta(yaml_files={"st_train_config": "/etc/hostname"}), **CONTENT}, "outside"),
        ({"meta.yaml": meta(sha256={"../outside.pth": "0"}), **CONTENT}, "outside"),
        ({"meta.yaml": meta(), **CONTENT, "model.safetensors": b"other"}, "SHA-256"),
        ({"meta.yaml": meta(), **CONTENT, "valid.loss.ave.pth": b"other"}, "SHA-256"),
    ],
)
def test_a_wrong_folder_is_refused_with_the_reason(files: dict[str, bytes], message: str, tmp_path: Path) -> None:
    (tmp_path / "outside.pth").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=message):
        resolve(folder_of(tmp_path / "pack", files))


def test_a_link_out_of_a_pack_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "pack", {"meta.yaml": meta(sha256=None), **CONTENT})
    (tmp_path / "outside").write_bytes(b"x")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to(tmp_path / "outside")
    with pytest.raises(CheckpointError, match="leads outside"):
        resolve(folder)


def test_a_damaged_copy_in_the_cache_is_unpacked_anew(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "m.zip", {"meta.yaml": meta(), **CONTENT})
    found = resolve(archive, cache_dir=tmp_path / "cache")
    Path(found["st_model_file"]).write_bytes(b"damaged")
    assert Path(resolve(archive, cache_dir=tmp_path / "cache")["st_model_file"]).read_bytes() == b"tensors"


def test_a_zip_whose_content_is_not_what_it_says_names_the_zip(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "m.zip", {"meta.yaml": meta(), **CONTENT, "model.safetensors": b"other"})
    with pytest.raises(CheckpointError, match=r"m\.zip.*SHA-256"):
        resolve(archive, cache_dir=tmp_path / "cache")
    assert list((tmp_path / "cache" / "packs").iterdir()) == []


@pytest.mark.parametrize("name", ["nothing.zip", "./owner/name", "owner/name/more", "owner name/x", "../x"])
def test_what_is_neither_a_path_nor_a_tag_is_named(name: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="no such zip or folder"):
        resolve(name)


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch) -> Path:
    """The hub's cache as huggingface_hub lays it out: snapshots of links into blobs, and refs; no network."""
    import huggingface_hub.constants

    repository = tmp_path / "hub" / "models--owner--name"
    commit = "0123456789abcdef0123456789abcdef01234567"
    for number, (name, data) in enumerate({"meta.yaml": meta(), **CONTENT}.items()):
        blob = repository / "blobs" / f"{number:040x}"
        folder_of(blob.parent, {blob.name: data})
        link = repository / "snapshots" / commit / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    folder_of(repository / "refs", {"main": commit.encode(), "v1": commit.encode()})
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return repository


@pytest.mark.parametrize("tag", ["owner/name", "owner/name@v1", "owner/name@0123456789abcdef0123456789abcdef01234567"])
def test_a_tag_is_found_in_the_hubs_cache_offline_and_nothing_is_written_there(tag: str, hub_cache: Path) -> None:
    before = snapshot(hub_cache.parent)
    found = resolve(tag)
    assert Path(found["st_model_file"]).read_bytes() == b"tensors"
    assert snapshot(hub_cache.parent) == before


def test_the_configuration_of_a_tag_is_found_without_the_weights(hub_cache: Path) -> None:
    for weights in hub_cache.glob("snapshots/*/*.pth"):
        weights.unlink()
    assert find_config("owner/name@v1").read_bytes() == CONTENT["config.yaml"]


def test_a_tag_or_revision_that_cannot_be_had_is_one_message(hub_cache: Path) -> None:
    for tag in ("owner/other", "owner/name@v2"):
        with pytest.raises(CheckpointError, match=f"{tag}: neither a path nor"):
            resolve(tag)


def test_a_snapshot_may_link_into_its_blobs_only(hub_cache: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"tensors")
    link = next(hub_cache.glob("snapshots/*/model.safetensors"))
    link.unlink()
    link.symlink_to(tmp_path / "outside")
    with pytest.raises(CheckpointError, match="leads outside"):
        resolve("owner/name")


def test_a_cache_that_cannot_be_written_costs_an_unpacking_a_process(tmp_path: Path, caplog) -> None:
    archive = zip_of(tmp_path / "m.zip", {"meta.yaml": meta(), **CONTENT})
    (tmp_path / "file").touch()
    found = resolve(archive, cache_dir=tmp_path / "file" / "cache")
    assert Path(found["st_model_file"]).read_bytes() == b"tensors"
    assert "for this process alone; set JST_CACHE" in caplog.text
    with pytest.raises(CheckpointError, match="cannot be read"):
        unpack_to_cache(tmp_path / "missing.zip", tmp_path)
