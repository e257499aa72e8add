"""Saving that a failure cannot damage and loading that executes nothing."""

import datetime
import os
import pickle
import signal
import time

import pytest
import safetensors.torch
import torch

from espnet_jst.errors import CheckpointError
from espnet_jst.weights import atomic_link, atomic_save, load_strict, read_weights, safe_load


class Payload:
    """What an attacker puts into a pickle."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self.canary),)


def test_a_save_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "checkpoint.pth"
    atomic_save(lambda stream: stream.write(b"old"), path)

    def fail(stream):
        stream.write(b"half of the new")
        raise OSError("no space left on device")

    with pytest.raises(CheckpointError, match=r"checkpoint\.pth could not be written.*no space left.*bytes are free"):
        atomic_save(fail, path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["checkpoint.pth"]


def test_a_kill_at_any_moment_of_a_save_leaves_a_readable_file(tmp_path):
    path = tmp_path / "checkpoint.pth"
    state = {"weight": torch.zeros(300_000)}
    atomic_save(lambda stream: torch.save(state, stream), path)
    for delay_s in (0.0, 0.002, 0.004, 0.008, 0.016):
        child = os.fork()
        if child == 0:
            while True:
                atomic_save(lambda stream: torch.save(state, stream), path)
        time.sleep(delay_s)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert torch.equal(safe_load(path)["weight"], state["weight"])


def test_a_link_is_replaced_whatever_was_there(tmp_path):
    for name in ("1epoch.pth", "2epoch.pth"):
        (tmp_path / name).write_text(name)
    atomic_link(tmp_path / "latest.pth", "1epoch.pth")
    atomic_link(tmp_path / "latest.pth", "2epoch.pth")
    assert (tmp_path / "latest.pth").read_text() == "2epoch.pth"
    (tmp_path / "best.pth").write_text("a copy, made where there are no links")
    atomic_link(tmp_path / "best.pth", "1epoch.pth")
    assert (tmp_path / "best.pth").read_text() == "1epoch.pth"


def test_loading_executes_nothing(tmp_path):
    torch.save({"weight": torch.zeros(1), "other": Payload(tmp_path / "canary")}, tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(pickle.dumps(Payload(tmp_path / "canary")))
    for name in ("a.pth", "b.pth"):
        with pytest.raises(CheckpointError, match=name):
            safe_load(tmp_path / name)
        with pytest.raises(CheckpointError, match=name):
            read_weights(tmp_path / name)
    assert not (tmp_path / "canary").exists()


def test_upstreams_variable_allows_what_is_refused(tmp_path, monkeypatch):
    torch.save({"other": Payload(tmp_path / "canary")}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="ESPNET_ALLOW_UNSAFE_TORCH_LOAD=1"):
        safe_load(tmp_path / "a.pth")
    monkeypatch.setenv("ESPNET_ALLOW_UNSAFE_TORCH_LOAD", "1")
    safe_load(tmp_path / "a.pth")
    assert (tmp_path / "canary").is_dir()


def test_the_time_spans_of_the_reporter_load(tmp_path):
    torch.save({"time": datetime.timedelta(seconds=3)}, tmp_path / "a.pth")
    assert safe_load(tmp_path / "a.pth")["time"].total_seconds() == 3


@pytest.mark.parametrize("kept", [0, 1, 100, 2000])
def test_a_file_cut_short_is_one_message(tmp_path, kept):
    path = tmp_path / "a.pth"
    torch.save({"weight": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=rf"a\.pth is damaged \({kept} bytes"):
        safe_load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"none\.pth does not exist"):
        read_weights(tmp_path / "none.pth")


def test_weights_come_from_every_form_of_file(tmp_path):
    weights = {"weight": torch.randn(2, 3)}
    safetensors.torch.save_file(weights, tmp_path / "a.safetensors")
    torch.save(weights, tmp_path / "b.pth")
    torch.save({"model": weights, "reporter": {}}, tmp_path / "checkpoint.pth")
    for name in ("a.safetensors", "b.pth", "checkpoint.pth"):
        assert torch.equal(read_weights(tmp_path / name)["weight"], weights["weight"])


def test_a_file_of_other_things_is_no_weights(tmp_path):
    torch.save({"learning_rate": 0.1}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="holds no model weights"):
        read_weights(tmp_path / "a.pth")


@pytest.mark.parametrize("key", ["0.weight", "0.bias", "1.weight", "1.bias"])
def test_each_missing_extra_or_reshaped_tensor_is_refused_by_name(key):
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 2))
    whole = model.state_dict()
    missing = {k: v for k, v in whole.items() if k != key}
    for state, label in (
        (missing, f"1 missing: {key}"),
        ({**missing, f"{key}_renamed": whole[key]}, f"1 missing: {key}; 1 extra: {key}_renamed"),
        ({**whole, key: torch.zeros(9)}, rf"1 of another shape: {key} \(9,\), the model has \("),
        ({}, "4 missing"),
    ):
        with pytest.raises(CheckpointError, match=label):
            load_strict(model, state, "some.pth")
    load_strict(model, whole, "some.pth")


@pytest.mark.parametrize("content", [b".", b"encoder: chunk_conformer\n", b"\x80\x02}q\0X\1\0\0\0a]((((.", b"PK\3\4"])
def test_bytes_that_are_no_weights_are_one_message(tmp_path, content):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"a\.pth is damaged"):
        read_weights(tmp_path / "a.pth")


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.uint16, torch.complex64])
@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_numbers_that_no_model_has_are_refused(tmp_path, dtype, name):
    state = {"weight": torch.zeros(3).to(dtype)}
    (safetensors.torch.save_file if name.endswith("s") else torch.save)(state, tmp_path / name)
    with pytest.raises(CheckpointError, match="no model weights"):
        read_weights(tmp_path / name)


def test_whole_numbers_are_not_taken_for_weights_nor_weights_for_whole_numbers():
    model = torch.nn.BatchNorm1d(2)
    for name in ("weight", "num_batches_tracked"):
        state = model.state_dict()
        state[name] = state[name].long() if state[name].is_floating_point() else state[name].float()
        with pytest.raises(CheckpointError, match=f"1 of another kind: {name}"):
            load_strict(model, state, "a.pth")


@pytest.mark.parametrize("name", ["red\x1b[31m", "a\nb", "n" * 300])
def test_names_that_no_part_of_a_model_has_are_refused_and_shown_harmless(tmp_path, name):
    torch.save({name: torch.zeros(1)}, tmp_path / "a.pth")
    safetensors.torch.save_file({name: torch.zeros(1)}, tmp_path / "a.safetensors")
    for file in ("a.pth", "a.safetensors"):
        with pytest.raises(CheckpointError, match="names no part of a model") as caught:
            read_weights(tmp_path / file)
        assert str(caught.value).isprintable() and len(str(caught.value)) < 400
