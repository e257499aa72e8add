"""Weights under released names into a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from espnet_jst.errors import CheckpointError
from espnet_jst.hub.icefall.layout import Layout, check_sizes, find_layout
from espnet_jst.hub.icefall.names import released_name, why_unused
from espnet_jst.hub.icefall.report import Report, Row
from espnet_jst.hub.icefall.settings import Settings, configuration
from espnet_jst.hub.icefall.sizes import Sizes, parse_sizes
from espnet_jst.model import JSTModel
from espnet_jst.tasks.arguments import loaded_arguments
from espnet_jst.tasks.jst import JSTTask
from espnet_jst.token_marks import PREFIX, TokenLists
from espnet_jst.weights import SHOWN_KEYS, check_finite, limit_parameters

UNKNOWN = {"": 2, "st_": 2}  # in all published models


@dataclass(frozen=True)
class Converted:
    """A released model in this package.

    Attributes:
        model: in evaluation mode.
        config: what config.yaml would hold of it.
        layout: what the checkpoint holds.
        report: where every weight came from.
    """

    model: JSTModel
    config: Settings
    layout: Layout
    report: Report


def load_icefall(state_dict: Mapping[str, Tensor], sizes: Sizes | Mapping[str, object]) -> JSTModel:
    """A released Zipformer or HENT-SRT model, from its weights and the sizes that they do not show.

    Args:
        state_dict: weights by their released names: a whole transducer, with or without an ST branch.
        sizes: as `sizes.Sizes` describes them, in the form of the files beside the golden tensors.

    Returns:
        The model in evaluation mode. It knows no token lists.

    Raises:
        ConfigError: the sizes cannot be used.
        CheckpointError: the weights are of another layout or of other sizes, or some are missing or too many; the
            message names them.
    """
    sizes = sizes if isinstance(sizes, Sizes) else parse_sizes(sizes)
    model = convert(state_dict, sizes).model
    model.token_lists = TokenLists({}, {})
    return model


def convert(
    state: Mapping[str, Tensor],
    sizes: Sizes,
    *,
    where: str = "the checkpoint",
    tokens: Mapping[str, Sequence[str]] | None = None,
    unknown: Mapping[str, int] = UNKNOWN,
) -> Converted:
    """As `load_icefall`.

    Args:
        state: weights by their released names.
        sizes: of the model.
        where: the file of the weights, for messages.
        tokens: the lists "tgt" and perhaps "src", blank first; without them labels are numbers.
        unknown: id of `<unk>` by task, "" and "st_".
    """
    layout = find_layout(state, where)
    check_sizes(sizes, state, layout, where)
    config = configuration(sizes, layout, unknown)
    if tokens is None:
        numbers = {task: ["<blank>", *map(str, range(1, count))] for task, count in layout.vocab.items()}
        tokens = {"tgt": numbers["st_"], "src": numbers[""]} if layout.translates else {"tgt": numbers[""]}
    config["token_list"] = [*tokens["tgt"]]
    if "src" in tokens:
        config["src_token_list"] = [*tokens["src"]]
    with limit_parameters(sum(tensor.numel() for tensor in state.values()), where):
        model = JSTTask.build_model(loaded_arguments(config, "the configuration made from the sizes"))
    weights, report = _mapped(state, sizes, layout, model, where)
    check_finite(weights, where)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weights[name])
    return Converted(model.eval(), config, layout, report)


def _mapped(
    state: Mapping[str, Tensor], sizes: Sizes, layout: Layout, model: JSTModel, where: str
) -> tuple[dict[str, Tensor], Report]:
    """The weights of the model by name, and where they came from.

    Raises:
        CheckpointError: lists what is missing, of another shape, or too much.
    """
    factors = {"encoder": tuple(sizes.asr.downsampling_factor)}
    if sizes.st is not None:
        factors["hier_encoder"] = tuple(sizes.st.downsampling_factor)
    rows, missing, reshaped, weights = [], [], [], {}
    for name, own in model.named_parameters():
        sources = [released_name(name, factors)]
        if name.endswith("joint.encoder_proj.bias"):  # both biases are added before anything else happens
            sources.append(sources[0].replace("encoder_proj", "decoder_proj"))
        missing += [source for source in sources if source not in state]
        values = []
        for source in sources:
            if source in state:
                rows.append(Row(source, name, tuple(state[source].shape)))
                values.append(_turned(name, state[source]).float())
                if values[-1].shape != own.shape:
                    reshaped.append(f"{source} {rows[-1].shape}, for {name} {tuple(own.shape)}")
        if len(values) == len(sources) and not reshaped:
            weights[name] = values[0] if len(values) == 1 else values[0] + values[1]
    used = {row.released for row in rows}
    skipped = {name: why_unused(name) for name in state if name not in used}
    extra = [name for name, reason in skipped.items() if not reason]
    found_faults = [("missing", missing), ("of another shape", reshaped), ("that no part has a use for", extra)]
    parts = [f"{len(names)} {label}: {_some(names)}" for label, names in found_faults if names]
    if parts:
        raise CheckpointError(f"{where} is no whole model of these sizes: " + "; ".join(parts))
    assert set(weights) == {name for name in model.state_dict() if not name.startswith(PREFIX)}
    return weights, Report(tuple(rows), skipped)


def _turned(name: str, value: Tensor) -> Tensor:
    """A released weight as it stands here."""
    if name.endswith("conv.edges") and value.dim() == 3:
        return value.transpose(1, 2)
    if ".pointwise" in name and value.dim() == 4 and value.shape[2:] == (1, 1):
        return value.flatten(1)
    return value


def _some(names: Sequence[str]) -> str:
    more = f", and {len(names) - SHOWN_KEYS} more" if len(names) > SHOWN_KEYS else ""
    return ", ".join(names[:SHOWN_KEYS]) + more
