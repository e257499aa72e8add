"""A pack as folders that sherpa-onnx runs, unmodified: one for each transducer."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path

from espnet_jst.encoders.chain import ChainContext, LeftChunks
from espnet_jst.encoders.fixed_steps import fixed_step
from espnet_jst.errors import ConfigError
from espnet_jst.export.graphs import write
from espnet_jst.export.nemo import ENCODER, Decoder, StreamingEncoder, order, parts_of
from espnet_jst.export.quantize import quantize
from espnet_jst.export.source import copy_texts, new_folder, open_source
from espnet_jst.heads.spec import vocabulary_of
from espnet_jst.heads.transducer import TransducerHead
from espnet_jst.inference.graphs.graph import needed
from espnet_jst.inference.graphs.load import input_size
from espnet_jst.inputs.conf import KaldiFbankConf
from espnet_jst.keys import read
from espnet_jst.model import JSTModel
from espnet_jst.tasks.arguments import lists_of
from espnet_jst.version import __version__

TOKENS, BLANK, SPACE = "tokens.txt", "<blk>", "▁"
# What sherpa-onnx computes for this kind of model, whatever it is told.
FEATURES = {
    "fs": 16000,
    "window_s": 0.025,
    "hop_s": 0.01,
    "window": "hann",
    "mel_scale": "slaney",
    "remove_dc": False,
    "preemphasis": 0.97,
    "scale": 1.0,
    "fmin": 0.0,
    "top_hz": 8000.0,
    "floor": 2.0**-23,
}
TRAIN_WITH = "{fs: 16000, window: hann, mel_scale: slaney, remove_dc: false, fmin: 0, fmax: 0}"


def export_sherpa(
    tag_or_path: str | Path,
    output: str | Path,
    *,
    weights: str = "fp32",
    chunk_s: float | None = None,
    left_chunks: LeftChunks = None,
    say: Callable[[str], object] = print,
) -> list[Path]:
    """Export every transducer of a model, each with the encoders under it.

    Args:
        tag_or_path: a pack, an experiment's folder, or a hub tag.
        output: a folder that is new or empty; nothing is in it until everything is. Of a model with several transducers
            each has a folder of its name in it.
        weights: "fp32", or "int8": the encoders' matrices in 8 bits.
        chunk_s, left_chunks: see `Chain.given`; by default those that the pack decodes with.
        say: receives how far each graph is from its module.

    Returns:
        The folders.

    Raises:
        ConfigError: the folder is not empty, or the model cannot be exported, and why.
        CheckpointError: it is no pack, or damaged.
        JSTError: a package is missing.
    """
    output = Path(output)
    source = open_source(tag_or_path, output, weights, chunk_s, left_chunks)
    model, args = source.model, source.args
    try:
        _check_features(model, args)
        encoders = {name: _encoder(model, name, source.context) for name in _transducers(model)}
        for name in encoders:
            Decoder(_head(model, name))
    except ConfigError as error:
        raise ConfigError(f"{tag_or_path} cannot be exported for sherpa-onnx; {error}") from error
    tokens = {name: _symbols(model, name, lists_of(args), args) for name in encoders}
    with new_folder(output) as whole:
        for name, encoder in encoders.items():
            folder = whole if len(encoders) == 1 else whole / name
            folder.mkdir(exist_ok=True)
            _write(model, name, encoder, folder, weights, say)
            lines = [f"{symbol} {index}\n" for index, symbol in enumerate(tokens[name])]
            (folder / TOKENS).write_text("".join(lines), encoding="utf-8")
            copy_texts(source.config, folder)
    return [output] if len(encoders) == 1 else [output / name for name in encoders]


def _transducers(model: JSTModel) -> list[str]:
    names = [name for name in model.heads if isinstance(_head(model, name), TransducerHead)]
    if not names:
        raise ConfigError("it has no transducer")
    return names


def _head(model: JSTModel, name: str) -> TransducerHead:
    return model.head[name]  # type: ignore[return-value]


def _check_features(model: JSTModel, args: Namespace) -> None:
    """Refuse features that sherpa-onnx does not compute."""
    if model.speech is None or model.tgt_langs is not None:
        raise ConfigError("it hears speech alone, and knows of no target language")
    differs = ["frontend"]
    if args.frontend == "kaldi_fbank":
        conf = read(KaldiFbankConf, args.frontend_conf, "frontend_conf")
        differs = [key for key, wanted in FEATURES.items() if getattr(conf, key) != wanted]
    if differs:
        raise ConfigError(
            f"its features are others ({', '.join(differs)}): train with frontend: kaldi_fbank and "
            f"frontend_conf: {TRAIN_WITH}"
        )


def _encoder(model: JSTModel, name: str, context: ChainContext) -> StreamingEncoder:
    """The encoders up to what the head reads."""
    reads = model.specs[name].reads
    links = model.chain.links[: [link.name for link in model.chain.links].index(reads.partition(".")[0]) + 1]
    steps = {}
    for link in links:
        try:
            steps[link.name] = fixed_step(link.encoder, context.encoders[link.name], input_size(model, link.name))
        except ConfigError as error:
            raise ConfigError(f"{link.name}: {error}") from error
    return StreamingEncoder(model.normalize, steps, links, reads, _head(model, name).joint.encoder_proj)


def _symbols(model: JSTModel, name: str, lists: Mapping[str, list[str]], args: Namespace) -> list[str]:
    """The symbols of `tokens.txt`: what begins a word does so by "▁", also where a token is a word or a space."""
    vocabulary = vocabulary_of(model.specs[name], lists)
    kind = args.token_type if vocabulary == "tgt" else args.src_token_type
    special = {symbol for symbol in lists[vocabulary] if symbol.startswith("<") and symbol.endswith(">")}

    def symbol(token: str) -> str:
        if token == "<space>":
            return SPACE
        return SPACE + token if kind == "word" and token not in special else token

    head = _head(model, name)
    return [*(symbol(lists[vocabulary][index]) for index in order(head)[:-1]), BLANK]


def _write(
    model: JSTModel,
    name: str,
    encoder: StreamingEncoder,
    folder: Path,
    weights: str,
    say: Callable[[str], object],
) -> None:
    head = _head(model, name)
    for part in parts_of(encoder.eval(), head):
        difference = write(part, folder)
        say(f"{name}/{part.file}: differs from the model by {difference:.1e} of the largest number")
    if weights == "int8":
        quantize(folder / ENCODER)
    layers, size = Decoder(head).state
    caches = {"cache_last_channel": (1, 1, encoder.cache_size), "cache_last_time": (1, 1, 1)}
    _add_metadata(
        folder / ENCODER,
        {
            "vocab_size": head.vocab_size - 1,  # without the blank
            "window_size": encoder.window,
            "chunk_shift": encoder.hop,
            "subsampling_factor": encoder.hop // encoder.frames,
            "normalize_type": "NA",
            "pred_rnn_layers": layers,
            "pred_hidden": size,
            **{f"{cache}_dim{axis}": n for cache, shape in caches.items() for axis, n in enumerate(shape, start=1)},
            "model_author": f"espnet_jst {__version__}",
            "comment": f"head {name}",
            "lanes": ",".join(model.specs[name].lanes),
        },
    )


def _add_metadata(path: Path, values: Mapping[str, object]) -> None:
    onnx = needed("onnx")
    graph = onnx.load(str(path))
    for key, value in values.items():
        graph.metadata_props.add(key=key, value=str(value))
    onnx.save(graph, str(path))
