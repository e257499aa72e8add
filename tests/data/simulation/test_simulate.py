from __future__ import annotations

import builtins
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_jst.bin import cli
from espnet_jst.data.kaldi import read_table, write_table
from espnet_jst.data.simulation import simulate as module
from espnet_jst.data.simulation.corpus import check_times
from espnet_jst.data.simulation.simulate import simulate
from espnet_jst.errors import ConfigError, DataError
from tests.data.simulation.helpers import FS, small, write_corpus

pytest.importorskip("pyroomacoustics")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def made(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "out"
    simulate(corpus, out, small(overlap=(0.1, 0.1)), num=6, seed=5)
    return out


def files(out: Path) -> dict[str, bytes]:
    """All that was written, with the folder's name taken out."""
    here = str(out).encode()
    return {
        str(path.relative_to(out)): path.read_bytes().replace(here, b"OUT")
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def entries(out: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in (out / name).read_text("utf-8").splitlines()]


def test_a_run_that_was_interrupted_goes_on_to_the_same_bytes(
    corpus: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, drawn, before = tmp_path / "again", [], module.simulate_one

    def until_three(*arguments):
        if arguments[-1] == 3:
            raise KeyboardInterrupt
        return before(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, "simulate_one", until_three)
        with pytest.raises(KeyboardInterrupt):
            simulate(corpus, out, small(overlap=(0.1, 0.1)), num=6, seed=5)
    monkeypatch.setattr(module, "simulate_one", lambda *some: drawn.append(some[-1]) or before(*some))
    simulate(corpus, out, small(overlap=(0.1, 0.1)), num=6, seed=5)
    assert drawn == [3, 4, 5] and files(out) == files(made)
    with pytest.raises(ConfigError, match="made with another seed: give another --output_dir"):
        simulate(corpus, out, small(overlap=(0.1, 0.1)), num=6, seed=6)
    with pytest.raises(ConfigError, match="made with another overlap: give another"):
        simulate(corpus, out, small(overlap=(0.2, 0.2)), num=6, seed=5)


def test_keys_of_several_sets_differ_by_their_prefix(corpus: Path, tmp_path: Path) -> None:
    simulate(corpus, tmp_path, small(overlap=(0.1, 0.1)), num=2, seed=5, prefix="test_")
    keys = ["test_conversation0000000", "test_conversation0000001"]
    for name in ("wav.scp", "utt2spk", "text.tc.es.other"):
        assert list(read_table(tmp_path / name)) == keys
    for name in ("turns.jsonl", "rooms.jsonl"):
        assert [entry["conversation"] for entry in entries(tmp_path, name)] == keys


def test_a_data_directory_says_who_spoke_when_and_where(corpus: Path, made: Path) -> None:
    scp, texts = read_table(made / "wav.scp"), read_table(corpus / "text.tc.es")
    assert set(scp) == {entry["conversation"] for entry in entries(made, "turns.jsonl")} and len(scp) == 6
    spoken, times = read_table(made / "text.tc.es.other"), read_table(made / "word_times.other")
    for talk, room in zip(entries(made, "turns.jsonl"), entries(made, "rooms.jsonl"), strict=True):
        key = talk["conversation"]
        audio, fs = soundfile.read(scp[key])
        assert fs == FS and audio.shape == (round(room["duration_s"] * FS), 2) and 0.01 < np.abs(audio).max() <= 0.951
        assert room["overlap"]["achieved"] == pytest.approx(0.1, abs=0.001)
        assert room["snr_db"]["measured"] == pytest.approx(room["snr_db"]["asked"], abs=0.1)
        own, other = room["snr_db"]["by_talker"]
        assert own > other
        others = [turn for turn in talk["turns"] if turn["speaker"] == "other"]
        assert spoken[key] == " ".join(texts[turn["utterance"]] for turn in others)
        first = read_table(corpus / "word_times")[others[0]["utterance"]].split()[0]
        expected = others[0]["start_s"] + others[0]["delay_s"] + float(first)
        assert float(times[key].split()[0]) == pytest.approx(expected, abs=0.001)
        assert len(times[key].split()) == len(spoken[key].split())
        distance = np.linalg.norm(np.subtract(room["talkers_m"][1], room["microphones_m"][0]))
        assert others[0]["delay_s"] == pytest.approx(distance / 343, abs=1e-6)


def test_rooms_are_shared_and_conversations_are_not(made: Path) -> None:
    rooms = entries(made, "rooms.jsonl")
    assert [room["room"] for room in rooms] == [0, 1] * 3 and rooms[0]["size_m"] == rooms[2]["size_m"]
    assert len(list((made / "rirs").iterdir())) == 2
    assert len({tuple(t["utterance"] for t in entry["turns"]) for entry in entries(made, "turns.jsonl")}) > 3


def test_bad_utterances_are_listed_and_the_others_used(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus")
    (corpus / "wav/u0.wav").write_bytes(b"RIFF")
    soundfile.write(corpus / "wav/u1.wav", np.zeros(FS), FS)
    soundfile.write(corpus / "wav/u2.wav", np.ones(100) * 0.1, FS)
    for name, key, value in (("text.tc.es", "u3", ""), ("word_times", "u4", "0.4 0.2")):
        write_table(corpus / name, {**read_table(corpus / name), key: value})
    owners = read_table(corpus / "utt2spk")
    write_table(corpus / "utt2spk", {key: owner for key, owner in owners.items() if key != "u5"})
    summary = simulate(corpus, tmp_path / "out", small(max_order=1), num=2)
    skipped = {entry["utt_id"]: entry["kind"] for entry in entries(tmp_path / "out", "skipped.jsonl")}
    assert set(skipped) == {f"u{n}" for n in range(6)} and summary.skipped == 6 and summary.conversations == 2
    assert {skipped[key] for key in ("u1", "u2", "u3", "u4")} == {
        "audio-silent",
        "audio-short",
        "text-empty",
        "times-backwards",
    }
    used = {turn["utterance"] for entry in entries(tmp_path / "out", "turns.jsonl") for turn in entry["turns"]}
    assert used <= {"u6", "u7", "u8"}


def test_sampling_rates_that_differ_are_one_message(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path)
    soundfile.write(corpus / "wav/u4.wav", np.random.default_rng(0).uniform(-0.1, 0.1, 16000), 16000)
    with pytest.raises(DataError, match=r"sampling rates differ: 8000 Hz .8, such as u0., 16000 Hz .1, such as u4."):
        simulate(corpus, tmp_path / "out", small(), num=1)


def test_without_pyroomacoustics_the_message_says_how_to_install_it(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *others, **more):
        if name == "pyroomacoustics":
            raise ImportError("No module named 'pyroomacoustics'")
        return real(name, *others, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match="pip install pyroomacoustics"):
        simulate(corpus, tmp_path / "out", small(), num=1)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--overlap", "0.9"], "simulate: overlap is 0.9: give a number from 0 to 0.5"),
        (["--speakers", "4"], "3 speakers with usable utterances: 4 are needed"),
        (["--num", "0"], "--num 0: must be at least 1"),
    ],
)
def test_the_command_refuses_in_one_line(
    flags: list[str], message: str, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    command = ["simulate", "--data_dir", corpus, "--output_dir", tmp_path / "out", "--num", "1", *flags]
    assert cli.main([str(word) for word in command]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("error: ") and message in shown and len(shown.splitlines()) == 1


def test_times_of_words_that_are_spans_are_read_as_such() -> None:
    assert check_times("word_times.ref", "0.1:0.3 0.3:0.5") == "0.1:0.3 0.3:0.5"
    with pytest.raises(DataError, match="run backwards"):
        check_times("word_times.ref", "0.1:0.5 0.3:0.4")


def test_two_workers_write_the_same_bytes_as_one(corpus: Path, made: Path, tmp_path: Path) -> None:
    out = tmp_path / "two"
    simulate(corpus, out, small(overlap=(0.1, 0.1)), num=6, seed=5, nj=2)
    assert files(out) == files(made)
