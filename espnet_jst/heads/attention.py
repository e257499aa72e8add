"""Attention head: ESPnet's Transformer decoder, mBART's (arXiv:2001.08210) or Whisper's (arXiv:2212.04356), over one
lane or several serialized ones, and its steps in a search.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from espnet_jst.errors import ConfigError, DataError
from espnet_jst.heads.conf import AttentionHeadConf
from espnet_jst.heads.interface import LABELS, Head, HeadOutput
from espnet_jst.heads.labels import NORM_EPS, ESPnetLabels, MBartLabels, TiedOutput
from espnet_jst.keys import takes
from espnet_jst.losses.checks import check_labels, checked
from espnet_jst.taps import Tap


@dataclass
class Memory:
    """What a decoder hears of utterances, projected once for all steps.

    Attributes:
        keys: of every layer, (B, H, T, d).
        values: likewise.
        hidden: True where a frame is padding, (B, 1, 1, T).
    """

    keys: list[Tensor]
    values: list[Tensor]
    hidden: Tensor


@dataclass
class Written:
    """What a decoder keeps of the U labels of K hypotheses of B utterances.

    Attributes:
        keys: of every layer, (B, K, H, U, d).
        values: likewise.
        labels: U, with what begins the sequences.
    """

    keys: list[Tensor]
    values: list[Tensor]
    labels: int = 0

    def choose(self, hypotheses: Tensor) -> Written:
        """The hypotheses at places (B, N) of each utterance."""
        rows = torch.arange(len(hypotheses), device=hypotheses.device)[:, None]
        keys, values = ([x[rows, hypotheses] for x in part] for part in (self.keys, self.values))
        return Written(keys, values, self.labels)


class AttentionHead(Head):
    """A Transformer decoder that hears whole utterances; labels are predicted with smoothing.

    A sequence begins and ends with the last symbol of the token list, `<sos/eos>`; with `style: mbart` or `whisper` it
    begins with vectors of its own. Training, and so every parameter's name, is ESPnet's; `begin` and `step` compute the
    same label by label, and project each frame and label once. The layers of the other styles are ESPnet's with another
    activation; what enters them, and the output layer, is `labels.MBartLabels` and `TiedOutput`.

    Attributes:
        end: id of `<sos/eos>`.
        most_labels: that a sequence may have, beside its end; None: any number.
    """

    exposes = {"decoder": LABELS}

    @takes(AttentionHeadConf)
    def __init__(self, *, encoder_size: int, vocab_size: int, blank: int = 0, conf: AttentionHeadConf) -> None:
        super().__init__()
        # Here, not above: searches know this class, and most models have no such head.
        from espnet2.asr.decoder.transformer_decoder import TransformerDecoder

        if encoder_size % conf.heads:
            raise ConfigError(
                f"an attention decoder is as wide as what it reads: {encoder_size} is no multiple of {conf.heads} heads"
            )
        self.blank, self.vocab_size, self.end, self.smoothing = blank, vocab_size, vocab_size - 1, conf.label_smoothing
        espnet = conf.style == "espnet"
        self.decoder = TransformerDecoder(
            vocab_size if espnet else 0,  # of an embedding that is replaced
            encoder_size,
            attention_heads=conf.heads,
            linear_units=conf.feed_forward_size,
            num_blocks=conf.layers,
            dropout_rate=conf.dropout,
            positional_dropout_rate=conf.dropout,
            self_attention_dropout_rate=conf.attention_dropout,
            src_attention_dropout_rate=conf.attention_dropout,
            use_flash_attn=False,  # another mask of padding, and a package that need not be there
            use_output_layer=espnet,
        )
        labels = ESPnetLabels(*self.decoder.embed) if espnet else self._tied(vocab_size, encoder_size, conf)
        self.decoder.embed, self.starts = labels, labels.starts
        self.most_labels = None if labels.most is None else labels.most - labels.starts
        if conf.activation == "gelu":
            for layer in self.decoder.decoders:
                layer.feed_forward.activation = nn.GELU()

    def _tied(self, vocab_size: int, size: int, conf: AttentionHeadConf) -> MBartLabels:
        """What mBART's decoder has beside the layers, or Whisper's."""
        mbart = conf.style == "mbart"
        labels = MBartLabels(
            vocab_size,
            size,
            starts=conf.starts,
            positions=conf.positions,
            scaled=mbart and conf.scale_embedding,
            normed=mbart,
            dropout=conf.dropout,
        )
        self.decoder.output_layer = TiedOutput(labels.embedding)
        for layer in self.decoder.decoders:
            layer.feed_forward.dropout.p = 0.0  # both have dropout behind the module alone
        for part in self.decoder.modules():
            if isinstance(part, nn.LayerNorm):
                part.eps = NORM_EPS
        return labels

    @property
    def part_names(self) -> tuple[str, ...]:
        return ("attention",) if self.training else ("attention", "error")

    def forward(self, tap: Tap, targets: Tensor, target_lengths: Tensor) -> HeadOutput:
        """See Head; what stands before the output layer is exposed, (B, U + 1, D). In evaluation mode the parts have
        `error`, the share of labels that are not the likeliest one after the right ones before.
        """
        logp, ends, valid, hidden = self._predict(tap, targets, target_lengths)
        loss = checked((self._smoothed(logp, ends) * valid).sum(dim=1), "attention")
        parts = {"attention": loss.detach()}
        if not self.training:
            wrong = (logp.argmax(dim=-1).ne(ends) & valid).sum(dim=1).float()
            parts["error"] = wrong / (target_lengths + 1.0).mean()
        return HeadOutput(loss, parts, {"decoder": Tap(hidden, target_lengths + 1, math.nan)})

    def score(self, tap: Tap, targets: Tensor, target_lengths: Tensor) -> Tensor:
        """See Head; the end of the sequence included."""
        logp, ends, valid, _ = self._predict(tap, targets, target_lengths)
        return (logp.gather(2, ends[..., None])[..., 0] * valid).sum(dim=1)

    def _predict(self, tap: Tap, targets: Tensor, target_lengths: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Log-probabilities (B, U + 1, V) where labels and the end are due, these (B, U + 1), which of them count, and
        what stands before the output layer (B, U + 1, D).
        """
        x, lengths = tap.x, tap.lengths.to(tap.x.device)
        check_labels(targets, lengths, target_lengths, frames=x.size(1), vocab_size=self.vocab_size, blank=self.blank)
        if self.most_labels is not None and targets.size(1) > self.most_labels:
            longest = int(target_lengths.argmax())
            raise DataError(
                f"{int(target_lengths[longest])} labels, and the decoder has positions for {self.most_labels}: leave "
                "the utterance out, or cut it",
                index=longest,
            )
        place = torch.arange(targets.size(1) + 1, device=x.device)
        ends = nn.functional.pad(targets, (0, 1), value=self.end).masked_fill(
            place >= target_lengths[:, None], self.end
        )
        begins = nn.functional.pad(ends[:, :-1], (self.starts, 0), value=self.end)
        # No label hears what follows it, and padding does: so all rows may be as long as the batch.
        whole = torch.full_like(target_lengths, begins.size(1))
        (logits, hidden), _ = self.decoder(x, lengths, begins, whole, return_hs=True)
        logits, hidden = logits[:, self.starts - 1 :], hidden[:, self.starts - 1 :]
        return logits.float().log_softmax(dim=-1), ends, place <= target_lengths[:, None], hidden

    def _smoothed(self, logp: Tensor, labels: Tensor) -> Tensor:
        """Divergence of the smoothed labels from what is predicted, (B, U): ESPnet's label smoothing loss."""
        right = logp.gather(2, labels[..., None])[..., 0]
        share, others = self.smoothing / (self.vocab_size - 1), 1.0 - self.smoothing
        entropy = others * math.log(others) + (self.smoothing * math.log(share) if share else 0.0)
        return entropy - others * right - share * (logp.sum(dim=-1) - right)

    def begin(self, x: Tensor, lengths: Tensor) -> tuple[Memory, Written]:
        """Utterances (B, T, D) with T valid frames (B,) -> what every step hears, and one hypothesis of each."""
        keys: list[Tensor] = []
        values: list[Tensor] = []
        for layer in self.decoder.decoders:
            for part, project in ((keys, layer.src_attn.linear_k), (values, layer.src_attn.linear_v)):
                part.append(_split(project(x), layer.src_attn.h).transpose(1, 2))
        hidden = torch.arange(x.size(1), device=x.device) >= lengths.to(x.device)[:, None]
        B, H, _, d = keys[0].shape
        nothing = [x.new_zeros(B, 1, H, 0, d) for _ in keys]
        memory, written = Memory(keys, values, hidden[:, None, None]), Written(nothing, list(nothing))
        for _ in range(self.starts - 1):
            written = self._hear(torch.full((B, 1), self.end, device=x.device), memory, written)[1]
        return memory, written

    def step(self, labels: Tensor, memory: Memory, written: Written) -> tuple[Tensor, Written]:
        """The last labels of hypotheses, (B, K) -> log-probabilities of the next ones, (B, K, V), and the cache.

        The first labels of all are `end`.
        """
        x, written = self._hear(labels, memory, written)
        logits = self.decoder.output_layer(self.decoder.after_norm(x))
        return logits.float().log_softmax(dim=-1), written

    def _hear(self, labels: Tensor, memory: Memory, written: Written) -> tuple[Tensor, Written]:
        """Labels (B, K) behind those of the cache -> what the last layer makes of them, (B, K, D), and the cache."""
        x = self.decoder.embed.at(labels, written.labels)
        all_keys, all_values = [], []
        for number, layer in enumerate(self.decoder.decoders):
            own, heard = layer.self_attn, layer.src_attn
            y = layer.norm1(x)
            q, k, v = (_split(project(y), own.h) for project in (own.linear_q, own.linear_k, own.linear_v))
            keys = torch.cat([written.keys[number], k[..., None, :]], dim=3)
            values = torch.cat([written.values[number], v[..., None, :]], dim=3)
            weights = ((keys @ q[..., None])[..., 0] / math.sqrt(own.d_k)).softmax(dim=-1)
            x = x + own.linear_out((weights[..., None, :] @ values).flatten(2))
            q = _split(heard.linear_q(layer.norm2(x)), heard.h).transpose(1, 2)
            scores = q @ memory.keys[number].transpose(2, 3) / math.sqrt(heard.d_k)
            weights = scores.masked_fill(memory.hidden, -math.inf).softmax(dim=-1)
            x = x + heard.linear_out((weights @ memory.values[number]).transpose(1, 2).flatten(2))
            x = x + layer.feed_forward(layer.norm3(x))
            all_keys.append(keys)
            all_values.append(values)
        return x, Written(all_keys, all_values, written.labels + 1)


def _split(x: Tensor, heads: int) -> Tensor:
    """(B, N, D) -> (B, N, H, D / H)."""
    return x.view(*x.shape[:2], heads, -1)
