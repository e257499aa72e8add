"""Self-supervised encoders of ESPnet itself (`espnet2.tasks.ssl`), as XEUS is: its modules, in any batch alike."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from typeguard import TypeCheckError

from espnet_jst.config import read_yaml, shown
from espnet_jst.errors import ConfigError
from espnet_jst.inputs.pretrained.interface import PretrainedEncoder, hop_and_span

KIND = "espnet_ssl"
CONFIG = "config.yaml"  # beside the weights, as a training of ESPnet leaves it
SHAPES = [[512, 10, 5], *([512, 3, 2] for _ in range(4)), *([512, 2, 2] for _ in range(2))]  # ESPnet's default
CONVOLUTIONS = ("conv_dim", "conv_kernel", "conv_stride")
# Part of ESPnet's configuration -> what of it says what is computed.
PARTS = {
    "frontend": ("norm_mode", "conv_mode", "bias", "normalize_audio", "normalize_output", "layer_norm_cls"),
    "normalize": ("norm_means", "norm_vars", "eps"),
    "preencoder": ("output_size",),
    "encoder": (
        *("output_size", "attention_heads", "linear_units", "num_blocks", "input_layer", "pos_enc_layer_type"),
        *("rel_pos_type", "attention_layer_type", "selfattention_layer_type", "zero_triu", "qk_norm"),
        *("max_pos_emb_len", "positionwise_layer_type", "positionwise_conv_kernel_size", "normalize_before"),
        *("concat_after", "macaron_style", "activation_type", "use_cnn_module", "cnn_module_kernel"),
        *("cgmlp_linear_units", "cgmlp_conv_kernel", "use_linear_after_conv", "gate_activation"),
        *("use_ffn", "macaron_ffn", "ffn_activation_type", "merge_conv_kernel"),
        *("dropout_rate", "positional_dropout_rate", "attention_dropout_rate"),
    ),
}
KINDS = {
    "frontend": ("wav2vec_cnn",),
    "normalize": ("utterance_mvn", ""),
    "preencoder": ("linear", ""),
    "encoder": ("transformer", "e_branchformer", "conformer"),
}
SIZES = (*KINDS, *CONVOLUTIONS, *(f"{part}.{name}" for part, names in PARTS.items() for name in names))
WITHOUT_PLACE = ("linear", None)  # of input_layer: others take fewer frames, whose count is not known before


class EspnetSslEncoder(PretrainedEncoder):
    """Convolutions over samples, a projection and a Transformer, E-Branchformer or Conformer of ESPnet.

    Its convolutions read the padding, and its norm of samples is one of the whole batch: so an utterance is heard
    alone.

    Args:
        layers: of the encoder, from the lowest on.
        sizes: what `sizes_of` found.
    """

    def __init__(self, layers: int, *, sizes: Mapping[str, Any]) -> None:
        super().__init__()
        try:
            self.model, self.size = _parts(layers, sizes)
        except (AssertionError, AttributeError, TypeCheckError) as error:  # what ESPnet makes of sizes
            raise ValueError(" ".join(str(error).split())[:200]) from error
        self.layers = layers
        self.hop_samples, self.span_samples = hop_and_span(sizes["conv_kernel"], sizes["conv_stride"])

    def forward(self, samples: Tensor, lengths: Tensor) -> tuple[list[Tensor], Tensor]:
        rows = [self._heard(row[:length]) for row, length in zip(samples, lengths.tolist(), strict=True)]
        counts = torch.tensor([len(row[0]) for row in rows], device=samples.device)
        return [pad_sequence(list(layer), batch_first=True) for layer in zip(*rows, strict=True)], counts

    def _heard(self, samples: Tensor) -> list[Tensor]:
        """(N,) -> (T, D) of layer 0, 1, ..."""
        if len(samples) < self.span_samples:  # silence behind what is shorter than one frame
            samples = nn.functional.pad(samples, (0, self.span_samples - len(samples)))
        x, length = samples[None], torch.tensor([len(samples)], device=samples.device)
        for name, part in self.model.items():
            if name != "encoder":
                x, length = part(x, length)
        encoder: Any = self.model["encoder"]
        found = [x[0]]

        def keep(_: nn.Module, __: object, output: Any) -> None:
            found[0] = (output[0] if isinstance(output, tuple) else output)[0]

        hook = None if encoder.embed is None else encoder.embed.register_forward_hook(keep)
        try:
            output = encoder(x, length, return_all_hs=True)[0]
        finally:
            if hook is not None:
                hook.remove()
        return found + ([layer[0] for layer in output[1]] if isinstance(output, tuple) else [])


def _parts(layers: int, sizes: Mapping[str, Any]) -> tuple[nn.ModuleDict, int]:
    """ESPnet's modules in the order in which samples pass them, and the features of a frame."""
    from espnet2.tasks.ssl import encoder_choices, frontend_choices, normalize_choices, preencoder_choices

    shapes = list(zip(*(sizes[name] for name in CONVOLUTIONS), strict=True))
    frontend = frontend_choices.get_class(sizes["frontend"])(shapes=shapes, **_of(sizes, "frontend"))
    found, size = nn.ModuleDict({"frontend": frontend}), frontend.output_size()
    if sizes["normalize"]:
        found["normalize"] = normalize_choices.get_class(sizes["normalize"])(**_of(sizes, "normalize"))
    if sizes["preencoder"]:
        preencoder = preencoder_choices.get_class(sizes["preencoder"])(input_size=size, **_of(sizes, "preencoder"))
        found["preencoder"], size = preencoder, preencoder.output_size()
    own = {"input_layer": None, **_of(sizes, "encoder"), "num_blocks": layers}
    encoder = encoder_choices.get_class(sizes["encoder"])(input_size=size, **own)
    encoder.after_norm = nn.Identity()  # it follows the last layer, and the frames are read before
    found["encoder"] = encoder
    return found, encoder.output_size()


def is_espnet(path: Path) -> bool:
    """Whether a file of weights has ESPnet's configuration of a self-supervised encoder beside it."""
    config = path.parent / CONFIG
    return config.is_file() and {"frontend", "encoder", "loss"} <= set(read_yaml(config))


def sizes_of(path: Path) -> dict[str, Any]:
    """What an encoder of ESPnet is made from, by the names of `SIZES`.

    Raises:
        ConfigError: it is made of parts that are not known here.
    """
    conf, sizes = read_yaml(path.parent / CONFIG), dict[str, Any]()
    for part, known in KINDS.items():
        kind, own = conf.get(part) or "", conf.get(f"{part}_conf") or {}
        if kind not in known:
            raise ConfigError(f"{path.parent / CONFIG}: {part} is {shown(kind)}: give one of {', '.join(known)}")
        sizes[part] = kind
        sizes |= {f"{part}.{name}": own[name] for name in PARTS[part] if name in own and kind}
    shapes = (conf.get("frontend_conf") or {}).get("shapes", SHAPES)
    if not (isinstance(shapes, list) and shapes and all(isinstance(row, list) and len(row) == 3 for row in shapes)):
        raise ConfigError(f"{path.parent / CONFIG}: frontend_conf.shapes is {shown(shapes)}: no list of sizes")
    sizes |= {name: list(values) for name, values in zip(CONVOLUTIONS, zip(*shapes, strict=True), strict=True)}
    if sizes.get("encoder.input_layer", "conv2d") not in WITHOUT_PLACE:
        raise ConfigError(
            f"{path.parent / CONFIG}: encoder_conf.input_layer is {shown(sizes.get('encoder.input_layer', 'conv2d'))}: "
            "only linear and null are known here, which keep every frame"
        )
    if sizes.get("encoder.input_layer") is None:
        sizes.pop("encoder.input_layer", None)  # what is not said is none here
    return sizes


def layers_of(sizes: Mapping[str, Any]) -> Any:
    """Layers that such an encoder has; as ESPnet's default where that is not said."""
    return sizes.get("encoder.num_blocks", 12 if sizes.get("encoder") == "e_branchformer" else 6)


def _of(sizes: Mapping[str, Any], part: str) -> dict[str, Any]:
    return {name: sizes[f"{part}.{name}"] for name in PARTS[part] if f"{part}.{name}" in sizes}
