from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_jst.data import kaldi
from espnet_jst.data.utterances import AudioItem
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.recipe.audio_form import format_shard
from espnet_jst.recipe.options import Options
from espnet_jst.recipe.stage import run_stages
from espnet_jst.recipe.stages.formatting import check
from tests.recipe.stages.one_stage import do, numbered

FS = 8000


def tone(seconds: float, fs: int = FS, channels: int = 1) -> np.ndarray:
    wave = 0.3 * np.sin(np.arange(int(seconds * fs)) * 2 * np.pi * 440 / fs)
    return np.stack([wave] * channels, axis=1).astype(np.float32)


class Corpus:
    """A data directory in the making."""

    def __init__(self, name: str = "train") -> None:
        self.path = Path("data") / name
        self.path.mkdir(parents=True)
        self.tables: dict[str, dict[str, str]] = {"wav.scp": {}, "text.lc.en": {}, "text.lc.de": {}, "utt2spk": {}}

    def add(
        self, key: str, audio: np.ndarray | None, *, fs: int = FS, source="one two", target="zwölf", **kwargs
    ) -> Path:
        path = self.path / f"{key}.wav"
        if audio is not None:
            soundfile.write(path, audio, fs, **kwargs)
        for table, value in zip(self.tables.values(), (path.as_posix(), source, target, "speaker")):
            table[key] = value
        return path

    def write(self) -> None:
        for name, table in self.tables.items():
            kaldi.write_table(self.path / name, table)


@pytest.fixture
def corpus(tmp_path, monkeypatch) -> Corpus:
    monkeypatch.chdir(tmp_path)
    corpus = Corpus()
    corpus.add("good", tone(1.0))
    return corpus


OPTIONS = Options.of(fs="8k", nj=1, encoder_frame_s=0.08, test_sets="test", token_type="word", max_wav_duration=5.0)


def prepared(corpus: Corpus, options: Options = OPTIONS) -> dict[str, str]:
    """Run stages 3 and 4; the reasons of what was left out."""
    corpus.write()
    do(options, "format audio of train")
    do(options, "remove bad items of train")
    lines = Path("dump/raw/train/skipped.jsonl").read_text("utf-8").splitlines()
    for line in lines:
        assert set(json.loads(line)) == {"utt_id", "reason", "fix", "kind", "severity"}
        assert json.loads(line)["fix"] and json.loads(line)["kind"] != "other"
    return {json.loads(line)["utt_id"]: json.loads(line)["reason"] for line in lines}


def kept() -> set[str]:
    names = ["wav.scp", "text.lc.en", "text.lc.de", "utt2spk", "utt2num_samples"]
    tables = [set(kaldi.read_table(f"dump/raw/train/{name}")) for name in names]
    assert all(keys == tables[0] for keys in tables)
    return tables[0]


def test_a_file_that_is_right_already_is_not_copied(corpus):
    assert prepared(corpus) == {}
    assert kaldi.read_table("dump/raw/train/wav.scp") == {"good": "data/train/good.wav"}
    assert kaldi.read_table("dump/raw/train/utt2num_samples") == {"good": "8000"}
    assert Path("dump/raw/train/feats_type").read_text() == "raw\n"


def test_another_rate_and_stereo_are_converted_and_counted(corpus):
    corpus.add("rate", tone(1.0, fs=16000), fs=16000)
    corpus.add("stereo", tone(1.5, channels=2))
    corpus.write()
    assert "1 downmixed, 1 resampled" in do(OPTIONS, "format audio of train")
    wav = kaldi.read_table("dump/raw/org/train/wav.scp")
    for key, seconds in (("rate", 1.0), ("stereo", 1.5)):
        samples, fs = soundfile.read(wav[key])
        assert (fs, samples.shape) == (FS, (int(seconds * FS),))
        assert np.abs(samples[1000:-1000] - tone(seconds)[1000:-1000, 0]).max() < 0.01


def test_another_rate_is_left_out_when_told_so(corpus):
    corpus.add("rate", tone(1.0, fs=16000), fs=16000)
    assert "16000 Hz instead of 8000 Hz" in prepared(corpus, OPTIONS.changed(strict_fs=True))["rate"]
    assert kept() == {"good"}


def test_segments_are_cut_from_their_recordings(corpus):
    corpus.add("long", tone(3.0))
    corpus.tables["segments"] = {"u1": "long 0.5 1.5", "u2": "long 2 -1", "u3": "gone 0 1", "u4": "long 1 9"}
    for name in ("text.lc.en", "text.lc.de", "utt2spk"):
        corpus.tables[name] = dict.fromkeys(("u1", "u2", "u3", "u4"), "one two")
    reasons = prepared(corpus)
    assert kept() == {"u1", "u2"}
    assert kaldi.read_table("dump/raw/train/utt2num_samples") == {"u1": "8000", "u2": "8000"}
    assert "gone is not in wav.scp" in reasons["u3"]
    assert "outside the file" in reasons["u4"]


def test_references_with_speakers_go_along_with_the_utterances_that_are_kept(corpus):
    corpus.add("short", tone(0.05))
    lines = [json.dumps({"session_id": key, "speaker": "self"}) for key in ("good", "short", "other")]
    there = Path("data/train/segments.lc.en.jsonl")
    there.write_text("".join(f"{line}\n" for line in (*lines, "no segment")), "utf-8")
    assert set(prepared(corpus)) == {"short"}
    assert Path("dump/raw/train/segments.lc.en.jsonl").read_text("utf-8") == f"{lines[0]}\n"
    there.unlink()
    prepared(corpus)
    assert not Path("dump/raw/train/segments.lc.en.jsonl").exists()


def test_bad_items_are_left_out_and_listed_and_the_good_ones_go_on(corpus):
    corpus.add("missing", None)
    corpus.add("zero_bytes", None).write_bytes(b"")
    corpus.add("header_only", tone(0.0))
    cut = corpus.add("cut", tone(2.0))
    cut.write_bytes(cut.read_bytes()[:9000])
    corpus.add("garbage", None).write_bytes(b"no audio " * 100)
    nan = tone(1.0)
    nan[10] = np.nan
    corpus.add("nan", nan, subtype="FLOAT")
    corpus.add("short", tone(0.05))
    corpus.add("long", tone(5.1))
    corpus.add("empty_text", tone(1.0), target="")
    corpus.add("tagged", tone(1.0), source="one <st> two")
    corpus.add("too_much_text", tone(0.4), source="one two three four five six")
    corpus.add("command", tone(1.0))
    corpus.tables["wav.scp"]["command"] = "sox x.wav -t wav - |"
    corpus.add("only_audio", tone(1.0))
    del corpus.tables["text.lc.de"]["only_audio"]
    reasons = prepared(corpus)
    assert kept() == {"good"}
    for key, reason in {
        "missing": "no such file",
        "zero_bytes": "0 bytes",
        "header_only": "without samples",
        "cut": "ends before its header says",
        "garbage": "not readable as audio",
        "nan": "1 samples are NaN",
        "short": "0.050 s of audio",
        "long": "over 5 s",
        "empty_text": "text.lc.de: the text is empty",
        "tagged": "reserved symbol <st>",
        "too_much_text": "6 labels need 6 frames",
        "command": "holds the command",
        "only_audio": "missing in text.lc.de",
    }.items():
        assert reason in reasons.pop(key), key
    assert not reasons


def test_no_two_utterances_share_a_file(corpus):
    pitches = {"spk/1": 40, "spk_1": 9, "SPK_1": 5, "spk%2F1": 3, "x" * 300: 2, "x" * 299 + "y": 1.5, "..": 4}
    for number, (key, pitch) in enumerate(pitches.items()):
        wave = (0.3 * np.sin(np.arange(16000) / pitch)).astype(np.float32)
        soundfile.write(f"data/train/{number}.wav", wave, 2 * FS)
        for table, value in zip(corpus.tables.values(), (f"data/train/{number}.wav", "one two", "zwölf", "speaker")):
            table[key] = value
    assert prepared(corpus) == {}
    wav = kaldi.read_table("dump/raw/train/wav.scp")
    assert len({path.casefold() for path in wav.values()}) == len(wav) == 8
    for key, pitch in pitches.items():
        samples, _ = soundfile.read(wav[key])
        spectrum = np.abs(np.fft.rfft(samples[1000:7000]))
        assert spectrum.argmax() == pytest.approx(6000 * 2 / (2 * np.pi * pitch), abs=2), key


def test_what_only_we_read_rightly_is_written_again_for_others(corpus):
    path = corpus.add("crashed", tone(1.0))
    path.write_bytes(path.read_bytes()[:40] + bytes(4) + path.read_bytes()[44:])
    path = corpus.add("joined", tone(1.0))
    path.write_bytes(path.read_bytes() * 2)
    corpus.add("called_raw", tone(1.0))
    Path("data/train/called_raw.wav").rename("data/train/called.raw")
    corpus.tables["wav.scp"]["called_raw"] = "data/train/called.raw"
    corpus.write()
    assert "4 utterances, 1 decoded, 2 with a wrong header" in do(OPTIONS, "format audio of train")
    wav, lengths = (kaldi.read_table(f"dump/raw/org/train/{name}") for name in ("wav.scp", "utt2num_samples"))
    for key, seconds in (("crashed", 1), ("joined", 2), ("called_raw", 1)):
        samples, fs = soundfile.read(wav[key])
        assert (fs, len(samples), lengths[key]) == (FS, seconds * FS, str(seconds * FS))


@pytest.mark.parametrize("fs", [FS, 2 * FS])
def test_other_samples_have_another_digest_and_the_same_the_same(corpus, fs):
    digests = []
    other = tone(30.0, fs)
    other[29 * fs :] += 0.001
    for number, wave in enumerate((tone(30.0, fs), tone(30.0, fs), other)):
        path = corpus.add(f"u{number}", wave, fs=fs)
        item = AudioItem(f"u{number}", str(path))
        [digest] = format_shard([item], out=corpus.path, fs=FS, strict_fs=False, audio_format="flac").digests.values()
        digests.append(digest)
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("scale", [32768.0, 2.0**28, 4.0])
@pytest.mark.parametrize("fs", [FS, 2 * FS])
def test_samples_in_another_scale_are_scaled_and_not_clipped(corpus, scale, fs):
    corpus.add("loud", tone(1.0, fs) * 3 * scale, fs=fs, subtype="FLOAT")
    corpus.write()
    assert "1 scaled" in do(OPTIONS, "format audio of train")
    samples, _ = soundfile.read(kaldi.read_table("dump/raw/org/train/wav.scp")["loud"])
    assert np.abs(samples[1000:-1000] - tone(1.0)[1000:-1000, 0] / 0.3).max() < 0.02


def test_a_disk_that_is_full_stops_the_stage_and_is_no_fault_of_the_utterances(corpus, monkeypatch):
    corpus.add("rate", tone(1.0, fs=16000), fs=16000)
    corpus.write()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(soundfile.SoundFile, "write", full)
    with pytest.raises(DataError, match="rate.*cannot be written .*No space left.*make room"):
        do(OPTIONS, "format audio of train")
    assert not list(Path("dump/raw/org/train/data").iterdir())


def test_an_utterance_whose_decoder_fails_in_any_way_is_left_out_alone(corpus, monkeypatch):
    import espnet_jst.data.sound_decoder as decoder

    corpus.add("bad", tone(1.5))
    take = decoder.SoundDecoder.take

    def fail(self, count: int) -> np.ndarray:
        if self.frames == 1.5 * FS:
            raise MemoryError
        return take(self, count)

    monkeypatch.setattr(decoder.SoundDecoder, "take", fail)
    assert "not enough memory" in prepared(corpus)["bad"]
    assert kept() == {"good"}


def test_broken_lines_of_the_tables_are_listed_too(corpus):
    corpus.add("latin", tone(1.0))
    corpus.add("twice", tone(1.0))
    corpus.write()
    with open("data/train/text.lc.de", "ab") as stream:
        stream.write(b"twice elf\n")
    text = Path("data/train/text.lc.en").read_bytes().replace(b"latin one", b"latin \xff")
    Path("data/train/text.lc.en").write_bytes(text)
    assert "2 left out" in do(OPTIONS, "format audio of train")
    lines = Path("dump/raw/org/train/skipped.jsonl").read_text("utf-8").splitlines()
    assert {json.loads(line)["utt_id"] for line in lines} == {"latin", "twice"}


def test_given_links_and_word_times_that_do_not_fit_are_listed(corpus):
    for key in ("link", "times", "none"):
        corpus.add(key, tone(1.0))
    corpus.tables["alignment"] = {"good": "0-0 1-0", "link": "0-0 5-0", "times": "0-0", "none": "-"}
    corpus.tables["word_times"] = {"good": "0.3 0.7", "link": "0.3 0.7", "times": "0.3"}
    reasons = prepared(corpus)
    assert kept() == {"good"}
    assert "word link 5-0" in reasons["link"]
    assert "1 word times for 2 source words" in reasons["times"]
    assert "no word link" in reasons["none"]


def test_a_set_without_any_usable_utterance_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    corpus = Corpus()
    corpus.add("missing", None)
    corpus.write()
    with pytest.raises(DataError, match=r"train: no utterance can be used \(first: missing: .*no such file"):
        do(OPTIONS, "format audio of train")


def test_files_without_a_common_utterance_are_an_error(corpus):
    corpus.tables["text.lc.de"] = {"GOOD": "zwölf"}
    corpus.write()
    with pytest.raises(DataError, match=r"wav\.scp 1, text\.lc\.en 1, text\.lc\.de 1 lines.*same keys"):
        do(OPTIONS, "format audio of train")


def test_pieces_that_do_not_fit_the_frames_are_dropped_when_the_token_list_is_known(corpus):
    corpus.add("letters", tone(0.5), source="abc def")
    options = OPTIONS.changed(token_type="char")
    assert prepared(corpus, options) == {}
    corpus.path = Path("data/valid")
    corpus.path.mkdir()
    corpus.write()
    do(options, "format audio of valid")
    do(options, "remove bad items of valid")
    do(options, "token list")
    do(options, "word alignment")
    assert "1 left out (listed in skipped.tgt_char.jsonl" in do(options, "utterances to train on")
    assert set(kaldi.read_table("dump/raw/train/utt2num_samples.tgt_char")) == {"good"}
    assert kept() == {"good", "letters"}  # the tables stay as stage 4 left them


def test_the_processes_of_a_pool_do_the_same_work(corpus):
    for number in range(5):
        corpus.add(f"u{number}", tone(0.5 + 0.1 * number, channels=1 + number % 2))
    corpus.write()
    do(OPTIONS, "format audio of train")
    alone = Path("dump/raw/org/train/utt2num_samples").read_text()
    import espnet_jst.recipe.stages.formatting as formatting

    formatting.SHARD, before = 2, formatting.SHARD
    try:
        do(OPTIONS.changed(nj=2), "format audio of train")
    finally:
        formatting.SHARD = before
    assert Path("dump/raw/org/train/utt2num_samples").read_text() == alone


def test_a_recipe_of_its_own_data_runs_and_then_is_up_to_date(corpus):
    corpus.write()
    Path("local").mkdir()
    Path("local/data.py").write_text(
        "import shutil, sys\n"
        "assert sys.argv[1:3] == ['--data_dir', 'data'], sys.argv\n"
        "for name in ('valid', 'test'):\n"
        "    shutil.copytree('data/train', f'data/{name}', dirs_exist_ok=True)\n"
    )
    said = []
    assert run_stages(numbered(OPTIONS, 1, 2, 3, 4), say=said.append) == [1, 3, 3, 3, 4, 4]
    assert any("train and valid share 1 utterances" in line for line in said)
    assert run_stages(numbered(OPTIONS, 1, 2, 3, 4), say=str) == []
    assert run_stages(numbered(OPTIONS.changed(min_wav_duration=0.2), 1, 2, 3, 4), say=str) == [4, 4]


def test_a_data_script_that_fails_is_reported_with_its_log(corpus):
    Path("local").mkdir()
    Path("local/data.py").write_text("raise SystemExit('Error: no corpus at /somewhere')")
    with pytest.raises(Exception, match=r"stage 1 .*no corpus at /somewhere \(log: data/local_data.log\)"):
        run_stages(numbered(OPTIONS, 1, 2, 3, 4), say=str)


def test_speed_perturbation_in_advance_is_refused_with_the_key_to_use():
    with pytest.raises(ConfigError, match="preprocessor_conf"):
        check(OPTIONS.changed(speed_perturb_factors="0.9 1.1").data)
