"""Configurations from elsewhere: plain data only, and paths that stay where they belong."""

from pathlib import Path

import pytest
import yaml

from espnet_jst.errors import CheckpointError
from espnet_jst.untrusted.config_file import read_config, read_yaml

ALIAS_BOMB = "n0: &n0 [x, x]\n" + "".join(f"n{n}: &n{n} [*n{n - 1}, *n{n - 1}]\n" for n in range(1, 30))

UNSAFE = {
    "alias bomb": ALIAS_BOMB,
    "single alias": "a: &x 1\nb: *x\n",
    "python object": "a: !!python/object/apply:os.system ['true']\n",
    "unknown tag": "a: !thing 1\n",
    "hydra target": "encoder_conf: {_target_: os.system, command: 'true'}\n",
    "hydra target in a list": "layers: [{kind: x}, {_target_: os.system}]\n",
    "remote code": "frontend_conf: {trust_remote_code: true}\n",
    "deep nesting": "a: " + "[" * 200 + "]" * 200 + "\n",
    "over a mebibyte": "a: " + "x" * 2**20 + "\n",
    "a list": "- 1\n",
    "two documents": "a: 1\n---\nb: 2\n",
    "not utf-8": b"a: \xff\xfe\n",
    "broken": "a: [1\n",
    "control character": "a: \x01\n",
    "impossible date": "a: 2024-99-99\n",
    "unhashable key": "? [a]\n: 1\n? {b: 1}\n: 2\n",
}


@pytest.mark.parametrize("kind", UNSAFE)
def test_an_unsafe_configuration_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    content = UNSAFE[kind]
    path = tmp_path / "config.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CheckpointError, match=r"config\.yaml"):
        read_yaml(path)


def test_a_missing_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.yaml"):
        read_yaml(tmp_path / "nowhere.yaml")


def experiment(tmp_path: Path, **config: object) -> Path:
    """A recipe folder with `exp/st_x/config.yaml`, a BPE model and statistics."""
    for name in ("data/tokens/bpe.model", "exp/stats/feats_stats.npz", "exp/st_x/config.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    path = tmp_path / "exp/st_x/config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def test_an_experiment_names_its_files_from_the_folder_of_the_recipe(tmp_path: Path, monkeypatch) -> None:
    path = experiment(
        tmp_path, bpemodel="data/tokens/bpe.model", normalize_conf={"stats_file": "exp/stats/feats_stats.npz"}, lr=0.1
    )
    monkeypatch.chdir("/")
    config = read_config(path)
    assert config["bpemodel"] == str(tmp_path / "data/tokens/bpe.model")
    assert config["normalize_conf"]["stats_file"] == str(tmp_path / "exp/stats/feats_stats.npz")
    assert config["lr"] == 0.1


def test_tokens_and_choices_are_never_taken_for_files(tmp_path: Path) -> None:
    path = experiment(tmp_path, token_list=["<blank>", "a.b", "conformer"], encoder="conformer")
    for name in ("a.b", "conformer"):
        (path.parent / name).write_text("x")
    config = read_config(path)
    assert config["token_list"] == ["<blank>", "a.b", "conformer"]
    assert config["encoder"] == "conformer"


def packed(tmp_path: Path, config: dict, name: str = "config.yaml") -> Path:
    folder = tmp_path / "pack"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text(yaml.safe_dump(config))
    (folder / "bpe.model").write_text("x")
    (folder / "meta.yaml").write_text(yaml.safe_dump({"files": {}, "yaml_files": {"st_train_config": name}}))
    return folder / name


@pytest.mark.parametrize("name", ["config.yaml", "exp/st_x/config.yaml"])
def test_a_pack_names_its_files_from_its_root(name: str, tmp_path: Path, monkeypatch) -> None:
    path = packed(tmp_path, {"bpemodel": "bpe.model"}, name)
    before = path.read_bytes()
    monkeypatch.chdir("/")
    assert read_config(path)["bpemodel"] == str(tmp_path / "pack" / "bpe.model")
    assert path.read_bytes() == before


def test_a_file_of_this_name_that_is_something_else_makes_no_pack_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "meta.yaml").write_text("{% set version = '1.0' %}\npackage: !x {name: a}\n")
    path = experiment(tmp_path, bpemodel="data/tokens/bpe.model")
    assert read_config(path)["bpemodel"] == str(tmp_path / "data/tokens/bpe.model")


def test_a_pack_that_espnet_unpacked_keeps_its_absolute_paths(tmp_path: Path) -> None:
    inside = str(tmp_path / "pack" / "bpe.model")
    assert read_config(packed(tmp_path, {"bpemodel": inside}))["bpemodel"] == inside


@pytest.mark.parametrize("value", ["/etc/hostname", "../secret.txt", "a/../../secret.txt", "~/secret.txt", "link.txt"])
def test_a_packed_configuration_cannot_name_a_file_outside(value: str, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("x")
    path = packed(tmp_path, {"preprocessor_conf": {"table": value}})
    (path.parent / "link.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(CheckpointError, match=r"preprocessor_conf\.table.*outside"):
        read_config(path)


@pytest.mark.parametrize("addition", ["x: !!str 1\n", "a: &a 1\nb: *a\n", "files: {}\n", "d: 2024-01-01\n", "1: 2\n"])
@pytest.mark.parametrize("name", ["config.yaml", "exp/st_x/config.yaml"])
def test_a_pack_that_only_espnets_unpacker_takes_cannot_name_a_file_outside_either(
    addition: str, name: str, tmp_path: Path, monkeypatch
) -> None:
    path = packed(tmp_path, {"normalize_conf": {"stats_file": "stats.npz"}}, name)
    with open(tmp_path / "pack" / "meta.yaml", "a") as file:
        file.write(addition)
    (tmp_path / "stats.npz").write_text("x")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="not in the pack"):
        read_config(path)
