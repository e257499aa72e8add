"""One table: choice -> name -> class. `register()` installs what belongs to ESPnet's choices, any number of times.

A package with classes of its own calls `register(extra=...)` when it is imported; naming its module in the environment
variable JST_PLUGINS makes every command and every spawned worker import it first.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Mapping
from typing import Any

from espnet_jst.errors import ConfigError
from espnet_jst.keys import Conf, T, declared, keys_of, kind_of, read, signature_conf

ENCODERS: dict[str, type | str] = {
    "chunk_conformer": "espnet_jst.encoders.chunk_conformer:ChunkConformer",
    "contextual_block": "espnet_jst.encoders.contextual_block:ContextualBlockConformer",
    "mbart": "espnet_jst.encoders.mbart:MBartEncoder",
    "chunk_whisper": "espnet_jst.encoders.chunk_whisper:ChunkWhisper",
    "zipformer": "espnet_jst.encoders.zipformer.zipformer:Zipformer",
}
# A class of the table has its keys in the module `conf` beside its own, as `<Class>Conf`.
TABLE: dict[str, dict[str, type | str]] = {
    "frontend": {
        "log_mel": "espnet_jst.inputs.log_mel:LogMel",
        "kaldi_fbank": "espnet_jst.inputs.kaldi_fbank:KaldiFbank",
        "nemo_mel": "espnet_jst.inputs.nemo_mel:NemoMel",
        "whisper_mel": "espnet_jst.inputs.whisper_mel:WhisperMel",
        "beam_bank": "espnet_jst.inputs.beams.beam_bank:BeamBank",
        "pretrained": "espnet_jst.inputs.pretrained.frontend:Pretrained",
        "trained": "espnet_jst.inputs.trained:Trained",
        "s3prl_upstream": "espnet_jst.inputs.pretrained.upstream:Upstream",
    },
    "specaug": {"lhotse_specaug": "espnet_jst.inputs.specaug:LhotseSpecAug"},
    "normalize": {"running_mvn": "espnet_jst.inputs.normalize:RunningMVN"},
    "encoder": ENCODERS,
    "hier_encoder": ENCODERS.copy(),
    "optim": {
        "muon": "espnet_jst.training.muon:Muon",
        "scaled_adam": "espnet_jst.training.scaled_adam:ScaledAdam",
    },
    "scheduler": {
        "warmupcosine": "espnet_jst.training.schedule:WarmupCosine",
        "eden": "espnet_jst.training.eden:Eden",
    },
    # Entries of model_conf, by their kind.
    "heads": {
        "transducer": "espnet_jst.heads.transducer:TransducerHead",
        "ctc": "espnet_jst.heads.ctc:CTCHead",
        "attention": "espnet_jst.heads.attention:AttentionHead",
    },
    "predictor": {
        "lstm": "espnet_jst.heads.predictor:LSTMPredictor",
        "stateless": "espnet_jst.heads.predictor:StatelessPredictor",
    },
    "inputs": {"tokens": "espnet_jst.inputs.tokens:TokenInput"},
    "regularizers": {
        "cr_ctc": "espnet_jst.regularizers.cr_ctc:CRCTC",
        "posterior_consistency": "espnet_jst.regularizers.posterior_consistency:PosteriorConsistency",
        "sp_kd": "espnet_jst.regularizers.sp_kd:SPKD",
        "whole_context": "espnet_jst.regularizers.whole_context:WholeContext",
    },
    # Of a decoding configuration.
    "penalty": {
        "length": "espnet_jst.search.penalty_rules:FollowLength",
        "blanks": "espnet_jst.search.penalty_rules:GrowWithBlanks",
        "bound": "espnet_jst.search.penalty_rules:BoundLength",
    },
}
# Choices whose first weights, and sizes, may come from a model of somebody else.
PRETRAINED = ("frontend", "encoder", "hier_encoder")
# Choices that ESPnet does not have: what their classes derive from.
OWN = {
    "heads": "espnet_jst.heads.interface:Head",
    "predictor": "espnet_jst.heads.predictor:Predictor",
    "inputs": "espnet_jst.inputs.interface:Input",
    "regularizers": "espnet_jst.regularizers.interface:Regularizer",
    "penalty": "espnet_jst.search.penalty_rules:PenaltyRule",
}
# ESPnet's own classes that a configuration may name as well, with their keys: their constructors do arithmetic and
# nothing else.
HARMLESS = {
    "specaug": {"specaug": "espnet_jst.inputs.conf:SpecAugConf"},
    "normalize": {"global_mvn": "espnet_jst.inputs.conf:GlobalMVNConf"},
}
# Arguments of constructors that the model gives, and no configuration.
GIVEN = ("input_size", "encoder_size", "vocab_size", "blank", "params", "optimizer", "last_epoch")
TASKS = ("st", "asr")  # asr_transducer has no encoder choices; mt takes embeddings only
PLUGINS_VARIABLE = "JST_PLUGINS"


def register(extra: Mapping[str, Mapping[str, type | str]] | None = None) -> None:
    """Add the classes of the table to the choices of ESPnet's `st` and `asr` tasks, or to ours.

    Args:
        extra: further entries, choice -> name -> class or "module:Class"; they stay for the rest of the process.

    Raises:
        TypeError: a class does not derive from what the choice asks for.
        ValueError: a name is not lower case, is taken by another class, or its choice does not exist.
    """
    from espnet_jst.compat import import_espnet_tasks

    for choice, classes in (extra or {}).items():
        _check_entry(choice, classes)
        TABLE.setdefault(choice, {}).update(classes)
    import_plugins()
    modules = import_espnet_tasks(TASKS)
    for choice, classes in TABLE.items():
        targets = list(_targets(choice, modules))
        if not targets:
            raise ValueError(f"ESPnet's tasks {', '.join(TASKS)} have no choice {choice!r}")
        for name, entry in classes.items():
            for known, base in targets:
                _install(known, choice, name, _resolve(entry), base)


def import_plugins() -> None:
    """Import the modules of JST_PLUGINS, which register their classes.

    Raises:
        ConfigError: there is no such module.
    """
    for module in filter(None, os.environ.get(PLUGINS_VARIABLE, "").replace(",", " ").split()):
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"{PLUGINS_VARIABLE} names {module}, and Python finds no module {error.name!r}: install it, or put its "
                "folder on PYTHONPATH"
            ) from error


def names(choice: str) -> list[str]:
    """The names that a configuration may have built: ours, those of `register(extra)`, and `HARMLESS` ones of ESPnet.

    The constructors of others do what they like with what a configuration says: write folders, fetch models, read
    pickles. Nothing of that may happen because somebody loads a packed model.
    """
    return [*TABLE.get(choice, ()), *HARMLESS.get(choice, ())]


def load(choice: str, name: str) -> type:
    """The class of a name of the table."""
    return _resolve(TABLE[choice][name])


def conf_of(choice: str, name: str) -> type[Conf]:
    """The keys of a name that may be built. For what the package brings, neither torch nor ESPnet is imported."""
    if name in HARMLESS.get(choice, ()):
        return _resolve(HARMLESS[choice][name])
    entry = TABLE[choice][name]
    return (_beside(entry) if isinstance(entry, str) else None) or keys_of_class(_resolve(entry))


def read_entry(spec: type[T], choice: str, entry: Mapping, where: str, /, **others: object) -> T:
    """An entry of `model_conf`, checked: the keys of `spec`, and in its `conf` those of the class that `kind` names.

    Raises:
        ConfigError: a key is missing or unknown, or a value cannot be used.
    """
    own = conf_of(choice, kind_of(entry, names(choice), where))
    conf = {key: value for key, value in entry.items() if key not in keys_of(spec)}
    found = read(spec, entry, where, beside=keys_of(own), conf=conf, **others)
    read(own, conf, where)
    return found


def keys_of_class(target: type) -> type[Conf]:
    """The keys of a class: those that it declares, or the arguments of its constructor."""
    return declared(target) or signature_conf(target, GIVEN)


def _beside(entry: str) -> type[Conf] | None:
    module, _, name = entry.partition(":")
    package = module.rpartition(".")[0]
    if not package or importlib.util.find_spec(f"{package}.conf") is None:
        return None
    return getattr(importlib.import_module(f"{package}.conf"), f"{name}Conf", None)


def _targets(choice: str, modules: Mapping[str, Any]) -> Iterator[tuple[dict[str, type], type | None]]:
    if choice in ("optim", "scheduler"):  # ESPnet's dictionaries of all tasks, without a type to check
        import torch
        from espnet2.schedulers.abs_scheduler import AbsScheduler
        from espnet2.tasks import abs_task

        if choice == "optim":
            yield abs_task.optim_classes, torch.optim.Optimizer
        else:
            yield abs_task.scheduler_classes, AbsScheduler
        return
    if choice in OWN:
        yield {}, _resolve(OWN[choice])
        return
    for module in modules.values():
        choices = getattr(module, f"{choice}_choices", None)
        if choices is not None:
            yield choices.classes, choices.base_type


def _install(known: dict[str, type], choice: str, name: str, new: type, base: type | None) -> None:
    # ClassChoices checks the type in its constructor only, so that a class added later would go unchecked.
    if base is not None and not (isinstance(new, type) and issubclass(new, base)):
        raise TypeError(f"{choice} {name!r}: {getattr(new, '__name__', new)} must derive from {base.__name__}")
    if known.get(name, new) is not new:
        raise ValueError(f"{choice} {name!r} is already {known[name].__qualname__}: choose another name")
    known[name] = new


def _resolve(entry: type | str) -> type:
    if not isinstance(entry, str):
        return entry
    module, _, name = entry.partition(":")
    return getattr(importlib.import_module(module), name)


def _check_entry(choice: str, classes: Mapping[str, type | str]) -> None:
    for name in classes:
        # argparse lowers the value and ESPnet compares it with the key as it is: another key is never found.
        if name != name.lower():
            raise ValueError(f"{choice} {name!r}: ESPnet finds lower-case names only, use {name.lower()!r}")
