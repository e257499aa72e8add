"""Distillation between the branches of a multi-decoder (arXiv:2405.13514): the student learns what the teacher finds
alike, not what it says."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from espnet_jst.config import check_choice
from espnet_jst.errors import ConfigError
from espnet_jst.heads.interface import LABELS, Head, HeadOutput
from espnet_jst.heads.spec import HeadSpec
from espnet_jst.keys import takes
from espnet_jst.regularizers.conf import SPKDConf
from espnet_jst.regularizers.gradient_share import SharedGradient
from espnet_jst.regularizers.similarity import of_positions, of_utterances
from espnet_jst.taps import Tap


class SPKD(SharedGradient):
    """Differences of two similarity matrices, of a student and a teacher; their sizes may differ, their rates may not.

    Its gradient is compared with that of all other terms where it begins to act: at what the student is, or at the
    teacher where only that learns. With `share` the weight follows, so that it stays that share of it: the bare loss is
    a thousandth of a nat and less where a transducer's is hundreds.
    """

    @takes(SPKDConf)
    def __init__(self, conf: SPKDConf) -> None:
        super().__init__(weight=conf.weight, share=conf.share)
        self.between, self.detach = tuple(conf.between), conf.detach
        self.compare = {"time": of_positions, "batch": of_utterances}[conf.axis]
        # A tap's encoder, or a head: what a batch must reach.
        self.needs = tuple(dict.fromkeys(name.partition(".")[0] for name in conf.between))

    def check(self, heads: Mapping[str, Head], shifts_s: Mapping[str, float], specs: Mapping[str, HeadSpec]) -> None:
        labels = {
            f"{head}.{name}": axis == LABELS for head, module in heads.items() for name, axis in module.exposes.items()
        }
        for name in self.between:
            check_choice(name, [*(tap for tap in shifts_s if tap not in heads), *labels], "between")
        student, teacher = self.between
        over_labels = [labels.get(name, False) for name in self.between]
        if over_labels[0] != over_labels[1]:
            of = [f"{name!r} of {'labels' if over else 'frames'}" for name, over in zip(self.between, over_labels)]
            raise ConfigError(f"between: {' and '.join(of)} cannot be compared: give two of one kind")
        if over_labels[0]:
            if len({specs[name.partition(".")[0]].writes for name in self.between}) > 1:
                raise ConfigError(f"between: {student!r} and {teacher!r} are of heads that write different labels")
            return
        first, last = (shifts_s[name.partition(".")[0] if name in labels else name] for name in self.between)
        if not math.isclose(first, last):
            raise ConfigError(
                f"between: {student!r} has frames of {first:g} s and {teacher!r} of {last:g} s: give two of one rate"
            )

    def forward(self, taps: Mapping[str, Tap], outputs: Mapping[str, HeadOutput]) -> tuple[Tensor, dict[str, Tensor]]:
        student, teacher = (self._sequence(name, taps, outputs) for name in self.between)
        x = student.x.detach() if self.detach == "student" else student.x
        y = teacher.x.detach() if self.detach == "teacher" else teacher.x
        with torch.autocast(x.device.type, enabled=False):  # sums of many squares
            loss = self.compare(x.float(), y.float(), student.lengths.to(x.device))
        return loss, self.followed(loss, teacher.x if self.detach == "student" else student.x)

    def _sequence(self, name: str, taps: Mapping[str, Tap], outputs: Mapping[str, HeadOutput]) -> Tap:
        if name in taps:
            return taps[name]
        head, _, exposed = name.partition(".")
        return outputs[head].exposed[exposed]
