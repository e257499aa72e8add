"""What can be exported as a folder of ONNX graphs."""

from __future__ import annotations

from espnet_jst.encoders.chain import ChainContext
from espnet_jst.encoders.fixed import FixedStep
from espnet_jst.encoders.fixed_steps import fixed_step
from espnet_jst.errors import ConfigError
from espnet_jst.heads.ctc import CTCHead
from espnet_jst.heads.transducer import TransducerHead
from espnet_jst.inference.graphs.load import input_size
from espnet_jst.model import JSTModel


def exported_steps(model: JSTModel, context: ChainContext, where: object) -> dict[str, FixedStep]:
    """The steps of all encoders of a model that can be exported.

    Raises:
        ConfigError: names all that cannot be, and why.
    """
    reasons, steps = _reasons(model), {}
    for link in model.chain.links if model.speech is not None else ():
        try:
            size = input_size(model, link.name)
            steps[link.name] = fixed_step(link.encoder, context.encoders[link.name], size)
        except ConfigError as error:
            reasons.append(f"{link.name}: {error}")
    if reasons:
        raise ConfigError(f"{where} cannot be exported; {'; '.join(reasons)}")
    return steps


def _reasons(model: JSTModel) -> list[str]:
    if model.speech is None:
        return ["input: it reads text or units, and only speech is heard in chunks"]
    reasons = []
    if any(True for _ in model.frontend.parameters()):  # type: ignore[union-attr]
        reasons.append(f"frontend: {type(model.frontend).__name__} has weights, and only filter banks have a step here")
    if model.tgt_langs is not None:
        reasons.append("model_conf.tgt_langs: a model that is told its target language")
    for name, head in model.head.items():
        if not isinstance(head, (TransducerHead, CTCHead)):
            reasons.append(f"head {name}: {type(head).__name__}; transducers and CTC heads can be exported")
    return reasons
