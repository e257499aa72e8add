"""What a configuration may hold: `espnet-jst train --help TOPIC`, and docs/configuration.md.

`python -m espnet_jst.bin.configuration > docs/configuration.md` writes the document. Both are made from the dataclasses
that check a configuration, and need neither torch nor ESPnet.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import textwrap
import typing
from collections.abc import Iterator
from dataclasses import Field
from typing import NamedTuple

from espnet_jst import registry
from espnet_jst.config import check_choice
from espnet_jst.keys import Conf, is_required, keys_of
from espnet_jst.limits import Limits, described

WIDTH = 110


class Topic(NamedTuple):
    """A part of the configuration.

    Attributes:
        conf: "module:Class" of its own keys, where it has some.
        choice: the choice of the registry that it names, where it names one.
    """

    where: str
    about: str
    conf: str | None = None
    choice: str | None = None


_OTHERS = "ESPnet's others may be named too (--help-all); their keys are the arguments of their constructors."
TOPICS = {
    "frontend": Topic("frontend, frontend_conf", "From samples to features.", choice="frontend"),
    "specaug": Topic("specaug, specaug_conf", "Masks on features, in training.", choice="specaug"),
    "normalize": Topic("normalize, normalize_conf", "Features of mean 0 and variance 1.", choice="normalize"),
    "encoder": Topic("encoder, encoder_conf", "The first encoder.", choice="encoder"),
    "hier_encoder": Topic("hier_encoder, hier_encoder_conf", "The encoder on top of it.", choice="hier_encoder"),
    "model": Topic("model_conf", "What is predicted, and from what.", "espnet_jst.heads.spec:ModelConf"),
    "inputs": Topic(
        "model_conf.inputs.NAME",
        "Further ways into the model: the keys of every input, then those of its kind.",
        "espnet_jst.inputs.spec:InputSpec",
        "inputs",
    ),
    "tgt_langs": Topic(
        "model_conf.tgt_langs", "Several target languages.", "espnet_jst.encoders.conf:TargetLanguagesConf"
    ),
    "lanes": Topic("model_conf.lanes.NAME", "Streams of words.", "espnet_jst.text.lanes:LaneConf"),
    "heads": Topic(
        "model_conf.heads.NAME",
        "A prediction on an encoder: the keys of every head, then those of its kind.",
        "espnet_jst.heads.spec:HeadSpec",
        "heads",
    ),
    "predictor": Topic("predictor_conf of a transducer", "What reads the labels so far.", choice="predictor"),
    "regularizers": Topic("model_conf.regularizers.NAME", "Further terms of the loss, by kind.", choice="regularizers"),
    "searches": Topic("model_conf.searches.NAME", "How heads are decoded.", "espnet_jst.search.spec:SearchSpec"),
    "preprocessor": Topic("preprocessor_conf", "Training recordings.", "espnet_jst.data.conf:PreprocessorConf"),
    "groups": Topic(
        "train_groups.NAME", "Further training data, whose inputs may be others.", "espnet_jst.training.conf:GroupSpec"
    ),
    "optim": Topic("optim, optim_conf", f"The optimizer. {_OTHERS}", choice="optim"),
    "scheduler": Topic("scheduler, scheduler_conf", f"The learning rate. {_OTHERS}", choice="scheduler"),
    "decoding": Topic("Speech2Text(...)", "How a model decodes.", "espnet_jst.search.conf:DecodingConf"),
    "penalty": Topic(
        "blank_penalty.LANE of Speech2Text", "A penalty that adapts to its stream, by kind.", choice="penalty"
    ),
    "timing": Topic("timing_conf of Speech2Text", "How words are timed.", "espnet_jst.search.conf:TimingConf"),
}


def topics() -> list[str]:
    """The topics of which there is something to say."""
    return [name for name, topic in TOPICS.items() if topic.conf or (topic.choice and registry.names(topic.choice))]


def parts(topic: Topic) -> Iterator[tuple[str, type[Conf]]]:
    """The dataclasses of a topic, with the name of a choice, or nothing for the topic's own."""
    if topic.conf:
        module, _, name = topic.conf.partition(":")
        yield "", getattr(importlib.import_module(module), name)
    if topic.choice:
        for name in registry.names(topic.choice):
            yield name, registry.conf_of(topic.choice, name)


def help_text(name: str, choice: str | None = None) -> str:
    """What `--help TOPIC [NAME]` prints.

    Raises:
        ConfigError: there is no such topic, or no such name in it.
    """
    registry.import_plugins()
    check_choice(name, topics(), "--help")
    topic = TOPICS[name]
    known = dict(parts(topic))
    if choice is not None:
        check_choice(choice, known, f"--help {name}")
        known = {choice: known[choice]}
    blocks = [textwrap.fill(f"{topic.where}: {topic.about}", WIDTH)]
    for part, conf in known.items():
        title = [textwrap.fill(f"{part}: {_summary(conf)}", WIDTH)] if part else []
        blocks.append("\n".join([*title, *(_entry(*row) for row in rows(conf))]))
    return "\n\n".join(blocks) + "\n"


def _entry(name: str, default: str, values: str, meaning: str) -> str:
    text = textwrap.wrap(f"{meaning} ({values})" if meaning else values, WIDTH - 34)
    left = f"  {name}: {default}"
    first = f"{left:<33} {text[0]}" if len(left) < 34 else f"{left}\n{'':<33} {text[0]}"
    return "\n".join([first, *(f"{'':<33} {line}" for line in text[1:])])


def rows(conf: type[Conf]) -> Iterator[tuple[str, str, str, str]]:
    """Key, default, values and meaning of each key."""
    types = typing.get_type_hints(conf)
    for name, item in keys_of(conf).items():
        limits = item.metadata["key"].limits
        yield name, _default(item), _values(types[name], limits), item.metadata["key"].meaning


def _default(item: Field) -> str:
    return "required" if is_required(item) else _yaml(item.default)


def _yaml(value: object) -> str:
    """A default as YAML writes it."""
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_yaml, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float) and "e" in repr(value) and "." not in repr(value):
        return repr(value).replace("e", ".0e")  # without the point YAML takes it for text
    return str(value) or '""'


def _values(kind: object, limits: Limits) -> str:
    if limits.choices is not None:
        several = typing.get_origin(kind) is tuple
        return ("some of " if several else "") + (", " if several else " or ").join(limits.names())
    words = described(kind).replace("nothing", "null")
    default = Limits()
    if (limits.low, limits.high) == (default.low, default.high):
        return words
    return f"{words}, {limits.low:g} " + ("or more" if limits.high >= default.high else f"to {limits.high:g}")


def _summary(conf: type[Conf]) -> str:
    return (inspect.getdoc(conf) or "").split("\n\n")[0].replace("\n", " ")


def document() -> str:
    """docs/configuration.md."""
    lines = [
        "# Configuration",
        "",
        "Every key that a component takes, made from the code that checks a configuration: an unknown key, a value",
        "of another kind or out of range is one message, before anything is built. `espnet-jst train --help TOPIC`",
        "prints a part of this page; `python -m espnet_jst.bin.configuration > docs/configuration.md` makes it. The",
        "other options of a training: [training.md](training.md).",
    ]
    for name in topics():
        topic = TOPICS[name]
        lines += ["", f"## {name}: `{topic.where}`", "", topic.about]
        for part, conf in parts(topic):
            lines += ["", *([f"### `{part}`", "", _summary(conf), ""] if part else [])]
            lines += ["| key | default | values | meaning |", "|---|---|---|---|"]
            cells = [[f"`{key}`", f"`{default}`", *texts] for key, default, *texts in rows(conf)]
            lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
