"""Everything that can be wrong with a data directory is found, called by its name, and told with its fix."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
import soundfile

from espnet_jst.bin import jst_doctor
from espnet_jst.data import checks, kaldi
from espnet_jst.data.checks import ERROR, WARNING
from espnet_jst.errors import ConfigError
from espnet_jst.recipe.doctor import Diagnosis, diagnose, find_texts
from espnet_jst.recipe.options import Options
from espnet_jst.text.tokenizer import find_tokenizer
from tests.recipe.stages.one_stage import do
from tests.recipe.torture import (
    ERRORS,
    FS,
    GOOD,
    TEXTS,
    WARNINGS,
    WITH_TOKENS_ERRORS,
    WITH_TOKENS_WARNINGS,
    Torture,
    noise,
)

OPTIONS = Options.of(nj=1)


@pytest.fixture(scope="module")
def torture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Torture(tmp_path_factory.mktemp("torture") / "data" / "train").path


def kinds(found: Diagnosis, severity: str) -> dict[str, set[str]]:
    named: dict[str, set[str]] = {}
    for problem in found.problems:
        if problem.severity == severity:
            named.setdefault(problem.utt_id, set()).add(problem.kind)
    return named


def test_every_item_is_called_what_it_is_within_ten_seconds(torture: Path) -> None:
    errors = {key: {kind} for key, kind in (ERRORS | WITH_TOKENS_ERRORS).items()}
    warnings = WARNINGS | WITH_TOKENS_WARNINGS
    assert len(errors) + len(warnings) >= 40
    tokenizer = find_tokenizer(str(torture.parent / "tokens.txt"), None)
    assert tokenizer is not None
    started = time.monotonic()
    found = diagnose(torture, OPTIONS.data, tokenizers=(tokenizer, tokenizer))
    assert time.monotonic() - started < 10
    assert kinds(found, ERROR) == errors
    assert kinds(found, WARNING) == warnings
    assert found.good == len(GOOD) + len(warnings) - 1  # "only_links" is no utterance


def test_every_message_names_the_value_and_the_fix(torture: Path) -> None:
    for problem in diagnose(torture, OPTIONS.data).problems:
        assert len(problem.fix) > 8 and problem.fix not in problem.reason, problem
        if problem.kind.startswith("audio"):
            assert problem.utt_id in problem.reason or " s of audio" in problem.reason or "|" in problem.reason, problem
        assert "\n" not in str(problem)


def test_stages_3_and_4_leave_out_the_items_that_the_doctor_calls_errors_and_no_other(
    torture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = OPTIONS.changed(datadir=str(torture.parent))
    found = diagnose(torture, options.data)
    note = do(options, "format audio of train")
    do(options, "remove bad items of train")
    left_out = {problem.utt_id: {problem.kind} for problem in checks.read_skipped("dump/raw/train")}
    assert left_out == kinds(found, ERROR) == {key: {kind} for key, kind in ERRORS.items()}
    kept = kaldi.read_table("dump/raw/train/wav.scp")
    assert len(kept) == found.good
    lengths = kaldi.read_table("dump/raw/train/utt2num_samples")
    assert sum(map(int, lengths.values())) / FS == pytest.approx(found.audio_s)
    # One of those that are resampled is the recording of twenty minutes.
    assert "2 downmixed, 4 resampled, 1 scaled, 7 with a wrong header" in note
    assert all(lengths[key] == str(FS) for key in ("8_khz", "48_khz", "studio"))


def test_the_command_prints_a_table_writes_the_list_and_fails_on_errors(
    torture: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "problems.jsonl"
    tokens = str(torture.parent / "tokens.txt")
    assert jst_doctor.main([str(torture), "--nj", "1", "--json", str(out), "--token_list", tokens]) == 1
    shown = capsys.readouterr().out
    assert "transcript text.lc.en, translation text.lc.de" in shown
    assert (
        f"{len(ERRORS | WITH_TOKENS_ERRORS)} with errors, {len(WARNINGS | WITH_TOKENS_WARNINGS)} with warnings" in shown
    )
    entries = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert {entry["utt_id"] for entry in entries if entry["severity"] == "error"} == {*ERRORS, *WITH_TOKENS_ERRORS}
    assert all(kind in shown for kind in {entry["kind"] for entry in entries})


def test_a_clean_directory_gives_status_0(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    small(tmp_path)
    assert jst_doctor.main([str(tmp_path), "--nj", "1"]) == 0
    assert "2 utterances, 2 good (0.00 h), 0 with errors, 0 with warnings" in capsys.readouterr().out


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert jst_doctor.main([str(tmp_path / "gone")]) == 1
    assert "gone: no such folder" in capsys.readouterr().err


def test_files_that_share_no_key_are_reported_and_no_crash(tmp_path: Path) -> None:
    small(tmp_path)
    kaldi.write_table(tmp_path / TEXTS[0], {"A": "one two", "B": "one two"})
    found = diagnose(tmp_path, OPTIONS.data)
    assert found.good == 0
    assert kinds(found, ERROR) == {
        "a": {"text-missing"},
        "b": {"text-missing"},
        "A": {"keys-differ"},
        "B": {"keys-differ"},
    }


def test_another_rate_is_an_error_where_the_recipe_says_so(tmp_path: Path) -> None:
    small(tmp_path)
    found = diagnose(tmp_path, OPTIONS.changed(fs="8k", strict_fs=True).data)
    assert kinds(found, ERROR) == {"a": {"audio-rate"}, "b": {"audio-rate"}}


def test_segments_are_examined_as_utterances(tmp_path: Path) -> None:
    small(tmp_path)
    segments = {"a": "b 0.2 0.8", "b": "b 0.5 0.55", "c": "gone 0 1", "d": "a 0.5 9", "e": "a 0.9 0.1"}
    kaldi.write_table(tmp_path / "segments", segments)
    for name in TEXTS:
        kaldi.write_table(tmp_path / name, dict.fromkeys(segments, "one two"))
    found = diagnose(tmp_path, OPTIONS.data)
    assert found.good == 1 and found.audio_s == pytest.approx(0.6)
    assert kinds(found, ERROR) == {
        "b": {"audio-short"},
        "c": {"segment-no-recording"},
        "d": {"segment-outside"},
        "e": {"segment-invalid"},
    }


def test_links_and_times_tell_which_text_is_the_transcript(tmp_path: Path) -> None:
    small(tmp_path, ("text.a", "text.b"), first="x", second="one two")
    assert find_texts(tmp_path, None, None) == ("text.a", "text.b")
    kaldi.write_table(tmp_path / "word_times", {"a": "0.1 0.2", "b": "0.1 0.2"})
    assert find_texts(tmp_path, None, None) == ("text.b", "text.a")
    assert find_texts(tmp_path, "text.a", None) == ("text.a", "text.b")
    (tmp_path / "word_times").unlink()
    kaldi.write_table(tmp_path / "alignment", {"a": "0-0 1-0", "b": "0-0"})
    assert find_texts(tmp_path, None, None) == ("text.b", "text.a")


def test_one_text_is_a_transcript_also_under_the_name_of_espnets_recognition(tmp_path: Path) -> None:
    small(tmp_path)
    (tmp_path / TEXTS[1]).unlink()
    assert find_texts(tmp_path, None, None) == (TEXTS[0], None)
    (tmp_path / TEXTS[0]).rename(tmp_path / "text")
    found = diagnose(tmp_path, OPTIONS.data)
    assert (found.texts, found.good, found.problems) == (("text", None), 2, [])


def test_the_rate_is_that_of_the_training_configuration(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    small(tmp_path)
    (tmp_path / "train.yaml").write_text("frontend_conf: {fs: 8000}\n")
    assert jst_doctor.main([str(tmp_path), "--nj", "1", "--st_config", str(tmp_path / "train.yaml")]) == 0
    assert "2 with warnings" in capsys.readouterr().out  # resampled


def test_texts_that_cannot_be_told_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no text\.\* file; .*--src_text and --tgt_text"):
        find_texts(tmp_path, None, None)
    small(tmp_path)
    kaldi.write_table(tmp_path / "text.tc.de", {})
    with pytest.raises(ConfigError, match=r"text\.lc\.en text\.lc\.de text\.tc\.de"):
        find_texts(tmp_path, None, None)


def test_the_page_on_checks_lists_every_kind() -> None:
    root = Path(jst_doctor.__file__).parents[2]
    names = r'"((?:audio|segment|text|links|times|keys?|not|unknown)-[a-z0-9-]+)"'
    modules = [*(root / "espnet_jst/data").rglob("*.py"), root / "espnet_jst/recipe/doctor.py"]
    raised = {kind for module in modules for kind in re.findall(names, module.read_text("utf-8"))}
    listed = re.findall(r"^\| `([a-z0-9-]+)`", (root / "docs/data_checks.md").read_text("utf-8"), flags=re.MULTILINE)
    assert sorted(listed) == sorted(raised)


def small(path: Path, names: tuple[str, str] = TEXTS, *, first: str = "one two", second: str = "eins zwei") -> None:
    """Two good utterances."""
    for key in ("a", "b"):
        soundfile.write(path / f"{key}.wav", noise(1.0), FS)
    kaldi.write_table(path / "wav.scp", {key: path / f"{key}.wav" for key in ("a", "b")})
    kaldi.write_table(path / names[0], {"a": first, "b": first})
    kaldi.write_table(path / names[1], {"a": second, "b": second})
