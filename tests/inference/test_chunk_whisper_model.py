"""A model on Whisper: it needs no file but its own, streams equal the whole, for longer than there are positions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from espnet_jst.errors import CheckpointError
from espnet_jst.inference import Speech2Text
from espnet_jst.inference.speech2text import Result
from tests.inference import tiny
from tests.inputs.pretrained_models import saved

FS = 16_000


def spoken(result: Result) -> list[str]:
    """Both lanes."""
    return [result[3].text(lane) for lane in ("transcript", "translation")]


def conf() -> dict[str, Any]:
    return {
        **tiny.config(tiny.SERIALIZED, fs=FS),
        "frontend": "whisper_mel",
        "normalize": None,
        "normalize_conf": {},
        "encoder": "chunk_whisper",
        "encoder_conf": {
            **{"model": saved("whisper"), "layers": 2, "taps": [1], "output_subsampling": 4},
            **{"chunk_frames": 4, "left_chunks": 2, "dropout": 0.0},
        },
    }


def test_a_stream_is_chunks_of_the_whole_and_goes_on_beyond_the_last_position() -> None:
    decode = Speech2Text.from_model(*tiny.tiny_model(conf()))
    speech = tiny.speech(6.0, fs=FS)  # there are positions for 2 s
    session = decode.session()
    words = [word for start in range(0, len(speech), 777) for word in session.push(speech[start : start + 777])]
    words += session.finish()
    # A chunk behind the other or all at once: cut anywhere, the words are the same.
    assert words == session.words and spoken(decode.stream_result(session)) == spoken(decode(speech)[0])
    assert any(word.emission_s > 4.0 for word in words)
    # A word of a chunk of 0.32 s is there when the window of its last frame is full, 15 ms behind the chunk.
    assert {round((word.emission_s - 0.335) / 0.32, 6) % 1 for word in words if word.emission_s < 6.0} == {0.0}


def test_a_trained_model_has_its_sizes_and_one_without_them_is_refused(tmp_path: Path) -> None:
    model, args = tiny.tiny_model(conf())
    files = tiny.save(model, args, tmp_path / "exp")
    written = yaml.safe_load((tmp_path / "exp" / "config.yaml").read_text())["encoder_conf"]
    assert written["model"] is None and written["size"] == 32 and written["layers"] == 2
    speech = tiny.speech(1.5, fs=FS)
    assert spoken(Speech2Text(**files)(speech)[0]) == spoken(Speech2Text.from_model(model, args)(speech)[0])
    args.encoder_conf = conf()["encoder_conf"]
    (tmp_path / "exp" / "config.yaml").write_text(yaml.safe_dump(vars(args)))
    with pytest.raises(CheckpointError, match="encoder_conf has no size, which a training writes"):
        Speech2Text(**files)
