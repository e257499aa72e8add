"""Options of ESPnet's ST task that JSTModel does not read: refused, with the key to use instead."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from espnet_jst.errors import ConfigError

_HEADS = "give a head in model_conf.heads, such as joint: {kind: transducer, lanes: [transcript, translation]}"
_ENCODERS = "use encoder, and hier_encoder on top of it"
_TEXT = "texts are normalized when the data is prepared (stages 1-5)"
_AUGMENT = "use preprocessor_conf, whose keys --help preprocessor lists"
_CLASSES = {
    "preencoder": _ENCODERS,
    "postencoder": _ENCODERS,
    "decoder": _HEADS,
    "extra_asr_decoder": _HEADS,
    "extra_mt_decoder": _HEADS,
    "md_encoder": _ENCODERS,
    "extra_mt_encoder": _ENCODERS,
}

# option -> what to use instead
REFUSED: Mapping[str, str] = {
    **_CLASSES,
    **{f"{name}_conf": hint for name, hint in _CLASSES.items()},
    "ctc_conf": "give a head of kind ctc in model_conf.heads",
    "st_joint_net_conf": "joint network keys belong to the transducer head in model_conf.heads",
    "preprocessor": "there is one preprocessor; its keys go to preprocessor_conf",
    "non_linguistic_symbols": "tags are symbols of the token list that stage 5 makes",
    "cleaner": _TEXT,
    "g2p": _TEXT,
    "src_g2p": _TEXT,
    "speech_volume_normalize": "use preprocessor_conf.gain_db",
    "rir_scp": _AUGMENT,
    "rir_apply_prob": _AUGMENT,
    "noise_scp": _AUGMENT,
    "noise_apply_prob": _AUGMENT,
    "noise_db_range": _AUGMENT,
    "short_noise_thres": _AUGMENT,
    "ctc_sample_rate": _HEADS,
}


class RefusedOption(argparse.Action):
    """An option that only says what to use instead; it leaves nothing in the namespace."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        raise ConfigError(refusal(f"--{self.dest}", self.dest))


def refusal(where: str, option: str) -> str:
    """The message for a refused option."""
    return f"{where} is not read by JSTModel: {REFUSED[option]}"


def refuse(parser: argparse.ArgumentParser, options: Sequence[str] = tuple(REFUSED)) -> None:
    """Replace the options, where the parser has them, by ones that refuse."""
    group = parser.add_argument_group(conflict_handler="resolve")
    for option in options:
        group.add_argument(
            f"--{option}", action=RefusedOption, nargs="*", default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
