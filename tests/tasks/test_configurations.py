"""Every configuration that is shipped can be read and built."""

from pathlib import Path

import numpy as np
import pytest
import torch

from espnet_jst.recipe.runs import training_runs
from espnet_jst.tasks.jst import JSTTask
from tests.inputs.pretrained_models import saved

ROOT = Path(__file__).parents[2]
FILES = sorted(
    [*ROOT.glob("conf/*.yaml"), *ROOT.glob("egs2/*/*/conf/train*.yaml"), *ROOT.glob("egs2/*/*/conf/tuning/*")]
)
TWO_CORES = {
    "fsdd_digits",
    "fsdd_conversations",
    "mboshi_french",
    "tatoeba_conversations",
    "tatoeba_es_en",
}  # recipes whose results come from two cores
TOKENS = ["<blank>", "<unk>", "<asr>", "<st>", *(f"▁{n}" for n in range(40)), "<sos/eos>"]
ADAPTED = {
    "frontend": "whisper_mel",
    "frontend_conf": {"n_mels": 20},
    "encoder": "chunk_whisper",
    "encoder_conf": {
        **{"size": 32, "layers": 2, "heads": 4, "feed_forward_size": 48},
        **{"output_subsampling": 4, "chunk_frames": 8, "left_chunks": 8},
    },
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(path.relative_to(ROOT).parts[-3:]))
def test_a_shipped_configuration_builds_models_that_hear_and_write(path, tmp_path):
    (tmp_path / "tokens.txt").write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    for run in training_runs(path, tmp_path):
        tokens = ["--output_dir", str(tmp_path), "--token_list", str(tmp_path / "tokens.txt")]
        args = JSTTask.get_parser().parse_args(["--config", str(run.written(tmp_path)), *tokens])
        bands = (args.frontend_conf or {}).get("n_mels", 80)
        if args.frontend == "pretrained":  # the user says which one
            args.frontend_conf, bands = {"model": saved("whisper"), "layer": 2}, 32
        if args.frontend == "trained":  # likewise
            args.frontend_conf, bands = {**args.frontend_conf, "architecture": ADAPTED}, 32
        if args.encoder == "chunk_whisper":
            args.encoder_conf = {**ADAPTED["encoder_conf"], "layers": 2, **args.encoder_conf}
            for head in args.model_conf["heads"].values():
                if head.get("style") == "whisper":  # of the same small Whisper
                    head["feed_forward_size"] = args.encoder_conf["feed_forward_size"]
            bands = args.frontend_conf["n_mels"] = 20
            assert args.normalize is None  # what it was trained on
        if args.encoder == "mbart":  # 350 million numbers, of which one layer of each is like the others
            args.encoder_conf["layers"] = args.model_conf["heads"]["st"]["layers"] = 1
        np.savez(tmp_path / "stats.npz", count=1, sum=np.full(bands, -9.0), sum_square=np.full(bands, 90.0))
        args.normalize_conf = {"stats_file": str(tmp_path / "stats.npz")}
        model = JSTTask.build_model(args)
        if TWO_CORES & set(path.parts):
            assert sum(p.numel() for p in model.parameters()) <= 5_000_000
        batch = {}
        for spec in model.specs.values():
            batch |= {spec.target: torch.tensor([[5, 6]]), f"{spec.target}_lengths": torch.tensor([2])}
        samples = torch.randn(1, model.fs, *([model.channels] if model.channels > 1 else [])) * 0.1
        heard = torch.randint(4, 40, (1, 3)) if model.speech is None else samples
        batch |= {model.source.key: heard, f"{model.source.key}_lengths": torch.tensor([heard.size(1)])}
        assert model(**batch)[0].isfinite().all()
