"""One layer of the Zipformer (arXiv:2310.11230, sec. 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from espnet_jst.encoders.zipformer.attention import AttentionWeights, NonlinearAttention, SelfAttention
from espnet_jst.encoders.zipformer.convolution import ConvolutionModule
from espnet_jst.encoders.zipformer.dropout import SharedDropout, Skip
from espnet_jst.encoders.zipformer.extent import Extent
from espnet_jst.encoders.zipformer.norm import BiasNorm
from espnet_jst.encoders.zipformer.parts import Bypass, Shaping, scaled_linear
from espnet_jst.encoders.zipformer.schedule import Ramp
from espnet_jst.encoders.zipformer.swoosh import swoosh_l
from espnet_jst.streams import RowState


@dataclass
class LayerState(RowState):
    """What the modules of a layer keep of the frames before: S frames of left context, the last one at the end, for
    attention (B, S, ...), and K // 2 for the convolutions (B, K // 2, D).
    """

    keys: Tensor
    nonlinear: Tensor
    values1: Tensor
    values2: Tensor
    conv1: Tensor
    conv2: Tensor

    @classmethod
    def concat(cls, states: Sequence[LayerState]) -> LayerState:
        """Left contexts of different lengths get zeros in front."""
        parts = {f.name: [getattr(state, f.name) for state in states] for f in fields(cls)}
        return cls(**{name: torch.cat(at_end(tensors)) for name, tensors in parts.items()})

    def moved_on(self, made: LayerState, keep: int, moved: Tensor | None) -> LayerState:
        """The state after further frames.

        Args:
            made: of those frames, what `ZipformerLayer` returns.
            keep: frames of left context to keep.
            moved: (B, 1, 1), whether a row had frames; None if all had.
        """
        kept = {}
        for name in (f.name for f in fields(self)):
            old, new = getattr(self, name), getattr(made, name)
            width = old.size(1) if name.startswith("conv") else keep
            joined = torch.cat([old, new.to(old.dtype)], dim=1)
            after = joined[:, joined.size(1) - width :]
            if moved is not None:
                after = after.where(moved, at_end([old, after])[0][:, -width:] if width else after)
            kept[name] = after
        return LayerState(**kept)


def at_end(tensors: Sequence[Tensor]) -> list[Tensor]:
    """(B, S, ...) of different S -> of the longest, zeros in front."""
    longest = max(x.size(1) for x in tensors)
    return [nn.functional.pad(x, (0, 0, longest - x.size(1), 0)) for x in tensors]


@dataclass(frozen=True)
class LayerSizes:
    """Sizes of a layer; see ZipformerConf."""

    size: int
    heads: int
    feed_forward_size: int
    kernel_size: int
    query_head_size: int
    value_head_size: int
    pos_head_size: int
    pos_size: int


class FeedForward(nn.Module):
    """Linear, SwooshL, dropout, linear."""

    def __init__(self, size: int, hidden: int, *, dropout: tuple[float, float], shaping: Shaping) -> None:
        super().__init__()
        self.hidden = nn.Linear(size, hidden)
        self.output = scaled_linear(hidden, size, 0.1)
        self.dropout = SharedDropout(Ramp((0.0, dropout[0]), (20000.0, dropout[1])))
        self.balancer = shaping.balancer(min_positive=0.3, max_positive=1.0, min_abs=0.75, max_abs=5.0)
        self.whiten = shaping.whiten(7.5)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> the same."""
        hidden = self.balancer(self.hidden(x))
        return self.whiten(self.output(swoosh_l(hidden, self.dropout.mask(hidden))))


class ZipformerLayer(nn.Module):
    """Attention weights are computed once, from what enters, and used by three modules.

    Args:
        sizes: of the layer.
        causal: whether it can be used chunk by chunk.
        dropout: at the start and in the end.
        skips: whether modules are left out of some utterances in training.
        layer_skip: the same of the whole layer.
        shaping: what shapes gradients.
    """

    def __init__(
        self,
        sizes: LayerSizes,
        *,
        causal: bool,
        dropout: tuple[float, float],
        skips: bool,
        layer_skip: Ramp,
        shaping: Shaping,
    ) -> None:
        super().__init__()
        size, hidden = sizes.size, sizes.feed_forward_size
        self.weights = AttentionWeights(
            size,
            sizes.heads,
            query_size=sizes.query_head_size,
            pos_head_size=sizes.pos_head_size,
            pos_size=sizes.pos_size,
            pos_dropout=0.15 if any(dropout) else 0.0,
            shaping=shaping,
        )
        self.feed_forward1 = FeedForward(size, hidden * 3 // 4, dropout=dropout, shaping=shaping)
        self.feed_forward2 = FeedForward(size, hidden, dropout=dropout, shaping=shaping)
        self.feed_forward3 = FeedForward(size, hidden * 5 // 4, dropout=dropout, shaping=shaping)
        self.nonlinear = NonlinearAttention(size, shaping=shaping)
        self.attention1 = SelfAttention(size, sizes.heads, sizes.value_head_size, shaping=shaping)
        self.attention2 = SelfAttention(size, sizes.heads, sizes.value_head_size, shaping=shaping)
        self.conv1 = ConvolutionModule(size, sizes.kernel_size, causal=causal, shaping=shaping)
        self.conv2 = ConvolutionModule(size, sizes.kernel_size, causal=causal, shaping=shaping)
        self.middle = Bypass(size)
        self.bypass = Bypass(size, Skip(layer_skip) if skips else None)
        self.norm = BiasNorm(size)

        def skip(*points: tuple[float, float]) -> nn.Module:
            return Skip(Ramp(*points)) if skips else nn.Identity()

        self.attention_skip = Skip(Ramp((0.0, 0.2), (4000.0, 0.05), (16000.0, 0.0))) if skips else None
        self.conv_skip = skip((0.0, 0.2), (4000.0, 0.05), (16000.0, 0.0))
        self.feed_forward_skip = skip((0.0, 0.1), (4000.0, 0.01), (50000.0, 0.0))
        self.nonlinear_balancer = shaping.balancer(
            min_positive=0.3, max_positive=0.7, min_abs=Ramp((0.0, 0.004), (4000.0, 0.02)), prob=0.05
        )
        self.balancer_ff2 = shaping.balancer(
            min_positive=0.3, max_positive=0.7, min_abs=Ramp((0.0, 0.0), (4000.0, 0.1)), max_abs=2.0, prob=0.05
        )
        self.balancer_ff3 = shaping.balancer(
            min_positive=0.3, max_positive=0.7, min_abs=Ramp((0.0, 0.0), (4000.0, 0.2)), max_abs=4.0, prob=0.05
        )
        self.balancer1 = shaping.balancer(min_positive=0.45, max_positive=0.55, min_abs=0.2, max_abs=4.0)
        self.balancer2 = shaping.balancer(min_positive=0.45, max_positive=0.55, min_abs=0.1, max_abs=4.0)
        self.whiten = shaping.whiten(4.0, 3.0)

    def init_state(self, batch_size: int, frames: int, device: torch.device | str) -> LayerState:
        """Zeros for so many frames of left context."""
        w = self.weights
        sizes = [w.heads * w.query_size, self.nonlinear.hidden, self.attention1.value.out_features]
        places = [(frames, size) for size in (*sizes, sizes[-1])]
        places += [(conv.side, self.norm.bias.size(0)) for conv in (self.conv1, self.conv2)]
        dtype = self.norm.bias.dtype
        return LayerState(*(torch.zeros(batch_size, *place, device=device, dtype=dtype) for place in places))

    def forward(self, x: Tensor, extent: Extent, state: LayerState | None) -> tuple[Tensor, LayerState]:
        """(B, T, D), what was kept of the frames before -> (B, T, D), and what all modules make of these frames."""
        given = {f.name: None if state is None else getattr(state, f.name) for f in fields(LayerState)}
        skip = None if self.attention_skip is None else self.attention_skip.mask(x)
        start = x
        weights, keys = self.weights(x, extent, given["keys"])
        x = x + self.feed_forward1(x)
        y, nonlinear = self.nonlinear(x, weights, extent, given["nonlinear"])
        x = _added(x, self.nonlinear_balancer(y), skip)
        y, values1 = self.attention1(x, weights, extent, given["values1"])
        x = _added(x, y, skip)
        y, conv1 = self.conv1(x, extent, given["conv1"])
        x = x + self.conv_skip(y)
        x = x + self.feed_forward_skip(self.balancer_ff2(self.feed_forward2(x)))
        x = self.middle(start, x)
        y, values2 = self.attention2(x, weights, extent, given["values2"])
        x = _added(x, y, skip)
        y, conv2 = self.conv2(x, extent, given["conv2"])
        x = x + self.conv_skip(y)
        x = x + self.feed_forward_skip(self.balancer_ff3(self.feed_forward3(x)))
        x = self.bypass(start, self.norm(self.balancer1(x)))
        return self.whiten(self.balancer2(x)), LayerState(keys, nonlinear, values1, values2, conv1, conv2)


def _added(x: Tensor, y: Tensor, skip: Tensor | None) -> Tensor:
    return x + y if skip is None else torch.addcmul(x, y, skip.to(y.dtype))
