"""Packing a trained model into one zip, in ESPnet's layout.

`meta.yaml` names the files by the arguments of `Speech2Text`, so espnet_model_zoo unpacks the zip and ESPnet's own
Speech2Text, its task set to ours, loads it. Beside ESPnet's weights (a pickle, of tensors only) lie the same weights
as safetensors, which our loader prefers, and checksums of everything.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from espnet_jst.errors import CheckpointError
from espnet_jst.hub.about import ABOUT_KEY, DATA_LICENSE, About, read_base
from espnet_jst.hub.card import CardInfo, model_card
from espnet_jst.hub.concerns import concerns
from espnet_jst.hub.load import CARD, CONFIG_KEY, DECODING_KEY, SAFETENSORS, WEIGHTS_KEY, experiment_weights
from espnet_jst.hub.made import made_lines, portable
from espnet_jst.hub.portable import check_portable, portable_config, strip_sentencepiece
from espnet_jst.hub.safe_archive import file_sha256
from espnet_jst.hub.verify import verify
from espnet_jst.inputs.pretrained.conf import UPSTREAM
from espnet_jst.untrusted.config_file import read_yaml
from espnet_jst.version import __version__, installed

_STORED_SUFFIXES = {".pth", ".safetensors", ".png"}  # deflate gains nothing on them


def pack(
    exp_dir: str | Path,
    output: str | Path,
    *,
    wav: str | Path | None,
    model: str | Path | None = None,
    results: str | Path | None = None,
    data_license: str | Path | None = None,
    card: CardInfo | None = None,
    decoding: str | Path | None = None,
    kind: str = "fp32",
    options: Iterable[str | Path] = (),
    say: Callable[[str], object] = print,
) -> Path:
    """Pack an experiment; the zip appears under its name only after it was loaded again and decoded an utterance.

    Args:
        exp_dir: experiment folder with config.yaml and weights.
        wav: an audio file, or lines of text for a model that hears text; the zip, copied to an empty folder, must
            decode it in a process of its own. None leaves this check to the caller (`hub.verify.verify`).
        model: weights; by default the average of the best epochs, see `experiment_weights`.
        results: RESULTS.md, by default the experiment's where it has one.
        data_license: text with the licence and source of the training data, packed as DATA_LICENSE.md, with that of
            the model that this one was trained further from.
        card: what the model card says; a licence that it does not name is that of the model that this one was trained
            further from.
        decoding: decoding configuration; loading the pack decodes with its search and chunk (`decoding_options`).
        kind: how weights are stored, see `stored_weights`; of int8 ESPnet's own tools can read nothing.
        options: further files, packed under their names at the root.
        say: receives what the packer should know: that a lane is empty or all wrong, that licences differ.

    Returns:
        The path of the zip.

    Raises:
        CheckpointError: a file is missing, unsafe or names absolute paths, or the pack does not decode.
    """
    exp_dir, output = Path(exp_dir), Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    weights = Path(model) if model is not None else experiment_weights(exp_dir)
    results = Path(results) if results is not None else exp_dir / "RESULTS.md"
    with tempfile.TemporaryDirectory(prefix=".pack-", dir=output.parent) as scratch:
        staging = Path(scratch) / "pack"
        staging.mkdir()
        config = stage_config(exp_dir / "config.yaml", staging)
        weights_name, lost = _stage_weights(weights, staging, config, kind)
        extra: list[tuple[str | Path, str]] = [
            (path, f"images/{path.name}") for path in sorted((exp_dir / "images").glob("*.png"))
        ]
        extra += [(path, Path(path).name) for path in (*options, *([decoding] if decoding else []))]
        extra += [(results, "RESULTS.md")] if results.is_file() else []
        for path, name in extra:
            stage_file(Path(path), staging / name)
        base = read_base(exp_dir)[0]
        card = _complete(replace(card or CardInfo(), stored=lost), exp_dir, base)
        _stage_license(staging / DATA_LICENSE, data_license, exp_dir)
        write_card = partial(_write_card, staging, config=config, results=results, exp_dir=exp_dir, base=base)
        write_card(card)
        check_portable(staging)
        meta = _meta(staging, weights_name)
        about = About(
            name=card.name, languages=tuple(card.languages), dataset=card.dataset, license=card.license, base=base
        )
        meta[ABOUT_KEY] = about.as_dict()
        if decoding:
            meta[DECODING_KEY] = Path(decoding).name
        _write(staging / "meta.yaml", yaml.safe_dump(meta, sort_keys=False, allow_unicode=True))
        for warning in card.warnings:
            say(f"Warning: {output.name}: {warning}")
        made = Path(scratch) / output.name
        _zip(staging, made)
        if wav is not None and not any(verify(made, wav, config).values()):
            warning = f"it wrote nothing for the recording {Path(wav).name}"
            say(f"Warning: {output.name}: {warning}")
            write_card(replace(card, warnings=(*card.warnings, warning)))
            _zip(staging, made)
        os.replace(made, output)
    return output


def _complete(card: CardInfo, exp_dir: Path, base: About | None) -> CardInfo:
    """The card with what the experiment knows: its scores' concerns, and the licence of the model below it."""
    warnings = [*card.warnings, *concerns(exp_dir)]
    if base is not None and card.license and base.license and card.license != base.license:
        warnings.append(
            f"its licence, {card.license}, is not that of {base.name}, {base.license}: see that it allows this"
        )
    return replace(card, license=card.license or (base.license if base else ""), warnings=tuple(warnings))


def _stage_license(target: Path, data_license: str | Path | None, exp_dir: Path) -> None:
    """DATA_LICENSE.md: of this training's data, and of the data of the model that it began with."""
    base, text = read_base(exp_dir)
    parts = []
    if data_license is not None:
        if not Path(data_license).is_file():
            raise CheckpointError(f"{data_license}: no such file to pack")
        parts.append(Path(data_license).read_text(encoding="utf-8", errors="replace").strip())
    if base is not None:
        told = (
            text.strip() or f"Trained on {base.dataset or 'data that it does not name'}, whose licence it does not say."
        )
        parts.append(f"# Data of the model {base.name}, which this one was trained further from\n\n{portable(told)}")
    if parts:
        _write(target, "\n\n".join(parts) + "\n")


def _write_card(
    staging: Path, card: CardInfo, *, config: dict[str, Any], results: Path, exp_dir: Path, base: About | None
) -> None:
    text = results.read_text(encoding="utf-8") if results.is_file() else ""
    fs = (config.get("frontend_conf") or {}).get("fs")
    licensed = (staging / DATA_LICENSE).is_file()
    how = made_lines(exp_dir, base, card.data or card.dataset)
    _write(
        staging / CARD,
        model_card(card, config=config, results=text, fs=fs, data_license=licensed, base=base, made=how),
    )


def stage_config(path: Path, staging: Path) -> dict[str, Any]:
    """Write a configuration that names nothing outside of its folder, and the files that it names; returns it."""
    config, files = portable_config(read_yaml(path), path)
    _check_own(config, files, path)
    for name, source in files.items():
        stage_file(source, staging / name)
    _write(staging / "config.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    return config


def _check_own(config: Mapping[str, Any], files: Mapping[str, Path], where: Path) -> None:
    """Refuse a model that needs an upstream of S3PRL, which only S3PRL's code and downloads can build."""
    from espnet_jst.units.unit_set import frontend_of

    sets = [path for path in files.values() if path.suffix == ".safetensors"]
    if config.get("frontend") == UPSTREAM or any(frontend_of(path) == UPSTREAM for path in sets):
        raise CheckpointError(
            f"{where} hears audio by {UPSTREAM}, and no pack can hold an upstream of S3PRL: use the frontend "
            "pretrained, with a folder of transformers or an original checkpoint of WavLM, HuBERT or wav2vec 2.0"
        )


def stage_file(source: Path, target: Path) -> None:
    """Copy a file into a pack.

    Raises:
        CheckpointError: it is missing, or the pack has one of that name.
    """
    if not source.is_file():
        raise CheckpointError(f"{source}: no such file to pack")
    if target.exists():
        raise CheckpointError(f"{source}: the pack has a file {target.name} already; rename this one")
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix == ".model":
        target.write_bytes(strip_sentencepiece(source.read_bytes()))
    else:
        shutil.copyfile(source, target)


def _stage_weights(path: Path, staging: Path, config: Mapping[str, Any], kind: str) -> tuple[str, str]:
    """Both forms, written anew from the tensors, so that nothing else that lay in the file is given away; of int8 the
    one that we read.

    Returns:
        The name of the weights, and what they have lost, if anything.
    """
    import torch
    from safetensors.torch import save_file

    from espnet_jst.stored_weights import rounding, stored
    from espnet_jst.weights import read_weights

    state = read_weights(path)
    _check_token_lists(state, config, staging, path)
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    tensors = stored(state, kind)
    lost = "" if kind == "fp32" else f"{kind}: {rounding(state, tensors)}"
    save_file(tensors, staging / SAFETENSORS, metadata={"format": "pt"})
    if kind == "int8":
        return SAFETENSORS, lost
    name = path.resolve().with_suffix(".pth").name
    torch.save(tensors, staging / name)
    return name, lost


def _check_token_lists(state: Mapping[str, Any], config: Mapping[str, Any], staging: Path, where: Path) -> None:
    """Refuse weights that were trained with other token lists than the configuration's."""
    from espnet_jst.heads.build import token_lists
    from espnet_jst.heads.spec import parse_heads
    from espnet_jst.inputs.spec import parse_inputs
    from espnet_jst.text.lanes import parse_lanes
    from espnet_jst.text.token_list import read_tokens
    from espnet_jst.token_marks import NAMES, check_marks

    given = {name: config[key] for name, key in NAMES.items() if config.get(key)}
    lists = {
        name: read_tokens(staging / tokens) if isinstance(tokens, str) else tokens for name, tokens in given.items()
    }
    model_conf = config.get("model_conf") or {}
    inputs = {name: spec.vocabulary_in(lists) for name, spec in parse_inputs(model_conf.get("inputs")).items()}
    heads = parse_heads(model_conf.get("heads"), parse_lanes(model_conf.get("lanes")))
    check_marks(state, dict(token_lists(heads, lists, inputs).named_buffers()), where)


def _meta(staging: Path, weights_name: str) -> dict[str, Any]:
    names = {path.relative_to(staging).as_posix() for path in staging.rglob("*") if path.is_file()} - {CARD}
    return {
        "files": {WEIGHTS_KEY: weights_name},
        "yaml_files": {CONFIG_KEY: "config.yaml"},
        "timestamp": time.time(),
        "python": sys.version,
        "torch": installed("torch"),
        "espnet": installed("espnet"),
        "espnet_jst": __version__,
        "sha256": {name: file_sha256(staging / name) for name in sorted(names)},
    }


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _zip(staging: Path, target: Path) -> None:
    """meta.yaml first, as in ESPnet's packs; synchronised to the disk, because a rename follows."""
    paths = sorted(path for path in staging.rglob("*") if path.is_file())
    paths.sort(key=lambda path: path.name != "meta.yaml")
    with open(target, "wb") as file:
        with zipfile.ZipFile(file, "w") as archive:
            for path in paths:
                method = zipfile.ZIP_STORED if path.suffix in _STORED_SUFFIXES else zipfile.ZIP_DEFLATED
                archive.write(path, path.relative_to(staging).as_posix(), compress_type=method)
        file.flush()
        os.fsync(file.fileno())
