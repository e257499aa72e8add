"""`--cache_frames`: frames of a frozen encoder are computed once, and the model trained on them hears audio."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from espnet_jst.data.kaldi import read_table
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.inference.frames import dump_frames
from espnet_jst.recipe.options import Options
from espnet_jst.recipe.stages.frames import cached_frontend, frames_file
from espnet_jst.tasks.data_sets import check_sets
from espnet_jst.tasks.jst import JSTTask
from tests.inference import tiny
from tests.inputs.pretrained_models import saved
from tests.inputs.test_pretrained import FS, model_conf
from tests.recipe.spoken_digits import SMALL, make_corpus, recipe

HEADS = {
    "asr": {"kind": "transducer", "lanes": ["transcript"], "predictor_conf": {"size": 16}, "joint_size": 16},
    "ctc": {"kind": "ctc", "lanes": ["transcript"], "weight": 0.3},
}


def test_frames_train_as_the_speech_that_they_were_made_of() -> None:
    model, _ = tiny.tiny_model(model_conf("whisper", layer=2))
    speech = torch.from_numpy(np.stack([tiny.speech(1.0, fs=FS, seed=n) for n in range(2)]))
    lengths = torch.tensor([FS, FS])
    frames, counts = model.frontend(speech, lengths)
    targets = {"target_joint": torch.tensor([[4, 5], [5, 6]]), "target_joint_lengths": torch.tensor([2, 2])}
    targets |= {"target_ctc": torch.tensor([[2], [3]]), "target_ctc_lengths": torch.tensor([1, 1])}
    model.eval()
    heard = model(speech=speech, speech_lengths=lengths, **targets)[0]
    given = model(frames=frames.half(), frames_lengths=counts, **targets)[0]
    assert torch.allclose(heard, given, rtol=1e-3)
    statistics = model.collect_feats(frames=frames.half(), frames_lengths=counts)
    assert torch.allclose(statistics["feats"], model.collect_feats(speech, lengths)["feats"], rtol=1e-2, atol=1e-2)
    with pytest.raises(DataError, match="the frontend makes 32 features: dump them again"):
        model(frames=frames[..., :5], frames_lengths=counts, **targets)
    trained, _ = tiny.tiny_model(model_conf("whisper", layer=2, weighted=True))
    with pytest.raises(DataError, match="a batch holds one input of speech; this one has frames"):
        trained(frames=frames, frames_lengths=counts, **targets)


def test_data_sets_have_frames_or_speech_and_no_changes_of_recordings() -> None:
    def checked(names: list[str], **conf: float) -> None:
        _, args = tiny.tiny_model(model_conf("whisper", layer=2))
        args.preprocessor_conf = conf
        texts = ["text", "src_text", "alignment"]
        check_sets(JSTTask.build_preprocess_fn(args, True), {"train": [*names, *texts]}, ["speech", *texts])

    checked(["frames"])
    checked(["speech"], speed_prob=0.5)
    with pytest.raises(ConfigError, match="frames stand for speech: give one of them"):
        checked(["frames", "speech"])
    with pytest.raises(ConfigError, match="preprocessor_conf changes recordings"):
        checked(["frames"], speed_prob=0.5)


def test_another_layer_has_frames_of_its_own_and_what_is_trained_has_none(tmp_path: Path) -> None:
    config = tmp_path / "train.yaml"
    config.write_text(yaml.safe_dump({"frontend": "pretrained", "frontend_conf": {"model": "m"}}))

    def frontend(**options: object):
        return cached_frontend(Options.of(st_config=str(config), cache_frames=True, **options).training)

    assert frontend() == {"frontend": "pretrained", "frontend_conf": {"model": "m"}}
    fifth = frontend(st_args="--frontend_conf layer=5 --frontend_conf model=/models/w")
    assert fifth == {"frontend": "pretrained", "frontend_conf": {"model": "/models/w", "layer": 5}}
    assert frames_file(tmp_path, frontend()) != frames_file(tmp_path, fifth)
    assert cached_frontend(Options.of(st_config=str(config)).training) is None
    with pytest.raises(ConfigError, match="trains its frontend"):
        frontend(st_args="--frontend_conf trainable=true")


def test_frames_are_the_same_for_any_number_of_workers_and_bad_files_are_listed(tmp_path: Path) -> None:
    import soundfile

    items = []
    for n in range(5):
        soundfile.write(tmp_path / f"{n}.wav", tiny.speech(0.5 + 0.2 * n, fs=FS, seed=n), FS)
        items.append((f"a/{n}", str(tmp_path / f"{n}.wav")))
    items.append(("gone", str(tmp_path / "gone.wav")))
    features = {"frontend": "pretrained", "frontend_conf": {"model": saved("wavlm"), "layer": 2}}
    for nj, name in ((1, "one"), (2, "two")):
        assert dump_frames(items, features, tmp_path / name, nj=nj) == 5
    one, two = (read_table(tmp_path / name / "frames.scp") for name in ("one", "two"))
    for key in one:
        assert Path(one[key]).read_bytes() == Path(two[key]).read_bytes()
    assert np.load(one["a/4"]).dtype == np.float16 and np.load(one["a/4"]).shape == (64, 32)
    assert json.loads((tmp_path / "one" / "skipped.jsonl").read_text())["utt_id"] == "gone"


@pytest.mark.long
def test_a_recipe_trains_on_frames_and_decodes_audio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JST_CACHE", str(tmp_path / "cache"))
    make_corpus(tmp_path / "mine", "text")
    conf = {
        **SMALL,
        "frontend": "pretrained",
        "frontend_conf": {"model": saved("whisper")},
        "model_conf": {"heads": HEADS},
    }
    (tmp_path / "train.yaml").write_text(json.dumps(conf))
    flags = ["--tgt_lang", "none", "--corpus_dir", "mine", "--valid_share", "0.15", "--test_share", "0.15"]
    flags += ["--token_type", "word", "--st_config", "train.yaml", "--st_tag", "x", "--cache_frames", "true"]
    said = recipe(tmp_path, *flags, "--st_args", "--frontend_conf layer=2", "--use_streaming", "false")
    assert "stage 10: frames of train: done" in said and "40 of 40 utterances" in said
    exp = tmp_path / "exp" / "st_x"
    saved_conf = yaml.safe_load((exp / "config.yaml").read_text())
    assert saved_conf["train_data_path_and_name_and_type"][0][1:] == ["frames", "npy"]
    [scores] = exp.glob("decode*/test/scores.json")
    assert json.loads(scores.read_text())["lanes"].keys() == {"transcript"}
    assert (exp / "st_x_valid.loss.ave.zip").is_file()
    again = recipe(tmp_path, *flags, "--st_args", "--frontend_conf layer=2", "--use_streaming", "false")
    assert " ...\n" not in again
