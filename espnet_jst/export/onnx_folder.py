"""A pack as a folder of ONNX graphs, which `Speech2Text.from_pretrained` runs on onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from espnet_jst.encoders.chain import ChainContext, LeftChunks
from espnet_jst.encoders.fixed import FixedStep
from espnet_jst.export.check import exported_steps
from espnet_jst.export.graphs import of_encoder, of_head, write
from espnet_jst.export.quantize import quantize
from espnet_jst.export.source import PACKAGES, copy_texts, new_folder, open_source
from espnet_jst.hub.about import ABOUT_KEY, DATA_LICENSE
from espnet_jst.hub.load import CONFIG_KEY, DECODING_KEY
from espnet_jst.hub.pack import stage_config
from espnet_jst.hub.safe_archive import file_sha256
from espnet_jst.inference.graphs.manifest import CONFIG, Manifest
from espnet_jst.model import JSTModel
from espnet_jst.tasks.arguments import lists_of
from espnet_jst.untrusted.config_file import pack_root, read_yaml
from espnet_jst.version import __version__, installed


def export_onnx(
    tag_or_path: str | Path,
    output: str | Path,
    *,
    weights: str = "fp32",
    chunk_s: float | None = None,
    left_chunks: LeftChunks = None,
    say: Callable[[str], object] = print,
) -> Path:
    """Export a model that hears speech in chunks and writes with transducers and CTC heads.

    Args:
        tag_or_path: a pack, an experiment's folder, or a hub tag.
        output: a folder that is new or empty; nothing is in it until everything is.
        weights: "fp32", or "int8": the encoders' matrices in 8 bits.
        chunk_s, left_chunks: see `Chain.given`; by default those that the pack decodes with.
        say: receives how far each graph is from its module.

    Returns:
        The folder.

    Raises:
        ConfigError: the folder is not empty, or the model cannot be exported: names all that cannot be.
        CheckpointError: it is no pack, or damaged.
        JSTError: a package is missing.
    """
    output = Path(output)
    source = open_source(tag_or_path, output, weights, chunk_s, left_chunks)
    model, context = source.model, source.context
    steps = exported_steps(model, context, tag_or_path)
    with new_folder(output) as folder:
        _write_graphs(model, steps, folder, weights, say)
        about = _stage_texts(source.config, folder)
        for name, tokens in lists_of(source.args).items():
            (folder / f"tokens.{name}.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
        _manifest(model, context, steps, folder, weights, about).write(folder)
    return output


def _write_graphs(
    model: JSTModel, steps: dict[str, FixedStep], folder: Path, weights: str, say: Callable[[str], object]
) -> None:
    encoders = [of_encoder(name, step) for name, step in steps.items()]
    taps = {name: model.chain.sizes[spec.reads] for name, spec in model.specs.items() if spec.shares is None}
    heads = [part for name in model.heads for part in of_head(name, model.head[name], taps[name])]
    for part in (*encoders, *heads):
        difference = write(part, folder)
        say(f"{part.file}: differs from the model by {difference:.1e} of the largest number")
    if weights == "int8":
        for part in encoders:
            quantize(folder / part.file)


def _stage_texts(config: Path, folder: Path) -> dict[str, Any]:
    """Configuration, card and licence; returns what the pack says of itself."""
    root = pack_root(config)
    stage_config(config, folder)
    meta = read_yaml(root / "meta.yaml") if root else {}
    copy_texts(config, folder, *([meta[DECODING_KEY]] if DECODING_KEY in meta else []))
    kept = {key: meta[key] for key in (ABOUT_KEY, DECODING_KEY) if key in meta}
    own = {"yaml_files": {CONFIG_KEY: CONFIG}, "files": {}, "espnet_jst": __version__, **kept}
    (folder / "meta.yaml").write_text(yaml.safe_dump(own, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return dict(meta.get(ABOUT_KEY) or {})


def _manifest(
    model: JSTModel,
    context: ChainContext,
    steps: dict[str, FixedStep],
    folder: Path,
    weights: str,
    about: dict[str, Any],
) -> Manifest:
    encoders = {}
    for name, step in steps.items():
        shapes, own = step.shapes, context.encoders[name]
        encoders[name] = {
            **{key: getattr(shapes, key) for key in ("window", "hop", "features", "frames", "factor", "lost")},
            "reads": next(link.reads for link in model.chain.links if link.name == name) or "features",
            "chunk_s": own.chunk_frames * model.chain.shifts_s[name],
            "taps": {tap or "top": size._asdict() for tap, size in step.tap_sizes.items()},
            "state": {key: ["batch", *shape] for key, shape in shapes.state.items()},
        }
    heads = {
        name: {"reads": spec.reads, "lanes": list(spec.lanes), "kind": spec.kind, "blank": model.head[name].blank}
        for name, spec in model.specs.items()
    }
    said = {
        "about": about,
        "made_with": {name: installed(name) for name in ("espnet_jst", "torch", *PACKAGES)},
        "fs": model.fs,
        "frame_s": model.source.shift_s,
        "encoders": encoders,
        "heads": heads,
        "configuration": CONFIG,
        "tokens": sorted(path.name for path in folder.glob("tokens.*.txt")),
        "licence": {
            "weights": about.get("license", ""),
            "data": DATA_LICENSE if (folder / DATA_LICENSE).is_file() else "",
        },
    }
    inside = [
        path for path in sorted(folder.rglob("*")) if path.is_file()
    ]  # the piece model of a second list lies deeper
    files = {path.relative_to(folder).as_posix(): file_sha256(path) for path in inside}
    return Manifest(contexts=dict(context.encoders), weights=weights, files=files, said=said)
