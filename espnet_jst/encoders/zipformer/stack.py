"""A stack of Zipformer layers at one rate: downsampling, layers, upsampling, and a way past all of them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from espnet_jst.encoders.zipformer.extent import Extent
from espnet_jst.encoders.zipformer.layer import LayerState, ZipformerLayer
from espnet_jst.encoders.zipformer.parts import Bypass, Downsample, fitted, upsample


class Stack(nn.Module):
    """Layers between a downsampling and an upsampling.

    Args:
        layers: all of one size.
        size: features of a frame.
        factor: frames that are taken together; 1 for none.
    """

    def __init__(self, layers: Sequence[ZipformerLayer], *, size: int, factor: int) -> None:
        super().__init__()
        self.layers, self.size, self.factor = nn.ModuleList(layers), size, factor
        self.each = list(layers)  # the same, of a known type
        self.downsample = Downsample(factor) if factor > 1 else None
        self.bypass = Bypass(size) if factor > 1 else None

    def forward(
        self,
        x: Tensor,
        ends: Tensor,
        extent: Extent,
        states: Sequence[LayerState] | None = None,
        feature_mask: Tensor | None = None,
    ) -> tuple[Tensor, list[LayerState]]:
        """Frames between the stacks -> the same, and what every layer makes of them.

        Args:
            x: (B, T, any size).
            ends: where a row ends for the downsampling, (B,).
            extent: of the frames inside the stack.
            states: what was kept of the frames before, a layer each.
            feature_mask: zeros and ones, (B, 1, size).
        """
        start = x = fitted(x, self.size)
        if self.downsample is not None:
            x = self.downsample(x, ends)
        if feature_mask is not None:
            x = x * feature_mask
        made: list[LayerState] = []
        for number, layer in enumerate(self.each):
            x, found = layer(x, extent, None if states is None else states[number])
            made.append(found)
            if feature_mask is not None:
                x = x * feature_mask
        if self.bypass is not None:
            x = self.bypass(start, upsample(x, self.factor, start.size(1)))
        return x, made
