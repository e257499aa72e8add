"""Packs that strangers made, loaded as a user loads one: refused within two seconds, nothing executed or written."""

from __future__ import annotations

import hashlib
import importlib
import io
import os
import pickle
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from espnet_jst.errors import CheckpointError, ConfigError
from espnet_jst.inference import Speech2Text
from tests.hub.test_safe_archive import HOSTILE
from tests.inference import tiny
from tests.untrusted.test_config_file import UNSAFE

importlib.import_module("espnet_jst.tasks.jst")  # takes longer than two seconds, once
pytestmark = pytest.mark.filterwarnings("ignore:Duplicate name")
CANARY = "canary"  # made in the current folder by whatever is executed


class Gadget:
    """What an attacker pickles: a callable and its arguments."""

    def __init__(self, call: Callable, *args: object) -> None:
        self.call, self.args = call, args

    def __reduce__(self) -> tuple:
        return self.call, self.args


def config(**changes: object) -> bytes:
    values = tiny.config(tiny.SERIALIZED)
    values["normalize_conf"]["stats_file"] = "feats_stats.npz"
    return yaml.safe_dump({**values, **changes}).encode()


def pack(path: Path, *, weights: object = None, **files: bytes) -> None:
    """A sound pack but for what is given; its checksums are right, as an attacker's are."""
    stream = io.BytesIO()
    torch.save(tiny.tiny_model(tiny.config(tiny.SERIALIZED))[0].state_dict() if weights is None else weights, stream)
    content = {
        "config.yaml": config(),
        "feats_stats.npz": Path(tiny.stats_file(20)).read_bytes(),
        "valid.loss.ave.pth": weights if isinstance(weights, bytes) else stream.getvalue(),
        **{name.replace("_yaml", ".yaml"): data for name, data in files.items()},
    }
    meta = {
        "files": {"st_model_file": "valid.loss.ave.pth"},
        "yaml_files": {"st_train_config": "config.yaml"},
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in content.items() if name != "meta.yaml"},
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {"meta.yaml": yaml.safe_dump(meta).encode(), **content}.items():
            archive.writestr(name, data)


def text(content: str | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.encode()


ATTACKS: dict[str, Callable[[Path], object]] = {
    **{f"archive: {name}": make for name, (make, _) in HOSTILE.items()},
    **{
        f"config: {name}": lambda path, content=content: pack(path, config_yaml=text(content))
        for name, content in UNSAFE.items()
    },
    **{
        f"meta: {name}": lambda path, content=content: pack(path, meta_yaml=text(content))
        for name, content in UNSAFE.items()
    },
    "gadget: mkdir": lambda path: pack(path, weights={"a": Gadget(os.mkdir, CANARY)}),
    "gadget: system": lambda path: pack(path, weights={"a": Gadget(os.system, f"touch {CANARY}")}),
    "gadget: eval": lambda path: pack(path, weights={"a": Gadget(eval, f"open({CANARY!r}, 'w')")}),
    "gadget: without torch": lambda path: pack(path, weights=pickle.dumps(Gadget(os.mkdir, CANARY))),
    "class of another module": lambda path: pack(path, config_yaml=config(encoder="os.system")),
    "remote code in a frontend": lambda path: pack(
        path, config_yaml=config(frontend_conf={"fs": 8000, "trust_remote_code": True})
    ),
    "two-repository attack": lambda path: pack(
        path, config_yaml=config(frontend_conf={"fs": 8000, "overriding_architecture_config": {"auto_map": "x--y"}})
    ),
}


def named(path: Path) -> set[str]:
    return {item.relative_to(path).as_posix() for item in path.rglob("*")}


@pytest.mark.parametrize("kind", ATTACKS)
def test_an_attack_is_refused_within_two_seconds_and_nothing_is_executed(
    kind: str, tmp_path: Path, monkeypatch
) -> None:
    archive, cache, here = tmp_path / "attack" / "a.zip", tmp_path / "cache", tmp_path / "here"
    for folder in (archive.parent, cache, here):
        folder.mkdir()
    ATTACKS[kind](archive)
    monkeypatch.chdir(here)
    monkeypatch.setenv("JST_CACHE", str(cache))
    begun = time.process_time()
    with pytest.raises((CheckpointError, ConfigError)):
        Speech2Text.from_pretrained(archive)
    assert time.process_time() - begun <= 2.0
    assert not here.joinpath(CANARY).exists() and not Path("/", CANARY).exists()
    assert {name for name in named(tmp_path) if not name.startswith("cache/")} == {
        "attack",
        "attack/a.zip",
        "cache",
        "here",
    }


def test_the_same_pack_without_an_attack_loads(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("JST_CACHE", str(tmp_path / "cache"))
    pack(tmp_path / "a.zip")
    assert Speech2Text.from_pretrained(tmp_path / "a.zip").fs == 8000
