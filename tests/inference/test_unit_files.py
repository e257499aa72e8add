"""From recordings to units: learnt, extracted on any number of workers, resumed, and never mixed with those of another
set."""

from __future__ import annotations

import json
from pathlib import Path

import joblib
import numpy as np
import pytest
import soundfile
import torch

from espnet_jst.bin import units as program
from espnet_jst.data.unit_files import read_units, write_units
from espnet_jst.errors import CheckpointError, ConfigError, DataError
from espnet_jst.inference import units as pipeline
from espnet_jst.inputs.unit_features import UnitReader, parse_features
from espnet_jst.units.unit_set import UnitSet
from tests.inference import tiny
from tests.inputs.pretrained_models import saved

FS = 16_000


@pytest.fixture
def recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eleven utterances of several lengths, one damaged and one missing file; shards of four."""
    monkeypatch.setattr(pipeline, "SHARD", 4)
    lines = []
    for n in range(11):
        soundfile.write(tmp_path / f"u{n:02}.wav", tiny.speech(0.5 + 0.23 * (n % 5), fs=FS, seed=n), FS)
        lines.append(f"u{n:02} {tmp_path}/u{n:02}.wav\n")
    (tmp_path / "broken.wav").write_bytes(b"RIFF nothing")
    lines += [f"x0 {tmp_path}/broken.wav\n", f"x1 {tmp_path}/missing.wav\n"]
    (tmp_path / "wav.scp").write_text("".join(lines))
    return tmp_path


def learn(folder: Path, feature: str, *more: str, out: str = "set") -> int:
    flags = ["--wav_scp", str(folder / "wav.scp"), "--kmeans_feature", feature, "--output_dir", str(folder / out)]
    return program.main(["learn", *flags, "--nclusters", "12", *more])


def extract(folder: Path, *more: str, out: str = "out") -> int:
    flags = ["--units", str(folder / "set" / "units.safetensors"), "--wav_scp", str(folder / "wav.scp")]
    return program.main(["extract", *flags, "--output_dir", str(folder / out), *more])


@pytest.mark.parametrize("kind", ["log_mel", "wavlm", "whisper"])
def test_units_of_recordings_are_the_nearest_clusters(recordings: Path, kind: str, capsys) -> None:
    assert learn(recordings, kind if kind == "log_mel" else f"{saved(kind)}/2") == 0
    assert extract(recordings) == 0
    about = json.loads((recordings / "out" / "units.json").read_text())
    units = UnitSet.load(recordings / "set" / "units.safetensors")
    found = read_units(recordings / "out" / "units", units.about())
    assert len(found) == 11 and about["digest"] == units.digest and about["clusters"] == 12
    assert about["frames"] == sum(map(len, found.values())) and 1 < about["perplexity"] <= about["used"] <= 12
    skipped = [json.loads(line) for line in (recordings / "out" / "skipped.jsonl").read_text().splitlines()]
    assert [entry["utt_id"] for entry in skipped] == ["x0", "x1"]
    assert {path.name for path in (recordings / "set").iterdir()} >= {"units.safetensors", "kmeans.json"}
    assert not list((recordings / "set").rglob("*.npy")) and not list((recordings / "out").rglob("*.txt"))
    passes = json.loads((recordings / "set" / "kmeans.json").read_text())["passes"]
    assert passes[-1]["inertia"] <= passes[0]["inertia"] and passes[-1]["used"] == 12
    reader = UnitReader(units)  # from the file alone
    samples, _ = soundfile.read(recordings / "u03.wav", dtype="float32")
    [frames] = reader.features([samples])
    near = torch.cdist(frames.double(), units.centroids.double())
    chosen = near[torch.arange(len(frames)), torch.tensor(found["u03"])]
    assert (chosen <= near.amin(1) + 1e-3).all() and abs(len(frames) - len(samples) / 320) < 3
    assert "11 of 13" in capsys.readouterr().out


def test_any_number_of_workers_gives_the_same_files(recordings: Path) -> None:
    assert learn(recordings, "log_mel") == 0 and learn(recordings, "log_mel", "--nj", "2", out="other") == 0
    sets = [UnitSet.load(recordings / name / "units.safetensors").digest for name in ("set", "other")]
    assert sets[0] == sets[1]
    assert extract(recordings) == 0 and extract(recordings, "--nj", "3", out="again") == 0
    for name in ("units", "units.json", "skipped.jsonl"):
        assert (recordings / "out" / name).read_bytes() == (recordings / "again" / name).read_bytes()


def test_a_run_that_was_stopped_goes_on(recordings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert learn(recordings, "log_mel") == 0 and extract(recordings) == 0
    wanted, heard = (recordings / "out" / "units").read_bytes(), list[int]()
    whole = pipeline.each_batch

    def counted(items, fs, work):
        heard.append(len(items))
        if len(heard) == 3:
            raise KeyboardInterrupt
        return whole(items, fs, work)

    monkeypatch.setattr(pipeline, "each_batch", counted)
    with pytest.raises(KeyboardInterrupt):
        pipeline.extract_units(
            list(line.split() for line in (recordings / "wav.scp").read_text().splitlines()),
            recordings / "set" / "units.safetensors",
            recordings / "again",
        )
    assert extract(recordings, out="again") == 0 and heard == [4, 4, 4, 4, 1]  # the third and fourth shard, once more
    assert (recordings / "again" / "units").read_bytes() == wanted
    skipped = (recordings / "again" / "skipped.jsonl").read_text()
    assert skipped == (recordings / "out" / "skipped.jsonl").read_text() and "x0" in skipped


def test_k_means_goes_on_from_its_last_pass(recordings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags = ("--iterations", "6")
    assert learn(recordings, "log_mel", *flags) == 0
    whole, passes = pipeline.lloyd, list[int]()

    def stopped(*arguments):
        for found in whole(*arguments):
            passes.append(arguments[3])
            if len(passes) == 3:
                raise KeyboardInterrupt
            yield found

    monkeypatch.setattr(pipeline, "lloyd", stopped)
    assert learn(recordings, "log_mel", *flags, out="other") == 130
    monkeypatch.setattr(pipeline, "lloyd", whole)
    assert learn(recordings, "log_mel", *flags, out="other") == 0
    sets = [UnitSet.load(recordings / name / "units.safetensors").digest for name in ("set", "other")]
    assert passes == [0, 0, 0] and sets[0] == sets[1]


def test_few_frames_are_kept_of_much_speech_and_few_recordings_read(
    recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, whole = list[str](), pipeline.each_batch

    def counted(items, fs, work):
        read.extend(key for key, _ in items)
        return whole(items, fs, work)

    monkeypatch.setattr(pipeline, "each_batch", counted)
    assert learn(recordings, "log_mel", "--max_frames", "60", "--seed", "1") == 0
    frames = json.loads((recordings / "set" / "kmeans.json").read_text())["frames"]
    assert 12 <= frames < 150 and 1 <= len(read) < 11
    read.clear()
    assert learn(recordings, "log_mel", out="all") == 0
    assert len(read) == 13


def test_units_of_another_set_are_refused(recordings: Path) -> None:
    assert learn(recordings, "log_mel") == 0 and learn(recordings, f"{saved('wavlm')}/2", out="other") == 0
    assert extract(recordings) == 0
    other = UnitSet.load(recordings / "other" / "units.safetensors").about()
    with pytest.raises(DataError, match="units of another set .*frontend 'log_mel', not 'pretrained'"):
        read_units(recordings / "out" / "units", other)
    write_units(recordings / "bad", {"a": [3, 12]}, UnitSet.load(recordings / "set" / "units.safetensors").about())
    with pytest.raises(DataError, match="bad: a: unit 12 is none of the 12 units"):
        read_units(recordings / "bad")
    (recordings / "pseudo_labels_km12.txt").write_text("a 3 3 x\n")
    with pytest.raises(DataError, match="a: .*'x'"):
        read_units(recordings / "pseudo_labels_km12.txt")
    (recordings / "pseudo_labels_km12.txt").write_text("a 3 3 7\nb 1\n")  # as asr2.sh writes them, of no known set
    assert read_units(recordings / "pseudo_labels_km12.txt") == {"a": [3, 3, 7], "b": [1]}


class Fitted:
    """What scikit-learn's k-means leaves in a pickle, as far as it is read."""

    def __init__(self, centroids: np.ndarray) -> None:
        self.cluster_centers_ = centroids


def test_centroids_of_asr2_are_taken_over_and_a_pickle_only_on_request(recordings: Path, capsys) -> None:
    assert learn(recordings, "log_mel") == 0
    units = UnitSet.load(recordings / "set" / "units.safetensors")
    joblib.dump(Fitted(units.centroids.numpy()), recordings / "km_12.mdl")
    np.save(recordings / "km.npy", units.centroids.numpy())
    flags = ["import", "--kmeans_feature", "log_mel", "--output_dir", str(recordings / "taken")]
    assert program.main([*flags, "--centroids", str(recordings / "km_12.mdl")]) == 1
    assert "may execute code; --allow_pickle" in capsys.readouterr().err
    for name, more in (("km_12.mdl", ["--allow_pickle"]), ("km.npy", [])):
        assert program.main([*flags, "--centroids", str(recordings / name), *more]) == 0
        assert UnitSet.load(recordings / "taken" / "units.safetensors").digest == units.digest
    np.save(recordings / "wide.npy", np.zeros((12, 3)))
    assert program.main([*flags, "--centroids", str(recordings / "wide.npy")]) == 1
    assert "(12, 3): 80 features are needed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ("wavlm_large", "give log_mel, or MODEL/LAYER"),
        ("no/where/at/all/3", "there is no folder or file no/where/at/all"),
        ("log_mel/3", "no folder of a model"),
        ("whisper/5@half", "behind @ are the seconds of a chunk"),
        ("s3prl:wavlm_large/5@0.64", "only a Whisper's frames are cut into chunks: leave out @0.64"),
    ],
)
def test_features_that_are_none_are_one_message(feature: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        pipeline.UnitFeatures(parse_features(feature, FS), trusted=True)


def test_units_may_be_of_frames_that_see_no_further_than_their_chunk() -> None:
    features = pipeline.UnitFeatures(parse_features(f"{saved('whisper')}/2@0.2", FS), trusted=True)
    assert features.description["frontend_conf"]["chunk_s"] == 0.2
    speech = np.random.RandomState(0).uniform(-0.1, 0.1, FS).astype(np.float32)
    other = np.concatenate([speech[: FS // 2], speech[::-1][FS // 2 :]])
    one, two = (features([samples])[0] for samples in (speech, other))
    assert torch.allclose(one[:19], two[:19], atol=1e-5) and not torch.allclose(one[30:], two[30:], atol=1e-2)


def test_a_unit_set_from_elsewhere_reads_no_model(tmp_path: Path) -> None:
    features = {"frontend": "pretrained", "frontend_conf": {"model": saved("wavlm"), "layer": 2}, "center": False}
    with pytest.raises(ConfigError, match="frontend_conf has no architecture"):
        UnitReader(UnitSet(features, torch.zeros(3, 32)))
    made = pipeline.UnitFeatures(features, trusted=True)
    with pytest.raises(CheckpointError, match="does not fit the model|lacks"):
        UnitReader(UnitSet(made.description, torch.zeros(3, 32), {"frontend.other": torch.zeros(300_000)}))


def test_no_recording_is_an_error(recordings: Path, capsys) -> None:
    (recordings / "wav.scp").write_text(f"x0 {recordings}/broken.wav\n")
    assert learn(recordings, "log_mel") == 1
    assert "none of 1 recordings has a frame (first: x0" in capsys.readouterr().err
