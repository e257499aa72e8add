"""The one model: inputs -> chain of encoders with named outputs -> heads -> weighted sum."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from espnet2.torch_utils.device_funcs import force_gatherable
from espnet2.train.abs_espnet_model import AbsESPnetModel
from torch import Tensor, nn

from espnet_jst.encoders.interface import ChunkContext, StreamingEncoder
from espnet_jst.errors import ConfigError, DataError, NonFiniteLossError
from espnet_jst.heads.spec import HeadSpec
from espnet_jst.scheduled import Scheduled
from espnet_jst.taps import Tap
from espnet_jst.token_marks import TokenLists


@dataclass
class ModelState:
    """What a stream carries: states of frontend, normalization and encoders; frames and samples seen."""

    frontend: Any
    normalize: Any
    encoders: dict[str, Any]
    frames: int = 0
    samples: int = 0


class JSTModel(AbsESPnetModel):
    """Joint speech recognition and translation, configured by its heads; it only wires.

    Args:
        frontend: samples to features, with `step` (LogMel).
        specaug: masks on normalized features in training, or None.
        normalize: feature normalization, with `step` where it has a state, or None.
        encoder: first encoder.
        hier_encoder: second encoder, on the tap `hier_reads`, or None.
        heads: one module a head, with `loss`.
        specs: configuration of each head.
        hier_reads: tap that the second encoder reads.
        token_lists: marks of the token lists, which the weights carry along.

    Attributes:
        nonfinite: names of the utterances of the last batch whose loss is NaN or infinite.
        train_dtype: of matrix products and convolutions in training mode; weights and losses are float32 in any case.
    """

    train_dtype = torch.float32

    frontend: Any
    normalize: Any
    heads: Any

    def __init__(
        self,
        *,
        frontend: nn.Module,
        specaug: nn.Module | None,
        normalize: nn.Module | None,
        encoder: StreamingEncoder,
        hier_encoder: StreamingEncoder | None,
        heads: nn.ModuleDict,
        specs: Mapping[str, HeadSpec],
        hier_reads: str = "encoder",
        token_lists: TokenLists | None = None,
    ) -> None:
        super().__init__()
        self.frontend, self.specaug, self.normalize = frontend, specaug, normalize
        self.encoder, self.hier_encoder, self.hier_reads = encoder, hier_encoder, hier_reads
        self.heads, self.specs = heads, dict(specs)
        self.token_lists = token_lists or TokenLists({}, {})
        self.nonfinite: list[str] = []
        self.fs: int = self.frontend.fs
        self.frame_shift_s: float = self.frontend.hop_s
        self._scheduled = [m for m in self.modules() if m is not self and isinstance(m, Scheduled)]

    def at(self, step: int, epoch: int) -> None:
        """Tell every module that depends on it how far the training is; see `Scheduled`."""
        for module in self._scheduled:
            module.at(step, epoch)

    def chain(self) -> list[tuple[str, StreamingEncoder, str | None]]:
        """The encoders in order: name, module, tap that it reads (None: the features)."""
        first: list[tuple[str, StreamingEncoder, str | None]] = [("encoder", self.encoder, None)]
        return first if self.hier_encoder is None else [*first, ("hier_encoder", self.hier_encoder, self.hier_reads)]

    def forward(
        self, speech: Tensor, speech_lengths: Tensor, utt_id: list[str] | None = None, **targets: Tensor
    ) -> tuple[Tensor, dict[str, Tensor | None], Tensor]:
        """Loss of a batch in ESPnet's form: (loss, stats, weight).

        Args:
            speech: samples, (B, N).
            speech_lengths: (B,).
            utt_id: names, for messages.
            targets: for each head `target_<name>` (B, U) padded with -1 and `target_<name>_lengths` (B,).

        Where the loss of an utterance is not finite, the batch's is NaN, and so is every gradient, in all processes of
        a distributed training: the trainer makes no update. `nonfinite` then has the utterances.

        Raises:
            DataError: an utterance cannot be used; the message names it.
        """
        feats, lengths = self._features(speech, speech_lengths)
        if self.training and self.specaug is not None:
            feats, lengths = self.specaug(feats, lengths)
        contexts = {name: e.training_context() if self.training else e.context for name, e, _ in self.chain()}
        with self._arithmetic(feats.device.type):
            taps = self._encode(feats, lengths, contexts)
        total = feats.new_zeros(())
        stats: dict[str, Tensor | None] = {}
        self.nonfinite = []
        for name, head in self.heads.items():
            spec, tap = self.specs[name], taps[self.specs[name].reads]
            target, target_lengths = self._target(spec, targets)
            labels = tap.lengths, target[:, : int(target_lengths.max())], target_lengths
            try:
                with self._arithmetic(feats.device.type):
                    loss, parts = self._loss(name, head, tap.x, labels, utt_id)
            except DataError as error:
                raise self._named(error, name, utt_id) from error
            stats.update({f"{name}_{key}": value.mean() for key, value in parts.items()})
            total = total + spec.weight * loss.mean()
        stats["loss"] = total.detach()
        # ESPnet's averages over processes want one-dimensional tensors.
        return force_gatherable((total, stats, speech.size(0)), total.device)

    def collect_feats(self, speech: Tensor, speech_lengths: Tensor, **_: Tensor) -> dict[str, Tensor]:
        """Features before normalization, for ESPnet's statistics."""
        feats, lengths = self.frontend(speech[:, : int(speech_lengths.max())], speech_lengths)
        return {"feats": feats, "feats_lengths": lengths}

    def encode(
        self, speech: Tensor, speech_lengths: Tensor, *, chunk_frames: int | None = None, left_chunks: int | None = None
    ) -> dict[str, Tap]:
        """Whole utterances, (B, N) -> taps. Without arguments, each encoder's own context.

        Args:
            speech: samples in [-1, 1].
            speech_lengths: (B,).
            chunk_frames: chunk in output frames of the first encoder; 0 is the whole utterance.
            left_chunks: chunks of left context, -1 for all.
        """
        feats, lengths = self._features(speech, speech_lengths)
        return self._encode(feats, lengths, self.contexts(chunk_frames, left_chunks))

    def init_state(
        self, batch_size: int, *, chunk_frames: int | None = None, left_chunks: int | None = None
    ) -> ModelState:
        """State before the first sample of `batch_size` parallel streams; arguments as `encode`."""
        device = next(self.parameters()).device
        contexts = self.contexts(chunk_frames, left_chunks)
        normalize = self.normalize.init_state(batch_size, device) if hasattr(self.normalize, "init_state") else None
        encoders = {name: e.init_state(batch_size, contexts[name], device) for name, e, _ in self.chain()}
        return ModelState(self.frontend.init_state(batch_size, device), normalize, encoders)

    def step(self, speech: Tensor, state: ModelState, *, last: bool = False) -> tuple[dict[str, Tap], ModelState]:
        """(B, n) further samples, any n -> taps of the chunks that became complete (all when `last`), and the state."""
        feats, frontend = self.frontend.step(speech, state.frontend, first=state.frames == 0, last=last)
        normalize = state.normalize
        if normalize is not None:
            normalized, normalize = self.normalize.step(feats, normalize)
        else:
            normalized = feats if self.normalize is None else self.normalize(feats, None)[0]
        taps: dict[str, Tap] = {}
        encoders = {}
        for name, encoder, reads in self.chain():
            x = normalized if reads is None else taps[reads].x
            outputs, encoders[name] = encoder.step(x, state.encoders[name], last=last)
            taps.update(self._name_taps(name, encoder, outputs, None, taps[reads].shift_s if reads else None))
        frames, samples = state.frames + feats.size(1), state.samples + speech.size(1)
        return taps, ModelState(frontend, normalize, encoders, frames, samples)

    def _loss(
        self, name: str, head: Any, x: Tensor, labels: tuple[Tensor, Tensor, Tensor], utt_id: list[str] | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a head, (B,), and its parts: all NaN where it is not finite for some utterance."""
        try:
            return head.loss(x, *labels)
        except NonFiniteLossError as error:
            logging.warning(f"{self._named(error, name, utt_id)}: no update is made of its batch")
            bad = [utt_id[b] if utt_id else f"utterance {b} of the batch" for b in error.indices]
            self.nonfinite += [utterance for utterance in bad if utterance not in self.nonfinite]
            # From zeros: NaN with the graph and the statistics that other processes have, and expect.
            loss, parts = head.loss(0.0 * x.nan_to_num(0.0, 0.0, 0.0), *labels)
            return loss * math.nan, {key: value * math.nan for key, value in parts.items()}

    def _arithmetic(self, device: str) -> torch.autocast:
        lower = self.training and self.train_dtype != torch.float32
        return torch.autocast(device, dtype=self.train_dtype if lower else None, enabled=lower)

    def _features(self, speech: Tensor, speech_lengths: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            feats, lengths = self.frontend(speech[:, : int(speech_lengths.max())], speech_lengths)
            return (feats, lengths) if self.normalize is None else self.normalize(feats, lengths)

    def _encode(self, feats: Tensor, lengths: Tensor, contexts: Mapping[str, ChunkContext]) -> dict[str, Tap]:
        taps: dict[str, Tap] = {}
        for name, encoder, reads in self.chain():
            x, n, shift = (feats, lengths, None) if reads is None else taps[reads]
            outputs, n = encoder.encode(x, n, contexts[name])
            taps.update(self._name_taps(name, encoder, outputs, n, shift))
        return taps

    def _name_taps(
        self,
        name: str,
        encoder: StreamingEncoder,
        outputs: dict[str, Tensor],
        lengths: Tensor | None,
        shift: float | None,
    ) -> dict[str, Tap]:
        shift = (shift or self.frame_shift_s) * encoder.subsampling
        taps = {}
        for key, x in outputs.items():
            n = lengths if lengths is not None else torch.full((x.size(0),), x.size(1), device=x.device)
            taps[f"{name}.{key}" if key else name] = Tap(x, n, shift)
        return taps

    def contexts(self, chunk_frames: int | None, left_chunks: int | None) -> dict[str, ChunkContext]:
        """Chunk and left context of every encoder; a slower second one keeps its own ratio to the first one's chunk."""
        contexts = {}
        first = self.encoder.context
        for name, encoder, _ in self.chain():
            own = encoder.context
            chunk = own.chunk_frames
            if chunk_frames is not None:
                scale = own.chunk_frames / first.chunk_frames if first.chunk_frames and own.chunk_frames else 1.0
                chunk = round(chunk_frames * scale)
            contexts[name] = ChunkContext(chunk, own.left_chunks if left_chunks is None else left_chunks)
        return contexts

    def _target(self, spec: HeadSpec, targets: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        if spec.target not in targets:
            raise ConfigError(
                f"head {spec.name!r}: the batch has no {spec.target!r}; which data file feeds {spec.lanes}?"
            )
        return targets[spec.target], targets[f"{spec.target}_lengths"]

    def _named(self, error: DataError, head: str, utt_id: list[str] | None) -> DataError:
        name = utt_id[error.index] if utt_id is not None and error.index is not None else None
        return DataError(f"head {head!r}: {f'utterance {name!r}: ' if name else ''}{error}", index=error.index)
