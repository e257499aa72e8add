"""The paper's systems have the paper's sizes: the YAML in the tree, with vocabularies of 5000 and 4000."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import nn

from espnet_jst.model import JSTModel
from espnet_jst.recipe.runs import training_runs
from espnet_jst.tasks.jst import JSTTask

ROOT = Path(__file__).parents[2]
VOCABULARIES = {"token_list": 4000, "src_token_list": 5000}
WHOLE = {"causal": False, "chunk_frames": 0, "train_chunk_frames": [0]}


def built(name: str, folder: Path, *, whole: bool = False, run: str = "") -> JSTModel:
    """The model of a file in the tree, of its last training or of the one that is named."""
    [*_, chosen] = [entry for entry in training_runs(ROOT / "conf" / name, folder) if run in ("", entry.name)]
    args = JSTTask.get_parser().parse_args(["--config", str(chosen.written(folder)), "--output_dir", str(folder)])
    if whole:
        args.encoder_conf |= WHOLE
        args.hier_encoder_conf = {**(args.hier_encoder_conf or {}), **WHOLE}
    args.normalize = None  # its statistics are none of the weights
    for option, count in VOCABULARIES.items():
        setattr(args, option, ["<blank>", "<unk>", *map(str, range(count - 2))])
    return JSTTask.build_model(args)


def count(module: nn.Module | None) -> int:
    return 0 if module is None else sum(parameter.numel() for parameter in module.parameters())


def transducers(model: JSTModel) -> list[Any]:
    return [head for name, head in model.heads.items() if not name.endswith("_ctc")]


def of_inference(model: JSTModel) -> int:
    """Encoders, predictors and joint networks: without CTC heads and additive joiners."""
    heads = sum(count(head.predictor) + count(head.joint) for head in transducers(model))
    return count(model.encoder) + count(model.hier_encoder) + heads


def vectors(encoder: Any) -> int:
    """A vector in every layer of the released modules that no layer uses, and the weight of one frame joined to one."""
    layers = [layer for stack in encoder.stacks for layer in stack.layers]
    return sum(layer.bypass.scale.numel() for layer in layers) + (encoder.output is None)


def released(model: JSTModel) -> int:
    """What the released modules have besides, of no use: those vectors, and second biases of the joint networks."""
    encoders = [encoder for encoder in (model.encoder, model.hier_encoder) if encoder is not None]
    biases = sum(head.joint.predictor_proj.out_features for head in transducers(model))
    return sum(vectors(encoder) for encoder in encoders) + biases


def test_hent_srt_has_the_published_size(tmp_path: Path) -> None:
    model = built("hent_srt.yaml", tmp_path)
    assert released(model) == 3456 + 3328 + 1 + 2 * 256
    assert of_inference(model) == 62_285_392 - released(model)
    assert count(model.encoder.frontend) == 611_953
    assert count(model.encoder) == 34_160_030 + 611_953 - 3456
    # The additive joiners' second biases, too.
    assert count(model) == 73_832_392 - released(model) - 5000 - 4000


def test_hent_srt_for_whole_utterances_has_the_published_size(tmp_path: Path) -> None:
    model = built("hent_srt.yaml", tmp_path, whole=True)
    assert of_inference(model) == 61_561_680 - released(model)
    assert count(model.hier_encoder) == 22_115_609 - 3328 - 1


@pytest.mark.parametrize(("whole", "millions"), [(False, 59.81), (True, 59.21)])
def test_nt_shared_has_the_published_size(whole: bool, millions: float, tmp_path: Path) -> None:
    model = built("nt_shared.yaml", tmp_path, whole=whole)
    assert round((of_inference(model) + released(model)) / 1e6, 2) == millions
    assert model.hier_encoder is None and {*model.chain.sizes} == {"encoder", "encoder.last_stack"}
    assert {name: spec.reads for name, spec in model.specs.items()} == {"asr": "encoder", "st": "encoder"}


@pytest.mark.parametrize(("whole", "millions"), [(False, 20.02), (True, 19.76)])
def test_nt_hier1_has_the_size_that_was_computed_for_it(whole: bool, millions: float, tmp_path: Path) -> None:
    model = built("nt_hier1.yaml", tmp_path, whole=whole)
    assert round((count(model.hier_encoder) + vectors(model.hier_encoder)) / 1e6, 2) == millions
    assert [len(encoder.stacks) for encoder in (model.encoder, model.hier_encoder)] == [5, 3]
    assert [*model.heads] == ["asr", "st"]


def test_nt_hier2_is_hent_srt_without_ctc(tmp_path: Path) -> None:
    model = built("nt_hier2.yaml", tmp_path)
    assert of_inference(model) == 62_285_392 - released(model)
    assert [*model.heads] == ["asr", "st"] and not len(model.regularizers)


def test_its_first_training_is_a_recognizer_without_ctc(tmp_path: Path) -> None:
    model = built("nt_hier2.yaml", tmp_path, run="pretrain_asr")
    assert [*model.heads] == ["asr"] and model.hier_encoder is None and not len(model.regularizers)


def test_jstar_has_the_papers_layers_and_the_mt_pretraining_fits_its_upper_part(tmp_path: Path) -> None:
    model = built("jstar.yaml", tmp_path)
    assert (len(model.encoder.layers), len(model.hier_encoder.layers)) == (20, 10)
    translator = built("jstar.yaml", tmp_path, run="pretrain_mt")
    for below, above in ((translator.encoder, model.hier_encoder), (translator.heads["st"], model.heads["st"])):
        shapes = {name: value.shape for name, value in below.state_dict().items()}
        assert shapes == {name: value.shape for name, value in above.state_dict().items()}
