"""The Zipformer's front end (arXiv:2310.11230, sec. 3.1): three convolutions and a ConvNeXt layer, 100 -> 50 Hz."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from espnet_jst.encoders.zipformer.dropout import SharedDropout, Skip
from espnet_jst.encoders.zipformer.image import depthwise_image
from espnet_jst.encoders.zipformer.norm import BiasNorm
from espnet_jst.encoders.zipformer.parts import Shaping
from espnet_jst.encoders.zipformer.schedule import Ramp
from espnet_jst.encoders.zipformer.shapers import scale_grad
from espnet_jst.encoders.zipformer.swoosh import swoosh_l, swoosh_r
from espnet_jst.streams import RowState, Waiting, rows_at

LEAST_FEATURES = 7  # of an input frame: fewer leave none after the convolutions
SPAN = 9  # input frames that one output frame of the convolutions sees
SIDE = 3  # frames that the ConvNeXt layer sees on either side


@dataclass
class FrontendState(RowState):
    """Input frames that further output needs, output of the convolutions that waits for what follows it, and what lies
    before that, (B, 3, F, C); and whether a row has made a frame.
    """

    pending: Waiting
    waiting: Waiting
    before: Tensor
    begun: list[bool]


class ConvFrontend(nn.Module):
    """(B, T, F) -> (B, (T - 7) // 2, size); an utterance shorter than nine frames gives one.

    Args:
        input_size: features per input frame.
        size: features per output frame.
        channels: of the three convolutions.
        dropout: at the start and in the end.
        skips: whether the ConvNeXt layer is left out of some utterances in training.
        shaping: what shapes gradients.
    """

    def __init__(
        self,
        input_size: int,
        size: int,
        *,
        channels: tuple[int, int, int],
        dropout: tuple[float, float],
        skips: bool,
        shaping: Shaping,
    ) -> None:
        super().__init__()
        first, second, third = channels
        self.input_size, self.channels = input_size, third
        self.conv1 = nn.Conv2d(1, first, 3, padding=(0, 1))
        self.conv2 = nn.Conv2d(first, second, 3, stride=2)
        self.conv3 = nn.Conv2d(second, third, 3, stride=(1, 2))
        self.bins = ((input_size - 1) // 2 - 1) // 2
        self.depthwise = nn.Conv2d(third, third, 7, padding=(0, SIDE), groups=third)
        self.pointwise1 = nn.Linear(third, 3 * third)
        self.pointwise2 = nn.Linear(3 * third, third)
        self.output = nn.Linear(third * self.bins, size)
        self.norm = BiasNorm(size)
        self.dropout = SharedDropout(Ramp((0.0, dropout[0]), (20000.0, dropout[1])))
        with torch.no_grad():
            self.pointwise2.weight.mul_(0.01)
            self.pointwise2.bias.mul_(0.01)
        self.layer_drop = Skip(Ramp((0.0, 0.2), (20000.0, 0.015))) if skips else nn.Identity()

        self.balancer1 = shaping.balancer(1, max_abs=1.0)
        self.balancer2 = shaping.balancer(1, max_abs=4.0)
        self.balancer3 = shaping.balancer(1, max_abs=4.0)
        self.hidden_balancer = shaping.balancer(min_positive=0.3, max_positive=1.0, min_abs=0.75, max_abs=5.0)
        self.out_balancer = shaping.balancer(min_positive=0.4, max_positive=0.6, min_abs=1.0, max_abs=6.0)
        self.convnext_whiten = shaping.whiten(5.0, 1.0)
        self.whiten = shaping.whiten(4.0, grad_scale=0.02)

    @staticmethod
    def frames(count: int) -> int:
        """Output frames of a whole utterance."""
        return max((count - 7) // 2, min(count, 1))

    def forward(self, x: Tensor, lengths: Tensor, *, released_padding: bool = False) -> tuple[Tensor, Tensor]:
        """Whole utterances (B, T, F) and their lengths -> (B, T', D) and lengths; no frame hears what stands behind its
        utterance, unless `released_padding`.
        """
        if x.size(1) < SPAN:
            x = nn.functional.pad(x, (0, 0, 0, SPAN - x.size(1)))
        if not released_padding:
            valid = torch.arange(x.size(1), device=x.device) < lengths[:, None]
            x = x.masked_fill(~valid[..., None], 0.0)
        after = torch.maximum((lengths - 7).div(2, rounding_mode="floor"), lengths.clamp(max=1))
        y = self.convolutions(x)
        if not released_padding:
            valid = torch.arange(y.size(1), device=y.device) < after[:, None]
            y = y * valid[..., None, None]
        return self.convnext(nn.functional.pad(y, (0, 0, 0, 0, SIDE, SIDE))), after

    def init_state(self, batch_size: int, device: torch.device | str = "cpu") -> FrontendState:
        """State before the first frame; what lies before it is zero."""
        size = self.bins, self.channels
        pending = Waiting.none(batch_size, self.input_size, device=device)
        before = torch.zeros(batch_size, SIDE, *size, device=device)
        return FrontendState(pending, Waiting.none(batch_size, *size, device=device), before, [False] * batch_size)

    @staticmethod
    def ready(count: int) -> int:
        """Frames of a stream that goes on, after so many input frames."""
        return max(0, (count - 7) // 2 - SIDE)

    def step(
        self, x: Tensor, counts: Sequence[int], state: FrontendState, last: Sequence[bool]
    ) -> tuple[Tensor, list[int], FrontendState]:
        """Further frames (B, t, F), `counts` of each row -> the output frames that are complete, (B, T, size), how many
        each row has, and the state.
        """
        pending, B = state.pending.append(x, counts), len(counts)
        made = [
            self.frames(n) if ends and not begun else max(0, (n - 7) // 2)
            for n, ends, begun in zip(pending.counts, last, state.begun, strict=True)
        ]
        waiting = state.waiting
        if max(made) > 0:
            used = 2 * max(made) + 7
            y = nn.functional.pad(pending.x, (0, 0, 0, max(0, used - pending.x.size(1))))[:, :used]
            waiting = waiting.append(self.convolutions(y), made)
        passed = [min(2 * n, had) for n, had in zip(made, pending.counts, strict=True)]
        begun = [before or n > 0 for before, n in zip(state.begun, made, strict=True)]
        ready = [n if ends else max(0, n - SIDE) for n, ends in zip(waiting.counts, last, strict=True)]
        before, most = state.before, max(ready)
        if most == 0:
            empty = x.new_zeros(B, 0, self.output.out_features)
            return empty, ready, FrontendState(pending.drop(passed), waiting, before, begun)
        y = torch.cat([before.to(waiting.x.dtype), waiting.x], dim=1)
        y = nn.functional.pad(y, (0, 0, 0, 0, 0, max(0, most + 2 * SIDE - y.size(1))))
        places = torch.tensor(ready, device=x.device)[:, None] + torch.arange(SIDE, device=x.device)
        before = rows_at(y, places)
        found = self.convnext(y[:, : most + 2 * SIDE])
        return found, ready, FrontendState(pending.drop(passed), waiting.drop(ready), before, begun)

    def convolutions(self, x: Tensor) -> Tensor:
        """(B, T, F) -> (B, (T - 7) // 2, F', C)."""
        # Channels last: the same values in the same order, and what follows needs them side by side.
        x = x.unsqueeze(1).contiguous(memory_format=torch.channels_last)
        y = scale_grad(self.conv1(x), 0.2) if self.training else self.conv1(x)
        y = _swoosh_image(self.balancer1(y))
        y = _swoosh_image(self.balancer2(self.conv2(y)))
        return _swoosh_image(self.balancer3(self.conv3(y))).permute(0, 2, 3, 1)

    def convnext(self, x: Tensor) -> Tensor:
        """(B, T + 6, F, C) with what lies on either side -> (B, T, size)."""
        assert self.depthwise.bias is not None
        y = self.pointwise1(depthwise_image(x, self.depthwise.weight, self.depthwise.bias))
        y = self.layer_drop(self.pointwise2(swoosh_l(self.hidden_balancer(y))))
        y = self.convnext_whiten(self.out_balancer(x[:, SIDE:-SIDE] + y))
        y = self.output(y.transpose(2, 3).flatten(2))  # its weights are for (C, F)
        return self.dropout(self.norm(self.whiten(y)))


def _swoosh_image(x: Tensor) -> Tensor:
    """(B, C, T, F) with channels last, left as it lies."""
    return swoosh_r(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
