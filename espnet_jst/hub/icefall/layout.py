"""What the weights of a released model show of its sizes, compared with those that were given."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from espnet_jst.errors import CheckpointError
from espnet_jst.hub.icefall.sizes import Sizes, StackSizes

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Layout:
    """What a checkpoint holds, found in it.

    Attributes:
        causal: whether its convolutions are those of a streaming model.
        st_encoder: whether it has an encoder for the translation.
        translates: whether it has a predictor for the translation.
        ctc: tasks with a CTC head, "" and "st_".
        simple: tasks with the additive joiner, "" and "st_".
        vocab: tokens of the tasks by prefix.
        predictor_dim, context, group: of the predictors: features, labels, and features that are mixed.
        joiner_dim: hidden size of the joint networks.
        outputs: frames of the encoders that are joined to one, by name.
    """

    causal: bool
    st_encoder: bool
    translates: bool
    ctc: frozenset[str]
    simple: frozenset[str]
    vocab: Mapping[str, int]
    predictor_dim: int
    context: int
    group: int
    joiner_dim: int
    outputs: Mapping[str, int]

    @property
    def tasks(self) -> tuple[str, ...]:
        """Prefixes of the names of each task: that of the transcript is empty."""
        return ("", "st_") if self.translates else ("",)


def find_layout(state: State, where: str) -> Layout:
    """Look at the names and shapes of a checkpoint.

    Raises:
        CheckpointError: it has no Zipformer with a transducer.
    """
    translates = any(key.startswith(("st_encoder.", "st_decoder.", "st_joiner.")) for key in state)
    tasks = ("", "st_") if translates else ("",)
    needed = [f"{task}{name}.weight" for task in tasks for name in ("decoder.embedding", "joiner.output_linear")]
    for name in ("encoder_embed.out.weight", "encoder.encoders.0.", *needed):
        if not any(key.startswith(name) for key in state):
            raise CheckpointError(
                f"{where} has no {name.rstrip('.')}: it is no Zipformer transducer in icefall's layout "
                "(encoder_embed, encoder, decoder, joiner, and the last three with st_)"
            )
    encoders = [name for name in ("encoder", "st_encoder") if any(key.startswith(f"{name}.") for key in state)]
    return Layout(
        causal=any(".depthwise_conv.causal_conv." in key for key in state),
        st_encoder="st_encoder" in encoders,
        translates=translates,
        ctc=frozenset(task for task in tasks if f"{task}ctc_output.1.weight" in state),
        simple=frozenset(task for task in tasks if f"simple_{task}am_proj.weight" in state),
        vocab={task: dim(state, f"{task}decoder.embedding.weight", 0) for task in tasks},
        predictor_dim=dim(state, "decoder.embedding.weight", 1),
        context=dim(state, "decoder.conv.weight", 2) or 2,
        group=dim(state, "decoder.conv.weight", 1) or 4,
        joiner_dim=dim(state, "joiner.output_linear.weight", 1),
        outputs={name: dim(state, f"{name}.downsample_output.bias", 0) or 1 for name in encoders},  # of 1 none is kept
    )


def check_sizes(sizes: Sizes, state: State, layout: Layout, where: str) -> None:
    """Compare the sizes with everything that the weights show of them.

    Raises:
        CheckpointError: with a line for each item that differs.
    """
    wrong = [
        f"{name} is {_text(given)} and the checkpoint has {_text(found)}"
        for name, given, found in _pairs(sizes, state, layout)
        if given is not None and given != found
    ]
    if wrong:
        raise CheckpointError(f"{where}: the sizes are those of another model:\n  " + "\n  ".join(wrong))


def _pairs(sizes: Sizes, state: State, layout: Layout) -> Iterator[tuple[str, object, object]]:
    """(item, what is given, what is found)."""
    yield "causal", sizes.causal, layout.causal
    yield "config.st", sizes.st is not None, layout.st_encoder
    yield "vocab_asr", sizes.vocab_asr, layout.vocab[""]
    if layout.translates:
        yield "vocab_st", sizes.vocab_st, layout.vocab["st_"]
    yield "predictor_dim", sizes.predictor_dim, layout.predictor_dim
    yield "joiner_dim", sizes.joiner_dim, layout.joiner_dim
    yield "asr_output_downsampling", sizes.asr_output_downsampling, layout.outputs.get("encoder")
    yield from _stack_pairs(sizes, sizes.asr, state, "encoder", "config.asr")
    if sizes.st is not None and layout.st_encoder:
        yield "st_output_downsampling", sizes.st_output_downsampling, layout.outputs.get("st_encoder")
        yield from _stack_pairs(sizes, sizes.st, state, "st_encoder", "config.st")


def _stack_pairs(
    sizes: Sizes, stacks: StackSizes, state: State, encoder: str, where: str
) -> Iterator[tuple[str, object, object]]:
    found = [
        match for key in state if (match := re.match(rf"{encoder}\.encoders\.(\d+)\.(encoder\.)?layers\.(\d+)\.", key))
    ]
    layers: dict[int, int] = {}
    for match in found:
        layers[int(match[1])] = max(layers.get(int(match[1]), 0), int(match[3]) + 1)
    yield f"the number of stacks in {where}", len(stacks.encoder_dim), len(layers)
    if sorted(layers) != [*range(len(stacks.encoder_dim))]:
        return
    yield f"{where}.num_encoder_layers", [*stacks.num_encoder_layers], [layers[i] for i in sorted(layers)]
    wrapped = {int(match[1]) for match in found if match[2]}
    factors, firsts = [], []
    for i in sorted(layers):
        factors.append(dim(state, f"{encoder}.encoders.{i}.downsample.bias", 0) if i in wrapped else 1)
        firsts.append(f"{encoder}.encoders.{i}.{'encoder.' if i in wrapped else ''}layers.0.")
    yield f"{where}.downsampling_factor", [*stacks.downsampling_factor], factors
    kernel = "conv_module1.depthwise_conv." + (
        "chunkwise_conv." if any(".causal_conv." in key for key in state) else ""
    )
    for name, given, part, axis in (
        ("encoder_dim", stacks.encoder_dim, "norm.bias", 0),
        ("feedforward_dim", stacks.feedforward_dim, "feed_forward2.in_proj.weight", 0),
        ("cnn_module_kernel", stacks.cnn_module_kernel, f"{kernel}weight", 2),
    ):
        yield f"{where}.{name}", [*given], [dim(state, f"{first}{part}", axis) for first in firsts]
    shared, heads = sizes.common, stacks.num_heads
    # How heads and their sizes make up these products is what the weights do not show.
    for name, size, part in (
        ("value_head_dim", shared.value_head_dim, "self_attn1.in_proj.weight"),
        ("pos_head_dim", shared.pos_head_dim, "self_attn_weights.linear_pos.weight"),
        (
            "(2 query_head_dim + pos_head_dim)",
            2 * shared.query_head_dim + shared.pos_head_dim,
            "self_attn_weights.in_proj.weight",
        ),
    ):
        products = [dim(state, f"{first}{part}", 0) for first in firsts]
        yield f"{where}.num_heads times {name}", [count * size for count in heads], products
    pos = [dim(state, f"{first}self_attn_weights.linear_pos.weight", 1) for first in firsts]
    yield f"shared.pos_dim of {encoder}", [shared.pos_dim] * len(pos), pos


def dim(state: State, name: str, axis: int) -> int:
    """Size of a tensor in a dimension; 0 where there is no such tensor or dimension, which is named later."""
    shape = state[name].shape if name in state else ()
    return shape[axis] if axis < len(shape) else 0


def _text(value: object) -> str:
    return {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)
