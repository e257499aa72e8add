"""Whatever a program did before: forked, or set another default type."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from espnet_jst.errors import ConfigError
from espnet_jst.inference import Speech2Text
from espnet_jst.inference.device import check_device
from tests.inference import tiny

FORKED = """
import os, sys
import torch
torch.set_num_threads(2)
from espnet_jst.inference import Speech2Text
from tests.inference import tiny
model = Speech2Text.from_pretrained(sys.argv[1], beam_size=2)
speech = tiny.speech(3.0, fs=16000)
expected = model(speech, 16000)[0][2]
child = os.fork()
if child == 0:
    os._exit(0 if model(speech, 16000)[0][2] == expected else 3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tiny.save(*tiny.tiny_model(tiny.config(tiny.SERIALIZED)), folder)
    return folder


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_decodes(folder: Path) -> None:
    """With two threads it used to wait for ever for threads that the parent has."""
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    command = [sys.executable, "-W", "ignore", "-c", FORKED, str(folder)]
    assert subprocess.run(command, env=environment, timeout=240).returncode == 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("beam_size", [1, 3])
def test_another_default_type_changes_nothing(folder: Path, dtype: torch.dtype, beam_size: int) -> None:
    speech = tiny.speech(2.0, fs=16000, seed=1)
    expected = Speech2Text.from_pretrained(folder, beam_size=beam_size)(speech, 16000)[0]
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        speech2text = Speech2Text.from_pretrained(folder, beam_size=beam_size)
        assert speech2text(speech, 16000)[0][2] == expected[2]
        session = speech2text.session(16000)
        session.push(speech)
        session.finish()
        assert [word.text for word in session.words] == [word.text for word in expected[3].words]
        assert torch.get_default_dtype() == dtype
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize("device", ["cuda:99", "tpu", "cuda:x", "xpu"])
def test_a_device_that_is_not_there_is_one_message(device: str) -> None:
    with pytest.raises(ConfigError, match=f"device '?{device}'?"):
        check_device(device)
    check_device("cpu")
