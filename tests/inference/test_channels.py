"""A model of several microphones: from files and blocks of all channels to words; another number of them is refused."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import yaml

from espnet_jst.bin import transcribe
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.hub.card import CardInfo, model_card
from espnet_jst.inference import Speech2Text
from espnet_jst.inference.audio.recording import Recording
from espnet_jst.inference.audio.resample import Resampler, resample
from espnet_jst.inference.audio.samples import as_samples
from espnet_jst.inference.files import decode_files
from espnet_jst.inference.session import advance_together
from espnet_jst.inputs.trained import Trained
from espnet_jst.inputs.unit_features import UnitFeatures
from espnet_jst.recipe.options import Options
from espnet_jst.recipe.stages.frames import cached_frontend
from espnet_jst.taps import Tap
from espnet_jst.tasks.arguments import check_form
from espnet_jst.tasks.jst import JSTTask
from tests.inference import tiny

FS, CHANNELS = 8000, 5


def at_array(seconds: float, *, fs: int = FS, seed: int = 0) -> np.ndarray:
    """(N, 5): a sound that every microphone hears at another time, and noise of its own."""
    source, rng = tiny.speech(seconds, fs=fs, seed=seed), np.random.default_rng(seed)
    heard = np.stack([np.roll(source, delay) for delay in (0, 1, 3, 2, 1)], axis=1)
    return (heard + 0.003 * rng.standard_normal(heard.shape)).astype(np.float32)


def config(**keys: Any) -> dict[str, Any]:
    conf = tiny.config(tiny.TWO_HEADS, two_encoders=True)
    frontend_conf = {"fs": FS, "n_mels": 20, "azimuths": 4, **keys}
    return {**conf, "frontend": "beam_bank", "frontend_conf": frontend_conf}


def lively() -> Speech2Text:
    """tiny.liven listens to one channel; here the weights are those that it gives to a model of log_mel."""
    return _lively()


@cache
def _lively() -> Speech2Text:
    donor, _ = tiny.tiny_model(tiny.config(tiny.TWO_HEADS, two_encoders=True))
    args = JSTTask.get_parser().parse_args([])
    for key, value in config().items():
        setattr(args, key, value)
    torch.manual_seed(0)
    model = JSTTask.build_model(args)
    missing, unexpected = model.load_state_dict(donor.state_dict(), strict=False)
    assert not unexpected and all(name.startswith("frontend.merge") for name in missing)
    torch.nn.init.normal_(model.frontend.merge.last.weight, std=0.3)
    return Speech2Text.from_model(model.eval(), args)


def shown(words: list) -> list[tuple]:
    return [(word.text, word.lane, word.start_s, word.end_s, word.emission_s) for word in words]


def test_a_session_of_blocks_of_any_size_writes_the_words_of_the_whole() -> None:
    speech2text, speech = lively(), at_array(4.0, seed=1)
    assert speech2text.channels == CHANNELS
    whole = speech2text(speech)[0][3].words
    assert len(whole) > 3
    for size in (777, 3, len(speech)):
        session, words = speech2text.session(), []
        blocks = range(0, len(speech), size) if size != 3 else [*range(0, 60, 3)]
        for start in blocks:
            words += session.push(speech[start : start + size])
        words += session.push(speech[60:]) if size == 3 else []
        words += session.push(np.zeros(0)) + session.push(np.zeros((0, CHANNELS)))
        assert shown(words + session.finish()) == shown(whole)
        assert session.duration_s == pytest.approx(4.0)


def test_sessions_of_any_age_share_a_batch() -> None:
    speech2text = lively()
    speech = [at_array(seconds, seed=seed) for seed, seconds in enumerate((2.0, 3.1, 1.3))]
    whole = [shown(speech2text(samples)[0][3].words) for samples in speech]
    sessions = [speech2text.session() for _ in speech]
    words: list[list] = [[] for _ in speech]
    for start in range(0, 4 * FS, 1700):
        for number, (session, samples) in enumerate(zip(sessions, speech, strict=True)):
            begin = start - 2500 * number
            if 0 <= begin < len(samples):
                session.put(samples[begin : begin + 1700])
                if begin + 1700 >= len(samples):
                    session.end()
            elif begin < 0 and begin + 1700 > 0:
                session.put(samples[: begin + 1700])
        for shown_words, update in zip(words, advance_together(sessions), strict=True):
            shown_words += update.new
    assert [shown(found) for found in words] == whole


def test_layouts_files_and_rates_give_the_same(tmp_path: Path) -> None:
    speech2text, speech = lively(), at_array(2.0, seed=2)
    expected = shown(speech2text(speech)[0][3].words)
    assert expected
    path = tmp_path / "a.wav"
    soundfile.write(path, speech, FS, subtype="FLOAT")
    for given in (speech.T, torch.from_numpy(speech)[None], path, path.read_bytes(), io.BytesIO(path.read_bytes())):
        assert shown(speech2text(given)[0][3].words) == expected
    faster = at_array(2.0, fs=16000, seed=2)
    soundfile.write(path, faster, 16000, subtype="FLOAT")
    session = speech2text.session(16000)
    words = [word for start in range(0, len(faster), 999) for word in session.push(faster[start : start + 999])]
    assert shown(words + session.finish()) == shown(speech2text(path)[0][3].words)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(4000), r"speech of shape \(4000,\): one channel, and the model takes 5; give what its microphones"),
        (np.zeros((4000, 2)), r"speech of shape \(4000, 2\): 2 channels, and the model takes 5"),
        (np.zeros((6, 4000)), r"speech of shape \(6, 4000\): 6 channels, and the model takes 5"),
    ],
)
def test_another_number_of_channels_is_one_message_and_a_session_goes_on(samples: np.ndarray, message: str) -> None:
    speech2text, speech = lively(), at_array(2.0, seed=3)
    with pytest.raises(DataError, match=message):
        speech2text(samples)
    session = speech2text.session()
    words = session.push(speech[:8000])
    with pytest.raises(DataError, match=message):
        session.push(samples)
    words += session.push(speech[8000:]) + session.finish()
    assert shown(words) == shown(speech2text(speech)[0][3].words)


@pytest.mark.parametrize("streaming", [False, True])
def test_files_of_another_number_are_listed_and_the_others_decoded(tmp_path: Path, streaming: bool) -> None:
    items = []
    for name, samples in {
        "a": at_array(1.5),
        "mono": at_array(1.0)[:, 0],
        "b": at_array(2.0, seed=4),
        "six": np.zeros((800, 6)),
    }.items():
        soundfile.write(tmp_path / f"{name}.wav", samples, FS)
        items.append((name, str(tmp_path / f"{name}.wav")))
    done = decode_files(lively(), items, tmp_path / "out", streaming=streaming, batch_size=3)
    assert done.decoded == 2
    listed = [json.loads(line) for line in (tmp_path / "out" / "skipped.jsonl").read_text().splitlines()]
    assert [(entry["utt_id"], entry["kind"]) for entry in listed] == [
        ("mono", "audio-channels"),
        ("six", "audio-channels"),
    ]
    assert "mono.wav: one channel, and the model takes 5" in listed[0]["reason"]


def test_transcribe_takes_files_and_raw_samples_of_all_channels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    speech2text, speech = lively(), at_array(2.0, seed=5)
    pcm = np.round(speech * 32768).clip(-32768, 32767).astype(np.int16)
    soundfile.write(tmp_path / "a.flac", pcm, FS)
    soundfile.write(tmp_path / "mono.wav", pcm[:, 0], FS)
    expected = speech2text(pcm)[0][3]
    monkeypatch.setattr(Speech2Text, "from_pretrained", lambda *_, **__: speech2text)
    assert transcribe.main(["--model", "x", str(tmp_path / "a.flac"), str(tmp_path / "mono.wav")]) == 1
    said = capsys.readouterr()
    assert expected.text("translation") in said.out
    assert said.err.count("mono.wav: one channel, and the model takes 5") == 1
    with Recording(io.BytesIO(pcm.tobytes()), raw_fs=FS, channels=CHANNELS) as recording:
        np.testing.assert_array_equal(np.concatenate(list(recording.blocks())), pcm / np.float32(32768))


def test_a_model_of_one_channel_still_takes_the_mean_of_several() -> None:
    speech2text = tiny.speech2text(tiny.config(tiny.TWO_HEADS, two_encoders=True))
    speech = at_array(2.0)
    assert speech2text.channels == 1
    with pytest.warns(UserWarning, match="5 channels are mixed down"):
        mixed = speech2text(speech)[0][3].words
    assert shown(mixed) == shown(speech2text(speech.mean(axis=1))[0][3].words)


def test_all_channels_are_resampled_alike_and_however_they_are_cut() -> None:
    samples = at_array(0.5, fs=48000)
    stream, parts = Resampler(48000, 16000, channels=CHANNELS), []
    for start in range(0, len(samples), 517):
        parts.append(stream.push(samples[start : start + 517]))
    found = np.concatenate([*parts, stream.finish()])
    np.testing.assert_array_equal(found, resample(samples, 48000, 16000))
    for channel in range(CHANNELS):
        np.testing.assert_allclose(found[:, channel], resample(samples[:, channel], 48000, 16000), atol=1e-6)
    assert Resampler(16000, 8000, channels=CHANNELS).push(samples[:3]).shape == (0, CHANNELS)


def test_short_blocks_have_their_channels_last() -> None:
    assert as_samples(np.ones((1, CHANNELS)), channels=CHANNELS).shape == (1, CHANNELS)
    assert as_samples(np.ones((3, CHANNELS)), channels=CHANNELS).shape == (3, CHANNELS)
    assert as_samples(np.ones((CHANNELS, 3)), channels=CHANNELS).shape == (3, CHANNELS)
    assert as_samples([], allow_empty=True, channels=CHANNELS).shape == (0, CHANNELS)


def test_training_reaches_the_network_that_merges_the_beams() -> None:
    model = lively().st_model
    batch = {"speech": torch.from_numpy(np.stack([at_array(2.0, seed=n) for n in range(2)]))}
    batch["speech_lengths"] = torch.tensor([16000, 11000])
    for name in model.specs:
        batch |= {f"target_{name}": torch.tensor([[4, 3], [2, 2]]), f"target_{name}_lengths": torch.tensor([2, 1])}
    loss = model.train()(**batch)[0]
    loss.backward()
    assert loss.isfinite()
    assert all(parameter.grad.isfinite().all() for parameter in model.frontend.parameters())
    assert model.frontend.merge.first.weight.grad.abs().sum() > 0
    model.zero_grad(set_to_none=True)
    model.eval()
    feats = model.collect_feats(batch["speech"], batch["speech_lengths"])
    assert feats["feats"].shape == (2, 198, 20) and feats["feats_lengths"].tolist() == [198, 136]


def test_what_espnet_knows_of_the_frontend() -> None:
    from espnet2.asr.frontend.abs_frontend import AbsFrontend
    from espnet2.tasks import asr, st

    from espnet_jst.inputs.beams.beam_bank import BeamBank

    for task in (asr, st):
        frontend = task.frontend_choices.get_class("beam_bank")(**config()["frontend_conf"])
        assert isinstance(frontend, AbsFrontend) and isinstance(frontend, BeamBank)
        feats, lengths = frontend(torch.zeros(2, 4000, CHANNELS), torch.tensor([4000, 3000]))
        assert feats.shape == (2, 48, frontend.output_size()) and lengths.tolist() == [48, 36]


def test_training_data_of_other_channels_are_refused_before_the_first_epoch(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", at_array(0.5)[:, :2], FS)
    (tmp_path / "wav.scp").write_text(f"a {tmp_path / 'a.wav'}\n")
    args, files = lively().st_train_args, [(str(tmp_path / "wav.scp"), "speech", "sound")]
    with pytest.raises(
        DataError, match="a.wav has 2 channels and the model takes 5 .*: stage 3 leaves others out with"
    ):
        check_form(args, files)
    with pytest.raises(
        DataError, match=r"utterance 'a': the audio has shape \(9, 2\), 5 channels are needed: run stage 3"
    ):
        JSTTask.build_preprocess_fn(args, train=False)("a", {"speech": np.zeros((9, 2))})
    prepared = JSTTask.build_preprocess_fn(args, train=False)("a", {"speech": np.zeros((9, CHANNELS))})
    assert prepared["speech"].shape == (9, CHANNELS)


def test_what_is_of_one_channel_refuses_the_frontend(tmp_path: Path) -> None:
    frontend = {"frontend": "beam_bank", "frontend_conf": config()["frontend_conf"]}
    with pytest.raises(ConfigError, match="frontend beam_bank takes several channels, and units are of one"):
        UnitFeatures(frontend)
    parts = {**frontend, "encoder": "chunk_conformer", "encoder_conf": tiny.ENCODER}
    with pytest.raises(ConfigError, match="a model of 5 channels cannot be read"):
        Trained(architecture=parts)
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(frontend))
    with pytest.raises(ConfigError, match="trains its frontend .*or of several channels"):
        cached_frontend(Options.of(st_config=str(tmp_path / "train.yaml"), cache_frames=True).training)


def test_the_card_says_what_it_hears() -> None:
    card = model_card(CardInfo(), config=config(), results="", fs=FS)
    assert "`speech` has 5 channels, (samples, 5), one of each microphone of the array in `frontend_conf`" in card
    assert "is one channel of samples" in model_card(CardInfo(), config=tiny.config(tiny.TWO_HEADS), results="", fs=FS)


def test_a_step_of_the_model_refuses_samples_of_one_channel() -> None:
    model = lively().st_model
    with pytest.raises(DataError, match="takes 5 channels"):
        model.encode(torch.zeros(1, 4000), torch.tensor([4000]))
    taps, _ = model.step(Tap(torch.zeros(1, 4000, CHANNELS), torch.tensor([4000]), 1 / FS), model.init_state(1))
    assert set(taps)
