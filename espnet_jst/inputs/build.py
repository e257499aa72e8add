"""From `model_conf.inputs` to modules."""

from __future__ import annotations

from collections.abc import Mapping

from espnet_jst import registry
from espnet_jst.config import check_choice
from espnet_jst.errors import ConfigError
from espnet_jst.inputs.conf import TokenInputConf
from espnet_jst.inputs.interface import Input
from espnet_jst.inputs.spec import WHERE, InputSpec
from espnet_jst.inputs.tokens import SharingInput, TokenInput
from espnet_jst.keys import read


def build_inputs(
    specs: Mapping[str, InputSpec], vocab_sizes: Mapping[str, int], feeds: Mapping[str, tuple[int, float | None]]
) -> dict[str, Input]:
    """One input an entry; those that share an embedding come after its owner, and have no parameters.

    Args:
        specs: parsed entries of `model_conf.inputs`.
        vocab_sizes: sizes of the token lists, "tgt" and perhaps "src".
        feeds: for each encoder of the model, features and frame shift in seconds of the tap that it reads; None is
            the shift where no speech enters.

    Raises:
        ConfigError: the model has no such encoder or token list.
    """
    modules: dict[str, Input] = {}
    for name, spec in sorted(specs.items(), key=lambda item: item[1].shares is not None):
        if spec.shares is not None:
            modules[name] = _sharing(spec, modules[spec.shares])
            continue
        check_choice(spec.into, feeds, f"{WHERE}.{name}.into")
        size, shift_s = feeds[spec.into]
        vocab_size = vocab_sizes[spec.vocabulary_in(vocab_sizes)]
        fixed = {"key": spec.key, "into": spec.into, "vocab_size": vocab_size, "size": size, "shift_s": shift_s}
        modules[name] = registry.load("inputs", spec.kind)(**fixed, **spec.conf)
    return modules


def _sharing(spec: InputSpec, owner: Input) -> SharingInput:
    where = f"{WHERE}.{spec.name}"
    if not isinstance(owner, TokenInput):
        raise ConfigError(f"{where}.shares: {spec.shares!r} has no embedding of tokens")
    conf = read(TokenInputConf, dict(spec.conf), where)
    if conf.places:
        raise ConfigError(f"{where}: places: what shares an embedding has no parameters of its own")
    if owner.places is not None and conf.repeat != owner.repeat:
        raise ConfigError(
            f"{where}.repeat is {conf.repeat}: {spec.shares!r} has a place for each of {owner.repeat} frames"
        )
    return SharingInput(spec.key, owner, conf)
