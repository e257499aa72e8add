"""wav2vec 2.0, HuBERT and WavLM, as transformers has them, on padded batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from espnet_jst.inputs.pretrained.interface import PretrainedEncoder, hop_and_span, made_of_zeros
from espnet_jst.streams import zeroed


class WaveEncoder(PretrainedEncoder):
    """Convolutions over samples and a Transformer on them.

    transformers takes the statistics of a first group norm over the padding too, which "base" models have: there an
    utterance depends on how long the others of its batch are. Here it does not.

    Args:
        kind: wav2vec2, hubert or wavlm.
        layers: of the Transformer, from the lowest on.
        epsilon: where it wants utterances of mean 0 and variance 1, what is added to the variance; else None.
        sizes: further arguments of the configuration in transformers.
    """

    def __init__(self, kind: str, layers: int, *, epsilon: float | None, sizes: Mapping[str, Any]) -> None:
        super().__init__()
        import transformers

        kinds = {
            "wavlm": (transformers.WavLMConfig, transformers.WavLMModel),
            "hubert": (transformers.HubertConfig, transformers.HubertModel),
            "wav2vec2": (transformers.Wav2Vec2Config, transformers.Wav2Vec2Model),
        }
        config, model = kinds[kind]
        own = {**sizes, "num_hidden_layers": layers, "layerdrop": 0.0, "apply_spec_augment": False}
        own |= {"mask_time_prob": 0.0, "mask_feature_prob": 0.0}  # else there is a vector for what is masked
        self.model = made_of_zeros(lambda: model(config(**own)))
        self.epsilon, self.layers, self.size = epsilon, layers, self.model.config.hidden_size
        conf = self.model.config
        self.kernels, self.strides = list(conf.conv_kernel), list(conf.conv_stride)
        self.hop_samples, self.span_samples = hop_and_span(self.kernels, self.strides)

    def forward(self, samples: Tensor, lengths: Tensor) -> tuple[list[Tensor], Tensor]:
        lengths = lengths.to(samples.device)
        if self.epsilon is None:
            samples = zeroed(samples, lengths.tolist())
        else:
            samples = normalized(samples, lengths, self.epsilon)
        if samples.size(1) < self.span_samples:  # silence behind what is shorter than one frame
            samples = nn.functional.pad(samples, (0, self.span_samples - samples.size(1)))
        lengths = lengths.clamp(min=self.span_samples)
        x = samples[:, None]
        for layer, kernel, stride in zip(
            self.model.feature_extractor.conv_layers, self.kernels, self.strides, strict=True
        ):
            lengths = (lengths - kernel).div(stride, rounding_mode="floor") + 1
            norm = getattr(layer, "layer_norm", None)
            if isinstance(norm, nn.GroupNorm):
                x = layer.activation(group_normalized(layer.conv(x), lengths, norm))
            else:
                x = layer(x)
        projected = self.model.feature_projection(x.transpose(1, 2))
        frames = projected[0] if isinstance(projected, tuple) else projected
        valid = torch.arange(frames.size(1), device=frames.device) < lengths[:, None]
        found: list[Tensor] = []
        with hooked(self.model.encoder, found, valid):
            self.model.encoder(frames, attention_mask=valid)
        return found, lengths


@contextmanager
def hooked(encoder: Any, found: list[Tensor], valid: Tensor) -> Iterator[None]:
    """Within it, `found` gets what enters the first layer of a Transformer and what every layer gives: transformers
    gives the last one's after a norm, and each of its versions collects them in another way.

    Args:
        valid: (B, T), which frames are not padding.
    """

    def keep(_: nn.Module, __: object, output: Tensor | tuple[Tensor, ...]) -> None:
        found.append(output[0] if isinstance(output, tuple) else output)

    layers: list[nn.Module] = [encoder.dropout, *encoder.layers]
    hooks = [part.register_forward_hook(keep) for part in layers]
    norm = getattr(encoder.pos_conv_embed, "batch_norm", None)
    if norm is not None:  # it makes something of the zeros that stand behind an utterance
        hooks.append(norm.register_forward_hook(lambda _, __, output: output * valid[:, None]))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def normalized(samples: Tensor, lengths: Tensor, epsilon: float) -> Tensor:
    """Every utterance with mean 0 and variance 1 over its own samples, zeros behind them."""
    valid = torch.arange(samples.size(1), device=samples.device) < lengths[:, None]
    count = lengths.clamp(min=1)[:, None]
    mean = samples.where(valid, 0.0).sum(1, keepdim=True) / count
    centred = (samples - mean).where(valid, 0.0)
    return centred / (centred.square().sum(1, keepdim=True) / count + epsilon).sqrt()


def group_normalized(x: Tensor, lengths: Tensor, norm: nn.GroupNorm) -> Tensor:
    """(B, C, T), a group norm with a channel a group, over the valid frames of each row."""
    valid = (torch.arange(x.size(2), device=x.device) < lengths[:, None])[:, None]
    count = lengths.clamp(min=1)[:, None, None]
    mean = x.where(valid, 0.0).sum(2, keepdim=True) / count
    centred = x - mean
    variance = centred.where(valid, 0.0).square().sum(2, keepdim=True) / count
    return centred * (variance + norm.eps).rsqrt() * norm.weight[:, None] + norm.bias[:, None]
