"""Configurations that strangers wrote, each in a pack that is sound otherwise: one message, no file, no memory."""

from __future__ import annotations

import copy
import importlib
import io
import json
import os
import resource
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from sentencepiece import sentencepiece_model_pb2

from espnet_jst.errors import CheckpointError, ConfigError, JSTError
from espnet_jst.inference import Speech2Text
from tests.hub.test_attacks import config, named, pack
from tests.inference import tiny

importlib.import_module("espnet_jst.tasks.jst")  # takes longer than two seconds, once
TEMPTING = ("stats.npz", "stats", "tokens.txt", "bpe.model", "weights.pth", "folder/stats.npz", "swish")


def changed(**changes: Any) -> Callable[[Path], object]:
    """A pack whose configuration has other values: "encoder_conf.size" is `encoder_conf__size`."""

    def make(path: Path) -> None:
        values = yaml.safe_load(config())
        for name, value in changes.items():
            *above, last = name.split("__")
            place = values
            for key in above:
                place = place.setdefault(key, {})
            place[last] = value
        pack(path, config_yaml=yaml.safe_dump(values, allow_unicode=True).encode())

    return make


def holding(**files: bytes) -> Callable[[Path], object]:
    return lambda path: pack(path, **files)


def decoded_with(text: str) -> Callable[[Path], object]:
    """A pack with this decoding configuration."""

    def make(path: Path) -> None:
        meta = {
            "files": {"st_model_file": "valid.loss.ave.pth"},
            "yaml_files": {"st_train_config": "config.yaml"},
            "decoding": "decode.yaml",
        }
        pack(path, meta_yaml=yaml.safe_dump(meta).encode(), decode_yaml=text.encode())

    return make


def meta(**changes: object) -> Callable[[Path], object]:
    fields = {"files": {"st_model_file": "valid.loss.ave.pth"}, "yaml_files": {"st_train_config": "config.yaml"}}
    return lambda path: pack(path, meta_yaml=yaml.safe_dump({**fields, **changes}).encode())


def npz(compressed: bool = False, **arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(stream, **arrays)
    return stream.getvalue()


def claimed_array() -> bytes:
    """Statistics whose header promises eight tebibytes."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**40,)})
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in ("count", "sum", "sum_square"):
            archive.writestr(f"{name}.npy", header.getvalue())
    return stream.getvalue()


def state() -> dict[str, torch.Tensor]:
    return tiny.tiny_model(tiny.config(tiny.SERIALIZED))[0].state_dict()


def packed_records(path: Path) -> None:
    """Weights in a zip that is compressed: one mebibyte that becomes a gibibyte."""
    plain, stream = io.BytesIO(), io.BytesIO()
    torch.save({**state(), "zeros": torch.zeros(2**22)}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as target:
        for info in source.infolist():
            target.writestr(info.filename, source.read(info))
    pack(path, weights=stream.getvalue())


def hidden_directory(path: Path) -> None:
    """As before, with the zip's end so far from the file's that Python does not find it, and PyTorch does."""
    plain, stream = io.BytesIO(), io.BytesIO()
    torch.save({"zeros": torch.zeros(2**26)}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as target:
        for info in source.infolist():
            target.writestr(info.filename, source.read(info))
    pack(path, weights=stream.getvalue() + bytes(68_000))


def crowded_safetensors(count: int = 200_000) -> bytes:
    """Tensors without a number, each with a name."""
    index = json.dumps({f"a{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(count)})
    return len(index).to_bytes(8, "little") + index.encode()


def crowded_weights(count: int = 150_000) -> dict[str, torch.Tensor]:
    """Every number of one tensor under a name of its own."""
    numbers = torch.zeros(count)
    return {f"a{n}": numbers[n : n + 1] for n in range(count)}


class Quoting(yaml.SafeDumper):
    """With quotes around what is long, without which it is refused at once."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", data, style='"' if len(data) > 100 else None)


Quoting.add_representer(str, Quoting.represent_str)


def quoted(**changes: Any) -> Callable[[Path], object]:
    """As `changed`, with long texts in quotes."""

    def make(path: Path) -> None:
        changed(**changes)(path)
        with zipfile.ZipFile(path) as archive:
            values = yaml.safe_load(archive.read("config.yaml"))
        pack(path, config_yaml=yaml.dump(values, Dumper=Quoting).encode())

    return make


def with_pieces(*changes: Callable[[bytearray], None]) -> Callable[[Path], object]:
    """A pack whose SentencePiece model has another table for its normalization."""

    def make(path: Path) -> None:
        model = sentencepiece_model_pb2.ModelProto()
        model.pieces.add(piece="<unk>", score=0.0, type=2)
        model.pieces.add(piece="a", score=0.0)
        table = bytearray((1024).to_bytes(4, "little") + bytes(1024) + b"x\0")
        for change in changes:
            change(table)
        model.normalizer_spec.precompiled_charsmap = bytes(table)
        files = {"b.model": model.SerializeToString()}
        pack(path, config_yaml=config(token_type="bpe", bpemodel="b.model"), **files)

    return make


def unit(index: int, value: int) -> Callable[[bytearray], None]:
    """Write a unit of the trie."""

    def change(table: bytearray) -> None:
        table[4 + 4 * index : 8 + 4 * index] = value.to_bytes(4, "little")

    return change


def cut(table: bytearray) -> None:
    del table[500:]


def unended(table: bytearray) -> None:
    del table[-1:]


def nested(depth: int) -> Callable[[Path], object]:
    """The configuration deep below meta.yaml, so that somebody who looks a few folders up finds no pack around it."""

    def make(path: Path) -> None:
        values = yaml.safe_load(config())
        values["normalize_conf"]["stats_file"] = "stats.npz"
        name = "/".join(["d"] * depth + ["config.yaml"])
        fields = {"files": {"st_model_file": "valid.loss.ave.pth"}, "yaml_files": {"st_train_config": name}}
        files = {name: yaml.safe_dump(values).encode()}
        pack(path, meta_yaml=yaml.safe_dump(fields).encode(), **files)

    return make


def spelt(name: str) -> Callable[[Path], object]:
    """A meta.yaml that spells the configuration's name in another way, whose statistics are named from outside."""

    def make(path: Path) -> None:
        values = yaml.safe_load(config())
        values["normalize_conf"]["stats_file"] = "stats.npz"
        fields = {"files": {"st_model_file": "valid.loss.ave.pth"}, "yaml_files": {"st_train_config": name}}
        content = {"config_yaml": yaml.safe_dump(values).encode(), "meta_yaml": yaml.safe_dump(fields).encode()}
        pack(path, **content)

    return make


def yaml_text(addition: str) -> Callable[[Path], object]:
    return lambda path: pack(path, config_yaml=config() + addition.encode())


NOT_OURS = {
    "frontend": ("default", "s3prl", "fused", "sliding_window", "whisper", "linear"),
    "specaug": ("fused",),
    "normalize": ("utterance_mvn",),
    "encoder": ("wav2vec2", "hubert", "hubert_pretrain", "torchaudiohubert", "whisper", "conformer", "transformer"),
    "hier_encoder": ("conformer", "wav2vec2"),
}
CLASSES = {
    f"{choice}: {name}": (changed(**{choice: name, f"{choice}_conf": {}}), f"{choice} '{name}'|{name}")
    for choice, names in NOT_OURS.items()
    for name in names
}
FILES = {
    "statistics of the current folder": (changed(normalize_conf__stats_file="stats.npz"), "not in the pack"),
    "statistics without an ending": (changed(normalize_conf__stats_file="stats"), "not in the pack"),
    "statistics in a folder": (changed(normalize_conf__stats_file="folder/stats.npz"), "not in the pack"),
    "statistics of a parent": (changed(normalize_conf__stats_file="../here/stats.npz"), "outside"),
    "statistics through dots": (changed(normalize_conf__stats_file="x/../../stats.npz"), "outside"),
    "statistics of a drive": (changed(normalize_conf__stats_file="C:\\stats.npz"), "outside"),
    "statistics of a share": (changed(normalize_conf__stats_file="\\\\host\\stats.npz"), "outside"),
    "statistics with a NUL": (changed(normalize_conf__stats_file="stats\0.npz"), "not in the pack"),
    "statistics of a long name": (changed(normalize_conf__stats_file="s" * 3000), "not in the pack"),
    "tokens of the current folder": (changed(token_list="tokens.txt"), "not in the pack"),
    "tokens of the system": (changed(token_list="/etc/hostname"), "outside"),
    "tokens of the home": (changed(src_token_list="~/tokens.txt"), "outside"),
    "pieces of the current folder": (changed(token_type="bpe", bpemodel="bpe.model"), "not in the pack"),
    "a pickle in the pack": (changed(frontend_conf__checkpoint="valid.loss.ave.pth"), "pickle"),
    "a file of the current folder in any key": (changed(encoder_conf__activation="swish"), "not in the pack"),
    "meta.yaml that spells a name with a dot": (spelt("./config.yaml"), "empty part|not in the pack"),
    "meta.yaml that spells a name with slashes": (spelt(".//config.yaml"), "empty part|not in the pack"),
    "configuration six folders down": (nested(6), "not in the pack"),
    "configuration in a name of 300 letters": (meta(yaml_files={"st_train_config": "c" * 300}), "too long"),
    "configuration with a NUL": (meta(yaml_files={"st_train_config": "config\0.yaml"}), "control character"),
    "decoding of another folder": (meta(decoding="../decode.yaml"), "outside"),
    "decoding that is a list": (meta(decoding=["decode.yaml"]), "must name a file"),
}
SIZES = {
    "size": (changed(encoder_conf__size=65536), "size is 65536"),
    "layers": (changed(encoder_conf__layers=20000), "layers is 20000"),
    "layers of the predictor": (changed(model_conf__heads__joint__predictor_conf={"layers": 10**6}), "layers"),
    "size of the predictor": (changed(model_conf__heads__joint__predictor_conf={"size": 10**9}), "size"),
    "joint size": (changed(model_conf__heads__joint__joint_size=10**8), "joint_size"),
    "feed forward": (changed(encoder_conf__feed_forward_size=2**31), "feed_forward_size"),
    "largest allowed of everything": (
        changed(encoder_conf__size=4096, encoder_conf__layers=128, encoder_conf__feed_forward_size=32768),
        "does not fit the model",
    ),
    "largest Zipformer": (
        changed(encoder="zipformer", encoder_conf={"sizes": [4096] * 5, "feed_forward_sizes": [32768] * 5}),
        "does not fit the model",
    ),
    "Zipformer of many layers": (changed(encoder="zipformer", encoder_conf={"layers": [64] * 5}), "give at most 128"),
    "Zipformer of many stacks": (changed(encoder="zipformer", encoder_conf={"layers": [1] * 1000}), "1000 values"),
    "Zipformer that takes many frames together": (
        changed(encoder="zipformer", encoder_conf={"downsampling": [10**9] * 5}),
        "downsampling is 1000000000",
    ),
    "largest joint": (changed(model_conf__heads__joint__joint_size=8192), "does not fit|of another shape"),
    "kernel": (changed(encoder_conf__kernel_size=10**9), "kernel_size"),
    "heads": (changed(encoder_conf__heads=10**9), "heads"),
    "channels": (changed(encoder_conf__subsampling_channels=[10**6, 10**6]), "subsampling_channels"),
    "subsampling": (changed(encoder_conf__subsampling=4 * 10**6), "subsampling"),
    "mel bands": (changed(frontend_conf__n_mels=10**7), "n_mels"),
    "window": (changed(frontend_conf__window_s=10**6), "window_s"),
    "hop of nothing": (changed(frontend_conf__hop_s=0), "hop_s"),
    "sampling rate": (changed(frontend_conf__fs=10**12), "fs is"),
    "chunk of hours": (changed(encoder_conf__chunk_frames=4096), "chunk of .* is over 60 s"),
    "chunk": (changed(encoder_conf__chunk_frames=10**12), "chunk_frames"),
    "chunks drawn from": (changed(encoder_conf__train_chunk_frames=[1] * 10000), "10000 values"),
    "left context": (changed(encoder_conf__left_chunks=10**15), "left_chunks"),
    "not a number": (changed(normalize_conf__prior_frames=float("nan")), "without a sensible value"),
    "infinite rate": (changed(frontend_conf__fs=float("inf")), "fs is"),
    "half life of nothing": (changed(normalize_conf__half_life_frames=0), "half_life_frames"),
    "huge number": (changed(encoder_conf__size=10**40), "sensible value"),
    "text for a number": (changed(encoder_conf__size="64"), "size is '64': give a whole number"),
    "truth for a number": (changed(encoder_conf__layers=True), "layers is True: give a whole number"),
    "list for a number": (changed(encoder_conf__layers=[2]), "give a whole number"),
    "text for a mapping": (changed(encoder_conf="size"), "encoder_conf.*mapping"),
    "list of heads": (changed(model_conf__heads=[1, 2]), "heads"),
    "head of a forbidden name": (changed(model_conf__heads={"a.b": {}}), "cannot be a name"),
    "head of a taken name": (changed(model_conf__heads={"forward": {}}), "cannot be a name"),
    "a thousand heads": (changed(model_conf__heads={f"h{n}": {} for n in range(1000)}), "at most 16"),
    "another blank": (changed(model_conf__heads__joint__blank=10**6), "unknown key 'blank'"),
    "tokens that are no text": (changed(token_list=[1, 2, 3]), "token_list"),
    "tokens that are empty": (changed(token_list=[""]), "token_list"),
    "too many tokens": (changed(token_list=["x"] * 150_000), "more than 100000"),
    "beam": (decoded_with("beam_size: 1000000000\n"), "beam_size is 1000000000"),
    "symbols": (decoded_with("max_symbols: 1000000000\n"), "max_symbols"),
    "chunk to decode with": (decoded_with("chunk_s: 1.0e+9\n"), "is over 60 s"),
    "chunk that is no number": (decoded_with("chunk_s: .nan\n"), "sensible value"),
    "left context to decode with": (decoded_with("left_chunks: 1000000000000\n"), "left_chunks"),
    "penalty": (decoded_with("blank_penalty: {translation: 1.0e+30}\n"), "blank_penalty|translation"),
}
CONTENTS = {
    "statistics that claim terabytes": (holding(**{"feats_stats.npz": claimed_array()}), "holds no statistics"),
    "statistics that grow": (
        holding(**{"feats_stats.npz": npz(True, count=np.ones(1), sum=np.zeros(2**24), sum_square=np.zeros(9))}),
        "holds no statistics",
    ),
    "statistics of objects": (
        holding(**{"feats_stats.npz": npz(count=np.array([{}], dtype=object), sum=np.ones(9))}),
        "holds no statistics",
    ),
    "statistics of other features": (
        holding(**{"feats_stats.npz": npz(count=np.ones(()), sum=np.ones(9), sum_square=np.ones(9))}),
        "9 features",
    ),
    "statistics that are a pickle": (holding(**{"feats_stats.npz": b"cos\nsystem\n."}), "holds no statistics"),
    "statistics that are empty": (holding(**{"feats_stats.npz": b""}), "holds no statistics"),
    "pieces that are none": (
        lambda path: pack(path, config_yaml=config(token_type="bpe", bpemodel="b.model"), **{"b.model": b"\xff" * 100}),
        "no SentencePiece model",
    ),
    "pieces whose normalization points far away": (with_pieces(unit(0, 2**30)), "points outside"),
    "pieces whose normalization points nearly outside": (with_pieces(unit(1, 256 << 10)), "points outside"),
    "pieces whose normalization ends at no text": (
        with_pieces(unit(0, 1 << 8 | 16 << 10), unit(16, 2**31 + 1000)),
        "points outside",
    ),
    "pieces whose normalization is cut off": (with_pieces(cut), "points outside"),
    "pieces whose normalization has no end": (with_pieces(unended), "points outside"),
    "tokens that are no text": (
        lambda path: pack(path, config_yaml=config(token_list="t.txt"), **{"t.txt": b"\xff\xfe\n"}),
        "no token list",
    ),
    "packed weights": (packed_records, "compressed"),
    "packed weights whose directory is hidden": (hidden_directory, "damaged"),
    "safetensors of many names": (holding(**{"model.safetensors": crowded_safetensors()}), "bytes of names"),
    "weights of many names": (lambda path: pack(path, weights=crowded_weights()), "bytes of names"),
    "weights that are the configuration": (meta(files={"st_model_file": "config.yaml"}), "damaged"),
    "checksums of many files": (meta(sha256={f"f{n}": "0" for n in range(20_000)}), "more than the 2000"),
    "statistics of many arrays": (
        holding(**{"feats_stats.npz": npz(**{f"a{n}": np.zeros(9) for n in range(20_000)})}),
        "holds no statistics",
    ),
    "one number many times": (
        lambda path: pack(path, weights={"a": torch.zeros(1).expand(10**6, 10**6)}),
        "larger than what the file holds",
    ),
    "one tensor of many names": (
        lambda path: pack(path, weights=dict.fromkeys((f"n{n}" for n in range(9)), torch.zeros(10**5))),
        "many names",
    ),
    "sparse weights": (lambda path: pack(path, weights={"a": torch.eye(3).to_sparse()}), "plain tensors"),
    "weights without numbers": (lambda path: pack(path, weights={"a": torch.zeros(9, device="meta")}), "plain tensors"),
    "weights by number": (lambda path: pack(path, weights={0: torch.zeros(3)}), "plain tensors"),
    "weights that are no numbers": (
        lambda path: pack(
            path, weights={**state(), "encoder.layers.0.attention.output.bias": torch.full((32,), torch.nan)}
        ),
        "not finite",
    ),
    "languages that are a number": (
        changed(preprocessor_conf={"source_languages": 5}),
        "source_languages is 5: give text or a list",
    ),
    "preprocessor that is text": (changed(preprocessor_conf="x"), "must be a mapping"),
    "nested weights": (lambda path: pack(path, weights={"a": {"b": torch.zeros(3)}}), "plain tensors"),
    "safetensors of lies": (
        lambda path: pack(path, **{"model.safetensors": (2**60).to_bytes(8, "little") + b"{}"}),
        "damaged",
    ),
    "safetensors of nothing": (lambda path: pack(path, **{"model.safetensors": b""}), "damaged"),
}
TEXTS = {
    "tag of text": (yaml_text("seed: !!str 1\n"), "tag"),
    "tag of bytes": (yaml_text("seed: !!binary aGVsbG8=\n"), "tag"),
    "tag of a set": (yaml_text("seed: !!set {a, b}\n"), "tag"),
    "tag of a mapping": (yaml_text("seed: !!omap [a: 1]\n"), "tag"),
    "tag without a name": (yaml_text("seed: ! x\n"), "tag"),
    "tag of its own directive": (lambda path: pack(path, config_yaml=b"%TAG ! tag:x,1:\n---\n" + config()), "tag"),
    "anchor": (yaml_text("seed: &a 1\n"), "anchor"),
    "merge": (yaml_text("<<: {seed: 1}\n"), "a key is no text"),
    "key twice": (yaml_text("encoder: wav2vec2\n"), "'encoder' occurs twice"),
    "key twice below": (yaml_text("x: {a: 1, 'a': 2}\n"), "'a' occurs twice"),
    "key that is a number": (yaml_text("1: x\n"), "a key is no text"),
    "key that is nothing": (yaml_text("~: x\n"), "a key is no text"),
    "date": (yaml_text("seed: 2024-01-01\n"), "a date"),
    "number to the base of sixty": (yaml_text("seed: 1" + ":1" * 100_000 + "\n"), "without quotes"),
    "float to the base of sixty": (yaml_text("seed: 1" + ":1" * 500 + ".0\n"), "not plain YAML"),
    "number of many digits": (yaml_text("seed: 0x" + "f" * 1000 + "\n"), "sensible value"),
    "many values": (yaml_text("x: [" + "1," * 200_000 + "]\n"), "more than 100000"),
    "tag in meta.yaml": (holding(meta_yaml=b"files: !!map {}\n"), "tag"),
    "tag in the decoding configuration": (decoded_with("beam_size: !!int 2\n"), "tag"),
    "key twice in the decoding configuration": (decoded_with("beam_size: 2\nbeam_size: 3\n"), "twice"),
}
LONG = "x" * 300_000
LONGS = {
    **{
        f"text of {name}": (quoted(**{name: LONG}), "x{30}")
        for name in (
            *("encoder", "frontend", "token_type", "normalize_conf__stats_file"),
            *(f"model_conf__heads__joint__{key}" for key in ("kind", "reads", "policy", "predictor", "vocabulary")),
        )
    },
    "lanes": (quoted(model_conf__heads__joint__lanes=["x" * 1000] * 60), "must name each lane once, not .'x{30}"),
    "lane": (quoted(model_conf__heads__joint__lanes=["x" * 1000]), "transcript, translation"),
    "key": (quoted(**{LONG: 1}), "a key of 300000 characters"),
    "key of the encoder": (quoted(**{f"encoder_conf__{LONG}": 1}), "a key of 300000 characters"),
    "key that runs code": (quoted(**{LONG: {"_target_": "x"}}), "a key of 300000 characters"),
    "key of 1000 letters": (quoted(**{f"encoder_conf__{'x' * 1000}": 1}), "unknown key 'x{30}"),
}
ATTACKS = {
    f"{kind}: {name}": attack
    for kind, group in {
        "class": CLASSES,
        "file": FILES,
        "size": SIZES,
        "content": CONTENTS,
        "text": TEXTS,
        "long": LONGS,
    }.items()
    for name, attack in group.items()
}


def grown_mib(before: int) -> float:
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


@pytest.mark.parametrize("kind", ATTACKS)
def test_a_hostile_configuration_is_one_message_at_once_and_touches_nothing(
    kind: str, tmp_path: Path, monkeypatch
) -> None:
    make, reason = ATTACKS[kind]
    archive, here = tmp_path / "a.zip", tmp_path / "here"
    for name in TEMPTING:  # whatever reads a file of the current folder finds one that would do
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(Path(tiny.stats_file(20)).read_bytes())
    make(archive)
    monkeypatch.chdir(here)
    monkeypatch.setenv("JST_CACHE", str(tmp_path / "cache"))
    before, begun, size = named(here), time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises((CheckpointError, ConfigError), match=reason) as caught:
        Speech2Text.from_pretrained(archive)
    assert time.process_time() - begun <= 2.0
    assert grown_mib(size) < 150
    assert len(str(caught.value)) < 1000
    assert named(here) == before and {path.name for path in tmp_path.iterdir()} <= {"a.zip", "here", "cache"}


def test_what_may_not_be_built_is_not_even_asked_for_its_constructor(tmp_path: Path, monkeypatch) -> None:
    from espnet2.tasks import st

    made = []
    for choice, names in NOT_OURS.items():
        classes = getattr(st, f"{choice}_choices").classes
        for name in set(names) & set(classes):
            spy = type("Spy", (), {"__init__": lambda self, *a, name=name, **k: made.append(name)})
            monkeypatch.setitem(classes, name, spy)
            changed(**{choice: name})(tmp_path / "a.zip")
            monkeypatch.setenv("JST_CACHE", str(tmp_path / "cache"))
            with pytest.raises(ConfigError, match=name):
                Speech2Text.from_pretrained(tmp_path / "a.zip")
    assert made == []


def test_a_class_that_register_added_on_this_machine_may_be_built_from_a_pack(tmp_path: Path, monkeypatch) -> None:
    from espnet2.tasks import st

    from espnet_jst import register, registry
    from espnet_jst.encoders.chunk_conformer import ChunkConformer

    class Mine(ChunkConformer):
        pass

    monkeypatch.setenv("JST_CACHE", str(tmp_path / "cache"))
    changed(encoder="mine")(tmp_path / "a.zip")
    with pytest.raises(ConfigError, match="mine"):
        Speech2Text.from_pretrained(tmp_path / "a.zip")
    try:
        register({"encoder": {"mine": Mine}})
        assert isinstance(Speech2Text.from_pretrained(tmp_path / "a.zip").st_model.encoder, Mine)
    finally:
        del registry.TABLE["encoder"]["mine"]
        for choices in (st.encoder_choices, importlib.import_module("espnet2.tasks.asr").encoder_choices):
            choices.classes.pop("mine", None)


VALUES = (None, "x", -1, 0, 65536, 10**12, 2.5, float("inf"), float("nan"), [], {}, True, [1] * 1000, "../x", "1")


def leaves_of(value: Any, keys: tuple = ()) -> list[tuple]:
    if not isinstance(value, dict):
        return [keys]
    return [keys, *(path for key, item in value.items() for path in leaves_of(item, (*keys, key)))]


def replaced(values: dict, keys: tuple, value: Any) -> Any:
    copied = copy.deepcopy(values)
    if not keys:
        return value
    place = copied
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return copied


@pytest.mark.slow
def test_whatever_stands_anywhere_in_a_configuration_it_loads_or_is_one_message(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("JST_CACHE", str(tmp_path / "cache"))
    pack(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        archive.extractall(tmp_path / "pack")
    meta_file, file = tmp_path / "pack" / "meta.yaml", tmp_path / "pack" / "config.yaml"
    fields = {key: value for key, value in yaml.safe_load(meta_file.read_text()).items() if key != "sha256"}
    meta_file.write_text(yaml.safe_dump(fields))
    values, speech, refused = yaml.safe_load(file.read_text()), tiny.speech(0.6), 0
    for keys in leaves_of(values):
        for value in VALUES:
            file.write_text(yaml.safe_dump(replaced(values, keys, value)))
            try:
                Speech2Text.from_pretrained(tmp_path / "pack")(speech)
            except JSTError as error:
                refused += 1
                assert len(str(error)) < 2000, (keys, value)
    assert refused > 200
    assert os.listdir(tmp_path / "pack")
