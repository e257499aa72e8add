"""A training that begins with given weights builds no more than these hold, but for what its user tells it to read."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from espnet_jst import weights
from espnet_jst.errors import CheckpointError
from espnet_jst.tasks.jst import JSTTask
from tests.inputs.pretrained_models import saved


@pytest.fixture
def args(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> argparse.Namespace:
    """A model on a Whisper's encoder, and a file of ten bytes to begin with."""
    monkeypatch.setattr(weights, "SMALL_MODEL", 1)
    (tmp_path / "tokens.txt").write_text("<blank>\n<unk>\n▁one\n▁two\n<sos/eos>\n", encoding="utf-8")
    (tmp_path / "start.pth").write_bytes(bytes(10))
    flags = ["--output_dir", str(tmp_path), "--token_list", str(tmp_path / "tokens.txt"), "--token_type", "word"]
    flags += ["--frontend", "whisper_mel", "--frontend_conf", "n_mels=20", "--normalize", "none"]
    flags += ["--encoder", "chunk_whisper", "--encoder_conf", "layers=2"]
    flags += ["--model_conf", "heads={asr: {kind: ctc, reads: encoder, lanes: [transcript]}}"]
    args: argparse.Namespace = JSTTask.get_parser().parse_args([*flags, "--init_param", str(tmp_path / "start.pth")])
    return args


def test_an_encoder_that_is_read_whole_is_no_reason_to_refuse(args: argparse.Namespace) -> None:
    args.encoder_conf |= {"model": saved("whisper")}
    assert sum(parameter.numel() for parameter in JSTTask.build_model(args).parameters()) > 10


def test_sizes_beyond_the_weights_are_refused(args: argparse.Namespace) -> None:
    args.encoder_conf |= {"size": 32, "heads": 4, "feed_forward_size": 48}
    with pytest.raises(CheckpointError, match="start.pth does not fit the model: it holds 10 numbers"):
        JSTTask.build_model(args)
