from __future__ import annotations

import json
from pathlib import Path

import pytest

from espnet_jst.errors import ConfigError, DataError
from espnet_jst.recipe.options import Options
from espnet_jst.recipe.stages.decoding import check_translator, join_outputs
from tests.evaluation.decoded import make_decoded, make_reference
from tests.evaluation.report.experiment import make_experiment
from tests.recipe.stages.one_stage import do, named, numbered

OPTIONS = Options.of(test_sets="test other", st_tag="x", inference_config="conf/decode.yaml")


def shard(folder: Path, number: int, files: dict[str, str]) -> Path:
    out = folder / "logdir" / f"output.{number}"
    for name, text in files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(text)
    return out


def test_outputs_of_shards_are_joined_and_sorted(tmp_path):
    folders = [
        shard(tmp_path, 1, {"1best_recog/text": "b zwei\nc\n", "1best_recog/words.jsonl": '{"utt_id": "b"}\n'}),
        shard(tmp_path, 2, {"1best_recog/text": "a eins\n", "1best_recog/words.jsonl": '{"utt_id": "a"}\n'}),
        shard(tmp_path, 3, {"1best_recog/signature.json": "{}", "skipped.jsonl": '{"utt_id": "d"}\n'}),
    ]
    assert join_outputs(folders, tmp_path, ["a", "b", "c", "d"]) == 1  # d has no output; c was heard as silence
    assert (tmp_path / "text").read_text() == "a eins\nb zwei\nc\n"
    assert (tmp_path / "words.jsonl").read_text().splitlines() == ['{"utt_id": "b"}', '{"utt_id": "a"}']
    assert (tmp_path / "skipped.jsonl").exists()
    assert (tmp_path / "signature.json").read_text() == "{}"


def test_a_decoder_that_wrote_nothing_is_an_error(tmp_path):
    with pytest.raises(DataError, match="wrote no text"):
        join_outputs([shard(tmp_path, 1, {"other.json": "{}"})], tmp_path, ["a"])


def test_each_mode_and_set_has_a_folder_of_its_own():
    assert OPTIONS.decoding.folder(OPTIONS.exp, "offline", "test") == Path(
        "exp/st_x/decode_st_model_valid.loss.ave_offline/test"
    )
    stages = list(numbered(OPTIONS.changed(use_streaming="both"), 12, 13))
    assert [stage.number for stage in stages] == [12] * 4 + [13] * 2
    outputs = [path for stage in stages for path in stage.outputs]
    assert len(outputs) == len(set(outputs))
    # Each stage keeps its own mode and set, not those of the last one.
    assert len({stage.name for stage in stages[:4]}) == 4


def test_a_model_without_a_transcript_has_written_all_that_stage_12_promises(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stage = next(numbered(OPTIONS, 12))
    out = OPTIONS.decoding.folder(OPTIONS.exp, "streaming", "test")
    join_outputs([shard(out, 1, {"1best_recog/text": "a eins\n", "1best_recog/words.jsonl": "{}\n"})], out, ["a"])
    assert all(path.exists() for path in stage.outputs)


def test_stage_13_leaves_results_and_a_page_of_the_experiment(tmp_path):
    exp, data = make_experiment(tmp_path)
    (exp / "decode").rename(exp / "decode_streaming")
    options = OPTIONS.changed(expdir=str(exp.parent), dumpdir=str(data.parent), inference_tag="decode")
    options = options.changed(test_sets="test")
    stage = named(options, "results and pictures")
    assert "report.html" in f"{stage.run()}"
    assert all(path.exists() for path in stage.outputs)


def test_sets_are_scored_by_several_processes_as_by_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = [("streaming", "test"), ("streaming", "other")]
    for mode, name in runs:
        make_decoded(OPTIONS.decoding.folder(OPTIONS.exp, mode, name))
        make_reference(OPTIONS.data.raw / name)
    files = [OPTIONS.decoding.folder(OPTIONS.exp, *run) / "scores.json" for run in runs]
    notes, scores = [], []
    for nj in (1, 2):
        notes.append(do(OPTIONS.changed(inference_nj=nj), "score"))
        scores.append([{**json.loads(path.read_text()), "environment": None} for path in files])
        for path in files:
            path.unlink()
    assert notes[0] == notes[1]
    assert notes[0].startswith("test, streaming: WER 14.29")
    assert scores[0] == scores[1]


def test_a_cascade_is_decoded_again_where_its_translator_has_changed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = OPTIONS.changed(inference_config="", inference_args="--mt_model mt")
    (options.exp / "mt").mkdir(parents=True)
    weights = {options.exp / "mt" / name for name in ("config.yaml", "valid.loss.ave.pth")}
    [joined, *_] = numbered(options, 12, 12)
    assert weights <= {*joined.inputs}
    [alone, *_] = numbered(options.changed(inference_args=""), 12, 12)
    assert not weights & {*alone.inputs}


def test_a_translator_that_is_no_run_of_the_training_is_refused(tmp_path):
    config = tmp_path / "train.yaml"
    config.write_text("runs: {mt: {input_size: 8}, train: {}}\n", encoding="utf-8")
    check_translator(config, "mt")
    with pytest.raises(ConfigError, match="--mt_model.*did you mean 'mt'"):
        check_translator(config, "tm")
