"""What a second `./run.sh` does: nothing, and after a change what depends on it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from espnet_jst.data import kaldi
from espnet_jst.recipe import finetune
from espnet_jst.recipe.options.groups import option_fields
from espnet_jst.recipe.stage import StageError
from tests.recipe.second_run import UNFITTING, UNLINKED, make_recipe, options_for, replace_programs, run

MODEL = ["11", "12", "13", "report", "14"]
DECODED = MODEL[1:]
TOKENS = ["token", "fit", "policies", "10", *MODEL]
EVERYTHING = ["1", "3", "4", "token", "align", "fit", "policies", "10", *MODEL]
FROM_3 = EVERYTHING[1:]
# Flags of a second run -> what it runs. Only that, because everything else is made from the same contents.
CHANGES: dict[str, list[str]] = {
    "--datadir data2": ["1", "3", *TOKENS],
    "--dumpdir dump2": FROM_3,
    "--expdir exp2": ["10", *MODEL],
    "--local_data_opts=-v": ["1"],
    "--train_set more": ["3", "4", "token", "align", "fit", "policies", "10", *MODEL],
    "--valid_set dev": ["3", "4", "align", "fit", "10", *MODEL],
    "--test_sets other": ["3", "4", *DECODED],
    "--src_lang nl": FROM_3,
    "--tgt_lang fr": FROM_3,
    "--src_case tc": FROM_3,
    "--tgt_case tc": ["3", "4", "token", "align", "policies", "10", *MODEL],
    "--fs 16k": ["3", "4", "fit", "10", *MODEL],
    "--strict_fs": ["3"],
    "--audio_format wav": ["3"],
    "--min_wav_duration 0.2": ["4"],
    "--max_wav_duration 29": ["4"],
    "--max_text_chars 999": ["4"],
    "--encoder_frame_s 0.05": ["4", "fit"],
    "--token_joint false": ["token", "fit", "10", *MODEL],
    "--token_type char": TOKENS,
    "--src_token_type char": TOKENS,
    "--tgt_token_type bpe --nbpe 20": TOKENS,
    "--tag_scheme lid": ["4", *TOKENS],
    "--symmetrization intersect": ["align"],
    "--corrupt_links 0.5": ["corrupt", *MODEL],
    "--feats_normalize global_mvn": MODEL,
    "--feats_normalize none": MODEL,
    "--stats_utterances 2": ["10", *MODEL],
    "--st_config conf/other.yaml": ["10", *MODEL],
    "--st_args=--patience=3": ["10", *MODEL],
    "--st_tag z": MODEL,
    "--st_exp mine": MODEL,
    "--st_stats_dir mine": ["10", "11"],  # the model has a copy, which is the same
    "--minutes 5": MODEL,
    "--seed 1": MODEL,
    "--inference_config conf/beam.yaml": DECODED,
    "--inference_args=--beam_size=4": DECODED,
    "--inference_tag z": DECODED,
    "--inference_st_model latest.pth": DECODED,
    "--use_streaming false": DECODED,
    "--use_streaming both": DECODED,
    "--corpus mine": ["14"],
    "--license cc0-1.0": ["14"],
    "--data_license LICENSE.data": ["14"],
    # Not used by any stage of this run, or only where and how fast it runs.
    "--valid_share 0.1 --test_share 0.1": [],
    "--nbpe 30 --src_nbpe 30 --tgt_nbpe 30 --bpemode bpe --src_bpemode bpe --tgt_bpemode bpe": [],
    "--nj 2 --inference_nj 2 --ngpu 0 --num_nodes 1 --compare_nj 2": [],
    "--hf_repo a/b --creator me --zenodo_sandbox --dry_run false": [],
    "--skip_train --skip_upload": [],
    "--nclusters 9 --kmeans_frames 9 --kmeans_seed 1 --unit_case ts --unit_nbpe 9 --upsample 2 --unit_init mean": [],
}
ELSEWHERE = {
    *("stage", "stop_stage", "force", "skip_data_prep", "skip_eval", "skip_packing", "skip_upload_hf", "scheduler"),
    *(
        "feats_type",
        "speed_perturb_factors",
        "compare",
        "sweep",
        "latency",
        "stress",
    ),  # one value, refused, and other programs
    *("corpus_dir", "aligner", "aligner_model", "finetune", "finetune_anyway"),  # tests of their own
    *("kmeans_feature", "text_share", "text_set", "text_ctc", "text_shuffled"),  # test_hard_sharing
    *("cache_frames", "mbart", "audio_channels"),  # test_cached_frames, test_mbart_recipe, test_beam_recipe
    *("whisper_decoder", "whisper_pieces"),  # test_whisper_decoder_recipe
    *("unlabelled_set", "labelled_set", "teacher", "teacher_args", "min_confidence"),  # test_labelling
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe after its first run, in which two utterances were left out."""
    root = tmp_path_factory.mktemp("recipe")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(root)
        make_recipe(root)
        replace_programs(monkeypatch)
        assert run(options_for()) == EVERYTHING
    return root


@pytest.fixture
def again(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it as the current folder."""
    shutil.copytree(finished, tmp_path / "recipe")
    monkeypatch.chdir(tmp_path / "recipe")
    replace_programs(monkeypatch)
    return tmp_path / "recipe"


def test_an_unchanged_second_run_redoes_nothing_also_after_drops(again: Path):
    kept = set(kaldi.read_table("dump/raw/train/utt2num_samples.tgt_word"))
    assert {UNLINKED, UNFITTING} - kept == {UNLINKED, UNFITTING} and len(kept) == 6
    listed = (
        Path("dump/raw/train/skipped.tgt_word.jsonl").read_text() + Path("dump/raw/train/skipped.jsonl").read_text()
    )
    assert UNLINKED in listed and UNFITTING in listed
    before = {path: path.read_bytes() for path in again.rglob("*") if path.is_file()}
    assert run(options_for()) == []
    assert {path: path.read_bytes() for path in again.rglob("*") if path.is_file()} == before


def test_files_that_were_only_touched_redo_no_more_than_the_check_of_the_audio(again: Path):
    for path in sorted(again.rglob("*")):
        if path.is_file() and ".stages" not in path.parts:
            os.utime(path, ns=(10**18, 10**18))
    assert run(options_for()) == ["3"]
    assert run(options_for()) == []


@pytest.mark.parametrize("flags", list(CHANGES))
def test_a_changed_option_redoes_what_depends_on_it_and_nothing_else(again: Path, flags: str):
    assert run(options_for(flags)) == CHANGES[flags]
    assert run(options_for(flags)) == []


@pytest.mark.parametrize(("none", "there"), [("--tgt_lang", "text.lc.en"), ("--src_lang", "text.lc.de")])
def test_one_text_alone_goes_through_every_stage_and_is_up_to_date_then(again: Path, none: str, there: str):
    flags = f"{none} none --dumpdir dump2"
    assert run(options_for(flags)) == ["3", "4", "token", "fit", "10", *MODEL]
    tables = {path.name for path in Path("dump2/raw/train").glob("*") if path.is_file()}
    assert there in tables and "alignment" not in tables and sum(name.startswith("text") for name in tables) == 1
    assert run(options_for(flags)) == []


def test_every_option_is_in_the_table():
    flags = {word[2:].partition("=")[0] for line in CHANGES for word in line.split() if word.startswith("--")}
    assert not {entry.name for entry in option_fields()} - flags - ELSEWHERE


@pytest.mark.parametrize(
    ("file", "text", "runs"),
    [
        ("conf/train.yaml", "base: base.yaml\nmax_epoch: 4\n", ["10", *MODEL]),
        ("conf/base.yaml", "optim: adamw\n", ["10", *MODEL]),
        ("conf/decode.yaml", "beam_size: 2\n", DECODED),
        ("conf/phrases.txt", "two\n", ["12"]),  # the stand-in of the decoder does not read it: nothing else follows
        ("local/helper.py", "", ["1"]),
        ("lists/test.tsv", "", ["1"]),
        ("corpus/train/text.lc.de", None, []),  # the script reads it, and nobody knows
        ("data/train/text.lc.de", None, FROM_3),
        ("data/test/text.lc.de", None, ["3", "13", "report", "14"]),
        ("dump/raw/train/alignment", None, ["fit", "policies", "10", *MODEL]),
    ],
)
def test_a_changed_file_redoes_what_reads_it(again: Path, file: str, text: str | None, runs: list[str]):
    path = Path(file)
    if text is None:
        state = path.stat()
        content = path.read_text()
        changed = content.replace("eins", "acht") if "eins" in content else content.replace("0-0", "0-0 0-0")
        path.write_text(changed)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))  # the same size and time
    else:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert run(options_for()) == runs
    assert run(options_for()) == []


def test_other_audio_of_the_same_length_is_other_data(again: Path):
    soundfile.write("corpus/audio/test-0.wav", np.full(8000, 0.5), 8000)
    os.utime("corpus/audio/test-0.wav", ns=(1, 1))
    assert run(options_for()) == ["3", *DECODED[:1]]
    soundfile.write("corpus/audio/train-3.wav", np.full(8000, 0.5), 8000)
    os.utime("corpus/audio/train-3.wav", ns=(1, 1))
    assert run(options_for())[:3] == ["3", "4", "10"]


def test_an_environment_variable_that_the_script_names_counts(again: Path, monkeypatch: pytest.MonkeyPatch):
    script = Path("local/data.py")
    script.write_text(script.read_text() + "# MY_CORPUS\n")
    assert run(options_for()) == ["1"]
    monkeypatch.setenv("MY_CORPUS", "elsewhere")
    monkeypatch.setenv("MY_OTHER", "elsewhere")
    assert run(options_for()) == ["1"]
    assert run(options_for()) == []


def test_a_joint_token_list_after_a_list_of_the_target_alone_has_the_source(again: Path):
    tokens = Path("data/en_de_token_list/tgt_word/tokens.txt")
    joint = tokens.read_text()
    run(options_for("--token_joint false"))
    assert "one" not in tokens.read_text()
    assert "token" in run(options_for())
    assert tokens.read_text() == joint


def test_links_that_are_no_longer_given_are_estimated(again: Path):
    estimated = Path("dump/raw/train/alignment").read_text()
    links = {key: "0-0" for key in kaldi.read_table("data/train/wav.scp")}
    kaldi.write_table("data/train/alignment", links)
    assert "align" in run(options_for())
    assert set(kaldi.read_table("dump/raw/train/alignment").values()) == {"0-0"}
    Path("data/train/alignment").unlink()
    assert "align" in run(options_for())
    assert Path("dump/raw/train/alignment").read_text() == estimated


@pytest.mark.parametrize("flags", ["--aligner simalign", "--aligner_model bert"])
def test_another_aligner_is_asked(again: Path, monkeypatch: pytest.MonkeyPatch, flags: str):
    def other(*_: object, **given: object) -> None:
        raise OSError(f"{given['aligner']} {given['model']}")

    monkeypatch.setattr("espnet_jst.text.align_corpus", other)
    with pytest.raises(StageError, match=r"word alignment\) failed"):
        run(options_for(flags))


def test_the_shares_of_a_corpus_count_where_it_is_split(again: Path, monkeypatch: pytest.MonkeyPatch):
    flags = "--corpus_dir corpus/train --datadir split --dumpdir split_dump"
    run(options_for(flags))
    assert run(options_for(f"{flags} --valid_share 0.06"))[0] == "1"
    assert run(options_for(f"{flags} --valid_share 0.06 --local_data_opts=-v")) == []


def test_another_model_to_train_further_is_another_training(again: Path, monkeypatch: pytest.MonkeyPatch):
    model = Path("model")
    model.mkdir()
    made = Path("data/en_de_token_list/tgt_word")
    values = {"token_list": (made / "tokens.txt").read_text().split(), "token_type": "bpe", "bpemodel": "model/m"}
    values["model_conf"] = {"heads": {"joint": {"kind": "transducer", "lanes": ["transcript", "translation"]}}}
    (model / "config.yaml").write_text(yaml.safe_dump(values))
    (model / "m").write_bytes((made / "bpe.model").read_bytes())
    (model / "w.pth").write_text("weights")
    files = {"st_train_config": "model/config.yaml", "st_model_file": "model/w.pth"}
    monkeypatch.setattr(finetune, "model_files", lambda model: files)
    monkeypatch.setattr("espnet_jst.recipe.stages.training.model_files", lambda model: files)
    options = options_for().changed(finetune="model")
    assert run(options) == ["token", *MODEL]  # with the same tokens
    (model / "w.pth").write_text("others")
    assert run(options) == ["token", *MODEL]
