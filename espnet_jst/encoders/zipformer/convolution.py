"""The Zipformer's convolution module, over whole utterances or chunk by chunk."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, pad

from espnet_jst.encoders.depthwise import depthwise
from espnet_jst.encoders.zipformer.extent import Extent
from espnet_jst.encoders.zipformer.gate import gated
from espnet_jst.encoders.zipformer.parts import Shaping, scaled_linear
from espnet_jst.encoders.zipformer.schedule import Ramp
from espnet_jst.encoders.zipformer.swoosh import swoosh_r


class DepthwiseConv(nn.Module):
    """A convolution of each feature over time, equally many frames on both sides: whole utterances only."""

    def __init__(self, size: int, kernel_size: int) -> None:
        super().__init__()
        self.side = kernel_size // 2
        conv = nn.Conv1d(size, size, kernel_size, groups=size)
        self.weight, self.bias = conv.weight, conv.bias

    def forward(self, x: Tensor, extent: Extent, before: Tensor | None) -> Tensor:
        """(B, T, D) -> the same."""
        assert self.bias is not None
        return depthwise(pad(x, (0, 0, self.side, self.side)), self.weight, self.bias)


class ChunkCausalConv(nn.Module):
    """A causal convolution, and one inside each chunk whose output is scaled by the place in the chunk.

    The scale is 1 and a learned correction near the edges of a chunk, where that convolution sees zeros.
    """

    def __init__(self, size: int, kernel_size: int) -> None:
        super().__init__()
        self.kernel_size, self.side = kernel_size, kernel_size // 2
        self.causal = nn.Conv1d(size, size, (kernel_size + 1) // 2, groups=size)
        self.inside = nn.Conv1d(size, size, kernel_size, groups=size)
        self.edges = nn.Parameter(torch.zeros(2, kernel_size, size))  # of the left and of the right edge

    def forward(self, x: Tensor, extent: Extent, before: Tensor | None) -> Tensor:
        """(B, T, D) and the K // 2 frames before them, zero by default -> (B, T, D)."""
        (B, T, D), side = x.shape, self.side
        heard = pad(x, (0, 0, side, 0)) if before is None else torch.cat([before.to(x.dtype), x], dim=1)
        assert self.causal.bias is not None and self.inside.bias is not None
        y = depthwise(heard, self.causal.weight, self.causal.bias)
        chunk = extent.chunk or T
        z = pad(x, (0, 0, 0, -T % chunk)).reshape(-1, chunk, D)
        z = depthwise(pad(z, (0, 0, side, side)), self.inside.weight, self.inside.bias)
        scale = self._chunk_scale(chunk) if extent.chunk else self._row_scale(extent.ends, T)
        z = (z.view(B, -1, chunk, D) * scale.to(z.dtype)).view(B, -1, D)[:, :T]
        return y + z

    def _chunk_scale(self, chunk: int) -> Tensor:
        """Of every place of a chunk, (chunk, D)."""
        left, right = self.edges.unbind()
        if chunk < self.kernel_size:
            return 1.0 + left[:chunk] + right[-chunk:]
        rest = chunk - self.kernel_size
        return 1.0 + pad(left, (0, 0, 0, rest)) + pad(right, (0, 0, rest, 0))

    def _row_scale(self, ends: Tensor, frames: int) -> Tensor:
        """The same where every row is one chunk that ends where the row does, (B, 1, T, D)."""
        K = self.kernel_size
        left, right = self.edges.unbind()
        left = left[:frames] if frames < K else pad(left, (0, 0, 0, frames - K))
        if bool((ends == frames).all()):
            return self._chunk_scale(frames)
        place = torch.arange(frames, device=ends.device) + K - ends[:, None]
        table = torch.cat([right, right.new_zeros(1, right.size(1))])
        return (1.0 + left + embedding(place.where((place >= 0) & (place < K), K), table))[:, None]


class ConvolutionModule(nn.Module):
    """Gate, depthwise convolution, SwooshR.

    Args:
        size: features of a frame.
        kernel_size: taps, odd.
        causal: whether it can be used chunk by chunk.
        shaping: what shapes its gradients.
    """

    def __init__(self, size: int, kernel_size: int, *, causal: bool, shaping: Shaping) -> None:
        super().__init__()
        self.side = kernel_size // 2
        self.gate = nn.Linear(size, 2 * size)
        self.conv = ChunkCausalConv(size, kernel_size) if causal else DepthwiseConv(size, kernel_size)
        self.output = scaled_linear(size, size, 0.05)
        self.gate_balancer = shaping.balancer(
            min_positive=Ramp((0.0, 0.05), (8000.0, 0.025)),
            max_positive=1.0,
            min_abs=1.5,
            max_abs=Ramp((0.0, 5.0), (8000.0, 10.0)),
        )
        self.balancer = shaping.balancer(
            min_positive=Ramp((0.0, 0.1), (8000.0, 0.05)),
            max_positive=1.0,
            min_abs=Ramp((0.0, 0.2), (20000.0, 0.5)),
            max_abs=10.0,
        )
        self.whiten = shaping.whiten(7.5)

    def forward(self, x: Tensor, extent: Extent, before: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, T, D), and what was gated before -> (B, T, D), and what is gated now."""
        x, gate = self.gate(x).chunk(2, dim=-1)
        x = gated(x, self.gate_balancer(gate), extent.valid)
        y = self.whiten(self.balancer(self.conv(x, extent, before)))
        return self.output(swoosh_r(y)), x
