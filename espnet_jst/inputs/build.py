"""From `model_conf.inputs` to modules."""

from __future__ import annotations

from collections.abc import Mapping

from espnet_jst import registry
from espnet_jst.config import check_choice
from espnet_jst.inputs.interface import Input
from espnet_jst.inputs.spec import WHERE, InputSpec


def build_inputs(
    specs: Mapping[str, InputSpec], vocab_sizes: Mapping[str, int], feeds: Mapping[str, tuple[int, float | None]]
) -> dict[str, Input]:
    """One module an input.

    Args:
        specs: parsed entries of `model_conf.inputs`.
        vocab_sizes: sizes of the token lists, "tgt" and perhaps "src".
        feeds: for each encoder of the model, features and frame shift in seconds of the tap that it reads; None is
            the shift where no speech enters.

    Raises:
        ConfigError: the model has no such encoder or token list.
    """
    modules: dict[str, Input] = {}
    for name, spec in specs.items():
        check_choice(spec.into, feeds, f"{WHERE}.{name}.into")
        size, shift_s = feeds[spec.into]
        vocab_size = vocab_sizes[spec.vocabulary_in(vocab_sizes)]
        fixed = {"key": spec.key, "into": spec.into, "vocab_size": vocab_size, "size": size, "shift_s": shift_s}
        modules[name] = registry.load("inputs", spec.kind)(**fixed, **spec.conf)
    return modules
