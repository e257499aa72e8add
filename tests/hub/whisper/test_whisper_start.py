"""A head that begins as the decoder of a Whisper computes what `transformers` computes."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer as Pieces

from espnet_jst.errors import CheckpointError, ConfigError
from espnet_jst.hub.whisper.convert import initial_head, write_initial_head
from espnet_jst.hub.whisper.fit import begin_with, find_head, init_param
from espnet_jst.inference import Speech2Text
from espnet_jst.taps import Tap
from espnet_jst.text.byte_pieces import trim_byte_pieces
from espnet_jst.text.tokenizer import Tokenizer
from espnet_jst.training.init_param import load_part
from tests.hub.whisper.small_whisper import make_whisper
from tests.inference import tiny

HEAD = {
    **{"style": "whisper", "activation": "gelu", "layers": 2, "heads": 4, "feed_forward_size": 24, "positions": 40},
    "starts": 4,
}
ENTRY = {"kind": "attention", "lanes": ["translation"], **HEAD}
CONFIG = {"model_conf": {"heads": {"asr": {"kind": "ctc", "lanes": ["transcript"]}, "st": ENTRY}}}
LINES = ["the small house", "one two three", "the large one stands by the river", "the hill, the river"]
START = {"src_lang": "es", "tgt_lang": "en"}


def trimmed(folder: Path, out: Path) -> Tokenizer:
    trim_byte_pieces(folder / "tokenizer.json", [line.split() for line in LINES], out)
    return Tokenizer.load(out)


@torch.no_grad()
def test_log_probabilities_are_those_of_transformers_and_so_are_the_steps(tmp_path: Path) -> None:
    whisper = make_whisper(tmp_path / "small")
    pieces = Pieces.from_file(str(tmp_path / "small" / "tokenizer.json"))
    tokenizer = trimmed(tmp_path / "small", tmp_path / "list")
    begin = begin_with("translation", "es", "en")
    head = initial_head(HEAD, tokenizer.tokens, tmp_path / "small", begin)

    theirs = [pieces.encode(f" {line}", add_special_tokens=False).ids for line in LINES]
    ours = [tokenizer.encode(line.split()) for line in LINES]
    assert [len(row) for row in theirs] == [len(row) for row in ours]
    rows = [[pieces.token_to_id(name) for name in begin] + row for row in theirs]
    longest = max(map(len, rows))
    x = torch.randn(len(rows), 50, 16)
    found = whisper(
        encoder_outputs=(x,), decoder_input_ids=torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    ).logits
    special = {"<blank>": "<|startoftranscript|>", "<unk>": "<|startoftranscript|>", "<sos/eos>": "<|endoftext|>"}
    kept = [
        pieces.token_to_id(special[token]) if token in special else pieces.encode(token.replace("▁", " ")).ids[0]
        for token in tokenizer.tokens
    ]
    expected = found[:, len(begin) - 1 :, kept].log_softmax(-1)

    counts = torch.tensor([len(row) for row in ours])
    labels = torch.tensor([row + [-1] * (int(counts.max()) - len(row)) for row in ours])
    tap = Tap(x, torch.full((len(rows),), 50), 0.02)
    logp, _, valid, _ = head._predict(tap, labels, counts)
    torch.testing.assert_close(logp[valid], expected[valid], atol=1e-4, rtol=1e-4)
    memory, written = head.begin(tap.x, tap.lengths)
    last = torch.full((len(rows), 1), head.end)
    for place in range(expected.size(1)):
        step, written = head.step(last, memory, written)
        live = valid[:, place]
        torch.testing.assert_close(step[live, 0], expected[live, place], atol=1e-4, rtol=1e-4)
        last = labels[:, place : place + 1].clamp(min=0) if place < labels.size(1) else last


def test_a_token_that_is_no_piece_has_the_mean_of_its_pieces(tmp_path: Path) -> None:
    whisper = make_whisper(tmp_path / "small")
    pieces = Pieces.from_file(str(tmp_path / "small" / "tokenizer.json"))
    tokens = ["<blank>", "<unk>", "<st>", "▁thehill", "▁the", "<sos/eos>"]
    head = initial_head(HEAD, tokens, tmp_path / "small", begin_with("translation", "es", "en"))
    embedding = whisper.model.decoder.embed_tokens.weight
    found = head.decoder.embed.embedding.weight
    for place, text in ((2, "<st>"), (3, " thehill")):
        rows = pieces.encode(text).ids
        assert len(rows) > 1
        torch.testing.assert_close(found[place], embedding[rows].mean(0))
    assert torch.equal(found[4], embedding[pieces.token_to_id("Ġthe")])
    assert torch.equal(found[5], embedding[pieces.token_to_id("<|endoftext|>")])


def test_a_sequence_begins_with_what_whisper_knows() -> None:
    assert begin_with("transcript", "es", "de")[1:3] == ("<|es|>", "<|transcribe|>")
    assert begin_with("translation", "es", "en")[1:3] == ("<|es|>", "<|translate|>")
    assert begin_with("translation", "es", "de")[1:3] == ("<|de|>", "<|transcribe|>")


def test_the_file_starts_the_second_pass_of_a_model(tmp_path: Path) -> None:
    make_whisper(tmp_path / "small", d_model=32)
    heads = {
        "streaming": {"kind": "transducer", "lanes": ["transcript"], "predictor_conf": {"size": 24}},
        "offline": {**ENTRY, "lanes": ["transcript"], "reads": "hier_encoder"},
    }
    conf = tiny.config(heads, two_encoders=True)
    conf["hier_encoder_conf"] |= {"chunk_frames": 0, "train_chunk_frames": [0]}
    conf["model_conf"]["searches"] = {"offline": {"heads": ["offline"], "second_pass_of": "streaming"}}
    said = write_initial_head(conf, conf["src_token_list"], tmp_path / "small", tmp_path / "init" / "head.pth", **START)
    assert said.endswith("begins with <|startoftranscript|><|es|><|transcribe|><|notimestamps|>")
    model, args = tiny.tiny_model(conf)
    model = copy.deepcopy(model)
    load_part(init_param(find_head(conf, "x"), tmp_path / "init" / "head.pth"), model)
    theirs = load_file(tmp_path / "small" / "model.safetensors")
    own = model.head["offline"].decoder.decoders[1].src_attn.linear_q.weight
    assert torch.equal(own, theirs["model.decoder.layers.1.encoder_attn.q_proj.weight"])
    session = Speech2Text.from_model(model, args, beam_size=2, maxlenratio=0.3, revise=True).session()
    shown = session.push(tiny.speech(3.0, seed=3))
    final = session.finish()
    assert shown and final and session.words == final


def edit(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda f, c: edit(f, model_type="bart"), r"is of the kind 'bart': give that of a Whisper"),
        (lambda f, c: (f / "config.json").unlink(), r"has no config.json: give that of a Whisper"),
        (lambda f, c: edit(f, d_model=0), r"d_model is 0: fetch the file again"),
        (lambda f, c: (f / "tokenizer.json").write_text("{}"), r"tokenizer.json is no tokenizer.json of a byte-level"),
        (lambda f, c: (f / "model.safetensors").unlink(), r"has no model.safetensors: give the folder of a Whisper"),
        (lambda f, c: c.update(layers=3, starts=1), r"st has not the sizes .* layers 2, not 3; starts 4, not 1"),
        (lambda f, c: c.update(activation="relu"), r"activation 'gelu', not 'relu'"),
        (lambda f, c: c.update(style="mbart"), r"the start of one head .*; there are 0 of the style"),
        (lambda f, c: c.update(lanes=["transcript", "translation"]), r"of one lane; there are 1 of the style"),
    ],
)
def test_what_does_not_fit_is_one_message(broken: Any, message: str, tmp_path: Path) -> None:
    make_whisper(tmp_path / "small")
    entry = dict(ENTRY)
    broken(tmp_path / "small", entry)
    config = {"model_conf": {"heads": {"st": entry}}}
    with pytest.raises(ConfigError, match=message):
        write_initial_head(
            config, ["<blank>", "<unk>", "▁the", "<sos/eos>"], tmp_path / "small", tmp_path / "x", **START
        )


def test_a_language_that_it_has_not_and_weights_that_are_no_decoder_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    make_whisper(folder)
    assert find_head(CONFIG, "x").name == "st"
    tokens = ["<blank>", "<unk>", "▁the", "<sos/eos>"]
    with pytest.raises(ConfigError, match=r"has no <\|pl\|>: give a language"):
        write_initial_head(CONFIG, tokens, folder, tmp_path / "x", src_lang="pl", tgt_lang="en")
    weights = load_file(folder / "model.safetensors")
    for name, value, message in (
        ("model.decoder.layers.1.fc2.bias", torch.zeros(3), r"fc2.bias should be \(16,\), and the file has \(3,\)"),
        ("model.decoder.layers.2.fc2.bias", torch.zeros(3), "has a use for: model.decoder.layers.2.fc2.bias"),
        ("proj_out.weight", torch.zeros(2, 2), "proj_out.weight is not model.decoder.embed_tokens.weight"),
        ("model.decoder.layer_norm.bias", torch.full((16,), torch.nan), "not finite"),
    ):
        save_file({**weights, name: value}, folder / "model.safetensors")
        with pytest.raises(CheckpointError, match=message):
            write_initial_head(CONFIG, tokens, folder, tmp_path / "x", **START)
