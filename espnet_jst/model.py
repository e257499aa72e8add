"""The one model: inputs -> chain of encoders with named outputs -> heads -> weighted sum."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from espnet2.asr.specaug.abs_specaug import AbsSpecAug
from espnet2.layers.abs_normalize import AbsNormalize
from espnet2.torch_utils.device_funcs import force_gatherable
from espnet2.train.abs_espnet_model import AbsESPnetModel
from torch import Tensor, nn

from espnet_jst.encoders.chain import FIRST, Chain, ChainContext, Link, whole_name
from espnet_jst.encoders.interface import StreamingEncoder
from espnet_jst.encoders.tgt_langs import TGT_LANG, TargetLanguages
from espnet_jst.errors import DataError, NonFiniteLossError
from espnet_jst.heads.build import by_name
from espnet_jst.heads.interface import Head, HeadOutput
from espnet_jst.heads.spec import HeadSpec
from espnet_jst.inputs.interface import Input, StreamingFrontend
from espnet_jst.inputs.spec import FRAMES
from espnet_jst.inputs.speech import FramesInput, SpeechInput
from espnet_jst.regularizers.interface import Regularizer
from espnet_jst.scheduled import Scheduled
from espnet_jst.streams import RowState, device_of
from espnet_jst.taps import Tap, few_sizes
from espnet_jst.token_marks import TokenLists


@dataclass
class ModelState(RowState):
    """What streams carry: the state of the input, and of every encoder, and the language of each."""

    source: RowState
    encoders: dict[str, RowState]
    languages: Tensor | None = None


class JSTModel(AbsESPnetModel, Scheduled):
    """Joint speech recognition and translation, configured by its heads; it only wires.

    Args:
        frontend, specaug, normalize: the parts of `inputs.speech.SpeechInput`; no frontend where no speech is heard.
        encoder, hier_encoder: the chain; the second one is on the tap `hier_reads`, into which it sends `hier_gradient`
            of its gradient.
        heads, specs: modules with parameters of their own, and configurations of all heads, by name.
        tgt_langs: the languages that it translates into, where it is told which.
        inputs: further inputs beside speech; without speech one of them feeds the first encoder.
        regularizers: further terms of the training loss.
        token_lists: marks of the token lists, which the weights carry along.

    Attributes:
        source: the input that a stream feeds: speech, or text where there is none.
        head: the module of every head by name; some may be the same.
        fs: its elements in a second: the sampling rate; 1 of text, where a token takes a second.
        channels: of the samples that it takes: 1 is (B, N), more are (B, N, C).
        chain: the encoders.
        idle_heads: names of those that have weight 0 and that no regularizer reads: a batch never reaches them.
        nonfinite: names of the utterances of the last batch whose loss is NaN or infinite.
        train_dtype: of matrix products and convolutions in training mode; weights and losses are float32 in any case.
        rounded: whether batches are padded to a few sizes in training, which losses do not depend on.
    """

    train_dtype = torch.float32
    rounded = False

    def __init__(
        self,
        *,
        frontend: StreamingFrontend | None,
        specaug: AbsSpecAug | None,
        normalize: AbsNormalize | None,
        encoder: StreamingEncoder,
        hier_encoder: StreamingEncoder | None,
        heads: nn.ModuleDict,
        specs: Mapping[str, HeadSpec],
        hier_reads: str = "encoder",
        hier_gradient: float = 1.0,
        tgt_langs: TargetLanguages | None = None,
        inputs: Mapping[str, Input] | None = None,
        regularizers: nn.ModuleDict | None = None,
        token_lists: TokenLists | None = None,
    ) -> None:
        super().__init__()
        self.frontend, self.specaug, self.normalize = frontend, specaug, normalize
        self.encoder, self.hier_encoder, self.heads, self.specs = encoder, hier_encoder, heads, dict(specs)
        self.tgt_langs = tgt_langs
        # Inputs that share an embedding are no modules: parameters are there once.
        self.inputs = nn.ModuleDict({name: one for name, one in (inputs or {}).items() if isinstance(one, nn.Module)})
        self.regularizers = nn.ModuleDict() if regularizers is None else regularizers
        self.token_lists = token_lists or TokenLists({}, {})
        self.speech = None if frontend is None else SpeechInput(frontend, normalize, specaug)
        self.source = self.speech or next(entry for entry in (inputs or {}).values() if entry.into == FIRST)
        self._ways: list[Input] = [*filter(None, [self.speech]), *(inputs or {}).values()]
        if self.speech is not None and self.speech.frozen:
            self._ways.insert(1, FramesInput(self.speech))
        links = [Link("encoder", encoder, None)]
        if hier_encoder is not None:
            links.append(Link("hier_encoder", hier_encoder, hier_reads, hier_gradient))
        self.chain = Chain(links, self.source.shift_s)
        self.fs, self.channels = (1, 1) if frontend is None else (frontend.fs, frontend.channels)
        self.nonfinite: list[str] = []
        self.head = by_name(heads, specs)
        self._terms: dict[str, Regularizer] = dict(self.regularizers.items())  # type: ignore[arg-type]
        # What counts for nothing, and no regularizer reads, costs nothing.
        read = {need for term in self._terms.values() for need in term.needs}
        self.idle_heads = {name for name, spec in self.specs.items() if not spec.weight and name not in read}
        self._views = max((term.views for term in self._terms.values()), default=1)
        self._whole = {tap for term in self._terms.values() for tap in term.whole}
        for name, term in self._terms.items():
            if term.whole:
                self.chain.check_chunked(term.whole, f"model_conf.regularizers.{name}")
            if term.views > 1 and self.speech is not None:
                self.speech.check_views(name)
        self._scheduled = [m for m in self.modules() if m is not self and isinstance(m, Scheduled)]

    def forward(
        self, utt_id: list[str] | None = None, **batch: Tensor
    ) -> tuple[Tensor, dict[str, Tensor | None], Tensor]:
        """Loss of a batch in ESPnet's form: (loss, stats, weight).

        Args:
            utt_id: names, for messages.
            batch: one input, `speech` samples (B, N) or (B, N, C), or `frames` (B, T, F) of a frozen frontend, or
                `input_<name>` (B, U), and `<input>_lengths` (B,); for the heads that it reaches `target_<name>` (B, U)
                padded with -1 and `target_<name>_lengths` (B,). A head without a target, or without a tap, has no part
                in the loss, and NaN in the statistics. `tgt_lang` (B, 1) says which of `tgt_langs.codes` is translated
                into; without it their tap is not there.

        Where the loss of an utterance is not finite, the batch's is NaN, and so is every gradient, in all processes of
        a distributed training: the trainer makes no update. `nonfinite` then has the utterances.

        Raises:
            DataError: an utterance cannot be used, or the batch trains nothing; the message names it.
        """
        source = self._input_of(batch)
        terms, views = (self._terms, self._views) if self.training else ({}, 1)
        tap = source.embed(batch[source.key], batch[f"{source.key}_lengths"], views=views)
        if self.training and self.rounded:
            tap = tap._replace(x=few_sizes(tap.x, 0.0))
        context = self.chain.drawn() if self.training else self.chain.own()
        languages = batch[TGT_LANG][:, 0].repeat(views) if TGT_LANG in batch else None
        whole = self._heard_whole(tap, context, source.into, languages) if self.training and self._whole else {}
        with self._arithmetic(tap.x.device.type):
            taps = self._told(self.chain.encode(tap, context, into=source.into), languages) | whole
        total, stats, outputs = tap.x.new_zeros(()), {}, {}
        self.nonfinite = []
        for name, spec in self.specs.items():
            if name in self.idle_heads or spec.reads not in taps or spec.target not in batch:
                continue
            target, lengths = (x.repeat(views, *[1] * (x.dim() - 1)) for x in self._target(spec, batch))
            output = outputs[name] = self._output(name, taps[spec.reads], target, lengths, utt_id)
            stats.update({f"{name}_{key}": value.mean() for key, value in output.parts.items()})
            total = total + spec.weight * output.loss.mean()
        if not outputs:
            raise DataError(f"a batch of {source.key} trains no head: none reads what it feeds and has a target in it")
        for name, term in terms.items():
            if term.applies([*taps, *outputs]):
                with self._arithmetic(tap.x.device.type):
                    loss, parts = term(taps, outputs)
                stats.update({f"{name}_{key}": value.mean() for key, value in parts.items()})
                total = total + term.weight * loss.mean()
        stats["loss"] = total.detach()
        idle = {key: total.new_full((), math.nan) for key in self._stat_names(terms) if key not in stats}
        # ESPnet's averages over processes want one-dimensional tensors.
        return force_gatherable((total, {**idle, **stats}, tap.x.size(0) // views), total.device)

    def at(self, step: int, epoch: int) -> None:
        """Tell every part that changes in training how far it is; see Scheduled."""
        for module in self._scheduled:
            module.at(step, epoch)

    def collect_feats(
        self, speech: Tensor | None = None, speech_lengths: Tensor | None = None, **others: Tensor
    ) -> dict[str, Tensor]:
        """Features before normalization, for ESPnet's statistics; there are none without speech."""
        if FRAMES in others:
            return {"feats": others[FRAMES].float(), "feats_lengths": others[f"{FRAMES}_lengths"]}
        if speech is None or speech_lengths is None or self.speech is None:
            return {}
        feats, lengths = self.speech.features(speech, speech_lengths)
        return {"feats": feats, "feats_lengths": lengths}

    def encode(
        self,
        x: Tensor,
        lengths: Tensor,
        context: ChainContext | None = None,
        tgt_langs: Sequence[str | None] = (),
    ) -> dict[str, Tap]:
        """Whole utterances -> taps.

        Args:
            x: what a stream feeds, (B, N): samples in [-1, 1], of several channels (B, N, C), or tokens.
            lengths: (B,).
            context: of `chain.given`; by default each encoder has its own.
            tgt_langs: the language that each is translated into, of a model that has several.
        """
        languages = self.languages(tgt_langs or [None] * len(x))
        taps = self.chain.encode(self.source.embed(x, lengths), context or self.chain.own())
        return self._told(taps, languages)

    def init_state(
        self, batch_size: int, context: ChainContext | None = None, tgt_langs: Sequence[str | None] = ()
    ) -> ModelState:
        """State before the first sample of `batch_size` parallel streams; they may begin and end at any time."""
        device = device_of(self)
        languages = self.languages(tgt_langs or [None] * batch_size)
        encoders = self.chain.init_state(batch_size, context or self.chain.own(), device)
        return ModelState(self.source.init_state(batch_size, device), encoders, languages)

    def step(
        self, heard: Tap, state: ModelState, last: Sequence[bool] | None = None
    ) -> tuple[dict[str, Tap], ModelState]:
        """What is heard next of each row -> the frames of every tap that became complete, and the state.

        Args:
            heard: samples, or tokens, (B, n), of several channels (B, n, C), of each row the first `lengths`; 0 for a
                stream that stands still.
            state: of these streams (`ModelState.select` and `concat` change who they are).
            last: for each row, whether nothing follows: then everything that is left comes out.
        """
        last = [False] * heard.x.size(0) if last is None else last
        tap, source = self.source.step(heard, state.source, last)
        taps, encoders = self.chain.step(tap, state.encoders, last)
        return self._told(taps, state.languages), ModelState(source, encoders, state.languages)

    def languages(self, codes: Sequence[str | None]) -> Tensor | None:
        """Target languages by name -> their places, (B,); None for a model that is told none.

        Raises:
            ConfigError: one is missing or unknown.
        """
        if self.tgt_langs is None:
            return None
        return self.tgt_langs.places(codes).to(device_of(self))

    def _told(self, taps: dict[str, Tap], languages: Tensor | None) -> dict[str, Tap]:
        return taps if self.tgt_langs is None else self.tgt_langs(taps, languages)

    def _heard_whole(self, tap: Tap, context: ChainContext, into: str, languages: Tensor | None) -> dict[str, Tap]:
        """What regularizers compare chunks with. Before the chunks: `Chain.whole` draws what they draw then."""
        with torch.no_grad(), self._arithmetic(tap.x.device.type):
            taps = self._told(self.chain.whole(tap, context, self._whole, into=into), languages)
        return {whole_name(name): found for name, found in taps.items()}

    def _input_of(self, batch: Mapping[str, Tensor]) -> Input:
        found = [entry for entry in self._ways if entry.key in batch]
        if len(found) != 1:
            keys = ", ".join(entry.key for entry in self._ways)
            raise DataError(f"a batch holds one input of {keys}; this one has {', '.join(batch)}")
        return found[0]

    def _stat_names(self, terms: Mapping[str, Regularizer]) -> list[str]:
        parts: list[tuple[str, Head | Regularizer]] = [*self.head.items(), *terms.items()]
        return [f"{name}_{part}" for name, module in parts for part in module.part_names]

    def _output(self, name: str, tap: Tap, target: Tensor, lengths: Tensor, utt_id: list[str] | None) -> HeadOutput:
        """What a head makes of a batch: all NaN where the loss is not finite for some utterance."""
        head = self.head[name]
        with self._arithmetic(tap.x.device.type):
            try:
                return head(tap, target, lengths)
            except NonFiniteLossError as error:
                logging.warning(f"{self._named(error, name, utt_id)}: no update is made of its batch")
                names = utt_id or [f"utterance {b} of the batch" for b in range(len(target))]
                bad = [names[b % len(names)] for b in error.indices]
                self.nonfinite += [utterance for utterance in dict.fromkeys(bad) if utterance not in self.nonfinite]
                # From zeros: NaN with the graph and the statistics that other processes have, and expect.
                loss, parts, exposed = head(tap._replace(x=0.0 * tap.x.nan_to_num(0.0, 0.0, 0.0)), target, lengths)
                return HeadOutput(loss * math.nan, {key: part * math.nan for key, part in parts.items()}, exposed)
            except DataError as error:
                raise self._named(error, name, utt_id) from error

    def _arithmetic(self, device: str) -> torch.autocast:
        lower = self.training and self.train_dtype != torch.float32
        return torch.autocast(device, dtype=self.train_dtype if lower else None, enabled=lower)

    def _target(self, spec: HeadSpec, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        lengths = batch[f"{spec.target}_lengths"]
        target = batch[spec.target][:, : int(lengths.max())]
        if self.training and self.rounded:
            target = few_sizes(target, -1, self.head[spec.name].most_labels)
        return target, lengths

    def _named(self, error: DataError, head: str, utt_id: list[str] | None) -> DataError:
        name = utt_id[error.index % len(utt_id)] if utt_id is not None and error.index is not None else None
        return DataError(f"head {head!r}: {f'utterance {name!r}: ' if name else ''}{error}", index=error.index)
