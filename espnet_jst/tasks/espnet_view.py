"""The model as ESPnet's unmodified st_inference and asr_inference expect it: a plain wrapper, not a second model.

`espnet2.bin.st_inference.STTask = JSTTask`, or `espnet2.bin.asr_inference.ASRTask = JSTTask`, is all that ESPnet's
`Speech2Text` needs. A head that writes one lane gives it that; a serialized head gives its whole tagged stream, because
ESPnet makes the text from the tokens outside of the model.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from espnet_jst.errors import ConfigError
from espnet_jst.heads.attention import AttentionHead
from espnet_jst.heads.ctc import CTCHead
from espnet_jst.heads.predictor import PredictorState
from espnet_jst.heads.spec import vocabulary_of
from espnet_jst.heads.transducer import TransducerHead
from espnet_jst.model import JSTModel
from espnet_jst.search.spec import SEARCHED
from espnet_jst.text.lanes import TRANSCRIPT, TRANSLATION

Cache = dict[str, tuple[Tensor, PredictorState]]


class Hypothesis(Protocol):
    """What the predictor needs of a hypothesis of ESPnet's searches."""

    yseq: list[int]
    dec_state: PredictorState


class DecoderView:
    """A transducer head's predictor with the interface of ESPnet's transducer decoder.

    Not a module, so that no parameter is registered twice. A hypothesis' state is that of a batch of one.
    """

    def __init__(self, head: TransducerHead) -> None:
        self.predictor, self.blank_id = head.predictor, head.blank
        self.odim, self.dunits = head.vocab_size, head.predictor.output_size
        self.device = head.joint.output.weight.device

    def set_device(self, device: torch.device) -> None:
        """Device of the labels."""
        self.device = device

    def init_state(self, batch_size: int) -> PredictorState:
        """State before the first label, which is the blank."""
        return self.predictor.init_state(batch_size, self.device)

    def select_state(self, states: PredictorState, idx: int) -> PredictorState:
        """State of one hypothesis of a batch."""
        return states.select(torch.tensor([idx], device=self.device))

    def create_batch_states(
        self, states: PredictorState, new_states: Sequence[PredictorState], check_list: list | None = None
    ) -> PredictorState:
        """One batch from the states of single hypotheses."""
        return PredictorState(tuple(torch.cat(parts) for parts in zip(*(s.tensors for s in new_states), strict=True)))

    @torch.no_grad()
    def score(self, hyp: Hypothesis, cache: Cache) -> tuple[Tensor, PredictorState, Tensor]:
        """Last label of a hypothesis -> features (D,), state after it, the label (1,)."""
        label = torch.tensor([hyp.yseq[-1]], dtype=torch.long, device=self.device)
        y, state = self._cached(hyp, hyp.dec_state, cache)
        return y, state, label

    @torch.no_grad()
    def batch_score(
        self, hyps: Sequence[Hypothesis], dec_states: PredictorState, cache: Cache, use_lm: bool
    ) -> tuple[Tensor, PredictorState, Tensor | None]:
        """Last labels of N hypotheses -> features (N, D), their states, and the labels (N, 1) for a language model."""
        rows = [self._cached(hyp, hyp.dec_state, cache) for hyp in hyps]
        states = self.create_batch_states(dec_states, [state for _, state in rows])
        labels = torch.tensor([[hyp.yseq[-1]] for hyp in hyps], device=self.device) if use_lm else None
        return torch.stack([y for y, _ in rows]), states, labels

    def _cached(self, hyp: Hypothesis, state: PredictorState, cache: Cache) -> tuple[Tensor, PredictorState]:
        key = "_".join(map(str, hyp.yseq))
        if key not in cache:
            label = torch.tensor([hyp.yseq[-1]], dtype=torch.long, device=self.device)
            y, after = self.predictor.step(label, state)
            cache[key] = (y[0], after)
        return cache[key]


class CTCView:
    """A CTC head with the interface of ESPnet's CTC. Not a module, as DecoderView."""

    def __init__(self, head: CTCHead) -> None:
        self.head = head

    def log_softmax(self, hs_pad: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, V)."""
        return self.head.log_probs(hs_pad)

    def argmax(self, hs_pad: Tensor) -> Tensor:
        """(B, T, D) -> the likeliest symbols, (B, T)."""
        return self.log_softmax(hs_pad).argmax(dim=-1)


class ESPnetView(nn.Module):
    """What `espnet2.bin.st_inference` and `asr_inference` read from a model, served by one head of a JSTModel.

    Args:
        model: the model; it stays reachable as `model`.
        args: its training arguments, for the token lists.

    Attributes:
        ctc, st_ctc: a CTC head of the labels and the tap of the one that serves; missing, and None for `asr_inference`,
            where there is none: their `ctc_weight` has to be 0 then.

    Raises:
        ConfigError: no transducer and no attention decoder writes what ESPnet asks for.
    """

    def __init__(self, model: JSTModel, args: argparse.Namespace) -> None:
        super().__init__()
        self.model = model
        name = serving_head(model)
        spec, head = model.specs[name], model.head[name]
        self.reads = spec.reads
        transduces = isinstance(head, TransducerHead)
        self.st_use_transducer_decoder = self.use_transducer_decoder = transduces
        self.use_multidecoder = self.use_speech_attn = False
        if isinstance(head, TransducerHead):
            self.decoder: DecoderView | nn.Module = DecoderView(head)
            self.joint_network = self.st_joint_network = head.joint
        else:
            assert isinstance(head, AttentionHead)
            if head.starts > 1:
                raise ConfigError(
                    f"ESPnet's own inference begins a sequence with one symbol, head {name!r} with {head.starts} "
                    "vectors: use jst_inference"
                )
            self.decoder = head.decoder
        self.blank_id = head.blank
        beside = [
            module
            for other, module in model.head.items()
            if isinstance(module, CTCHead) and model.specs[other].reads == spec.reads
            if model.specs[other].writes == spec.writes
        ]
        self.ctc = CTCView(beside[0]) if beside else None
        if self.ctc is not None:
            self.st_ctc = self.ctc
        lists = {"tgt": args.token_list, "src": getattr(args, "src_token_list", None) or args.token_list}
        self.token_list = list(lists[vocabulary_of(model.specs[name], lists)])
        self.src_token_list = list(lists["src"])
        self.sos = self.eos = len(self.token_list) - 1
        self.src_sos = self.src_eos = len(self.src_token_list) - 1

    def encode(self, speech: Tensor, speech_lengths: Tensor, return_int_enc: bool = False) -> tuple[Tensor, ...]:
        """ESPnet's form: what the serving head reads (B, T, D) and its lengths, then the first encoder's output.

        Args:
            speech: samples, (B, N), at the model's rate.
            speech_lengths: (B,).
            return_int_enc: add the first encoder's output and lengths.
        """
        taps = self.model.encode(speech, speech_lengths)
        served = taps[self.reads]
        if not return_int_enc:
            return served.x, served.lengths
        return served.x, served.lengths, taps["encoder"].x, taps["encoder"].lengths


def serving_head(model: JSTModel) -> str:
    """The head that ESPnet's scripts decode: of the translation where something writes it, else of the transcript; one
    that writes nothing else, and reads the later encoder, as they hear whole utterances.

    Raises:
        ConfigError: there is none.
    """
    written = {lane for spec in model.specs.values() for lane in spec.lanes}
    lane = TRANSLATION if TRANSLATION in written else TRANSCRIPT
    heads = [
        (len(spec.lanes), not spec.reads.startswith("hier_encoder"), name)
        for name, spec in model.specs.items()
        if spec.kind in SEARCHED and lane in spec.lanes
    ]
    if not heads:
        raise ConfigError(
            f"ESPnet's own inference needs a transducer or an attention decoder on the {lane}: use jst_inference"
        )
    return min(heads)[-1]
