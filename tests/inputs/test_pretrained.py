"""Encoders that are trained already: transformers' frames, whatever the batch, and a model that needs no other file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import transformers

from espnet_jst import weights
from espnet_jst.errors import CheckpointError, ConfigError
from espnet_jst.inference import Speech2Text
from espnet_jst.inference.speech2text import Result
from espnet_jst.inputs.pretrained.frontend import Pretrained
from espnet_jst.registry import register
from espnet_jst.tasks.build import construct
from tests.inference import tiny
from tests.inputs.pretrained_models import KINDS, saved

FS = 16_000
LENGTHS = torch.tensor([24_000, 13_457, 300])


def batch() -> torch.Tensor:
    """Three utterances, the last one shorter than a frame, and noise behind them: padding may be anything."""
    return 0.1 * torch.randn(3, 24_000, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", KINDS)
def test_an_utterance_has_the_same_frames_in_any_batch(kind: str) -> None:
    frontend, speech = Pretrained(model=saved(kind)).eval(), batch()
    frames, lengths = frontend(speech, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone, count = frontend(speech[row : row + 1, :length], LENGTHS[row : row + 1])
        assert count[0] == lengths[row] >= 1
        torch.testing.assert_close(frames[row, : count[0]], alone[0], rtol=1e-5, atol=1e-5 * float(alone.abs().max()))


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"whisper"}))
def test_layers_are_those_of_transformers(kind: str) -> None:
    frontend, speech = Pretrained(model=saved(kind)).eval(), batch()[:1]
    whole = transformers.AutoModel.from_pretrained(saved(kind)).eval()
    heard = (speech - speech.mean()) / (speech.var(unbiased=False) + 1e-7).sqrt() if KINDS[kind][2] else speech
    with torch.no_grad():
        wanted = whole(heard, output_hidden_states=True).hidden_states
    found, lengths = frontend.encoder(speech, LENGTHS[:1])
    assert len(found) == len(wanted) == 4 and lengths[0] == wanted[0].size(1) == (24_000 - 400) // 320 + 1
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_whisper_hears_thirty_seconds_as_transformers_does() -> None:
    frontend = Pretrained(model=saved("whisper")).eval()
    whole = transformers.WhisperModel.from_pretrained(saved("whisper")).eval()
    extract = transformers.WhisperFeatureExtractor(feature_size=20, chunk_length=2)  # as many as there are positions
    speech = 0.1 * torch.randn(1, 2 * FS, generator=torch.Generator().manual_seed(0))
    speech[:, -800:] = 0  # behind the end theirs mirrors, and Whisper's 30 s end with silence
    features = torch.from_numpy(extract(speech[0].numpy(), sampling_rate=FS, return_tensors="np").input_features)
    with torch.no_grad():
        wanted = whole.encoder(features, output_hidden_states=True).hidden_states
    found, lengths = frontend.encoder(speech, torch.tensor([2 * FS]))
    assert lengths.tolist() == [100]
    for ours, theirs in zip(found[:-1], wanted[:-1], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(whole.encoder.layer_norm(found[-1]), wanted[-1], rtol=1e-4, atol=1e-4)


def test_whisper_hears_longer_utterances_window_by_window() -> None:
    frontend = Pretrained(model=saved("whisper")).eval()
    speech = 0.1 * torch.randn(1, 5 * FS, generator=torch.Generator().manual_seed(0))
    frames, lengths = frontend(speech, torch.tensor([5 * FS]))
    assert lengths.tolist() == [250]
    changed = speech.clone()
    changed[:, 3 * FS :] *= -1
    others, _ = frontend(changed, torch.tensor([5 * FS]))
    apart = (frames - others).abs().amax(-1)[0]
    assert apart[:99].max() < 1e-4 < apart[101]  # 2 s are a window; the one of second 3 changes as a whole


def test_a_chunk_does_not_look_ahead() -> None:
    frontend = Pretrained(model=saved("whisper"), chunk_s=0.4).eval()
    speech = 0.1 * torch.randn(1, 2 * FS, generator=torch.Generator().manual_seed(0))
    changed = speech.clone()
    changed[:, 14_400:] *= -1  # from 0.9 s: within the third chunk of 20 frames
    whole, masked = Pretrained(model=saved("whisper")).eval(), frontend
    for encoder, first in ((whole, 0), (masked, 40)):
        apart = (encoder(speech, LENGTHS[:1] * 0 + 2 * FS)[0] - encoder(changed, LENGTHS[:1] * 0 + 2 * FS)[0]).abs()
        assert (apart.amax(-1)[0] > 1e-4).nonzero()[0, 0] == first


@pytest.mark.parametrize("kind", ["wavlm", "whisper"])
def test_layers_above_the_one_that_is_read_are_left_out(kind: str) -> None:
    low, high = Pretrained(model=saved(kind), layer=1).eval(), Pretrained(model=saved(kind)).eval()
    assert sum(p.numel() for p in low.parameters()) < sum(p.numel() for p in high.parameters())
    torch.testing.assert_close(low(batch(), LENGTHS)[0], high.encoder(batch(), LENGTHS)[0][1], rtol=1e-5, atol=1e-5)


def test_a_weighted_sum_learns_its_weights_alone() -> None:
    frontend = Pretrained(model=saved("wavlm"), layer=2, weighted=True)
    frontend.train()
    frames, _ = frontend(batch(), LENGTHS)
    layers, _ = frontend.encoder(batch(), LENGTHS)
    torch.testing.assert_close(frames, torch.stack(layers).mean(0), rtol=1e-5, atol=1e-5)
    frames.square().sum().backward()
    assert {name for name, p in frontend.named_parameters() if p.grad is not None} == {"weights"}


def test_what_is_trained_has_gradients_and_what_is_not_has_no_dropout() -> None:
    trained = Pretrained(model=saved("wavlm"), trainable=True).train()
    frames, _ = trained(batch(), LENGTHS)
    frames.square().sum().backward()
    assert all(p.grad is not None for name, p in trained.named_parameters() if "masked" not in name)
    frozen = Pretrained(model=saved("wavlm")).train()
    assert torch.equal(frozen(batch(), LENGTHS)[0], frozen(batch(), LENGTHS)[0])
    assert not frozen(batch(), LENGTHS)[0].requires_grad


def model_conf(kind: str, **keys: object) -> dict:
    """A tiny model on it."""
    conf = tiny.config(tiny.SERIALIZED, fs=FS)
    conf |= {"frontend": "pretrained", "frontend_conf": {"model": saved(kind), **keys}}
    conf["normalize_conf"] = {**conf["normalize_conf"], "stats_file": tiny.stats_file(32)}
    conf["encoder_conf"] = {**conf["encoder_conf"], "subsampling": 4}
    return conf


def spoken(result: Result) -> list[str]:
    """Both lanes."""
    return [result[3].text(lane) for lane in ("transcript", "translation")]


@pytest.mark.parametrize("kind", ["wavlm_large", "whisper"])
def test_a_trained_model_needs_no_file_but_its_own(kind: str, tmp_path: Path) -> None:
    model, args = tiny.tiny_model(model_conf(kind, layer=2))
    files = tiny.save(model, args, tmp_path / "exp")
    assert saved(kind) not in (tmp_path / "exp" / "config.yaml").read_text()
    shutil.move(tmp_path / "exp", tmp_path / "elsewhere")
    shutil.move(saved(kind), tmp_path / "away")
    try:
        loaded = Speech2Text(**{key: value.replace("/exp/", "/elsewhere/") for key, value in files.items()}, chunk_s=0)
    finally:
        shutil.move(tmp_path / "away", saved(kind))
    speech = tiny.speech(1.3, fs=FS)
    [here] = Speech2Text.from_model(model, args, chunk_s=0)(speech)
    assert spoken(here)[0] and spoken(loaded(speech)[0]) == spoken(here)


def test_a_stream_has_its_words_at_the_end_as_the_whole_has() -> None:
    model, args = tiny.tiny_model(model_conf("whisper", layer=2))
    decode = Speech2Text.from_model(model, args, chunk_s=0)
    speech = tiny.speech(1.3, fs=FS)
    session = decode.session()
    assert not [word for start in range(0, len(speech), 5000) for word in session.push(speech[start : start + 5000])]
    assert session.finish()
    assert spoken(decode.stream_result(session)) == spoken(decode(speech)[0])


def test_streams_of_any_age_are_heard_together() -> None:
    frontend, speech = Pretrained(model=saved("hubert")).eval(), batch()
    state = frontend.init_state(2)
    tap = tiny.packet(speech[:2, :9000], FS)
    frames, state = frontend.step(tap, state, [False, True])
    assert frames.lengths.tolist() == [0, (9000 - 400) // 320 + 1]
    alone, _ = frontend(speech[1:2, :9000], torch.tensor([9000]))
    torch.testing.assert_close(frames.x[1:], alone, rtol=1e-5, atol=1e-5)
    rest = tiny.packet(speech[:1, 9000:], FS)
    frames, state = frontend.step(rest, state.select(torch.tensor([0])), [True])
    torch.testing.assert_close(frames.x, frontend(speech[:1], LENGTHS[:1])[0], rtol=1e-5, atol=1e-5)
    frames, _ = frontend.step(tiny.packet(speech[:1, :0], FS), state, [True])
    assert frames.lengths.tolist() == [0]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"model": "{saved}", "layer": 9}, "layer is 9, and the wavlm encoder has layers 1 to 3"),
        ({"model": "{saved}", "chunk_s": 0.64}, "chunk_s: wavlm convolves over the whole utterance"),
        ({"model": "{empty}"}, "no folder of a model as transformers saves it"),
        ({"model": "{bert}"}, "is of the kind 'bert': give one of hubert, wav2vec2, wavlm, whisper"),
        ({"model": "{silent}"}, "has no preprocessor_config.json"),
        ({}, "model is missing"),
        ({"model": "{saved}", "layers": 3}, "unknown key 'layers'.*did you mean 'layer'"),
        ({"model": "{saved}", "fs": 8000}, "fs is 8000: give 16000"),
        ({"architecture": {"kind": "wavlm"}}, "architecture is .*: a training writes it"),
        ({"architecture": {"kind": "bert", "normalize": True, "sizes": {}}}, "architecture.kind"),
        ({"architecture": {"kind": "hubert", "normalize": True, "sizes": {"auto_map": 1}}}, "'auto_map' is not one of"),
        ({"architecture": {"kind": "hubert", "normalize": True, "sizes": {"hidden_size": 1e9}}}, "no encoder has such"),
        ({"architecture": {"kind": "hubert", "normalize": True, "sizes": {}}}, "says None layers"),
        ({"architecture": {"kind": "hubert", "normalize": True, "sizes": {}, "epsilon": 0}}, "epsilon is 0: give a"),
    ],
)
def test_what_cannot_be_used_is_one_message(keys: dict, message: str, tmp_path: Path) -> None:
    from espnet2.tasks.st import frontend_choices

    register()  # as the task does when it is imported
    silent, bert = tmp_path / "silent", tmp_path / "bert"
    shutil.copytree(saved("wavlm"), silent)
    (silent / "preprocessor_config.json").unlink()
    bert.mkdir()
    (bert / "config.json").write_text(json.dumps({"model_type": "bert"}))
    places = {"saved": saved("wavlm"), "empty": str(tmp_path), "silent": str(silent), "bert": str(bert)}
    conf = {key: value.format(**places) if isinstance(value, str) else value for key, value in keys.items()}
    with pytest.raises(ConfigError, match=message):
        construct(frontend_choices, "pretrained", conf)


def test_a_packed_configuration_may_not_name_a_model_to_read(tmp_path: Path) -> None:
    model, args = tiny.tiny_model(model_conf("whisper", layer=2))
    files = tiny.save(model, args, tmp_path / "exp")
    config = tmp_path / "exp" / "config.yaml"
    args.frontend_conf = {"model": saved("whisper"), "layer": 2}
    import yaml

    config.write_text(yaml.safe_dump(vars(args)))
    with pytest.raises(CheckpointError, match="frontend_conf has no architecture, which a training writes"):
        Speech2Text(**files)


def test_chunks_of_the_encoder_above_change_nothing_of_when_words_come() -> None:
    model, args = tiny.tiny_model(model_conf("whisper", layer=2))
    decode = Speech2Text.from_model(model, args, chunk_s=0.32)
    speech = tiny.speech(2.3, fs=FS)
    session = decode.session()
    assert not session.push(speech) and session.finish()
    assert spoken(decode.stream_result(session)) == spoken(decode(speech)[0])
    assert {word.emission_s for word in session.words} == {2.3}


@pytest.mark.parametrize("kind", KINDS)
def test_an_encoder_asks_for_as_many_numbers_as_its_weights_have(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for those that a constructor makes and throws away: a pack is granted what its weights have."""
    made = Pretrained(model=saved(kind), layer=2)
    numbers = sum(parameter.numel() for parameter in made.parameters())
    monkeypatch.setattr(weights, "SMALL_MODEL", 0)
    with weights.limit_parameters(numbers, "the weights"):
        again = Pretrained(architecture=made.architecture.as_conf(), layer=2)
    again.load_state_dict(made.state_dict())
    again.eval(), made.eval()
    assert torch.equal(again(batch(), LENGTHS)[0], made(batch(), LENGTHS)[0])
    with pytest.raises(CheckpointError, match="asks for more"), weights.limit_parameters(numbers - 1, "the weights"):
        Pretrained(architecture=made.architecture.as_conf(), layer=2)
