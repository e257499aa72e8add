"""Any call of a save may fail: the last checkpoint loads, and the error says where and how much room there is."""

import builtins
import errno
import multiprocessing
import os
import resource
import shutil
from pathlib import Path

import pytest
import torch

from espnet_jst.bin import jst_train
from espnet_jst.errors import CheckpointError, JSTError
from espnet_jst.training.checkpoints import CHECKPOINT, KEYS, PREVIOUS, read_checkpoint, save_checkpoint
from espnet_jst.weights import atomic_link, atomic_save, read_weights, safe_load, temporary_name
from tests.training.corpus import make_corpus, write_config

ERRORS = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC}


class Stream:
    """A file whose writes may fail, with half of the bytes written."""

    def __init__(self, stream, count, *, every_write):
        self._stream, self._count, self._every_write = stream, count, every_write

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stream.close()

    def write(self, data):
        try:
            if self._count is not None:
                self._count("write")
        except OSError:
            self._stream.write(data[: len(data) // 2])
            self._stream.flush()
            raise
        if not self._every_write:
            self._count = None
        return self._stream.write(data)


class Disk:
    """Counts the calls that change files below a folder; number `fails` (from 1) fails.

    Of the writes to a file every one is counted, or the first.
    """

    def __init__(self, patch, folder, fails=0, error=errno.ENOSPC, *, every_write=True):
        self.folder, self.fails, self.error, self.calls = str(folder), fails, error, []
        self.every_write = every_write
        for name in ("fsync", "replace", "link", "symlink"):
            patch.setattr(os, name, self._failing(name, getattr(os, name)))
        self._open = builtins.open
        patch.setattr(builtins, "open", self.open)

    def count(self, name):
        self.calls.append(name)
        if len(self.calls) == self.fails:
            raise OSError(self.error, os.strerror(self.error))

    def _failing(self, name, call):
        def failing(*args, **options):
            self.count(name)
            return call(*args, **options)

        return failing

    def open(self, path, mode="r", *args, **options):
        if not ("w" in mode and str(path).startswith(self.folder)):
            return self._open(path, mode, *args, **options)
        self.count("open")
        return Stream(self._open(path, mode, *args, **options), self.count, every_write=self.every_write)


def states(epoch):
    return {**dict.fromkeys(KEYS), "model": {f"w{i}": torch.full((9000,), float(epoch)) for i in range(4)}}


def save(folder, epoch):
    """What the trainer saves after an epoch."""
    save_checkpoint(states(epoch), folder / CHECKPOINT)
    atomic_save(lambda stream: torch.save(states(epoch)["model"], stream), folder / f"{epoch}epoch.pth")
    atomic_link(folder / "latest.pth", f"{epoch}epoch.pth")


def failing_save(folder, fails, error=errno.ENOSPC):
    """The second save with a failing call, and the calls that it made."""
    folder.mkdir()
    save(folder, 1)
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch, folder, fails, error)
        try:
            save(folder, 2)
        except CheckpointError as caught:
            assert str(folder) in str(caught) and "bytes are free" in str(caught)
            return disk.calls, True
    return disk.calls, False


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_whichever_call_of_a_save_fails_the_last_checkpoint_loads(error, tmp_path):
    calls, failed = failing_save(tmp_path / "sound", 0)
    assert {"open", "write", "fsync", "replace", "link", "symlink"} == set(calls) and not failed
    survived = []
    for number, name in enumerate(calls, 1):
        folder = tmp_path / f"{number}"
        _, failed = failing_save(folder, number, error)
        if not failed:
            survived.append(name)
        weights = read_checkpoint(folder / CHECKPOINT)["model"].values()
        assert len({value for weight in weights for value in weight.tolist()}) == 1  # of the first or of the second
        for path in folder.iterdir():
            safe_load(path)
        assert not list(folder.glob(".*"))
        save(folder, 3)
        assert (folder / "latest.pth").resolve().name == "3epoch.pth"
    # What only keeps the checkpoint before the last may fail in silence: a file system may have no hard links.
    assert survived == ["link", "replace"]
    assert len(calls) > 30


def test_a_full_disk_is_one_message_and_the_old_file_stays(tmp_path):
    """/dev/full takes no byte, as a full disk."""
    save(tmp_path, 1)
    temporary_name(tmp_path / CHECKPOINT).symlink_to("/dev/full")
    with pytest.raises(
        CheckpointError, match=r"checkpoint\.pth could not be written .*[Nn]o space left.*bytes are free"
    ):
        save_checkpoint(states(2), tmp_path / CHECKPOINT)
    for name in (CHECKPOINT, PREVIOUS):
        assert float(read_checkpoint(tmp_path / name)["model"]["w0"][0]) == 1.0


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    torch.set_num_threads(1)
    root = make_corpus(tmp_path_factory.mktemp("corpus"))
    write_config(root, max_epoch=2)
    return root


def train(root, name, *options):
    jst_train.main(["--config", str(root / "train.yaml"), "--output_dir", str(root / name), *options])
    return root / name


@pytest.fixture(scope="module")
def whole(root):
    return read_weights(train(root, "whole") / "latest.pth")


def same(weights, path: Path):
    other = read_weights(path)
    return weights.keys() == other.keys() and all(torch.equal(weights[key], other[key]) for key in weights)


def test_a_training_that_may_not_write_ends_with_a_message_and_resumes(root, whole, capfd):
    """The kernel refuses every file larger than half a checkpoint, as a quota would."""
    size = (root / "whole" / CHECKPOINT).stat().st_size
    train(root, "limited", "--max_epoch", "1", "--scheduler_conf", "total_steps=6")

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))
        train(root, "limited", "--resume", "true")

    process = multiprocessing.get_context("fork").Process(target=limited)
    process.start()
    process.join()
    assert process.exitcode == 1
    message = capfd.readouterr().err
    assert str(root / "limited" / CHECKPOINT) in message and "bytes are free" in message
    assert read_checkpoint(root / "limited" / CHECKPOINT)["reporter"]["epoch"] == 1
    assert same(whole, train(root, "limited", "--resume", "true") / "latest.pth")


@pytest.mark.long
def test_whichever_call_of_a_training_fails_it_resumes_to_the_same_weights(root, whole):
    begun = train(root, "begun", "--max_epoch", "1", "--scheduler_conf", "total_steps=6")
    number, failures = 0, 0
    while True:
        number += 1
        exp = root / "broken"
        shutil.rmtree(exp, ignore_errors=True)
        shutil.copytree(begun, exp, symlinks=True)
        with pytest.MonkeyPatch.context() as patch:
            disk = Disk(patch, exp, number, every_write=False)
            try:
                train(root, "broken", "--resume", "true")
            except (SystemExit, OSError, JSTError):
                failures += 1
        for path in exp.glob("*.pth"):
            safe_load(path)
        assert same(whole, train(root, "broken", "--resume", "true") / "latest.pth"), disk.calls[-1]
        if len(disk.calls) < number:
            break
    assert failures > 10
