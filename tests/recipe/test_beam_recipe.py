"""Five microphones through every stage of a recipe: to decoding, whole and streaming, and a pack."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from espnet_jst.data import audio_file
from espnet_jst.data.kaldi import read_table, write_table
from espnet_jst.errors import ConfigError
from espnet_jst.inputs.channels import channels_of
from espnet_jst.recipe.options import Options
from espnet_jst.recipe.options.known import completed
from espnet_jst.recipe.preview import try_configuration
from tests.recipe.spoken_digits import SMALL, make_corpus, recipe, write_config

FS, CHANNELS = 8000, 5
BEAMS = {"frontend": "beam_bank", "frontend_conf": {"fs": FS, "n_mels": 20, "azimuths": 4}}
HEADS = {
    "asr": {"kind": "transducer", "lanes": ["transcript"], "predictor_conf": {"size": 16}, "joint_size": 16},
    "ctc": {"kind": "ctc", "lanes": ["transcript"], "weight": 0.3},
}


def make_array_corpus(folder: Path) -> None:
    """Spoken digits as five microphones hear them, each a little later; and three that have other channels."""
    make_corpus(folder, "text", 32)
    files, segments = read_table(folder / "wav.scp"), read_table(folder / "segments")
    wav, rng = {}, np.random.default_rng(0)
    for number, (key, segment) in enumerate(segments.items()):
        recording, start_s, end_s = segment.split()
        samples = audio_file.read(files[recording])[0][round(float(start_s) * FS) : round(float(end_s) * FS), 0]
        heard = np.stack([np.roll(samples, delay) for delay in (0, 1, 3, 2, 1)], axis=1)
        heard = heard + 1e-3 * rng.standard_normal(heard.shape)
        count = {0: 1, 7: 2, 20: 4}.get(number, CHANNELS)
        path = folder / "audio" / f"{key}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, heard[:, :count] if count > 1 else heard[:, 0], 16000 if number == 3 else FS)
        wav[key] = str(path)
    (folder / "segments").unlink()
    write_table(folder / "wav.scp", wav)


def test_the_frontend_says_how_many_channels_there_are_and_a_flag_must_agree(tmp_path: Path) -> None:
    config = tmp_path / "train.yaml"
    write_config(config, **BEAMS)
    assert completed(Options.of(st_config=str(config))).data.channels == CHANNELS
    assert completed(Options.of(st_config=str(config), audio_channels=CHANNELS)).data.channels == CHANNELS
    with pytest.raises(ConfigError, match="--audio_channels 4: .* channels of the frontend is 5; leave out the flag"):
        completed(Options.of(st_config=str(config), audio_channels=4))
    write_config(config)
    assert completed(Options.of(st_config=str(config))).data.channels == 1
    custom = {"array": "custom", "microphones_mm": [[0, 0, 0], [10, 0, 0], [20, 0, 0]]}
    assert channels_of("beam_bank", custom) == 3 and channels_of("beam_bank", {"array": "easycom6"}) == 6
    assert channels_of("log_mel", None) == 1 and channels_of("somebody's", {"channels": 2}) == 2
    with pytest.raises(ConfigError, match="frontend_conf of beam_bank: unknown key 'arrray'"):
        channels_of("beam_bank", {"arrray": "easycom6"})


def test_audio_that_a_model_of_several_channels_would_not_get_is_refused_before_the_first_stage(tmp_path: Path) -> None:
    config = tmp_path / "train.yaml"
    write_config(config, **BEAMS, model_conf={"heads": HEADS})
    rest = {"tags": [], "joint": True, "sides": ["tgt"], "flags": "", "normalize": "", "minutes": 0.0, "model": ""}
    with pytest.raises(ConfigError, match="takes 5 channels, and stage 3 makes audio of --audio_channels 1: give"):
        try_configuration(config, Options.of(), fs=FS, data=["speech"], words=False, made=[], **rest)


@pytest.mark.long
def test_five_channels_go_through_every_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JST_CACHE", str(tmp_path / "cache"))
    make_array_corpus(tmp_path / "mine")
    conf = {**SMALL, **BEAMS, "model_conf": {"heads": HEADS}}
    changes = {"speed_prob": 0.5, "equalizer_prob": 0.5, "noise_prob": 0.5, "gain_db": [-6, 6]}
    (tmp_path / "train.yaml").write_text(yaml.safe_dump({**conf, "preprocessor_conf": changes}))
    flags = ["--tgt_lang", "none", "--corpus_dir", "mine", "--valid_share", "0.15", "--test_share", "0.15"]
    flags += ["--token_type", "word", "--st_config", "train.yaml", "--st_tag", "x", "--use_streaming", "both"]
    said = recipe(tmp_path, *flags)
    raw, exp = tmp_path / "dump" / "raw", tmp_path / "exp" / "st_x"
    listed = [json.loads(line) for path in raw.rglob("skipped.jsonl") for line in path.read_text().splitlines()]
    assert {entry["kind"] for entry in listed} == {"audio-channels"}
    assert len({entry["utt_id"] for entry in listed}) == 3 and "failed" not in said
    for path in raw.rglob("wav.scp"):
        for audio in read_table(path).values():
            info = audio_file.inspect(tmp_path / audio)
            assert (info.fs, info.channels) == (FS, CHANNELS)
    decoded = sorted(exp.glob("decode*/test"))
    texts = {path.parent.name: (path / "text").read_text() for path in decoded}
    assert len(texts) == 2 and all(len(text.splitlines()) >= 3 for text in texts.values())
    pack = exp / "st_x_valid.loss.ave.zip"
    from espnet_jst.inference import Speech2Text

    model = Speech2Text.from_pretrained(str(pack))
    assert model.channels == CHANNELS
    samples, fs = soundfile.read(tmp_path / next(iter(read_table(raw / "test" / "wav.scp").values())))
    session = model.session(fs)
    words = [word for start in range(0, len(samples), 999) for word in session.push(samples[start : start + 999])]
    assert [w.text for w in words + session.finish()] == [w.text for w in model(samples, fs=fs)[0][3].words]
    assert " ...\n" not in recipe(tmp_path, *flags)
