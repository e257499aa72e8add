"""Any upstream of S3PRL: its frames, one utterance at a time, for units and cached frames; never packed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile
import torch
import yaml

from espnet_jst.bin import units as program
from espnet_jst.compat import import_s3prl_upstream
from espnet_jst.data.unit_files import read_units
from espnet_jst.errors import CheckpointError, ConfigError
from espnet_jst.hub.pack import pack
from espnet_jst.inference import units as pipeline
from espnet_jst.inference.frames import dump_frames
from espnet_jst.inputs.pretrained.frontend import Pretrained
from espnet_jst.inputs.pretrained.upstream import VARIABLE, Upstream
from espnet_jst.inputs.unit_features import UnitFeatures, UnitReader, parse_features, unit_set
from espnet_jst.recipe.options import Options
from espnet_jst.tasks.build import construct
from espnet_jst.units.unit_set import UnitSet
from tests.inference import tiny
from tests.inputs.pretrained_models import original

FS = 16_000
LENGTHS = torch.tensor([24_000, 13_457, 300])


@pytest.fixture(autouse=True)
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "1")


def batch() -> torch.Tensor:
    """Three utterances with noise behind them."""
    return 0.1 * torch.randn(3, 24_000, generator=torch.Generator().manual_seed(1))


def upstream(kind: str = "wavlm", **keys: object) -> Upstream:
    return Upstream(upstream=f"{kind.partition('_')[0]}_local", path_or_url=original(kind), **keys)


@pytest.mark.long
def test_frames_are_those_of_s3prl_in_any_batch() -> None:
    frontend, speech = upstream(layer=2).train(), batch()
    frames, counts = frontend(speech, LENGTHS)
    assert counts.tolist() == [75, 43, 1] and frames.shape == (3, 75, 32) == (3, 75, frontend.output_size())
    theirs = import_s3prl_upstream()("wavlm_local", path_or_url=original("wavlm")).eval()
    for row, length in enumerate(LENGTHS.tolist()):
        alone = speech[row : row + 1, :length], LENGTHS[row : row + 1]
        assert torch.equal(frames[row, : counts[row]], frontend(*alone)[0][0])
        torch.testing.assert_close(frames[row, : counts[row]], theirs(*alone)[0][2][0], rtol=1e-5, atol=1e-5)
    ours, own = Pretrained(model=original("wavlm"), layer=2).eval()(speech, LENGTHS)
    torch.testing.assert_close(frames[0, : own[0]], ours[0], rtol=1e-5, atol=1e-4)  # and of the same checkpoint
    assert not frontend.state_dict() and not list(frontend.parameters()) and not frames.requires_grad
    last, _ = upstream("hubert")(speech, LENGTHS)
    assert not torch.equal(last, frames)


@pytest.mark.long
def test_units_are_learnt_and_read_and_other_weights_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = []
    for n in range(4):
        soundfile.write(tmp_path / f"u{n}.wav", tiny.speech(0.5 + 0.2 * n, fs=FS, seed=n), FS)
        lines.append(f"u{n} {tmp_path}/u{n}.wav\n")
    (tmp_path / "wav.scp").write_text("".join(lines))
    model = tmp_path / "model.pt"
    model.write_bytes(Path(original("wavlm")).read_bytes())
    audio = ["--wav_scp", str(tmp_path / "wav.scp"), "--output_dir", str(tmp_path)]
    assert program.main(["learn", *audio, "--kmeans_feature", f"s3prl:wavlm_local:{model}/2", "--nclusters", "5"]) == 0
    extract = ["extract", *audio, "--units", str(tmp_path / "units.safetensors")]
    assert program.main(extract) == 0
    units = UnitSet.load(tmp_path / "units.safetensors")
    found = read_units(tmp_path / "units", units.about())
    assert [len(found[f"u{n}"]) for n in range(4)] == [25, 35, 45, 55] and not units.weights
    capsys.readouterr()
    monkeypatch.delenv(VARIABLE)
    pipeline._reader.cache_clear()  # as another process
    assert program.main(extract) == 1 and f"Set {VARIABLE}=1 if you trust" in capsys.readouterr().err
    monkeypatch.setenv(VARIABLE, "1")
    torch.save(torch.load(original("wavlm_large")), model)
    with pytest.raises(ConfigError, match="wavlm_local has other weights here"):
        UnitReader(units)([tiny.speech(1.0, fs=FS)])


@pytest.mark.long
def test_frames_are_computed_once_and_a_model_on_them_hears_audio_but_is_not_packed(tmp_path: Path) -> None:
    conf = {"upstream": "wavlm_local", "path_or_url": original("wavlm"), "layer": 2}
    soundfile.write(tmp_path / "u.wav", tiny.speech(1.0, fs=FS), FS)
    frontend = {"frontend": "s3prl_upstream", "frontend_conf": conf}
    assert dump_frames([("u", str(tmp_path / "u.wav"))], frontend, tmp_path / "frames") == 1
    values = tiny.config(tiny.SERIALIZED, fs=FS) | frontend
    values["normalize_conf"] = {**values["normalize_conf"], "stats_file": tiny.stats_file(32)}
    values["encoder_conf"] = {**values["encoder_conf"], "subsampling": 4}
    model, args = tiny.tiny_model(values)
    assert not [name for name in model.state_dict() if name.startswith("frontend")]
    files = tiny.save(model, args, tmp_path / "exp")
    written = yaml.safe_load((tmp_path / "exp" / "config.yaml").read_text())["frontend_conf"]
    assert written["size"] == 32 and len(written["digest"]) == 16
    from espnet_jst.inference import Speech2Text

    speech = tiny.speech(1.3, fs=FS)
    heard = [decode(speech)[0][3] for decode in (Speech2Text(**files), Speech2Text.from_model(model, args))]
    assert heard[0].text("translation") == heard[1].text("translation")
    with pytest.raises(CheckpointError, match="no pack can hold an upstream of S3PRL: use the frontend pretrained"):
        pack(tmp_path / "exp", tmp_path / "out.zip", wav=None)


@pytest.mark.long
@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"upstream": "wavlm_larg"}, "S3PRL has no upstream 'wavlm_larg' \\(did you mean 'wavlm_large'"),
        ({"upstream": "fbank"}, "frames of fbank are 160 samples apart: only 320"),
        ({"upstream": "wavlm_local"}, "S3PRL cannot make the upstream wavlm_local .*ckpt"),
        ({"upstream": "wavlm_local", "path_or_url": "{saved}", "layer": 4}, "layer is 4, and .* has layers 0 to 3"),
    ],
)
def test_an_upstream_that_cannot_be_used_is_one_message(keys: dict, message: str) -> None:
    conf = {
        key: value.format(saved=original("wavlm")) if isinstance(value, str) else value for key, value in keys.items()
    }
    with pytest.raises(ConfigError, match=message):
        Upstream(**conf)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "upstream is missing"),
        ({"upstream": "x", "hop_s": 0.01}, "hop_s is 0.01"),
        ({"upstream": "x", "size": 3}, "size and digest are written by a training"),
    ],
)
def test_keys_are_checked_before_anything_is_imported(keys: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Upstream(**keys)


def test_nothing_of_s3prl_runs_that_was_not_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    features = parse_features("s3prl:wavlm_large/21", FS)
    assert features["frontend_conf"] == {"upstream": "wavlm_large", "path_or_url": None, "layer": 21}
    with pytest.raises(ConfigError, match=f"may execute code from them. Set {VARIABLE}=1"):
        UnitFeatures(features, trusted=True)
    features["frontend_conf"] |= {"size": 32, "digest": "0" * 16}
    with pytest.raises(ConfigError, match=f"Set {VARIABLE}=1"):
        UnitReader(UnitSet(features, torch.zeros(3, 32)))


def test_a_unit_set_of_an_upstream_is_not_packed(tmp_path: Path) -> None:
    features = {"frontend": "s3prl_upstream", "frontend_conf": {"upstream": "x", "size": 32, "digest": "0" * 16}}
    UnitSet(features, torch.zeros(3, 32)).save(tmp_path / "exp" / "units.safetensors")
    named = {"model_conf": {"inputs": {"units": {"unit_set": "units.safetensors"}}}}
    (tmp_path / "exp" / "config.yaml").write_text(json.dumps(named))
    (tmp_path / "exp" / "valid.loss.ave.pth").touch()
    with pytest.raises(CheckpointError, match="hears audio by s3prl_upstream, and no pack can hold"):
        pack(tmp_path / "exp", tmp_path / "out.zip", wav=None)


def test_espnets_own_frontend_is_refused_with_what_to_do() -> None:
    from espnet2.tasks.st import frontend_choices

    with pytest.raises(ConfigError, match=r"ESPnet's S3prlFrontend has no step.*pretrained takes the checkpoint too"):
        construct(frontend_choices, "s3prl", {"frontend_conf": {"upstream": "wavlm_large"}})


def test_a_set_of_units_has_a_name_without_colons() -> None:
    assert Options.of(kmeans_feature="s3prl:wavlm_large/21").text.unit_tag == "s3prl_wavlm_large_21_km2000"
    assert Options.of(kmeans_feature="s3prl:hubert_local:models/x.pt/9").text.unit_tag == "x.pt_9_km2000"


def test_a_layer_of_the_set_is_what_was_asked_for() -> None:
    made = parse_features("s3prl:hubert_local:models/x.pt/9", FS)["frontend_conf"]
    assert made == {"upstream": "hubert_local", "path_or_url": "models/x.pt", "layer": 9} and unit_set
