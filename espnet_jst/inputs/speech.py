"""Speech as an input: samples -> features -> normalization, and masks in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from espnet2.asr.specaug.abs_specaug import AbsSpecAug
from espnet2.asr.specaug.specaug import SpecAug
from espnet2.layers.abs_normalize import AbsNormalize
from torch import Tensor

from espnet_jst.errors import ConfigError, DataError
from espnet_jst.inputs.interface import Input, StreamingFrontend, StreamingNormalize, ViewSpecAug
from espnet_jst.inputs.spec import FRAMES
from espnet_jst.streams import RowState
from espnet_jst.taps import Tap


@dataclass
class SpeechState(RowState):
    """States of frontend and normalization; None where that has none."""

    frontend: RowState
    normalize: RowState | None


class SpeechInput(Input):
    """What feeds the first encoder by default.

    It owns no module: ESPnet's users know frontend, specaug and normalize as parts of the model.

    Args:
        frontend: samples to features.
        normalize: normalization of features, or None.
        specaug: masks on normalized features in training, or None.
    """

    key, into = "speech", "encoder"

    def __init__(
        self, frontend: StreamingFrontend, normalize: AbsNormalize | None = None, specaug: AbsSpecAug | None = None
    ) -> None:
        self.frontend, self.normalize, self.specaug = frontend, normalize, specaug
        self.shift_s, self.begin_s, self.whole = frontend.hop_s, frontend.begin_s, frontend.whole

    def check_views(self, regularizer: str) -> None:
        """Refuse a regularizer that compares differently masked views where nothing masks.

        Raises:
            ConfigError: says what does.
        """
        augment = self.specaug
        masks = isinstance(augment, SpecAug) and (augment.freq_mask or augment.time_mask) is not None
        if not (masks or isinstance(augment, ViewSpecAug)):
            raise ConfigError(
                f"model_conf.regularizers.{regularizer} compares differently masked views of a batch: give --specaug "
                "lhotse_specaug, or specaug with masks"
            )

    def features(self, speech: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N) samples -> (B, T, F) before normalization, and lengths; a graph only where the frontend is trained."""
        trained = any(parameter.requires_grad for parameter in self.frontend.parameters())
        with torch.set_grad_enabled(trained and torch.is_grad_enabled()):
            return self.frontend(speech[:, : int(lengths.max())], lengths)

    def embed(self, x: Tensor, lengths: Tensor, *, views: int = 1) -> Tap:
        """See Input; (B, N) samples in [-1, 1]."""
        return self.of_frames(*self.features(x, lengths), views=views)

    def of_frames(self, feats: Tensor, lengths: Tensor, *, views: int = 1) -> Tap:
        """(B, T, F) frames of the frontend -> normalized, and masked in training."""
        if self.normalize is not None:
            with torch.set_grad_enabled(feats.requires_grad):
                feats, lengths = self.normalize(feats, lengths)
        if self.frontend.training:
            feats, lengths = self._masked(feats, lengths, views)
        return Tap(feats, lengths, self.frontend.hop_s)

    def init_state(self, batch_size: int, device: torch.device | str = "cpu") -> SpeechState:
        normalize = self.normalize
        following = normalize.init_state(batch_size, device) if isinstance(normalize, StreamingNormalize) else None
        return SpeechState(self.frontend.init_state(batch_size, device), following)

    def step(self, x: Tap, state: SpeechState, last: Sequence[bool]) -> tuple[Tap, SpeechState]:
        tap, frontend = self.frontend.step(x, state.frontend, last)
        normalize = state.normalize
        if isinstance(self.normalize, StreamingNormalize):
            tap, normalize = self.normalize.step(tap, normalize)
        elif self.normalize is not None:
            tap = tap._replace(x=self.normalize(tap.x, None)[0])
        return tap, SpeechState(frontend, normalize)

    def ready(self, elements: int) -> int:
        return self.frontend.ready(elements)

    @property
    def frozen(self) -> bool:
        """Whether nothing of the frontend is trained, so that its frames may be computed before."""
        return not any(parameter.requires_grad for parameter in self.frontend.parameters())

    def _masked(self, feats: Tensor, lengths: Tensor, views: int) -> tuple[Tensor, Tensor]:
        """SpecAugment: all views of an utterance are warped alike, so that their frames belong together, and each is
        masked for itself.
        """
        augment = self.specaug
        if isinstance(augment, ViewSpecAug):
            return augment(feats, lengths, views=views)
        if not isinstance(augment, SpecAug):
            return (feats, lengths) if augment is None else augment(feats, lengths)
        if augment.time_warp is not None:
            feats, lengths = augment.time_warp(feats, lengths)
        if views > 1:
            feats, lengths = feats.repeat(views, 1, 1), lengths.repeat(views)
        for mask in (augment.freq_mask, augment.time_mask):
            if mask is not None:
                feats, lengths = mask(feats, lengths)
        return feats, lengths


class FramesInput(Input):
    """Frames of a frozen frontend that were computed before: for training, in place of the speech.

    Args:
        speech: what they are the frames of.
    """

    key = FRAMES

    def __init__(self, speech: SpeechInput) -> None:
        self._speech, self.into, self.shift_s, self.begin_s = speech, speech.into, speech.shift_s, speech.begin_s

    def embed(self, x: Tensor, lengths: Tensor, *, views: int = 1) -> Tap:
        """See Input; (B, T, F), of any precision.

        Raises:
            DataError: they are of another frontend.
        """
        size = self._speech.frontend.output_size()
        if x.dim() != 3 or x.size(2) != size:
            raise DataError(
                f"frames of the shape {tuple(x.shape)}, and the frontend makes {size} features: dump them again"
            )
        return self._speech.of_frames(x[:, : int(lengths.max())].float(), lengths, views=views)

    def init_state(self, batch_size: int, device: torch.device | str = "cpu") -> RowState:
        raise NotImplementedError("a stream is heard, by the frontend itself")

    def step(self, x: Tap, state: RowState, last: Sequence[bool]) -> tuple[Tap, RowState]:
        raise NotImplementedError("a stream is heard, by the frontend itself")

    def ready(self, elements: int) -> int:
        raise NotImplementedError("a stream is heard, by the frontend itself")
