"""What is exported for sherpa-onnx writes the tokens of its pack there: the wheel that everybody has runs it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
pytest.importorskip("sherpa_onnx")

import sherpa_onnx

from espnet_jst.bin import cli
from espnet_jst.errors import ConfigError
from espnet_jst.export.sherpa_folder import export_sherpa
from espnet_jst.inference import Speech2Text
from tests.inference import tiny

pytestmark = pytest.mark.slow  # PyTorch's exporter takes seconds a graph

FS = 16000
FRONTEND = {"fs": FS, "n_mels": 20, "window": "hann", "mel_scale": "slaney", "remove_dc": False, "fmin": 0, "fmax": 0}
STATELESS = {"kind": "transducer", "predictor": "stateless", "predictor_conf": {"size": 24, "before": "zero"}}
HENT_SRT = {
    "asr_ctc": {"kind": "ctc", "lanes": ["transcript"]},
    "st": {**STATELESS, "reads": "hier_encoder", "lanes": ["translation"]},
}
LIVELY = {"hent_srt": (1, 0.5), "jstar": (4, 0.5)}  # seeds and rates with which every recording has words


def conf(name: str) -> dict:
    if name == "hent_srt":
        found = json.loads(json.dumps(tiny.config(HENT_SRT, two_encoders=True, zipformer=True, fs=FS)))
    elif name == "jstar":  # chunks of four frames, and of eight on top of them
        found = tiny.config(tiny.TWO_HEADS, two_encoders=True, fs=FS)
        found |= {"normalize": "global_mvn", "normalize_conf": {"stats_file": tiny.stats_file(20)}}
    else:
        found = tiny.config(tiny.SERIALIZED, fs=FS)
    return {**found, "frontend": "kaldi_fbank", "frontend_conf": dict(FRONTEND)}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    """Of a system the experiment's folder and the exported ones."""

    @cache
    def folders(name: str) -> tuple[Path, list[Path]]:
        root = tmp_path_factory.mktemp(name)
        seed, rate = LIVELY.get(name, (0, 0.5))
        tiny.save(*tiny.tiny_model(conf(name), seed=seed, rate=rate), root / "exp")
        return root / "exp", export_sherpa(root / "exp", root / "sherpa", say=lambda line: None)

    return folders


def recognizer(folder: Path) -> sherpa_onnx.OnlineRecognizer:
    return sherpa_onnx.OnlineRecognizer.from_transducer(
        tokens=str(folder / "tokens.txt"),
        encoder=str(folder / "encoder.onnx"),
        decoder=str(folder / "decoder.onnx"),
        joiner=str(folder / "joiner.onnx"),
        sample_rate=FS,
        feature_dim=20,
    )


def heard(engine: sherpa_onnx.OnlineRecognizer, audio: list[np.ndarray], packet: int = 3000) -> list[list[str]]:
    """The tokens of several streams side by side, each in packets."""
    streams = [engine.create_stream() for _ in audio]
    for begin in range(0, max(map(len, audio)), packet):
        for stream, samples in zip(streams, audio, strict=True):
            stream.accept_waveform(FS, samples[begin : begin + packet])
        while ready := [stream for stream in streams if engine.is_ready(stream)]:
            engine.decode_streams(ready)
    for stream in streams:
        stream.input_finished()
        while engine.is_ready(stream):
            engine.decode_stream(stream)
    return [[token.strip() for token in engine.tokens(stream)] for stream in streams]


@pytest.mark.parametrize("name", ["tsot", "hent_srt", "jstar"])
def test_sherpa_onnx_writes_the_tokens_of_the_pack(name: str, made) -> None:
    experiment, folders = made(name)
    audio = [tiny.speech(seconds, fs=FS, seed=seed) for seed, seconds in enumerate((4.1, 2.3, 5.0))]
    for folder in folders:
        head = folder.name if len(folders) > 1 else {"hent_srt": "st"}.get(name, "joint")
        model = Speech2Text.from_pretrained(experiment, search_heads=[head], max_symbols=10)
        found = heard(recognizer(folder), audio)
        for tokens, samples in zip(found, audio, strict=True):
            wanted = [token for token in model(samples)[0][1] if token != "<unk>"]  # sherpa-onnx leaves it out
            # It hears whole chunks, and of the end of a recording what fills one.
            assert 4 < len(tokens) <= len(wanted) and tokens == wanted[: len(tokens)]


def test_other_features_are_refused_with_what_to_do(tmp_path: Path) -> None:
    tiny.save(*tiny.tiny_model(tiny.config(tiny.SERIALIZED, fs=FS)), tmp_path / "log_mel")
    with pytest.raises(ConfigError, match="features are others .frontend.: train with frontend: kaldi_fbank"):
        export_sherpa(tmp_path / "log_mel", tmp_path / "out")
    eight = conf("tsot")
    eight["frontend_conf"] |= {"fs": 8000}
    tiny.save(*tiny.tiny_model(eight), tmp_path / "eight")
    with pytest.raises(ConfigError, match="features are others .fs, top_hz."):
        export_sherpa(tmp_path / "eight", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_names_the_folders(made, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    experiment, _ = made("tsot")
    assert cli.main(["export", "--to", "sherpa-onnx", "--weights", "int8", str(experiment), str(tmp_path / "out")]) == 0
    assert f"{tmp_path / 'out'}: " in capsys.readouterr().out
    assert (tmp_path / "out" / "tokens.txt").read_text().splitlines()[-1] == f"<blk> {len(tiny.TARGET) - 1}"
    [tokens] = heard(recognizer(tmp_path / "out"), [tiny.speech(4.0, fs=FS)])
    assert "<asr>" in tokens or "<st>" in tokens
