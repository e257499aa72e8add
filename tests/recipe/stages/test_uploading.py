"""Stages 15 and 16: shown by default, sent on demand, refused with one message."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from espnet_jst.hub import zenodo
from espnet_jst.recipe.options import Options
from espnet_jst.recipe.stage import StageError, run_stages
from espnet_jst.recipe.stages.uploading import uploading_stages
from tests.hub import packs
from tests.hub.receivers import HuggingFace, Receiver, Zenodo, running


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipe")
    packs.packed_recipe(folder)
    return folder


@pytest.fixture
def servers(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Receiver, Receiver]]:
    """The receivers, in place of the real ones; no token but what a test sets."""
    from huggingface_hub import constants

    shutil.rmtree(recipe / "exp" / "st_tiny" / ".stages", ignore_errors=True)
    monkeypatch.chdir(recipe)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(recipe / "no-login"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "ZENODO_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with running(Zenodo) as records, running(HuggingFace) as repositories:
        monkeypatch.setattr(zenodo, "SITE", records.address)
        monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", repositories.address)
        yield records, repositories


def run(said: list[str] | None = None, **changes: object) -> list[int]:
    options = Options.of(**{**packs.OPTIONS, "skip_upload": False, "skip_upload_hf": False, **changes})
    return run_stages(uploading_stages(options), say=(said if said is not None else []).append)


def test_uploads_are_off_by_default() -> None:
    said: list[str] = []
    assert run_stages(uploading_stages(Options.of()), say=said.append) == []
    assert said == [
        "stage 15: upload to Zenodo: skip (--skip_upload)",
        "stage 16: upload to Hugging Face: skip (--skip_upload_hf)",
    ]


@pytest.mark.slow
def test_a_dry_run_shows_everything_and_sends_nothing(
    servers: tuple[Receiver, Receiver], capsys: pytest.CaptureFixture
) -> None:
    said: list[str] = []
    assert run(said) == [15, 16]
    shown = capsys.readouterr().out
    for wanted in ("model.safetensors", "DATA_LICENSE.md", "https://huggingface.co/org/name", "library_name: espnet"):
        assert wanted in shown
    assert "noise,st,org/name,https://huggingface.co/,8000,en-de,," in shown
    assert all("nothing was uploaded" in line and "no token" in line for line in (said[1], said[3]))
    assert servers[0].requests == servers[1].requests == []


@pytest.mark.slow
def test_with_tokens_both_receivers_get_the_model_and_zenodo_only_once(
    servers: tuple[Receiver, Receiver], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("ZENODO_TOKEN", "zsecret")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    said: list[str] = []
    assert run(said, dry_run=False) == [15, 16]
    records, repositories = servers
    assert list(records.files) == ["st_tiny_valid.loss.ave.zip"]
    assert records.metadata["creators"] == [{"name": "Doe, Jo"}]
    assert 'from_pretrained("org/name")' in repositories.files["README.md"].decode()
    assert "meta.yaml" in repositories.files and "model.safetensors" in repositories.files
    assert said[-1].endswith('Speech2Text.from_pretrained("org/name@abc123")')
    assert "secret" not in capsys.readouterr().out + "".join(said)
    assert run(said, dry_run=False, skip_upload_hf=True) == []
    assert "up to date" in said[-2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dry_run": False, "skip_upload_hf": True}, "set ZENODO_TOKEN"),
        ({"dry_run": False, "skip_upload": True}, "set HF_TOKEN"),
        ({"skip_upload": True, "hf_repo": "name"}, "--hf_repo name: give org/name"),
        ({"skip_upload": True, "st_tag": "other"}, "st_other_valid.loss.ave.zip, which does not exist"),
    ],
)
def test_what_is_missing_is_one_message(servers: tuple[Receiver, Receiver], changes: dict, message: str) -> None:
    with pytest.raises(StageError, match=message):
        run(**changes)
    assert servers[0].requests == servers[1].requests == []


@pytest.mark.slow
def test_a_pack_that_does_not_decode_is_not_uploaded(
    servers: tuple[Receiver, Receiver], recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZENODO_TOKEN", "zsecret")
    table = recipe / "dump" / "raw" / "broken" / "wav.scp"
    table.parent.mkdir(exist_ok=True)
    table.write_text(f"utt1 {recipe / 'LICENSE.data'}\n")
    with pytest.raises(StageError, match="does not decode"):
        run(dry_run=False, skip_upload_hf=True, test_sets="broken")
    assert servers[0].requests == []
