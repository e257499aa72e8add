"""Small encoders of every registered kind, alone and on one another, for the tests of what all of them promise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from espnet_jst.encoders.chain import FIRST, Chain, ChainContext, Link
from espnet_jst.encoders.chunk_conformer import ChunkConformer
from espnet_jst.encoders.chunk_whisper import ChunkWhisper
from espnet_jst.encoders.contextual_block import ContextualBlockConformer
from espnet_jst.encoders.interface import ChunkContext, StreamingEncoder
from espnet_jst.encoders.mbart import MBartEncoder
from espnet_jst.encoders.zipformer.zipformer import Zipformer
from espnet_jst.streams import RowState
from espnet_jst.taps import Tap

FEATURES = 20
UPPER = "hier_encoder"


def conformer(input_size: int = FEATURES, **changes: Any) -> ChunkConformer:
    """Two layers with an output after each."""
    sizes = {"size": 32, "layers": 2, "heads": 2, "feed_forward_size": 48, "kernel_size": 5, "taps": [1]}
    return ChunkConformer(input_size, **{**sizes, "dropout": 0.0, **changes})


def contextual_block(input_size: int = FEATURES, **changes: Any) -> ContextualBlockConformer:
    """Two layers with an output after each; blocks of three frames before their own, and two behind."""
    sizes = {"size": 32, "layers": 2, "heads": 2, "feed_forward_size": 48, "kernel_size": 5, "taps": [1]}
    sizes |= {"macaron": True, "past_frames": 3, "look_ahead_frames": 2, "dropout": 0.0, "position_dropout": 0.0}
    return ContextualBlockConformer(input_size, **{**sizes, **changes})


def zipformer(input_size: int = FEATURES, **changes: Any) -> Zipformer:
    """Three stacks, of which the second has most features; neither dropout nor skips."""
    sizes = {
        "layers": [1, 2, 1], "sizes": [20, 28, 16], "unmasked_sizes": [16, 16, 16], "downsampling": [1, 2, 4],
        "feed_forward_sizes": [16, 24, 16], "heads": [2, 3, 2], "kernel_sizes": [5, 15, 3], "query_head_size": 8,
        "value_head_size": 4, "pos_head_size": 2, "pos_size": 6, "subsampling_channels": (2, 4, 6),
        "dropout": (0.0, 0.0), "skips": False, "feature_mask": 0.0,
    }  # fmt: skip
    return Zipformer(input_size, **{**sizes, **changes})


def on_features(input_size: int = FEATURES, **changes: Any) -> Zipformer:
    """Without a front end: input frames are those between the stacks."""
    two = {
        "layers": [1, 1],
        "sizes": [input_size, 16],
        "unmasked_sizes": [8, 8],
        "downsampling": [2, 4],
        "heads": [2, 2],
    }
    two |= {"feed_forward_sizes": [16, 24], "kernel_sizes": [5, 9], "subsampling": 1, "output_subsampling": 1}
    return zipformer(input_size, **{**two, **changes})


def whisper(input_size: int = FEATURES, **changes: Any) -> ChunkWhisper:
    """Two layers with an output after each, and positions that begin again after seven frames."""
    sizes = {"size": 32, "layers": 2, "heads": 2, "feed_forward_size": 48, "positions": 7, "taps": [1]}
    return ChunkWhisper(input_size, **{**sizes, "dropout": 0.0, **changes})


def mbart(input_size: int = FEATURES, **changes: Any) -> MBartEncoder:
    """Two layers, one vector before the frames and two behind them."""
    sizes = {"size": input_size, "layers": 2, "heads": 2, "feed_forward_size": 48, "before": 1, "after": 2}
    return MBartEncoder(input_size, **{**sizes, "positions": 1024, "dropout": 0.0, **changes})


def contexts(unit: int) -> list[ChunkContext]:
    """Chunks of `unit` frames or several, with every kind of left context."""
    chunks = ((4, 2), (3, 0), (8, -1), (1, 5), (0, -1))
    return [ChunkContext(chunk * unit, left) for chunk, left in chunks]


def _alone(build: Callable[[], StreamingEncoder], unit: int = 1, *, unheard: int = 1) -> System:
    def links() -> list[Link]:
        return [Link(FIRST, build(), None)]

    return System(links, [ChainContext({FIRST: context}) for context in contexts(unit)], unheard)


def _whole(build: Callable[[], StreamingEncoder]) -> System:
    return System(lambda: [Link(FIRST, build(), None)], [ChainContext({FIRST: ChunkContext(0, -1)})])


def _blocks(build: Callable[[], StreamingEncoder], *, ahead: Sequence[int], unheard: int = 1) -> System:
    """Blocks hear all of the past; their look-aheads are drawn from in turn."""

    def links() -> list[Link]:
        return [Link(FIRST, build(), None)]

    found = [
        replace(context, left_chunks=-1, look_ahead_frames=ahead[place % len(ahead)])
        for place, context in enumerate(contexts(1))
    ]
    return System(links, [ChainContext({FIRST: context}) for context in found], unheard)


def _stacked(
    lower: Callable[[], StreamingEncoder],
    upper: Callable[[], StreamingEncoder],
    reads: str,
    chunks: Sequence[tuple[int, int, int, int]],
    unheard: int = 1,
    ahead: int = 0,
) -> System:
    def links() -> list[Link]:
        return [Link(FIRST, lower(), None), Link(UPPER, upper(), reads)]

    found = [ChainContext({FIRST: ChunkContext(a, b, ahead), UPPER: ChunkContext(c, d)}) for a, b, c, d in chunks]
    return System(links, found, unheard)


@dataclass(frozen=True)
class System:
    """A chain, and contexts that it can have.

    Attributes:
        links: makes its encoders, with own contexts that fit together.
        contexts: of all encoders.
        unheard: most frames at the end that fill no frame of the output.
    """

    links: Callable[[], list[Link]]
    contexts: list[ChainContext]
    unheard: int = 1


WHOLE = {"chunk_frames": 0, "train_chunk_frames": [0]}
SYSTEMS = {
    "conformer, 1": _alone(lambda: conformer(subsampling=1)),
    "conformer, 2": _alone(lambda: conformer(subsampling=2)),
    "conformer, 8": _alone(lambda: conformer(subsampling=8)),
    "conformer, 4 and 2": _alone(lambda: conformer(subsampling=4, output_subsampling=2)),
    "conformer, 1 and 3": _alone(lambda: conformer(subsampling=1, output_subsampling=3)),
    "contextual block, 1": _blocks(lambda: contextual_block(subsampling=1), ahead=[2]),
    "contextual block, 4": _blocks(lambda: contextual_block(subsampling=4, past_frames=0), ahead=[1, 4, 0], unheard=3),
    "contextual block, 6, without look-ahead": _blocks(
        lambda: contextual_block(subsampling=6, past_frames=1, macaron=False), ahead=[0], unheard=5
    ),
    "mbart": _whole(mbart),
    "whisper": _alone(whisper),
    "whisper, two frames joined": _alone(lambda: whisper(output_subsampling=2)),
    "conformer on whisper": _stacked(
        lambda: whisper(**WHOLE),
        lambda: conformer(32, subsampling=1, **WHOLE),
        "encoder",
        [(4, 2, 8, 1), (2, -1, 0, -1)],
    ),
    "zipformer": _alone(zipformer, 2),
    "zipformer, last stack at full rate": _alone(lambda: zipformer(downsampling=[8, 2, 1], output_subsampling=4), 2),
    "zipformer on features": _alone(on_features, 4),
    "zipformer of odd factors": _alone(lambda: on_features(downsampling=[1, 3], output_subsampling=3)),
    # As HENT-SRT: the upper encoder reads frames of 20 ms, those of the lower one's top have 40.
    "zipformer on zipformer": _stacked(
        lambda: zipformer(**WHOLE),
        lambda: on_features(16, sizes=[16, 24], **WHOLE),
        "encoder.last_stack",
        [(4, 2, 8, 1), (2, 0, 4, 0), (2, -1, 12, 2), (4, 1, 0, -1), (0, -1, 0, -1)],
    ),
    "conformer on contextual block": _stacked(
        lambda: contextual_block(**WHOLE),
        lambda: conformer(32, subsampling=1, **WHOLE),
        "encoder",
        [(4, -1, 8, 1), (2, -1, 0, -1)],
        unheard=3,
        ahead=2,
    ),
    # As JSTAR: a slow encoder that waits for many chunks of the fast one.
    "conformer on conformer": _stacked(
        lambda: conformer(subsampling=4, **WHOLE),
        lambda: conformer(32, subsampling=1, **WHOLE),
        "encoder",
        [(1, 8, 8, 1), (2, -1, 8, -1), (4, 0, 4, 2), (2, 1, 0, -1)],
    ),
    "zipformer on conformer": _stacked(
        lambda: conformer(subsampling=4, size=20, **WHOLE),
        lambda: on_features(**WHOLE),
        "encoder",
        [(4, 2, 8, 1), (2, 1, 0, -1)],
    ),
    "conformer on zipformer": _stacked(
        lambda: zipformer(**WHOLE),
        lambda: conformer(28, subsampling=1, **WHOLE),
        "encoder",
        [(4, 2, 8, 1), (2, 1, 0, -1)],
    ),
}
STREAMED = [(name, context) for name, system in SYSTEMS.items() for context in system.contexts]


@cache
def chain(name: str) -> Chain:
    """In evaluation, with weights that let everything be heard. Leave them alone."""
    return _built(name)


def fresh(name: str) -> Chain:
    """The same for those who change its weights or gradients."""
    return _built(name)


def _built(name: str) -> Chain:
    torch.manual_seed(0)
    links = SYSTEMS[name].links()
    for link in links:
        shake(link.encoder.eval())
    return Chain(links, 0.01)


@torch.no_grad()
def shake(module: nn.Module) -> nn.Module:
    """Initial weights hide what is small or zero at first: matrices of full size, everything else moved.

    Values stay of order one.
    """
    for name, weight in module.named_parameters():
        noise = torch.randn(weight.shape)
        if weight.dim() > 1 and name.endswith("weight"):
            weight.copy_(0.7 * noise * weight[0].numel() ** -0.5)
        else:
            weight.add_(0.2 * noise)
    return module


def packet(x: Tensor, lengths: Sequence[int] | None = None) -> Tap:
    """(B, T, F), all of it or `lengths` of each row."""
    return Tap(x, torch.full((x.size(0),), x.size(1)) if lengths is None else torch.tensor(lengths), 0.01)


def numbers(state: object) -> int:
    """How many numbers a state holds in all of its tensors."""
    if isinstance(state, Tensor):
        return state.numel()
    if isinstance(state, RowState):
        return sum(map(numbers, vars(state).values()))
    if isinstance(state, dict):
        return sum(map(numbers, state.values()))
    return sum(map(numbers, state)) if isinstance(state, (list, tuple)) else 0
