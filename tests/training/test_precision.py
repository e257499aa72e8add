"""--train_dtype: bfloat16 products, float32 weights, the same weights after a kill."""

import logging
import os
import signal
import time

import pytest
import torch
import yaml

from espnet_jst.errors import ConfigError
from espnet_jst.tasks.jst import JSTTask
from espnet_jst.training import precision
from espnet_jst.training.checkpoints import CHECKPOINT
from espnet_jst.training.muon import Muon
from espnet_jst.weights import read_weights, safe_load
from tests.training.corpus import make_corpus, write_config
from tests.training.test_resume import AVERAGE, same, train, train_in_child

BFLOAT16 = ("--train_dtype", "bfloat16", "--optim", "muon", "--optim_conf", "lr=0.003")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    torch.set_num_threads(1)
    root = make_corpus(tmp_path_factory.mktemp("corpus"))
    conf = yaml.safe_load(write_config(root).read_text())["encoder_conf"]
    write_config(root, max_epoch=3, encoder_conf={**conf, "dropout": 0.2, "attention_dropout": 0.1})
    return root


@pytest.fixture(scope="module")
def whole(root):
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            torch.nn.LSTM(2, 2)(torch.zeros(1, 1, 2))
    except RuntimeError as error:  # a processor without AVX-512
        pytest.skip(f"this processor has no LSTM in bfloat16: {str(error).splitlines()[0]}")
    return train(root, "whole", *BFLOAT16)


def test_weights_and_optimizer_are_float32_and_the_configuration_keeps_what_was_asked(whole):
    weights = read_weights(whole / AVERAGE)
    state = safe_load(whole / CHECKPOINT)["optimizers"][0]["state"]
    floats = [*weights.values(), *(value for entry in state.values() for value in entry.values())]
    assert {x.dtype for x in floats if x.is_floating_point()} == {torch.float32}
    assert yaml.safe_load((whole / "config.yaml").read_text())["train_dtype"] == "bfloat16"


def test_products_are_bfloat16_in_training_and_float32_in_evaluation(root, whole):
    model, _ = JSTTask.load_model(whole / "config.yaml", whole / AVERAGE)
    model.train_dtype = torch.bfloat16
    seen = []
    model.encoder.layers[0].feed_forward1[1].register_forward_hook(lambda *call: seen.append(call[2].dtype))
    losses = []
    head = model.heads["joint"]
    batch = {"speech": torch.randn(2, 8000), "speech_lengths": torch.tensor([8000, 6000])}
    batch |= {"target_joint": torch.tensor([[4, 7], [5, -1]]), "target_joint_lengths": torch.tensor([2, 1])}
    for training in (True, False):
        loss = model.train(training)(**batch)[0]
        losses.append(float(loss.detach()))
        assert loss.dtype == torch.float32 and loss.isfinite().all()
    assert seen == [torch.bfloat16, torch.float32]
    assert not torch.is_autocast_enabled("cpu") and head is model.heads["joint"]


def test_another_dtype_gives_other_weights(root, whole):
    assert not same(train(root, "float32", *BFLOAT16[2:]) / AVERAGE, whole / AVERAGE)


def test_a_killed_training_ends_with_the_same_weights(root, whole):
    process = train_in_child(root, "killed", *BFLOAT16)
    while process.is_alive() and not (root / "killed" / CHECKPOINT).exists():
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    exp = train(root, "killed", *BFLOAT16, "--resume", "true")
    assert same(exp / AVERAGE, whole / AVERAGE) and same(exp / CHECKPOINT, whole / CHECKPOINT)


@pytest.mark.parametrize("asked, able, columns, dtype, muon, words", [
    ("auto", True, 128, torch.bfloat16, torch.bfloat16, "training in bfloat16"),
    ("auto", True, 127, torch.float32, torch.bfloat16, "fewer than 128 columns"),
    ("auto", False, 128, torch.float32, torch.float32, "this cpu has none"),
    ("bfloat16", False, 1, torch.bfloat16, torch.bfloat16, "float32 would be faster"),
    ("bfloat16", True, 1, torch.bfloat16, torch.bfloat16, "training in bfloat16"),
    ("float32", True, 128, torch.float32, torch.float32, "training in float32"),
])  # fmt: skip
def test_what_is_used_is_said_in_one_line(asked, able, columns, dtype, muon, words, monkeypatch, caplog):
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: able)
    model = torch.nn.Linear(columns, 200)
    others = torch.optim.SGD(model.parameters(), lr=1.0)
    optimizer = Muon([{"params": [model.weight], "orthogonal": True}, {"params": [model.bias], "orthogonal": False}])
    with caplog.at_level(logging.INFO):
        precision.set_training_dtype(model, [optimizer, others], asked, "cpu")
    assert model.train_dtype == dtype and optimizer.product_dtype == muon and not hasattr(others, "product_dtype")
    assert len(caplog.records) == 1 and words in caplog.text


def test_an_unknown_dtype_is_refused_with_the_known_ones(root):
    with pytest.raises(ConfigError, match=r"float17.*bfloat16"):
        train(root, "refused", "--train_dtype", "float17")
