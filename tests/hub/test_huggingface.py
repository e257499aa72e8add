"""Uploads by huggingface_hub itself, to a server on this machine with the hub's routes."""

from __future__ import annotations

from pathlib import Path

import pytest

from espnet_jst.errors import ConfigError, UploadError
from espnet_jst.hub import huggingface
from tests.hub.receivers import HuggingFace, running


@pytest.fixture(autouse=True)
def plain_transfers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Online, and without the hub's own storage protocol, which the server here does not speak."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "loss.png").write_bytes(b"\x89PNG")
    (tmp_path / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n# A model\n")
    (tmp_path / "model.safetensors").write_bytes(bytes(range(256)) * 5000)
    return tmp_path


def test_every_file_arrives_in_one_commit(folder: Path) -> None:
    with running(HuggingFace) as server:
        revision = huggingface.upload_folder(folder, "org/name", token="secret", endpoint=server.address)
        assert revision == "abc123"
        sent = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        assert server.files == sent
        assert server.tokens == {"Bearer secret"}
        assert sum(path.endswith("/commit/main") for _, path in server.requests) == 1


def test_a_refusal_is_one_message(folder: Path) -> None:
    with running(HuggingFace) as server:
        server.refuse = True
        with pytest.raises(UploadError, match="org/name: the hub did not take it .*403") as failure:
            huggingface.upload_folder(folder, "org/name", token="secret", endpoint=server.address)
    assert "secret" not in str(failure.value)


@pytest.mark.parametrize("name", ["", "name", "a/b/c", "org/na me", "org/", "../name", "org/a..b"])
def test_a_repository_is_named_org_name(name: str) -> None:
    with pytest.raises(ConfigError, match=r"--hf_repo .*give org/name"):
        huggingface.check_repository(name)
    huggingface.check_repository("org/st_tiny.v1")
