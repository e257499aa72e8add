"""A model whose encoders and heads onnxruntime computes: the same session, decoder and searches run it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espnet_jst.compat import float32_by_default
from espnet_jst.encoders.fixed import FixedEncoder
from espnet_jst.encoders.fixed_steps import fixed_step
from espnet_jst.errors import CheckpointError, ConfigError
from espnet_jst.inference.graphs.graph import Graph
from espnet_jst.inference.graphs.manifest import CONFIG, MANIFEST, check_listed, read_manifest
from espnet_jst.inference.graphs.modules import graph_file, graphs_of, replace_head
from espnet_jst.model import JSTModel

# Of how a pack decodes, what was decided with the export.
DECIDED = ("chunk_s", "left_chunks", "look_ahead_s")


def load_exported(folder: Path) -> tuple[JSTModel, argparse.Namespace]:
    """The model of an exported folder in evaluation mode, and its training arguments.

    Features are computed by PyTorch, as ever: no weights are in them.

    Raises:
        CheckpointError: the folder is damaged.
        JSTError: onnxruntime is not installed.
    """
    from espnet_jst.tasks.jst import JSTTask

    folder = folder.expanduser().absolute()
    manifest = read_manifest(folder)
    check_listed(manifest, [CONFIG], folder)
    with float32_by_default():
        model, args = JSTTask.load_model(folder / CONFIG, None)
    model.eval()
    if set(manifest.contexts) != {link.name for link in model.chain.links}:
        raise CheckpointError(f"{folder / MANIFEST} is of other encoders than {CONFIG}: export the model again")
    parts = {name: graphs_of(model.heads[name]) for name in model.heads}  # type: ignore[arg-type]
    heads = [graph_file(name, part) for name, graphs in parts.items() for part in graphs]
    check_listed(manifest, [*map(graph_file, manifest.contexts), *heads], folder)
    for place, link in enumerate(model.chain.links):
        encoder = fixed_encoder(model, link.name, manifest.contexts[link.name], folder)
        model.chain.links[place] = link._replace(encoder=encoder)
        setattr(model, link.name, encoder)
    for name, graphs in parts.items():
        runs = {part: Graph(folder / graph_file(name, part), inputs) for part, inputs in graphs.items()}
        replace_head(model.heads[name], runs)  # type: ignore[arg-type]
    return model, args


def fixed_encoder(model: JSTModel, name: str, context: Any, folder: Path) -> FixedEncoder:
    """An encoder of the chain, computed by its graph."""
    encoder = next(link.encoder for link in model.chain.links if link.name == name)
    try:
        step = fixed_step(encoder, context, input_size(model, name))
    except ConfigError as error:
        raise CheckpointError(f"{folder / MANIFEST}: {name}: {error}") from error
    shapes = {"x": (step.shapes.window, step.shapes.features), "count": (), **step.shapes.state}
    graph = Graph(folder / graph_file(name), [*shapes])
    if graph.shapes != shapes:
        raise CheckpointError(
            f"{folder / graph_file(name)} is of another chunk or left context than {MANIFEST}: export the model again"
        )
    return FixedEncoder(step.shapes, step.tap_sizes, context, graph)


def input_size(model: JSTModel, name: str) -> int:
    """Features of what an encoder of the chain reads."""
    link = next(link for link in model.chain.links if link.name == name)
    if link.reads is not None:
        return model.chain.sizes[link.reads]
    assert model.frontend is not None
    return model.frontend.output_size()


def exported_options(packed: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """How an exported model decodes: as its pack did, but for what is asked for.

    Raises:
        ConfigError: another device, or weights in 8 bits, is asked for.
    """
    options = {**{key: value for key, value in packed.items() if key not in DECIDED}, **given}
    if (device := options.pop("device", "cpu")) != "cpu":
        raise ConfigError(f"device {device}: an exported model runs on the CPU: leave it out, or take the pack")
    if options.get("quantize_model"):
        raise ConfigError("quantize_model: what is exported with --weights int8 has its weights in 8 bits already")
    return options
