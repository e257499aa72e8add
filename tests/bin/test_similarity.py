"""Two models, a list of recordings: a table, a picture, and what could not be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile
import torch

from espnet_jst.bin import similarity
from espnet_jst.regularizers.similarity import of_positions
from tests.inference import tiny
from tests.inference.test_chains import full_context_above, two_rates

SECONDS = {"short": 1.0, "long": 9.0, "middle": 3.0, "further": 4.0}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("similarity")
    for name, seed in (("two", 0), ("kd", 1)):
        tiny.save(*tiny.tiny_model(full_context_above(tiny.TWO_HEADS), seed=seed), folder / name)
    tiny.save(*tiny.tiny_model(two_rates(tiny.TWO_HEADS)), folder / "rates")
    for seed, (key, seconds) in enumerate(SECONDS.items()):
        soundfile.write(folder / f"{key}.wav", tiny.speech(seconds, seed=seed), 8000)
    lines = [f"{key} {folder / f'{key}.wav'}\n" for key in ("short", "gone", "long", "middle", "further")]
    (folder / "wav.scp").write_text("".join(lines))
    return folder


def command(root: Path, output: Path, *options: str, models: tuple[str, ...] = ("two", "kd")) -> list[str]:
    common = ["--wav_scp", str(root / "wav.scp"), "--output_dir", str(output)]
    return [*(str(root / model) for model in models), *common, *options]


def test_both_models_are_in_one_table_and_what_is_missing_is_listed(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    options = ["--utterances", "4", "--batch_size", "2", "--names", "before", "after"]
    assert similarity.main(command(root, tmp_path, *options)) == 0
    out, err = capsys.readouterr()
    content = json.loads((tmp_path / "similarity.json").read_text())
    page = (tmp_path / "similarity.md").read_text()
    assert (tmp_path / "similarity.png").stat().st_size > 10_000
    assert content["drawn"] == "middle"  # the longest below 8 s of the first four
    assert list(content["models"]) == ["before", "after"]
    ckas = []
    for name, seed in (("before", 0), ("after", 1)):
        found = content["models"][name]
        [pair] = found["pairs"]
        assert (pair["first"], pair["second"]) == ("encoder", "hier_encoder") and found["utterances"] == 3
        assert f"| {name} | encoder, hier_encoder | {pair['cka']:.4f} | {pair['sp_kd']:.3g} |" in page
        assert f"{name}: encoder, hier_encoder: CKA {pair['cka']:.4f}" in out
        # As the functions say of what the model makes of each utterance alone.
        model = tiny.tiny_model(full_context_above(tiny.TWO_HEADS), seed=seed)[0]
        losses, frames = [], []
        for key in ("short", "long", "middle"):
            speech = torch.from_numpy(soundfile.read(root / f"{key}.wav", dtype="float32")[0])[None]
            with torch.no_grad():
                taps = model.encode(speech, torch.tensor([speech.size(1)]))
            first, second = taps["encoder"], taps["hier_encoder"]
            losses.append(float(of_positions(first.x, second.x, first.lengths)))
            frames.append((first.x[0], second.x[0]))
        x, y = (torch.cat(part).double() - torch.cat(part).double().mean(0) for part in zip(*frames, strict=True))
        cka = float((x.T @ y).norm() ** 2 / ((x.T @ x).norm() * (y.T @ y).norm()))
        assert pair["cka"] == pytest.approx(cka, rel=1e-3)
        assert pair["sp_kd"] == pytest.approx(sum(losses) / 3, rel=1e-3)
        assert found["frames"] == len(x) and found["chunk_s"] == 0.32 and len(found["checkpoint"]) == 12
        ckas.append(pair["cka"])
    assert ckas[0] != ckas[1]
    assert "1 of 4 utterances left out; the first: gone: " in err and "Left out: 1\n\n- gone: " in page
    [skipped] = (tmp_path / "skipped.jsonl").read_text().splitlines()
    assert json.loads(skipped)["utt_id"] == "gone"


@pytest.mark.parametrize(
    ("models", "options", "message"),
    [
        (("two",), ["--taps", "encoder", "hier"], "two: --taps: 'hier' is not one of encoder, encoder.1, hier_encoder"),
        (("rates",), [], "read no two taps of one rate: give two as --taps (encoder of 0.16 s, encoder.1 of 0.08 s"),
        (("rates",), ["--taps", "encoder", "encoder.1"], "0.16 s of 'encoder' and 0.08 s of 'encoder.1' cannot be"),
        (("two", "two"), [], "two models are called"),
        (("two",), ["--names", "a", "b"], "2 names for 1 models"),
        (("two",), ["--utterance", "shrot"], "did you mean 'short'?"),
        (("two",), ["--utterance", "gone"], "gone.wav"),
        (("two",), ["--utterances", "0"], "--utterances 0: must be at least 1"),
    ],
)
def test_what_cannot_be_compared_is_one_message(
    root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    models: tuple[str, ...],
    options: list[str],
    message: str,
) -> None:
    assert similarity.main(command(root, tmp_path, *options, models=models)) == 1
    err = capsys.readouterr().err
    assert message in err and len(err.splitlines()) == 1


def test_a_list_without_a_usable_recording_is_an_error(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "wav.scp").write_text(f"a {root / 'gone.wav'}\nb {root / 'wav.scp'}\n")
    cmd = [str(root / "two"), "--wav_scp", str(tmp_path / "wav.scp"), "--output_dir", str(tmp_path / "out")]
    assert similarity.main(cmd) == 1
    assert "none of 2 utterances" in capsys.readouterr().err
    assert not (tmp_path / "out" / "similarity.md").exists()


def test_other_taps_and_another_utterance_may_be_asked_for(root: Path, tmp_path: Path) -> None:
    taps = ["encoder.1", "encoder", "hier_encoder"]
    options = ["--taps", *taps, "--utterance", "further", "--utterances", "1"]
    assert similarity.main(command(root, tmp_path, *options, models=("two",))) == 0
    content = json.loads((tmp_path / "similarity.json").read_text())
    pairs = content["models"]["two"]["pairs"]
    assert [(pair["first"], pair["second"]) for pair in pairs] == [
        (taps[0], taps[1]),
        (taps[0], taps[2]),
        tuple(taps[1:]),
    ]
    assert content["drawn"] == "further" and all(0.0 <= pair["cka"] <= 1.0 for pair in pairs)
