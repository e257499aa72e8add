"""From a checkpoint to a pack, and decoding with it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sentencepiece import sentencepiece_model_pb2
from torch.testing import assert_close

from espnet_jst.bin import cli
from espnet_jst.errors import CheckpointError, ConfigError, JSTError
from espnet_jst.hub.icefall.importing import import_checkpoint
from espnet_jst.hub.icefall.pieces import read_pieces
from espnet_jst.hub.load import decoding_options, resolve
from espnet_jst.inference import Speech2Text
from espnet_jst.text.words import Word
from tests.hub.icefall.released import asr_only, other

WORDS = {"src": ["uno", "dos", "tres", "ruido"], "tgt": ["one", "two", "three", "noise", "and"]}


def bpe(path: Path, words: list[str], count: int) -> Path:
    """A model with the special pieces that icefall's recipes give it, and `count` pieces in all."""
    model = sentencepiece_model_pb2.ModelProto()
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix = True
    kinds = model.SentencePiece
    for piece, kind in (("<blk>", kinds.USER_DEFINED), ("<sos/eos>", kinds.USER_DEFINED), ("<unk>", kinds.UNKNOWN)):
        model.pieces.add(piece=piece, score=0.0, type=kind)
    letters = sorted({letter for word in words for letter in word})
    for number, piece in enumerate([*(f"▁{word}" for word in words), "▁", *letters][: count - 3]):
        model.pieces.add(piece=piece, score=-float(number), type=kinds.NORMAL)
    assert len(model.pieces) == count
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A checkpoint with lively random weights as icefall saves it, its sizes and its SentencePiece models."""
    folder = tmp_path_factory.mktemp("released")
    sizes, state = other(seed=4)
    for task, blank in (("", 0.0), ("st_", 6.0)):  # a blank that is neither always nor never the best
        state[f"{task}joiner.encoder_proj.weight"] *= 3.0
        state[f"{task}joiner.output_linear.weight"] *= 4.0
        state[f"{task}joiner.output_linear.bias"][0] = blank
    files = {name: folder / name for name in ("epoch-3.pt", "sizes.json")}
    average = {name: (value.double() if value.dim() else value) for name, value in state.items()}
    options = {"batch_idx_train": 7, "best_train_loss": float("inf"), "exp_dir": Path("exp"), "optimizer": None}
    torch.save({"model": state, "model_avg": average, **options}, files["epoch-3.pt"])
    files["sizes.json"].write_text(json.dumps(sizes), encoding="utf-8")
    files["bpe_src"] = bpe(folder / "asr.model", WORDS["src"], sizes["vocab_asr"])
    files["bpe_tgt"] = bpe(folder / "st.model", WORDS["tgt"], sizes["vocab_st"])
    return files


@pytest.fixture(scope="module")
def packed(released: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("packed") / "model.zip"
    import_checkpoint(
        released["epoch-3.pt"],
        output,
        sizes=released["sizes.json"],
        bpe_src=released["bpe_src"],
        bpe_tgt=released["bpe_tgt"],
    )
    return output


def audio(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, int(16000 * seconds)).astype(np.float32)


@pytest.fixture
def model(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Speech2Text:
    monkeypatch.setenv("JST_CACHE", str(tmp_path))
    return Speech2Text.from_pretrained(packed)


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, int(16000 * seconds)).astype(np.float32)


def shown(words: list[Word]) -> list[tuple[str, str, float, float]]:
    return [(word.lane, word.text, round(word.start_s, 6), round(word.end_s, 6)) for word in words]


def test_a_pack_decodes_a_stream_as_it_decodes_the_whole(model: Speech2Text) -> None:
    speech = noise(3.1)
    [(_, _, _, whole)] = model(speech)
    assert all(whole.lanes[lane] for lane in ("transcript", "translation"))
    session = model.session()
    for packet in np.array_split(speech, 23):
        session.push(packet)
    session.finish()
    streamed = model.stream_result(session)[3]
    assert shown(streamed.words) == shown(whole.words) and streamed.yseq == whole.yseq
    assert all(0.0 <= word.start_s <= word.end_s <= whole.duration_s for word in whole.words)


def test_what_is_unknown_is_never_written(model: Speech2Text) -> None:
    head = model.st_model.heads["st"]
    projected = torch.randn(5, 10)
    with torch.no_grad():
        before, after = (fn(projected).softmax(-1) for fn in (head.joint.logits, head.search_logits))
    assert_close(after[:, 0], before[:, 0] + before[:, 2])
    assert (after[:, 2] == 0).all()
    assert_close(after[:, 3:], before[:, 3:])


def test_the_pack_holds_the_token_lists_the_penalty_and_the_frames_at_the_end(model: Speech2Text, packed: Path) -> None:
    tokens = {name: tokenizer.tokens for name, tokenizer in model.tokenizers.items()}
    assert tokens["src"][:4] == ["<blank>", "<sos/eos>", "<unk>", "▁uno"] and len(tokens["tgt"]) == 13
    assert model.tokenizers["tgt"].encode(["two", "zoo"])[0] == 4
    assert model.st_model.frontend.end_frames == 30
    config = Path(resolve(packed)["st_train_config"])
    assert decoding_options(config) == {"blank_penalty": {"translation": 2.0}}
    report = packed.with_name("model.weights.txt").read_text(encoding="utf-8").splitlines()
    assert report[0].split() == ["released", "here", "shape"] and report[-1].endswith("8 skipped")


def arguments(released: dict[str, Path], output: Path) -> list[str]:
    flags = {"--sizes": "sizes.json", "--bpe_src": "bpe_src", "--bpe_tgt": "bpe_tgt"}
    given = [str(word) for flag, name in flags.items() for word in (flag, released[name])]
    return ["import-icefall", str(released["epoch-3.pt"]), *given, "--out", str(output)]


def test_the_command_prints_where_every_weight_went_and_takes_the_average(
    released: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*arguments(released, tmp_path / "mean.zip"), "--average"]) == 0
    lines = capsys.readouterr().out.splitlines()
    [line] = [line for line in lines if line.startswith("st_joiner.decoder_proj.weight ")]
    assert line.split() == ["st_joiner.decoder_proj.weight", "heads.st.joint.predictor_proj.weight", "10x12"]
    assert lines[-1].startswith(f"{tmp_path / 'mean.zip'}: loaded from an empty folder, it decoded")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mean.weights.txt", "mean.zip"]


def imported(released: dict[str, Path], output: Path, **changes: object) -> None:
    values: dict[str, Any] = {name: released[name] for name in ("bpe_src", "bpe_tgt")}
    values |= {"sizes": released["sizes.json"], "checkpoint": released["epoch-3.pt"], **changes}
    import_checkpoint(values.pop("checkpoint"), output, **values)


def test_a_recognizer_alone_becomes_a_pack_of_one_lane(
    released: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, state = asr_only(*other(seed=4, causal=False))
    (tmp_path / "sizes.json").write_text(json.dumps(sizes), encoding="utf-8")
    save_file(state, tmp_path / "asr.safetensors")
    changes = {"checkpoint": tmp_path / "asr.safetensors", "sizes": tmp_path / "sizes.json", "bpe_tgt": None}
    imported(released, tmp_path / "asr.zip", **changes)
    monkeypatch.setenv("JST_CACHE", str(tmp_path / "cache"))
    model = Speech2Text.from_pretrained(tmp_path / "asr.zip")
    assert [*model.lanes] == ["transcript"] and [*model.tokenizers] == ["tgt"]
    assert model.st_model.frontend.end_frames == 0 and model.st_model.chain.own().chunk_frames == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bpe_tgt": None}, "has a translation: give --bpe_tgt"),
        ({"bpe_tgt": "bpe_src"}, r"--bpe_tgt .* has 11 pieces and the checkpoint 13 tokens"),
        ({"bpe_src": "sizes.json"}, "--bpe_src .* is no SentencePiece model"),
        ({"bpe_src": "nowhere"}, "--bpe_src nowhere is no SentencePiece model"),
        ({"sizes": "bpe_src"}, "cannot be read as JSON"),
        ({"sizes": "nowhere"}, "nowhere cannot be read as JSON"),
        ({"checkpoint": "nowhere"}, "nowhere does not exist"),
        ({"checkpoint": "bpe_src"}, "is damaged"),
    ],
)
def test_files_that_do_not_belong_together_are_one_message(
    released: dict[str, Path], tmp_path: Path, changes: dict[str, str | None], message: str
) -> None:
    files = {key: released.get(name, Path(name)) if name else None for key, name in changes.items()}
    with pytest.raises(JSTError, match=message):
        imported(released, tmp_path / "no.zip", **files)
    assert [*tmp_path.iterdir()] == []


@dataclass
class Payload:
    trace: str

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (self.trace,)


def test_a_checkpoint_that_holds_code_is_refused_and_not_run(released: dict[str, Path], tmp_path: Path) -> None:
    torch.save({"model": {"encoder": Payload(str(tmp_path / "executed"))}}, tmp_path / "bad.pt")
    with pytest.raises(CheckpointError, match="loading it could execute code: refused"):
        imported(released, tmp_path / "no.zip", checkpoint=tmp_path / "bad.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.pt"]


@pytest.mark.parametrize("kept", [0, 1000, 20000])
def test_a_checkpoint_that_was_cut_off_is_one_message(released: dict[str, Path], tmp_path: Path, kept: int) -> None:
    (tmp_path / "cut.pt").write_bytes(released["epoch-3.pt"].read_bytes()[:kept])
    with pytest.raises(CheckpointError, match="is damaged"):
        imported(released, tmp_path / "no.zip", checkpoint=tmp_path / "cut.pt")


def test_a_file_without_a_mean_is_told_so(released: dict[str, Path], tmp_path: Path) -> None:
    torch.save({"model": {}}, tmp_path / "pretrained.pt")
    with pytest.raises(CheckpointError, match="holds one model and no model_avg"):
        imported(released, tmp_path / "no.zip", checkpoint=tmp_path / "pretrained.pt", averaged=True)


def test_pieces_without_a_blank_first_are_refused(tmp_path: Path) -> None:
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(bpe(tmp_path / "a.model", WORDS["tgt"], 13).read_bytes())
    model.pieces[0].piece = "<s>"
    (tmp_path / "a.model").write_bytes(model.SerializeToString())
    with pytest.raises(ConfigError, match="its first piece is '<s>', and not <blk>"):
        read_pieces(tmp_path / "a.model", 13, "bpe_tgt")
