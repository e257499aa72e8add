"""The shipped configurations of a multi-decoder, as they stand: streams, whole utterances, two passes."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch

from espnet_jst.inference import Speech2Text
from espnet_jst.model import JSTModel
from espnet_jst.recipe.runs import training_runs
from espnet_jst.tasks.jst import JSTTask
from tests.inference import tiny

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "egs2/fsdd_digits/jst1/conf/tuning"
FILES = [ROOT / "conf/multi_decoder.yaml", DIGITS / "train_md_kd.yaml", DIGITS / "train_md_joint.yaml"]


@pytest.fixture(scope="module", params=FILES, ids=lambda path: path.stem)
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[JSTModel, argparse.Namespace]:
    """The model of a file, with lively random weights."""
    folder = tmp_path_factory.mktemp("model")
    tokens = tiny.TARGET if "joint" in request.param.stem else tiny.SOURCE
    (folder / "tokens.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    [run] = training_runs(request.param, folder)
    flags = ["--output_dir", str(folder), "--token_list", str(folder / "tokens.txt"), "--token_type", "word"]
    torch.manual_seed(0)
    args = JSTTask.get_parser().parse_args(["--config", str(run.written(folder)), *flags])
    bands = args.frontend_conf["n_mels"]
    np.savez(folder / "stats.npz", count=1, sum=np.full(bands, -9.0), sum_square=np.full(bands, 90.0))
    args.normalize_conf = {"stats_file": str(folder / "stats.npz")}
    return tiny.liven(JSTTask.build_model(args)), args


@pytest.mark.parametrize("chunk_s", [None, 0.32])
def test_the_upper_encoder_is_never_chunked_and_both_passes_say_what_each_says_alone(
    built: tuple[JSTModel, argparse.Namespace], chunk_s: float | None
) -> None:
    model, args = built
    options = {"chunk_s": chunk_s, "max_symbols": 4}
    speech = tiny.speech(4.0, fs=model.fs, seed=3)
    first, second = (
        Speech2Text.from_model(model, args, search_heads=[head], **options) for head in ("streaming", "offline")
    )
    both = Speech2Text.from_model(model, args, **options)
    assert both.schedule.context.encoders["hier_encoder"].chunk_frames == 0
    assert both.schedule.context.encoders["encoder"].chunk_frames > 0
    session, early = both.session(), []
    for start in range(0, len(speech), 1000):
        early += session.push(speech[start : start + 1000])
    assert early and min(word.emission_s for word in early) < 3.0
    session.finish()
    assert [word.text for word in session.words] == [word.text for word in first(speech)[0][3].words]
    whole = second(speech)[0][3].words
    assert [word.text for word in session.result] == [word.text for word in whole]
    assert whole and {word.emission_s for word in whole} == {4.0}
    revised = Speech2Text.from_model(model, args, revise=True, **options).session()
    shown = revised.push(speech)
    assert [word.text for word in revised.finish()] == [word.text for word in whole]
    assert [word.text for word in revised.withdrawn] == [word.text for word in shown]
