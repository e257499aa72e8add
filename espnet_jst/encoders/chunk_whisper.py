"""Whisper's encoder (arXiv:2212.04356) as a stream: its weights, by chunks, for as long as somebody speaks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from espnet_jst.encoders.attention import CachedAttention
from espnet_jst.encoders.chunked import ChunkedEncoder
from espnet_jst.encoders.conf import ChunkWhisperConf
from espnet_jst.encoders.conformer_layer import LayerState
from espnet_jst.encoders.dropout import Dropout
from espnet_jst.encoders.subsampling import InputState, InputStep
from espnet_jst.errors import ConfigError
from espnet_jst.keys import takes
from espnet_jst.streams import Waiting, rows_at

LOOK_BACK = 2  # input frames before its own that the first convolution reads
LONGEST_WAVE = 10_000.0  # of the positions


class ChunkWhisper(ChunkedEncoder):
    """Whisper's two convolutions and its layers, with a norm on top.

    A frame takes two input frames. Whisper's convolutions look one input frame ahead; here they read one frame earlier,
    so that nothing waits: the output is Whisper's for input that begins with one frame of zeros. Positions begin again
    behind the last one.

    Args:
        input_size: mel bands, those of the model.
    """

    waves: Tensor

    @takes(ChunkWhisperConf)
    def __init__(self, input_size: int, conf: ChunkWhisperConf) -> None:
        start = None
        if conf.model is not None:
            start = Start.read(str(conf.model), input_size, conf.layers)
            conf = replace(conf, model=None, **start.sizes)
        assert conf.size is not None and conf.heads is not None  # check() asks for them
        assert conf.feed_forward_size is not None and conf.layers is not None
        conf.check_taps(conf.layers)
        super().__init__(conf, size=conf.size, heads=conf.heads, subsampling=2)
        self.sizes = {name: getattr(conf, name) for name in (*ChunkWhisperConf.written, "positions")}
        self.input = WhisperConvolutions(input_size, conf.size)
        sizes = {"size": conf.size, "heads": conf.heads, "feed_forward_size": conf.feed_forward_size}
        self.layers = nn.ModuleList(
            WhisperLayer(**sizes, dropout=conf.dropout, attention_dropout=conf.attention_dropout)
            for _ in range(conf.layers)
        )
        self.norm = nn.LayerNorm(conf.size)
        self.moves = conf.move_positions
        self.register_buffer("waves", sinusoids(conf.positions, conf.size), persistent=False)
        if start is not None:
            self.load_state_dict({**self.state_dict(), **start.weights(conf.layers)})

    def written(self) -> dict[str, Any]:
        """Its sizes, in place of the folder that its first weights were read from."""
        return {"model": None, **self.sizes}

    @property
    def places(self) -> int:
        """See ChunkedEncoder."""
        return len(self.waves)

    def placed(self, x: Tensor, first: Tensor | None) -> Tensor:
        """See ChunkedEncoder; in training each utterance begins somewhere."""
        if first is None and self.training and self.moves:
            first = torch.randint(self.places, (x.size(0),))
        elif first is None:
            first = torch.zeros(1, dtype=torch.long)
        place = (first[:, None] + torch.arange(x.size(1), device=first.device)) % self.places
        return x + self.waves[place.to(x.device)]

    def table(self, frames: int, device: torch.device) -> None:
        """Positions are part of the frames."""

    def top(self, x: Tensor) -> Tensor:
        """See ChunkedEncoder."""
        normed: Tensor = self.norm(x)
        return normed


class WhisperConvolutions(InputStep):
    """(B, T, F) -> (B, ceil(T / 2), size)."""

    def __init__(self, input_size: int, size: int) -> None:
        super().__init__()
        self.input_size, self.size = input_size, size
        self.conv1, self.conv2 = nn.Conv1d(input_size, size, 3), nn.Conv1d(size, size, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Whole utterances; frames after an utterance's end must be zero."""
        x = nn.functional.pad(x, (0, 0, LOOK_BACK, x.size(1) % 2))
        between = self._first(x)
        return self._second(nn.functional.pad(between, (0, 0, 1, 0)))

    def init_state(self, batch_size: int, device: torch.device | str = "cpu") -> InputState:
        """See InputStep: the convolutions see zeros to their left."""
        before = torch.zeros(batch_size, LOOK_BACK, self.input_size, device=device)
        pending = Waiting.none(batch_size, self.input_size, device=device)
        return InputState(pending, [before, torch.zeros(batch_size, 1, self.size, device=device)])

    def step(
        self, x: Tensor, counts: Sequence[int], state: InputState, last: Sequence[bool]
    ) -> tuple[Tensor, list[int], InputState]:
        """See InputStep."""
        waiting = state.pending.append(x, counts)
        used = [n + n % 2 if ends else n - n % 2 for n, ends in zip(waiting.counts, last, strict=True)]
        pending = waiting.drop([min(n, had) for n, had in zip(used, waiting.counts, strict=True)])
        most, counted = max(used), [n // 2 for n in used]
        if most == 0:
            return x.new_zeros(len(used), 0, self.size), counted, replace(state, pending=pending)
        frames = nn.functional.pad(waiting.x, (0, 0, 0, max(0, most - waiting.x.size(1))))[:, :most]
        frames, between = self._between(frames, state.before)
        places = torch.tensor(used, device=x.device)[:, None]
        before = rows_at(frames, places + torch.arange(LOOK_BACK, device=x.device))
        return self._second(between), counted, InputState(pending, [before, rows_at(between, places)])

    def full(self, x: Tensor, before: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """See InputStep."""
        x, between = self._between(x, before)
        return self._second(between), [x[:, -LOOK_BACK:], between[:, -1:]]

    def _between(self, x: Tensor, before: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """What each convolution reads: the frames that it saw last, and those that are new."""
        x = torch.cat([before[0], x], dim=1)
        return x, torch.cat([before[1], self._first(x)], dim=1)

    def _first(self, x: Tensor) -> Tensor:
        return nn.functional.gelu(self.conv1(x.transpose(1, 2))).transpose(1, 2)

    def _second(self, x: Tensor) -> Tensor:
        return nn.functional.gelu(self.conv2(x.transpose(1, 2))).transpose(1, 2)


class WhisperLayer(nn.Module):
    """Self-attention, then a feed-forward module, each behind a norm."""

    def __init__(
        self, *, size: int, heads: int, feed_forward_size: int, dropout: float, attention_dropout: float
    ) -> None:
        super().__init__()
        self.size, self.heads = size, heads
        self.attention_norm = nn.LayerNorm(size)
        self.attention = CachedAttention(size=size, heads=heads, dropout=attention_dropout)
        self.feed_forward_norm = nn.LayerNorm(size)
        self.feed_forward = nn.Sequential(
            nn.Linear(size, feed_forward_size), nn.GELU(), Dropout(dropout), nn.Linear(feed_forward_size, size)
        )
        self.dropout = Dropout(dropout)

    def init_state(self, batch_size: int, device: torch.device | str = "cpu") -> LayerState:
        """State before the first frame: no left context, and no convolution."""
        keys_values = torch.zeros(2, batch_size, self.heads, 0, self.size // self.heads, device=device)
        return LayerState(keys_values, torch.zeros(batch_size, 0, self.size, device=device))

    def forward(
        self, x: Tensor, bias: Tensor | None, table: Tensor | None, state: LayerState, counts: Tensor | None = None
    ) -> tuple[Tensor, LayerState]:
        """As ConformerLayer, without a table."""
        y, keys_values = self.attention(self.attention_norm(x), bias, table, state.keys_values)
        x = x + self.dropout(y)
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x))), LayerState(keys_values, state.conv)


def sinusoids(frames: int, size: int) -> Tensor:
    """Whisper's positions, (frames, size): sines, then cosines, of waves from 2 pi to 10,000 times as long."""
    step = math.log(LONGEST_WAVE) / max(1, size // 2 - 1)  # in float32, with the errors that Whisper's have
    angle = torch.arange(frames)[:, None] * torch.exp(-step * torch.arange(size // 2))
    return torch.cat([angle.sin(), angle.cos()], dim=1)


@dataclass(frozen=True)
class Start:
    """A model that is trained already.

    Attributes:
        sizes: keys of `ChunkWhisperConf`.
        found: weights of its encoder by the names of transformers.
    """

    sizes: Mapping[str, Any]
    found: Mapping[str, Tensor]

    @classmethod
    def read(cls, model: str, bands: int, layers: int | None) -> Start:
        """Read a folder, or a model of the hub.

        Raises:
            ConfigError: there is none, it is no Whisper, or it does not fit the bands or has not so many layers.
        """
        from transformers import AutoConfig, WhisperModel

        try:
            conf = AutoConfig.from_pretrained(model)
            if conf.model_type != "whisper":
                raise ConfigError(f"model {model} is of the kind {conf.model_type!r}: give a Whisper")
            found = WhisperModel.from_pretrained(model).encoder.state_dict()
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            where = f"folder {model} holds" if Path(model).is_dir() else f"model {model} is"
            raise ConfigError(f"{where} no Whisper as transformers saves it ({first[:200]})") from error
        if conf.num_mel_bins != bands:
            raise ConfigError(
                f"model {model} hears {conf.num_mel_bins} mel bands, and its input has {bands}: give "
                f"frontend: whisper_mel and frontend_conf.n_mels={conf.num_mel_bins}"
            )
        if layers is not None and layers > conf.encoder_layers:
            raise ConfigError(f"layers is {layers}, and model {model} has {conf.encoder_layers}")
        sizes = {
            "size": conf.d_model,
            "heads": conf.encoder_attention_heads,
            "feed_forward_size": conf.encoder_ffn_dim,
            "layers": layers or conf.encoder_layers,
            "positions": conf.max_source_positions,
        }
        return cls(sizes, found)

    def weights(self, layers: int) -> dict[str, Tensor]:
        """Those of `ChunkWhisper`; the norm on top is the model's where it keeps all layers, and new above fewer."""
        found = self.found
        made = {f"input.{name}": found[name] for name in found if name.startswith("conv")}
        for number in range(layers):
            ours, theirs = f"layers.{number}", f"layers.{number}."
            q, k, v = (found[f"{theirs}self_attn.{name}_proj.weight"] for name in "qkv")
            q_bias, v_bias = (found[f"{theirs}self_attn.{name}_proj.bias"] for name in "qv")
            made[f"{ours}.attention.qkv.weight"] = torch.cat([q, k, v])
            made[f"{ours}.attention.qkv.bias"] = torch.cat([q_bias, torch.zeros_like(q_bias), v_bias])
            for mine, name in (
                ("attention.output", "self_attn.out_proj"),
                ("attention_norm", "self_attn_layer_norm"),
                ("feed_forward_norm", "final_layer_norm"),
                ("feed_forward.0", "fc1"),
                ("feed_forward.3", "fc2"),
            ):
                for kind in ("weight", "bias"):
                    made[f"{ours}.{mine}.{kind}"] = found[f"{theirs}{name}.{kind}"]
        if f"layers.{layers}.fc1.weight" not in found:
            made |= {f"norm.{kind}": found[f"layer_norm.{kind}"] for kind in ("weight", "bias")}
        return made
