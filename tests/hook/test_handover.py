"""Which program runs a command, and that its files are those of ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml

from espnet_jst.bin import jst_inference, jst_train
from espnet_jst.hook.handover import stand_in
from tests.hook.hooked import ROOT, environment, run
from tests.inference import tiny
from tests.training import corpus

TRAIN, DECODE = "espnet2.bin.st_train", "espnet2.bin.st_inference"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two models of ours, and recordings for them."""
    root = tmp_path_factory.mktemp("models")
    for name, heads, two in (("serialized", tiny.SERIALIZED, False), ("two_heads", tiny.TWO_HEADS, True)):
        tiny.save(*tiny.tiny_model(tiny.config(heads, two_encoders=two)), root / name)
    lines = []
    for seed in range(3):
        soundfile.write(root / f"{seed}.wav", tiny.speech(2.0, seed=seed), 8000)
        lines.append(f"utt{seed} {root / f'{seed}.wav'}\n")
    (root / "wav.scp").write_text("".join(lines))
    return {path.name: path for path in root.iterdir()} | {"root": root}


def write(path: Path, values: dict) -> Path:
    path.write_text(yaml.safe_dump(values))
    return path


def espnets_own(root: Path, *texts: str) -> dict:
    """Configuration of a model of ESPnet's own task on `corpus`, without its frontend; the first text is its target."""
    ours = corpus.config(root, max_epoch=1)
    kept = ("train_shape_file", "valid_shape_file", "batch_size", "batch_type", "token_list", "max_epoch")
    files = [
        ("wav.scp", "speech", "sound"),
        *((name, "text" if n == 0 else name, "text") for n, name in enumerate(texts)),
    ]
    return {
        **{key: ours[key] for key in (*kept, "use_tensorboard", "use_matplotlib")},
        **{
            f"{name}_data_path_and_name_and_type": [[str(root / name / file), *rest] for file, *rest in files]
            for name in ("train", "valid")
        },
        "num_att_plot": 0,
        "token_type": "word",
        "normalize": "utterance_mvn",
        "encoder": "conformer",
        "encoder_conf": {"output_size": 16, "attention_heads": 2, "linear_units": 16, "num_blocks": 1},
        "decoder": "transformer",
        "decoder_conf": {"attention_heads": 2, "linear_units": 16, "num_blocks": 1},
    }


def test_a_configuration_with_heads_trains_with_our_program(tmp_path: Path) -> None:
    write(tmp_path / "base.yaml", {"model_conf": {"heads": {"joint": {"kind": "transducer"}}}})
    ours = write(tmp_path / "ours.yaml", {"base": "base.yaml", "max_epoch": 1})
    theirs = write(tmp_path / "theirs.yaml", {"encoder": "conformer", "model_conf": {"asr_weight": 0.3}})
    assert stand_in(TRAIN, ["--config", str(ours), "--ngpu", "0"]) == "espnet_jst.bin.jst_train"
    assert stand_in(TRAIN, [f"--config={ours}"]) == "espnet_jst.bin.jst_train"
    for other in (["--config", str(theirs)], ["--config", str(tmp_path / "none.yaml")], ["--help"], ["--config"], []):
        assert stand_in(TRAIN, other) is None


def test_a_part_of_ours_is_registered_for_espnets_own_programs(tmp_path: Path) -> None:
    own, other = "espnet_jst.bin.espnet_with_parts", {"encoder": "conformer", "decoder": "rnn", "model_conf": {}}
    beams = write(tmp_path / "config.yaml", {**other, "frontend": "beam_bank"})
    plain = write(
        tmp_path / "plain.yaml", {**other, "frontend": ["beam_bank"]}
    )  # what is no name is ESPnet's to refuse
    for task in ("st", "asr"):
        train, decode = f"espnet2.bin.{task}_train", f"espnet2.bin.{task}_inference"
        assert stand_in(train, ["--config", str(beams)]) == own
        assert stand_in(train, ["--config", str(plain), "--encoder", "zipformer"]) == own
        assert stand_in(train, ["--config", str(plain), "--encoder", "rnn"]) is None
        assert stand_in(decode, [f"--{task}_train_config", str(beams)]) == own
        assert stand_in(decode, [f"--{task}_model_file", str(tmp_path / "model.pth")]) == own
        assert stand_in(decode, [f"--{task}_train_config", str(plain)]) is None


def test_a_model_is_recognised_however_it_is_named(models: dict[str, Path], tmp_path: Path) -> None:
    folder = models["serialized"]
    config, weights = str(folder / "config.yaml"), str(folder / "valid.loss.ave.pth")
    decode = write(tmp_path / "decode.yaml", {"st_train_config": config, "beam_size": 2})
    for named in (["--st_train_config", config], ["--st_model_file", weights], ["--model_tag", str(folder)]):
        assert stand_in(DECODE, named) == "espnet_jst.bin.jst_inference"
    assert stand_in(DECODE, ["--config", str(decode)]) == "espnet_jst.bin.jst_inference"


def test_searches_of_espnet_are_run_by_espnets_program(models: dict[str, Path], tmp_path: Path) -> None:
    named = ["--st_train_config", str(models["serialized"] / "config.yaml")]
    search = write(tmp_path / "search.yaml", {"transducer_conf": {"search_type": "tsd"}})
    empty = write(tmp_path / "empty.yaml", {"transducer_conf": {}})
    assert stand_in(DECODE, ["--config", str(search), *named]) == "espnet_jst.bin.espnet_search"
    assert stand_in(DECODE, ["--config", str(empty), *named]) == "espnet_jst.bin.jst_inference"


def test_models_of_espnet_and_what_cannot_be_read_are_left_alone(tmp_path: Path) -> None:
    theirs = write(tmp_path / "config.yaml", {"encoder": "conformer", "decoder": "rnn", "model_conf": {}})
    (tmp_path / "broken.yaml").write_text("a: [")
    for named in (
        ["--st_train_config", str(theirs)],
        ["--st_model_file", str(tmp_path / "model.pth")],
        ["--st_train_config", str(tmp_path / "broken.yaml")],
        ["--config", str(tmp_path / "broken.yaml")],
        ["--model_tag", str(tmp_path / "none.zip")],
        ["--help"],
    ):
        assert stand_in(DECODE, named) is None


def test_espnets_st_inference_writes_the_files_of_ours(models: dict[str, Path], tmp_path: Path) -> None:
    options = ["--ngpu", "0", "--batch_size", "1", "--beam_size", "1", "--ctc_weight", "0.0"]
    options += ["--data_path_and_name_and_type", f"{models['wav.scp']},speech,sound"]
    options += ["--st_train_config", str(models["serialized"] / "config.yaml")]
    options += ["--st_model_file", str(models["serialized"] / "valid.loss.ave.pth")]
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    run("st_inference", *options, "--output_dir", theirs, env=environment(tmp_path), cwd=tmp_path)
    assert jst_inference.main([*options, "--output_dir", str(ours)]) == 0
    # What it cost is in cost.json, which no two runs have alike.
    written = sorted(path.name for path in (ours / "1best_recog").iterdir() if path.name != "cost.json")
    assert {"text", "src_text", "token", "score", "words.jsonl"} <= set(written)
    for name in written:
        assert (theirs / "1best_recog" / name).read_text() == (ours / "1best_recog" / name).read_text(), name
    assert len((ours / "1best_recog" / "token").read_text().split()) > 6


@pytest.mark.slow
def test_espnets_greedy_search_writes_the_translation_of_a_head_of_its_own(
    models: dict[str, Path], tmp_path: Path
) -> None:
    config = write(tmp_path / "decode.yaml", {"beam_size": 1, "transducer_conf": {"search_type": "default"}})
    options = ["--data_path_and_name_and_type", f"{models['wav.scp']},speech,sound"]
    options += ["--st_train_config", str(models["two_heads"] / "config.yaml")]
    options += ["--st_model_file", str(models["two_heads"] / "valid.loss.ave.pth")]
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    env = environment(tmp_path)
    run("st_inference", *options, "--config", config, "--output_dir", theirs, env=env, cwd=tmp_path)
    assert jst_inference.main([*options, "--max_symbols", "1", "--output_dir", str(ours)]) == 0
    assert (theirs / "1best_recog" / "token").read_text() == (ours / "1best_recog" / "token").read_text()


@pytest.mark.slow
def test_espnets_st_train_trains_our_model_with_our_trainer(tmp_path: Path) -> None:
    root = corpus.make_corpus(tmp_path / "data")
    config = corpus.write_config(root, max_epoch=1)
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    env = environment(tmp_path)
    run("st_train", "--config", config, "--output_dir", theirs, "--seed", 3, env=env, cwd=tmp_path)
    jst_train.main(["--config", str(config), "--output_dir", str(ours), "--seed", "3"])
    assert {path.name for path in theirs.iterdir()} == {path.name for path in ours.iterdir()}
    one, other = (torch.load(folder / "valid.loss.ave.pth", weights_only=True) for folder in (theirs, ours))
    assert set(one) == set(other)
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_a_model_of_espnets_own_trains_and_decodes_as_without_the_hook(tmp_path: Path) -> None:
    root = corpus.make_corpus(tmp_path / "data")
    model = {
        **espnets_own(root, "text", "src_text"),
        "src_token_type": "word",
        "src_token_list": str(root / "tokens.txt"),
        "frontend_conf": {"fs": 8000, "n_mels": 16},
        "model_conf": {"asr_weight": 0.0},
    }
    config = write(tmp_path / "theirs.yaml", model)
    hooked = environment(tmp_path)
    run("st_train", "--config", config, "--output_dir", tmp_path / "exp", env=hooked, cwd=tmp_path)
    options = [
        "--st_train_config",
        tmp_path / "exp" / "config.yaml",
        "--st_model_file",
        tmp_path / "exp" / "latest.pth",
    ]
    options += ["--data_path_and_name_and_type", f"{root / 'valid' / 'wav.scp'},speech,sound", "--beam_size", 2]
    options += ["--maxlenratio", -5, "--ctc_weight", 0.0]
    plain = {**hooked, "PYTHONPATH": str(ROOT)}
    for name, env in (("hooked", hooked), ("plain", plain)):
        run("st_inference", *options, "--output_dir", tmp_path / name, env=env, cwd=tmp_path)
    written = sorted(path.name for path in (tmp_path / "plain" / "1best_recog").iterdir())
    assert written == ["score", "text", "token", "token_int"]
    for name in written:
        one, other = (tmp_path / folder / "1best_recog" / name for folder in ("hooked", "plain"))
        assert one.read_text() == other.read_text()


@pytest.mark.slow
def test_espnets_asr_task_trains_and_decodes_on_the_beams_of_five_microphones(tmp_path: Path) -> None:
    root = corpus.make_corpus(tmp_path / "data")
    for path in root.glob("*/*.wav"):
        heard, fs = soundfile.read(path)
        soundfile.write(path, np.stack([np.roll(heard, delay) for delay in (0, 1, 3, 2, 1)], axis=1), fs)
    model = espnets_own(root, "src_text")
    model |= {"frontend": "beam_bank", "frontend_conf": {"fs": 8000, "n_mels": 16, "azimuths": 4}}
    config = write(tmp_path / "asr.yaml", {**model, "model_conf": {"ctc_weight": 0.5}})
    env = environment(tmp_path)
    run("asr_train", "--config", config, "--output_dir", tmp_path / "exp", env=env, cwd=tmp_path)
    weights = torch.load(tmp_path / "exp" / "valid.acc.best.pth", weights_only=True)
    assert any(name.startswith("frontend.merge.") for name in weights)
    options = ["--asr_train_config", tmp_path / "exp" / "config.yaml", "--beam_size", 2, "--maxlenratio", -5]
    options += ["--asr_model_file", tmp_path / "exp" / "valid.acc.best.pth"]
    options += ["--data_path_and_name_and_type", f"{root / 'valid' / 'wav.scp'},speech,sound"]
    run("asr_inference", *options, "--output_dir", tmp_path / "out", env=env, cwd=tmp_path)
    decoded = (tmp_path / "out" / "1best_recog" / "token").read_text().splitlines()
    assert len(decoded) == 4 and any(len(line.split()) > 1 for line in decoded)
