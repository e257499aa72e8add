"""A model that was trained on units decodes recordings, and files of their units, to the same words."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
import torch

from espnet_jst.bin import jst_inference, units
from espnet_jst.data.kaldi import read_table, write_table
from espnet_jst.data.unit_files import read_units
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.inference import Speech2Text
from espnet_jst.units.alphabet import as_text, without_repeats
from espnet_jst.units.unit_set import UnitSet
from tests.inference import tiny

FS, K = 8000, 12
ENCODER = {**tiny.ENCODER, "subsampling": 1, "chunk_frames": 0, "left_chunks": -1, "taps": []}
HEADS = {
    "st": {"kind": "transducer", "lanes": ["translation"], "predictor_conf": {"size": 24}},
    "st_ctc": {"kind": "ctc", "lanes": ["translation"]},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five recordings, a unit set, their units, and a model on them."""
    folder = tmp_path_factory.mktemp("units")
    for n in range(5):
        soundfile.write(folder / f"u{n}.wav", tiny.speech(0.6 + 0.3 * n, fs=FS, seed=n), FS)
    write_table(folder / "wav.scp", {f"u{n}": f"{folder}/u{n}.wav" for n in range(5)})
    scp = ["--wav_scp", f"{folder}/wav.scp", "--output_dir", f"{folder}"]
    feature = ["--kmeans_feature", "log_mel", "--fs", f"{FS}", "--nclusters", f"{K}"]
    assert units.main(["learn", *scp, *feature]) == 0
    assert units.main(["extract", *scp, "--units", f"{folder}/units.safetensors"]) == 0
    written = {key: as_text(without_repeats(row), K) for key, row in read_units(folder / "units").items()}
    write_table(folder / "text.rm", written)
    return folder


@pytest.fixture(scope="module", params=["rm", "ts"])
def model(request: pytest.FixtureRequest, folder: Path) -> dict[str, str]:
    conf = {
        "input_size": 24,
        "encoder": "chunk_conformer",
        "encoder_conf": ENCODER,
        "model_conf": {
            "inputs": {
                "units": {
                    **{"kind": "tokens", "into": "encoder"},
                    **{"unit_set": f"{folder}/units.safetensors", "unit_case": request.param},
                }
            },
            "heads": HEADS,
        },
        "token_list": tiny.TARGET,
        "token_type": "word",
        "src_token_list": ["<blank>", "<unk>", *as_text(range(K), K), "<sos/eos>"],
        "src_token_type": "char",
    }
    return tiny.save(*tiny.tiny_model(conf), folder / request.param)


def decode(model: dict[str, str], data: str, out: Path, *options: str) -> int:
    names = {"st_train_config": "mt_train_config", "st_model_file": "mt_model_file"}  # those of ESPnet's mt_inference
    flags = [f"--{names[key]}={value}" for key, value in model.items()]
    return jst_inference.main(["--data_path_and_name_and_type", data, *flags, "--output_dir", str(out), *options])


def written(out: Path) -> dict[str, dict[str, str]]:
    return {name: read_table(out / "1best_recog" / name) for name in ("text", "token", "token_int")}


def test_units_give_the_words_of_their_audio(folder: Path, model: dict, tmp_path: Path) -> None:
    assert decode(model, f"{folder}/wav.scp,speech,sound", tmp_path / "audio") == 0
    found = written(tmp_path / "audio")
    assert found["text"].keys() == {f"u{n}" for n in range(5)} and any(found["text"].values())
    assert decode(model, f"{folder}/units,units,text_int", tmp_path / "ids") == 0
    assert written(tmp_path / "ids") == found
    assert decode(model, f"{folder}/units,src_text,text_int", tmp_path / "batch", "--batch_size", "3") == 0
    assert written(tmp_path / "batch") == found
    if model["st_train_config"].endswith("rm/config.yaml"):
        assert decode(model, f"{folder}/text.rm,src_text,text", tmp_path / "text") == 0
        assert written(tmp_path / "text") == found


def test_the_class_takes_units_too(folder: Path, model: dict) -> None:
    speech2text = Speech2Text(**model)
    table = read_units(folder / "units", speech2text.units.about())
    alone = speech2text(f"{folder}/u3.wav")[0]
    batch = speech2text.decode_units([table["u1"], table["u3"]])
    assert [results[0][0] for results in batch][1] == alone[0] and alone[0]
    assert batch[1][0][3].duration_s == pytest.approx(alone[3].duration_s, abs=0.03)
    with pytest.raises(DataError, match="there is no unit"):
        speech2text.decode_units([table["u1"], []])


def test_units_of_another_set_and_of_no_set_are_one_message(folder: Path, model: dict, tmp_path: Path, capsys) -> None:
    other = UnitSet.load(folder / "units.safetensors")
    UnitSet(other.features, torch.randn_like(other.centroids), other.weights).save(tmp_path / "other.safetensors")
    flags = ["--units", f"{tmp_path}/other.safetensors", "--wav_scp", f"{folder}/wav.scp"]
    assert units.main(["extract", *flags, "--output_dir", f"{tmp_path}"]) == 0
    capsys.readouterr()
    assert decode(model, f"{tmp_path}/units,units,text_int", tmp_path / "out") == 1
    assert "has units of another set" in capsys.readouterr().err
    write_table(tmp_path / "asr2", {"u0": "一丁"})
    assert decode(model, f"{tmp_path}/asr2,src_text,text", tmp_path / "out") == 1
    assert "u0: '一' stands for none of 12 units" in capsys.readouterr().err


def test_a_model_that_hears_speech_takes_no_units(folder: Path, tmp_path: Path, capsys) -> None:
    speech = tiny.save(*tiny.tiny_model(tiny.config(tiny.SERIALIZED)), tmp_path / "speech")
    assert decode(speech, f"{folder}/units,units,text_int", tmp_path / "out") == 1
    assert "the model was not trained on units: give recordings" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="not trained on units"):
        Speech2Text(**speech).decode_units([[1, 2]])
