"""Lists of files in, ESPnet's output folder out; bad files are left out and listed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_jst.bin import jst_inference
from espnet_jst.errors import DataError
from espnet_jst.inference import Speech2Text
from espnet_jst.inference.files import decode_files
from tests.inference import tiny

BAD = ("missing", "empty", "text", "stereo", "nan", "pipe")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return tiny.save(*tiny.tiny_model(tiny.config(tiny.SERIALIZED)), tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four good recordings, one of them at 16 kHz, and one of each bad kind."""
    folder = tmp_path_factory.mktemp("corpus")
    lines = []
    for i, (seconds, fs) in enumerate([(2.0, 8000), (0.9, 8000), (1.4, 16000), (2.6, 8000)]):
        soundfile.write(folder / f"good{i}.wav", tiny.speech(seconds, fs=fs, seed=i), fs)
        lines.append(f"good{i} {folder / f'good{i}.wav'}")
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("no audio")
    tone = 0.3 * np.sin(np.arange(800) / 9)
    soundfile.write(folder / "stereo.wav", np.stack([tone, -tone], 1), 8000)
    soundfile.write(folder / "nan.wav", np.array([0.0, np.nan]), 8000, subtype="FLOAT")
    lines += [f"{name} {folder / f'{name}.wav'}" for name in BAD[:-1]] + ["pipe cat x.wav |"]
    (folder / "wav.scp").write_text("".join(f"{line}\n" for line in lines))
    return folder


def run(corpus: Path, model: dict[str, str], out: Path, *options: str) -> int:
    data = ["--data_path_and_name_and_type", f"{corpus / 'wav.scp'},speech,sound"]
    return jst_inference.main(
        [*data, *(f"--{key}={value}" for key, value in model.items()), "--output_dir", str(out), *options]
    )


def table(path: Path) -> dict[str, str]:
    pairs = (line.partition(" ") for line in path.read_text(encoding="utf-8").splitlines())
    return {key: value for key, _, value in pairs}


@pytest.mark.parametrize("mode", ["offline", "streaming"])
def test_espnets_files_and_ours_are_written(corpus: Path, model: dict, tmp_path: Path, mode: str) -> None:
    options = ["--streaming", "true"] if mode == "streaming" else ["--batch_size", "3"]
    assert run(corpus, model, tmp_path, *options) == 0
    best = tmp_path / "1best_recog"
    speech2text = Speech2Text(**model)
    words = {entry["utt_id"]: entry for entry in map(json.loads, (best / "words.jsonl").read_text().splitlines())}
    for i in range(4):
        key = f"good{i}"
        samples, fs = soundfile.read(corpus / f"{key}.wav", dtype="float32")
        text, token, token_int, hyp = speech2text(samples, fs)[0]
        assert table(best / "text")[key] == text
        assert table(best / "src_text")[key] == hyp.text("transcript")
        assert table(best / "token")[key] == " ".join(token)
        assert table(best / "token_int")[key] == " ".join(map(str, token_int))
        assert float(table(best / "score")[key]) == pytest.approx(hyp.score, abs=1e-3)
        assert words[key]["duration_s"] == pytest.approx(hyp.duration_s)
        assert [w["text"] for w in words[key]["words"]] == [w.text for w in hyp.words]
        assert [w["emission_s"] for w in words[key]["words"]] == [w.emission_s for w in hyp.words]
        assert ("compute_s" in words[key]) == (mode == "streaming")
    signature = json.loads((best / "signature.json").read_text())
    assert signature["lanes"] == "transcript+translation"
    assert signature["mode"] == mode and signature["chunk_s"] == 0.32 and signature["left_chunks"] == 2


@pytest.mark.parametrize("streaming", [False, True])
def test_a_transcript_alone_and_a_lane_of_ones_own_are_written(corpus: Path, tmp_path: Path, streaming: bool) -> None:
    head = {"kind": "transducer", "lanes": ["transcript"], "predictor_conf": {"size": 24}}
    conf = tiny.config({"asr": head, "far": {**head, "lanes": ["far"]}, "ctc": tiny.TWO_HEADS["ctc"]})
    conf["model_conf"]["lanes"] = {"far": {"like": "transcript", "data": "far_text"}}
    for heads, lanes in ((["asr"], {"src_text": "transcript"}), (None, {"src_text": "transcript", "far_text": "far"})):
        speech2text, out = tiny.speech2text(conf, search_heads=heads), tmp_path / str(len(lanes))
        decode_files(speech2text, [("good0", str(corpus / "good0.wav"))], out, streaming=streaming)
        best = out / "1best_recog"
        hyp = speech2text(soundfile.read(corpus / "good0.wav", dtype="float32")[0])[0][3]
        written = {path.name: table(path).get("good0", "") for path in best.iterdir() if path.name.endswith("text")}
        assert written == {"text": hyp.text("transcript"), **{name: hyp.text(lane) for name, lane in lanes.items()}}
        assert all(written.values())


def test_bad_items_are_listed_with_the_fix_and_the_others_go_on(corpus: Path, model: dict, tmp_path: Path) -> None:
    assert run(corpus, model, tmp_path) == 0
    skipped = [json.loads(line) for line in (tmp_path / "skipped.jsonl").read_text().splitlines()]
    assert [entry["utt_id"] for entry in skipped] == list(BAD)
    assert all(entry["reason"] and entry["fix"] for entry in skipped)
    assert sorted(table(tmp_path / "1best_recog" / "text")) == [f"good{i}" for i in range(4)]


def test_an_utterance_that_fails_in_a_batch_is_left_out_alone(
    corpus: Path, model: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = Speech2Text.decode

    def broken(self: Speech2Text, utterances: list) -> list:
        for index, (samples, *_) in enumerate(utterances):
            if len(samples) == 7200:
                raise DataError("no hypothesis of the beam", index=index)
        return decode(self, utterances)

    monkeypatch.setattr(Speech2Text, "decode", broken)
    assert run(corpus, model, tmp_path, "--batch_size", "4") == 0
    assert sorted(table(tmp_path / "1best_recog" / "text")) == ["good0", "good2", "good3"]
    skipped = [json.loads(line) for line in (tmp_path / "skipped.jsonl").read_text().splitlines()]
    assert [entry["utt_id"] for entry in skipped] == ["good1", *BAD]
    assert "no hypothesis" in skipped[0]["reason"]


def test_the_computation_of_every_chunk_is_recorded(corpus: Path, model: dict, tmp_path: Path) -> None:
    run(corpus, model, tmp_path, "--streaming", "true", "--chunk_s", "0.64", "--left_chunks", "1")
    entry = json.loads((tmp_path / "1best_recog" / "words.jsonl").read_text().splitlines()[0])
    assert [chunk["audio_s"] for chunk in entry["compute_s"]] == [0.655, 1.295, 1.935, 2.0]
    assert all(chunk["elapsed_s"] > 0 for chunk in entry["compute_s"])


def test_a_key_file_and_a_config_file_choose(corpus: Path, model: dict, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("good1 x\n")
    (tmp_path / "decode.yaml").write_text("beam_size: 3\nnbest: 2\nngram_weight: 0.0\n")
    options = ["--key_file", str(tmp_path / "keys"), "--config", str(tmp_path / "decode.yaml")]
    assert run(corpus, model, tmp_path / "out", *options) == 0
    assert list(table(tmp_path / "out" / "1best_recog" / "text")) == ["good1"]
    assert list(table(tmp_path / "out" / "2best_recog" / "text")) == ["good1"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--ngram_weight", "0.5"], "--ngram_weight 0.5: not used here"),
        (["--phrases", "no_such"], "cannot be read"),
        (["--lm_file", "lm.pth", "--beam_size", "2"], "needs both lm_train_config and lm_file"),
        (["--nbest", "3"], "nbest=3 needs a beam"),
        (["--streaming", "true", "--nbest", "2", "--beam_size", "2"], "--streaming false"),
        (["--ngpu", "2"], "one GPU"),
        (["--batch_size", "0"], "at least 1"),
        (["--config", "no_such.yaml"], "cannot be read"),
        (["--key_file", "no_such"], "no such file"),
        (["--output_dir", "/dev/null/out"], "--output_dir /dev/null/out: cannot be written"),
    ],
)
def test_what_cannot_be_done_is_one_message_and_status_1(
    corpus: Path, model: dict, tmp_path: Path, capsys: pytest.CaptureFixture, options: list[str], message: str
) -> None:
    assert run(corpus, model, tmp_path, *options) == 1
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_an_unknown_key_of_a_config_file_names_the_closest(
    corpus: Path, model: dict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "decode.yaml").write_text("beam_sise: 3\n")
    assert run(corpus, model, tmp_path, "--config", str(tmp_path / "decode.yaml")) == 1
    assert "did you mean 'beam_size'" in capsys.readouterr().err


def test_nothing_but_bad_files_is_an_error(
    corpus: Path, model: dict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "keys").write_text("empty\nstereo\n")
    assert run(corpus, model, tmp_path, "--key_file", str(tmp_path / "keys")) == 1
    assert "none of 2 utterances" in capsys.readouterr().err
    assert len((tmp_path / "skipped.jsonl").read_text().splitlines()) == 2
