"""Whisper's encoder on utterances as long as they are, instead of 30 seconds each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from espnet_jst.inputs.pretrained.interface import PretrainedEncoder, made_of_zeros
from espnet_jst.streams import zeroed

WINDOW, HOP = 400, 160
DYNAMIC_RANGE = 8.0  # in powers of ten, below the loudest band of the utterance


class WhisperFrames(PretrainedEncoder):
    """Whisper's log-mel bands, its two convolutions and its layers. What is longer than its positions (30 s) is heard
    window by window.

    Args:
        layers: from the lowest on.
        sizes: further arguments of the configuration in transformers.
        chunk_s: seconds of a chunk, beyond which a frame does not look ahead; 0: all.
    """

    filters: Tensor
    window: Tensor

    def __init__(self, layers: int, *, sizes: Mapping[str, Any], chunk_s: float = 0.0) -> None:
        super().__init__()
        from transformers import WhisperConfig
        from transformers.audio_utils import mel_filter_bank
        from transformers.models.whisper.modeling_whisper import WhisperEncoder

        config = WhisperConfig(**{**sizes, "encoder_layers": layers})
        config._attn_implementation = "sdpa"

        def make() -> nn.Module:
            encoder = WhisperEncoder(config)
            del encoder.layer_norm  # it follows the last layer, and the frames are read before
            return encoder

        self.model = made_of_zeros(make)
        self.layers, self.size, self.positions = layers, config.d_model, config.max_source_positions
        self.chunk_frames = round(chunk_s * self.fs / self.hop_samples)
        filters = mel_filter_bank(
            num_frequency_bins=WINDOW // 2 + 1,
            num_mel_filters=config.num_mel_bins,
            min_frequency=0.0,
            max_frequency=8000.0,
            sampling_rate=self.fs,
            norm="slaney",
            mel_scale="slaney",
        )
        self.register_buffer("filters", torch.from_numpy(filters).float(), persistent=False)
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)

    def forward(self, samples: Tensor, lengths: Tensor) -> tuple[list[Tensor], Tensor]:
        lengths = lengths.to(samples.device)
        mel, frames = self._log_mel(samples, lengths)
        x = nn.functional.gelu(self.model.conv1(mel))
        x = nn.functional.gelu(self.model.conv2(x)).transpose(1, 2)
        counts = frames.div(2, rounding_mode="floor")
        place = torch.arange(x.size(1), device=x.device)
        x = x + self.model.embed_positions(place % self.positions)
        seen = self._seen(place, counts, x.dtype)
        found = [x]
        for layer in self.model.layers:
            x = layer(x, seen)
            x = x[0] if isinstance(x, tuple) else x
            found.append(x)
        return found, counts

    def _log_mel(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, bands, T) and frames, an even number of them; silence follows an utterance, as in Whisper's 30 s."""
        frames = 2 * (lengths.clamp(min=1) + 2 * HOP - 1).div(2 * HOP, rounding_mode="floor")
        most = int(frames.max())
        samples = zeroed(samples, lengths.tolist())
        needed = (most - 1) * HOP + WINDOW // 2
        samples = nn.functional.pad(samples, (0, max(WINDOW, needed - samples.size(1))))
        mirrored = samples[:, 1 : WINDOW // 2 + 1].flip(1)
        windows = torch.cat([mirrored, samples], dim=1).unfold(1, WINDOW, HOP)[:, :most] * self.window
        spectrum = torch.fft.rfft(windows)
        power = spectrum.real.square() + spectrum.imag.square()
        mel = (power @ self.filters).clamp(min=1e-10).log10()
        own = torch.arange(most, device=mel.device) < frames[:, None]
        loudest = mel.masked_fill(~own[..., None], -torch.inf).amax(dim=(1, 2), keepdim=True)
        mel = (torch.maximum(mel, loudest - DYNAMIC_RANGE) + 4.0) / 4.0
        # What follows an utterance is what its own batch would have padded it with: the zeros of the convolution.
        return mel.where(own[..., None], 0.0).transpose(1, 2), frames

    def _seen(self, place: Tensor, counts: Tensor, dtype: torch.dtype) -> Tensor | None:
        """(B, 1, T, T) added to attention scores: 0, or minus infinity for what a frame does not see."""
        valid = place < counts[:, None]
        window = place.div(self.positions, rounding_mode="floor")
        seen = (window[:, None] == window) & valid[:, None]
        if self.chunk_frames:
            chunk = place.div(self.chunk_frames, rounding_mode="floor")
            seen = seen & (chunk[:, None] >= chunk)
        if bool(seen.all()):
            return None
        # Rows behind the end see their own window, so that none of them is empty.
        seen = seen | (~valid[..., None] & (window[:, None] == window))
        return torch.zeros_like(seen, dtype=dtype).masked_fill(~seen, -torch.inf)[:, None]
