"""A model that begins as an mBART computes what `transformers` computes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import MBartForConditionalGeneration, MBartTokenizer

from espnet_jst.errors import CheckpointError, ConfigError
from espnet_jst.hub.mbart.convert import SPECIAL, initial_model, unit_rows, write_initial_weights
from espnet_jst.hub.mbart.folder import MBartFolder
from espnet_jst.model import JSTModel
from espnet_jst.search.attention import AttentionSearch
from espnet_jst.taps import Tap
from espnet_jst.tasks.arguments import loaded_arguments
from espnet_jst.tasks.jst import JSTTask
from espnet_jst.text.tokenizer import Tokenizer
from espnet_jst.text.train_tokenizer import join_tokenizers, train_tokenizer
from espnet_jst.text.trimmed import trim_tokenizer
from espnet_jst.training.init_param import load_part
from espnet_jst.units.alphabet import as_text
from tests.hub.mbart.small_mbart import LANGUAGES, conf_of, make_mbart

SOURCE = ["the small house stands by the river", "one two three", "the hill"]
TARGET = ["das kleine Haus steht am Fluss", "eins zwei drei", "auf dem Berg"]
BOTH = pytest.mark.parametrize("kind", ["cc25", "mbart50"])


def made(tmp_path: Path, kind: str, **conf: Any) -> tuple[MBartForConditionalGeneration, dict[str, Any], Path]:
    """An mBART, and a configuration with the token lists that are trimmed to these texts."""
    folder = tmp_path / kind
    mbart = make_mbart(folder, kind)
    trim_tokenizer(folder / "sentencepiece.bpe.model", [line.split() for line in SOURCE], tmp_path / "words")
    trim_tokenizer(folder / "sentencepiece.bpe.model", [line.split() for line in TARGET], tmp_path / "tgt")
    units = [[as_text(range(n, n + 6), 12)] for n in range(6)]
    train_tokenizer(units, tmp_path / "units", vocab_size=16, tags=())
    join_tokenizers([tmp_path / "words", tmp_path / "units"], tmp_path / "src")
    lists = {
        f"{prefix}token_list": str(tmp_path / side / "tokens.txt") for side, prefix in (("tgt", ""), ("src", "src_"))
    }
    return mbart, {**conf_of(kind, **conf), **lists}, folder


def start(config: dict[str, Any], folder: Path, **changes: Any) -> JSTModel:
    return initial_model(config, folder, **{"src_lang": "en", "tgt_lang": "de", **changes})


def padded(rows: list[list[int]], value: int) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows])


def ids(tokenizer: Tokenizer, lines: list[str]) -> list[list[int]]:
    return [tokenizer.encode(line.split()) for line in lines]


@torch.no_grad()
@BOTH
def test_logits_of_text_are_those_of_transformers(kind: str, tmp_path: Path) -> None:
    mbart, config, folder = made(tmp_path, kind)
    model, known = start(config, folder), MBartFolder.read(folder)
    source, target = Tokenizer.load(tmp_path / "src"), Tokenizer.load(tmp_path / "tgt")
    read, written = ids(source, SOURCE), ids(target, TARGET)

    def theirs(tokenizer: Tokenizer, row: list[int]) -> list[int]:
        return [known.pieces[tokenizer.tokens[index]] for index in row]

    en, de, end, pad = known.languages["en_XX"], known.languages["de_DE"], 2, 1
    sentences = [theirs(source, row) for row in read]
    sentences = [[*row, end, en] if kind == "cc25" else [en, *row, end] for row in sentences]
    begins = [[de] if kind == "cc25" else [end, de]] * len(written)
    inputs = padded(sentences, pad)
    decoder = padded([[*first, *theirs(target, row)] for first, row in zip(begins, written, strict=True)], pad)
    expected = mbart(input_ids=inputs, attention_mask=inputs.ne(pad), decoder_input_ids=decoder).logits
    rows = torch.tensor([{**known.pieces, **SPECIAL}[token] for token in target.tokens])
    expected = expected[:, len(begins[0]) - 1 :, rows].log_softmax(-1)

    counts = torch.tensor([len(row) for row in read])
    tap = model.encode(padded(read, -1), counts)["encoder"]
    assert tap.lengths.tolist() == [len(row) for row in sentences]
    head, lengths = model.head["st"], torch.tensor([len(row) for row in written])
    logp, _, valid, _ = head._predict(tap, padded(written, -1), lengths)
    torch.testing.assert_close(logp[valid], expected[valid], atol=1e-4, rtol=1e-4)
    for b, row in enumerate(read):
        alone = model.encode(torch.tensor([row]), counts[b : b + 1])["encoder"]
        torch.testing.assert_close(alone.x[0], tap.x[b, : tap.lengths[b]], atol=1e-5, rtol=1e-5)

    memory, cache = head.begin(tap.x, tap.lengths)
    last = torch.full((len(read), 2), head.end)[:, :1]
    for place in range(expected.size(1)):
        step, cache = head.step(last, memory, cache)
        live = valid[:, place]
        torch.testing.assert_close(step[live, 0], expected[live, place], atol=1e-4, rtol=1e-4)
        last = padded(written, 0)[:, place : place + 1] if place < expected.size(1) - 1 else last


@torch.no_grad()
@BOTH
def test_a_greedy_search_writes_what_the_whole_decoder_finds_likeliest(kind: str, tmp_path: Path) -> None:
    _, config, folder = made(tmp_path, kind)
    model = start(config, folder)
    head = model.head["st"]
    read = ids(Tokenizer.load(tmp_path / "src"), SOURCE)
    tap = model.encode(padded(read, -1), torch.tensor([len(row) for row in read]))["encoder"]
    search = AttentionSearch(head, maxlenratio=-9.0)
    _, state = search.step({"encoder": tap}, search.init_state(len(read)))
    for b, [best] in enumerate(search.finish(state)):
        labels = [emission.token for emission in best.emissions]
        one = Tap(tap.x[b : b + 1, : tap.lengths[b]], tap.lengths[b : b + 1], tap.shift_s)
        logp, *_ = head._predict(one, torch.tensor([labels], dtype=torch.long), torch.tensor([len(labels)]))
        likeliest = logp[0].index_fill(-1, torch.tensor([head.blank]), -torch.inf).argmax(-1).tolist()
        assert likeliest[: len(labels)] == labels and (len(labels) == 9 or likeliest[-1] == head.end)


@BOTH
def test_rows_are_those_of_the_tokenizer_of_transformers(kind: str, tmp_path: Path) -> None:
    make_mbart(tmp_path / kind, kind)
    known = MBartFolder.read(tmp_path / kind)
    assert list(known.languages) == LANGUAGES[kind] and known.is_50 == (kind == "mbart50")
    assert max(known.languages.values()) + 1 == known.conf["vocab_size"] - 1  # <mask>
    assert known.language("de") == known.language("de_DE") == known.languages["de_DE"]
    if kind == "cc25":
        theirs = MBartTokenizer.from_pretrained(tmp_path / kind)
        rows = {**known.languages, **known.pieces}
        assert theirs.convert_tokens_to_ids([*rows]) == [*rows.values()]


@BOTH
def test_the_file_starts_a_training_and_what_mbart_has_not_is_drawn_by_the_seed(kind: str, tmp_path: Path) -> None:
    _, config, folder = made(tmp_path, kind)
    out = tmp_path / "init" / "init.pth"
    how = {"src_lang": "en", "tgt_lang": "de", "unit_init": "mean_cov", "seed": 3}
    assert "weights in" in write_initial_weights(config, folder, out, **how)
    args = loaded_arguments(config, "config")
    model = JSTTask.build_model(args)
    load_part(str(out), model)
    again = start(config, folder, **{**how, "seed": 3})
    for name, value in again.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, msg=name)
    other = start(config, folder, **{**how, "seed": 4})
    changed = {n for n, value in other.state_dict().items() if not torch.equal(value, again.state_dict()[n])}
    units = {"inputs.units.embedding.weight", "source.embedding.weight"}  # two names of one
    assert changed == units | {"heads.st_ctc.output.weight", "heads.st_ctc.output.bias"}
    assert model.head["st"].decoder.output_layer.weight is model.head["st"].decoder.embed.embedding.weight


def test_rows_of_units_follow_the_rows_of_pieces() -> None:
    generator = torch.Generator().manual_seed(0)
    mixed = torch.tensor([[2.0, 0.0], [1.9, 0.3]])
    x = torch.randn(20000, 2, generator=generator) @ mixed.T + torch.tensor([5.0, -1.0])
    drawn = {how: unit_rows(x, 20000, how, generator) for how in ("normal", "mean_cov", "mean")}
    for rows in drawn.values():
        torch.testing.assert_close(rows.mean(0), x.mean(0), atol=0.06, rtol=0.0)
    assert torch.equal(drawn["mean"], x.mean(0).expand(20000, 2))
    torch.testing.assert_close(drawn["mean_cov"].T.cov(), x.T.cov(), atol=0.15, rtol=0.0)
    torch.testing.assert_close(drawn["normal"].T.cov(), x.T.cov().diag().diag(), atol=0.15, rtol=0.0)


def edit(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda f, c: edit(f, model_type="bart"), r"is of the kind 'bart': give that of mbart-large-cc25"),
        (lambda f, c: (f / "config.json").unlink(), r"has no config.json: give that of"),
        (lambda f, c: (f / "sentencepiece.bpe.model").unlink(), r"bpe.model does not exist"),
        (lambda f, c: (f / "model.safetensors").unlink(), r"has no model.safetensors: give the folder of an mBART"),
        (lambda f, c: edit(f, vocab_size=99), r"leaves \d+ languages, and an mBART has 25 or 52"),
        (lambda f, c: c["encoder_conf"].update(layers=3), r"asks for encoder_conf.layers 2, not 3"),
        (lambda f, c: c["encoder_conf"].update(before=1), r"asks for encoder_conf.before 0, not 1"),
        (lambda f, c: c["model_conf"]["heads"]["st"].update(starts=2), r"model_conf.heads.st.starts 1, not 2"),
        (lambda f, c: c.update(encoder="chunk_conformer"), r"--mbart gives weights to encoder: mbart"),
        (
            lambda f, c: c["model_conf"]["heads"]["st"].update(style="espnet", positions=1024),
            r"there are 0 and 1 of them",
        ),
    ],
)
def test_what_does_not_fit_is_one_message(broken: Any, message: str, tmp_path: Path) -> None:
    _, config, folder = made(tmp_path, "cc25")
    broken(folder, config)
    with pytest.raises(ConfigError, match=message):
        start(config, folder)


def test_an_unknown_language_and_a_foreign_token_are_named(tmp_path: Path) -> None:
    _, config, folder = made(tmp_path, "cc25")
    with pytest.raises(ConfigError, match="has no language 'pl'.*give one of ar_AR"):
        start(config, folder, tgt_lang="pl")
    tokens = tmp_path / "tgt" / "tokens.txt"
    tokens.write_text(tokens.read_text().replace("<unk>\n", "<unk>\nqqq\n"))
    with pytest.raises(ConfigError, match="token 'qqq' is no piece of .*stage 5 with --mbart"):
        start(config, folder)


def _with(name: str, value: torch.Tensor) -> Any:
    return lambda state: {**state, name: value}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: {n: v for n, v in s.items() if "layers.1.fc2.bias" not in n},
            "1.fc2.bias should be .*has none",
        ),
        (_with("model.encoder.layers.2.fc1.bias", torch.zeros(3)), "no part of the model has a use for: model.encoder"),
        (_with("model.decoder.layer_norm.bias", torch.zeros(5)), r"layer_norm.bias should be \(16,\), .*has \(5,\)"),
        (_with("model.decoder.layer_norm.bias", torch.full((16,), torch.nan)), "not finite"),
        (_with("lm_head.weight", torch.zeros(4, 4)), "lm_head.weight is not model.shared.weight"),
    ],
)
def test_every_weight_is_used_or_named(change: Any, message: str, tmp_path: Path) -> None:
    _, config, folder = made(tmp_path, "cc25")
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file)
    with pytest.raises(CheckpointError, match=message):
        start(config, folder)
