"""Pack, move, load, decode: the same text, in our classes and in ESPnet's."""

import hashlib
import json
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import soundfile
import torch
import yaml

from espnet_jst.errors import CheckpointError
from espnet_jst.hub.card import CardInfo, model_card
from espnet_jst.hub.load import decoding_options, resolve
from espnet_jst.hub.pack import pack
from espnet_jst.hub.portable import check_portable
from espnet_jst.hub.safe_archive import file_sha256
from espnet_jst.inference import Speech2Text
from tests.inference import tiny


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe folder with an experiment whose files lie where a recipe puts them, and its pack."""
    recipe = tmp_path_factory.mktemp("recipe")
    folder = recipe / "exp" / "st_tiny"
    model, args = tiny.tiny_model(tiny.config(tiny.SERIALIZED))
    tiny.save(model, args, folder)
    stats = recipe / "exp" / "stats" / "feats_stats.npz"
    stats.parent.mkdir()
    (folder / "feats_stats.npz").rename(stats)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["normalize_conf"]["stats_file"] = "exp/stats/feats_stats.npz"
    config["output_dir"] = str(folder)
    config["train_data_path_and_name_and_type"] = [[str(recipe / "dump" / "wav.scp"), "speech", "sound"]]
    config["init_param"] = [str(recipe / "old.pth")]
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "RESULTS.md").write_text("# RESULTS\n|dataset|WER|\n|---|---|\n|test|1.0|\n")
    (folder / "images").mkdir()
    (folder / "images" / "loss.png").write_bytes(b"\x89PNG")
    (recipe / "LICENSE").write_text("the licence of the data")
    soundfile.write(recipe / "a.wav", tiny.speech(2.0), 8000)
    pack(
        folder,
        recipe / "tiny.zip",
        wav=None,
        data_license=recipe / "LICENSE",
        card=CardInfo(name="tiny", languages=("en", "de"), dataset="noise", license="cc0-1.0"),
    )
    return recipe


def lanes(model: Speech2Text, wav: Path) -> dict[str, list[str]]:
    speech, fs = soundfile.read(wav, dtype="float32")
    hypothesis = model(speech, fs=fs)[0][3]
    return {lane: [word.text for word in words] for lane, words in hypothesis.lanes.items()}


def test_a_pack_moved_to_another_folder_decodes_the_same(experiment: Path, tmp_path: Path, monkeypatch) -> None:
    expected = lanes(Speech2Text.from_pretrained(experiment / "exp" / "st_tiny"), experiment / "a.wav")
    (tmp_path / "moved.zip").write_bytes((experiment / "tiny.zip").read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JST_CACHE", str(tmp_path / "cache"))
    decoded = lanes(Speech2Text.from_pretrained("moved.zip"), experiment / "a.wav")
    assert decoded == expected
    assert sum(map(len, decoded.values())) > 0


@pytest.mark.parametrize(("kind", "share"), [("fp16", 0.55), ("int8", 0.36)])
def test_a_smaller_pack_decodes_and_says_what_it_lost(
    experiment: Path, tmp_path: Path, kind: str, share: float
) -> None:
    small = pack(experiment / "exp" / "st_tiny", tmp_path / "small.zip", wav=None, kind=kind)
    with zipfile.ZipFile(small) as archive, zipfile.ZipFile(experiment / "tiny.zip") as whole:
        sizes = [next(i.file_size for i in z.infolist() if i.filename == "model.safetensors") for z in (archive, whole)]
        assert sizes[0] < share * sizes[1]
        assert f"stored as {kind}: matrices differ by 0." in archive.read("README.md").decode()
        names = archive.namelist()
        assert ("valid.loss.ave.pth" in names or any(name.endswith(".pth") for name in names)) == (kind == "fp16")
    decoded = lanes(Speech2Text.from_pretrained(small), experiment / "a.wav")
    assert sum(map(len, decoded.values())) > 0


def test_a_pack_decodes_offline_from_a_read_only_cache_that_stays_as_it_was(
    experiment: Path, tmp_path: Path, monkeypatch
) -> None:
    expected = lanes(Speech2Text.from_pretrained(experiment / "exp" / "st_tiny"), experiment / "a.wav")
    cache, elsewhere = tmp_path / "cache", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "moved.zip").write_bytes((experiment / "tiny.zip").read_bytes())
    resolve(tmp_path / "moved.zip", cache_dir=cache)
    before = {path: (path.lstat().st_mtime_ns, file_sha256(path)) for path in cache.rglob("*") if path.is_file()}
    for path in [*cache.rglob("*"), cache]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("JST_CACHE", str(cache))
    monkeypatch.setattr(socket, "socket", lambda *_, **__: pytest.fail("a connection was opened"))
    assert lanes(Speech2Text.from_pretrained(tmp_path / "moved.zip"), experiment / "a.wav") == expected
    after = {path: (path.lstat().st_mtime_ns, file_sha256(path)) for path in cache.rglob("*") if path.is_file()}
    assert after == before and list(elsewhere.iterdir()) == []
    for path in [cache, *cache.rglob("*")]:  # so that pytest can remove them
        path.chmod(0o755)


def test_a_pack_holds_what_espnets_packs_hold_and_checksums(experiment: Path) -> None:
    with zipfile.ZipFile(experiment / "tiny.zip") as archive:
        meta = yaml.safe_load(archive.read("meta.yaml"))
        files = {name: archive.read(name) for name in archive.namelist()}
    assert archive.namelist()[0] == "meta.yaml"
    assert meta["files"] == {"st_model_file": "valid.loss.ave.pth"}
    assert meta["yaml_files"] == {"st_train_config": "config.yaml"}
    assert {"timestamp", "python", "torch", "espnet", "espnet_jst"} <= set(meta)
    assert meta["sha256"] == {
        name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name not in ("meta.yaml", "README.md")
    }
    assert set(files) == {
        "meta.yaml",
        "config.yaml",
        "valid.loss.ave.pth",
        "model.safetensors",
        "feats_stats.npz",
        "RESULTS.md",
        "README.md",
        "DATA_LICENSE.md",
        "images/loss.png",
    }


def test_no_file_of_a_pack_knows_where_it_was_made(experiment: Path) -> None:
    with zipfile.ZipFile(experiment / "tiny.zip") as archive:
        for name in archive.namelist():
            assert str(experiment).encode() not in archive.read(name), name
        config = yaml.safe_load(archive.read("config.yaml"))
    assert config["normalize_conf"]["stats_file"] == "feats_stats.npz"
    assert config["output_dir"] is None
    assert config["init_param"] == config["train_data_path_and_name_and_type"] == []


def test_both_forms_of_the_weights_are_the_same_tensors(experiment: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    with zipfile.ZipFile(experiment / "tiny.zip") as archive:
        archive.extractall(tmp_path)
    pickled = torch.load(tmp_path / "valid.loss.ave.pth", weights_only=True)
    tensors = load_file(tmp_path / "model.safetensors")
    assert set(pickled) == set(tensors)
    assert all(torch.equal(pickled[name], tensors[name]) for name in tensors)


def test_the_card_says_what_the_model_is(experiment: Path) -> None:
    with zipfile.ZipFile(experiment / "tiny.zip") as archive:
        card = archive.read("README.md").decode()
    front = yaml.safe_load(card.split("---")[1])
    assert front["language"] == ["en", "de"]
    assert front["license"] == "cc0-1.0"
    assert front["library_name"] == "espnet"
    assert "|test|1.0|" in card
    assert "chunk_conformer" in card
    assert "listens at 8000 Hz" in card


@pytest.mark.slow
def test_espnets_model_zoo_unpacks_the_pack_and_espnets_speech2text_decodes_it(
    experiment: Path, tmp_path: Path, monkeypatch
) -> None:
    from espnet2.bin import st_inference
    from espnet_model_zoo.downloader import ModelDownloader

    from espnet_jst.tasks.jst import JSTTask

    found = ModelDownloader(tmp_path / "zoo").unpack_local_file(str(experiment / "tiny.zip"))
    assert set(found) == {"st_train_config", "st_model_file"}
    monkeypatch.setattr(st_inference, "STTask", JSTTask)
    monkeypatch.chdir(tmp_path)
    speech, _ = soundfile.read(experiment / "a.wav", dtype="float32")
    options = {"beam_size": 1, "transducer_conf": {"search_type": "default"}}
    before, after = (
        st_inference.Speech2Text(**files, **options)(speech)[0]
        for files in (resolve(experiment / "exp" / "st_tiny"), found)
    )
    assert before[1] == after[1]
    assert len(after[1]) > 3
    # the folder that ESPnet unpacked is a pack for us too, though its configuration was rewritten
    unpacked = Path(found["st_train_config"]).parent
    assert lanes(Speech2Text.from_pretrained(unpacked), experiment / "a.wav")


@pytest.mark.slow
def test_packing_ends_with_a_decoding_process_of_its_own(experiment: Path, tmp_path: Path, capsys) -> None:
    from espnet_jst.bin.jst_pack import main

    folder, output = experiment / "exp" / "st_tiny", tmp_path / "out" / "tiny.zip"
    assert main(["--exp", str(folder), "--output", str(output), "--wav", str(experiment / "a.wav")]) == 0
    assert "decoded" in capsys.readouterr().out
    assert [path.name for path in output.parent.iterdir()] == ["tiny.zip"]


@pytest.mark.slow
def test_a_pack_that_does_not_decode_is_not_there_afterwards(experiment: Path, tmp_path: Path) -> None:
    (tmp_path / "silent.wav").write_bytes(b"no audio")
    with pytest.raises(CheckpointError, match=r"does not decode .*silent\.wav"):
        pack(experiment / "exp" / "st_tiny", tmp_path / "out" / "tiny.zip", wav=tmp_path / "silent.wav")
    assert list((tmp_path / "out").iterdir()) == []


def copy_of(experiment: Path, target: Path, **config: object) -> Path:
    """The experiment under another name, with changes of its configuration."""
    folder = target / "exp" / "st_tiny"
    folder.mkdir(parents=True)
    source = experiment / "exp" / "st_tiny"
    values = yaml.safe_load((source / "config.yaml").read_text())
    values["normalize_conf"]["stats_file"] = str(experiment / "exp" / "stats" / "feats_stats.npz")
    (folder / "config.yaml").write_text(yaml.safe_dump({**values, **config}))
    (folder / "valid.loss.ave.pth").write_bytes((source / "valid.loss.ave.pth").read_bytes())
    return folder


def test_bytes_of_a_picture_are_no_path(tmp_path: Path) -> None:
    (tmp_path / "lanes.png").write_bytes(b"\x89PNG\xff/./I.\xe4 /../x")
    check_portable(tmp_path)
    (tmp_path / "lanes.png").write_bytes(b"\x89PNG\xff/tmp/I")
    with pytest.raises(CheckpointError, match="absolute path '/tmp/I"):
        check_portable(tmp_path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"bpemodel": "/home/somebody/bpe.model"}, r"bpemodel names /home/somebody/bpe\.model"),
        ({"frontend_conf": {"fs": 8000, "cache": "see /tmp/elsewhere/x"}}, "absolute path '/tmp/elsewhere/x"),
    ],
)
def test_an_absolute_path_cannot_be_packed(config: dict, message: str, experiment: Path, tmp_path: Path) -> None:
    folder = copy_of(experiment, tmp_path, **config)
    with pytest.raises(CheckpointError, match=message):
        pack(folder, tmp_path / "out.zip", wav=None)
    assert not (tmp_path / "out.zip").exists()


def test_an_absolute_path_in_the_results_is_found(experiment: Path, tmp_path: Path) -> None:
    folder = copy_of(experiment, tmp_path)
    (folder / "RESULTS.md").write_text("see https://example.org/a/b and 3 km/h, but /var/log/train.log")
    with pytest.raises(CheckpointError, match=r"RESULTS\.md|README\.md"):
        pack(folder, tmp_path / "out.zip", wav=None)
    (folder / "RESULTS.md").write_text("see https://example.org/a/b and 3 km/h, AL/LAAL")
    assert pack(folder, tmp_path / "out.zip", wav=None).is_file()


def test_a_sentencepiece_model_loses_its_paths_and_keeps_its_pieces(experiment: Path, tmp_path: Path) -> None:
    import sentencepiece

    (tmp_path / "text.txt").write_text("eins zwei drei vier und zwanzig\n" * 50)
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "text.txt"), model_prefix=str(tmp_path / "bpe"), vocab_size=18, minloglevel=2
    )
    assert str(tmp_path).encode() in (tmp_path / "bpe.model").read_bytes()
    folder = copy_of(experiment, tmp_path, bpemodel=str(tmp_path / "bpe.model"))
    with zipfile.ZipFile(pack(folder, tmp_path / "out.zip", wav=None)) as archive:
        data = archive.read("bpe.model")
        assert yaml.safe_load(archive.read("config.yaml"))["bpemodel"] == "bpe.model"
    assert str(tmp_path).encode() not in data
    before = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "bpe.model"))
    after = sentencepiece.SentencePieceProcessor(model_proto=data)
    assert after.encode("vier und drei", out_type=str) == before.encode("vier und drei", out_type=str)


def test_weights_that_would_execute_code_are_neither_packed_nor_loaded(experiment: Path, tmp_path: Path) -> None:
    import os

    class Gadget:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "canary"),)

    folder = copy_of(experiment, tmp_path)
    torch.save({"encoder.weight": Gadget()}, folder / "valid.loss.ave.pth")
    with pytest.raises(CheckpointError, match="refused"):
        pack(folder, tmp_path / "out.zip", wav=None)
    with pytest.raises(CheckpointError, match="refused"):
        Speech2Text.from_pretrained(folder)
    assert not (tmp_path / "canary").exists()


def test_weights_of_another_model_are_refused_with_their_names(experiment: Path, tmp_path: Path) -> None:
    folder = copy_of(experiment, tmp_path)
    state = torch.load(folder / "valid.loss.ave.pth", weights_only=True)
    name = next(iter(state))
    state["another"] = state.pop(name)
    torch.save(state, folder / "valid.loss.ave.pth")
    packed = pack(folder, tmp_path / "out.zip", wav=None)
    with pytest.raises(CheckpointError, match="another") as caught:
        Speech2Text(**resolve(packed, cache_dir=tmp_path / "cache"))
    assert name in str(caught.value)


def test_each_tensor_of_a_model_that_is_dropped_renamed_or_resized_is_refused_by_name() -> None:
    from espnet_jst.weights import load_strict

    model, _ = tiny.tiny_model(tiny.config(tiny.TWO_HEADS, two_encoders=True))
    whole = model.state_dict()
    for name, value in whole.items():
        others = {key: tensor for key, tensor in whole.items() if key != name}
        renamed = {**others, f"{name}_": value}
        resized = {**others, name: torch.zeros(*value.shape, 2)}
        for state, label in ((others, "missing"), (renamed, "extra"), (resized, "of another shape")):
            with pytest.raises(CheckpointError) as caught:
                load_strict(model, state, "some.pth")
            assert name in str(caught.value) and label in str(caught.value)
    assert len(whole) > 80


def test_verification_reports_both_lanes(experiment: Path, capsys: pytest.CaptureFixture) -> None:
    """The process that `verify` starts, run in this one."""
    from espnet_jst.bin.transcribe import main

    assert main(["--model", str(experiment / "tiny.zip"), "--format", "json", str(experiment / "a.wav")]) == 0
    assert set(json.loads(capsys.readouterr().out)["text"]) == {"transcript", "translation"}


def test_importing_the_hub_imports_neither_torch_nor_espnet() -> None:
    code = (
        "import sys, espnet_jst.hub.load, espnet_jst.hub.pack, espnet_jst.hub.verify, espnet_jst.bin.jst_pack;"
        "print([name for name in ('torch', 'espnet2', 'huggingface_hub') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_pack_decodes_with_the_configuration_that_was_packed_with_it(experiment: Path, tmp_path: Path) -> None:
    penalty = {"transcript": {"kind": "blanks", "slope": 0.5}, "translation": 2.5}
    (tmp_path / "decode.yaml").write_text(f"max_symbols: 3\nblank_penalty: {penalty}\nnbest: 1\n")
    packed = pack(experiment / "exp" / "st_tiny", tmp_path / "a.zip", wav=None, decoding=tmp_path / "decode.yaml")
    speech, _ = soundfile.read(experiment / "a.wav", dtype="float32")
    plain = Speech2Text.from_pretrained(experiment / "tiny.zip", max_symbols=3, blank_penalty=penalty)
    assert Speech2Text.from_pretrained(packed)(speech)[0][:3] == plain(speech)[0][:3]
    assert decoding_options(resolve(packed)["st_train_config"]) == {
        "max_symbols": 3,
        "blank_penalty": penalty,
    }
    assert decoding_options(resolve(experiment / "tiny.zip")["st_train_config"]) == {}
    mine = Speech2Text.from_pretrained(packed, max_symbols=1)
    assert mine(speech)[0][2] != plain(speech)[0][2]


@pytest.mark.parametrize("value", ["[1, 2]", "many", "true", "{translation: [1]}"])
def test_a_decoding_configuration_with_other_things_than_numbers_is_refused(
    experiment: Path, tmp_path: Path, value: str
) -> None:
    (tmp_path / "decode.yaml").write_text(f"blank_penalty: {value}\n")
    packed = pack(experiment / "exp" / "st_tiny", tmp_path / "a.zip", wav=None, decoding=tmp_path / "decode.yaml")
    with pytest.raises(CheckpointError, match="blank_penalty is .*: give a number or a mapping of names to a number"):
        Speech2Text.from_pretrained(packed)


def test_the_card_names_languages_as_the_hub_does() -> None:
    info = CardInfo(languages=("eng", "zh-TW", "jp"))
    front = yaml.safe_load(model_card(info, config={}, results="", fs=None).split("---")[1])
    assert front["language"] == ["en", "zh", "ja"]
