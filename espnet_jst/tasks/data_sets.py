"""Whether the data sets together bring what a model needs: looked at once, before a training or statistics."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from espnet2.train.dataset import DATA_TYPES

from espnet_jst.config import closest
from espnet_jst.errors import ConfigError
from espnet_jst.inputs.spec import FRAMES, SPEECH, InputSpec
from espnet_jst.tasks.preprocessor import JSTPreprocessor

TRAIN = "--train_data_path_and_name_and_type"
VALID = TRAIN.replace("train", "valid")
FIXES = {
    "text": "the translation: text.<case>.<tgt> of stage 3",
    "src_text": "the transcript: text.<case>.<src> of stage 3",
    "alignment": "word links, which stage 5 writes (or policy: inter, which needs none)",
    "tgt_lang": "the language that it is translated into: utt2tgt_lang of the data directory",
    "src_lang": "the language that is spoken: utt2lang of the data directory",
    "word_times": "word end times, which jst_align --times writes (or policy: align)",
}


def check_sets(preprocess: JSTPreprocessor, train: Mapping[str, Collection[str]], valid: Sequence[str]) -> None:
    """Refuse data sets with which a part of a model would never be trained.

    A data set trains the heads whose texts it has and which its input reaches. It has one input: speech, or where it
    has none the text of one entry of `model_conf.inputs`.

    Args:
        preprocess: the preprocessor, for heads and inputs.
        train: names of the data of every set, by what a user calls it; `TRAIN` is the first.
        valid: names of the data of the validation, which must have what the heads need that `TRAIN` trains.

    Raises:
        ConfigError: a set has an unknown name, or no input, or more than one; a head or an input is in no set.
    """
    inputs = {where: _input(preprocess, where, names) for where, names in train.items()}
    _input(preprocess, VALID, valid)
    for head, spec in preprocess.specs.items():
        reached = {w: names for w, names in train.items() if (entry := inputs[w]) is None or entry.reaches(spec.reads)}
        if not reached:
            raise ConfigError(f"head {head!r} reads {spec.reads}, which the input of no data set reaches: add speech")
        missing = {where: _missing(preprocess, head, names) for where, names in reached.items()}
        if all(missing.values()):
            where = min(missing, key=lambda where: len(missing[where]))
            raise _needed(head, missing[where][0], where)
        if not missing.get(TRAIN, [""]) and (lacking := _missing(preprocess, head, valid)):
            raise _needed(head, lacking[0], VALID)
    for name, entry in preprocess.inputs.items():
        if entry not in inputs.values():
            raise ConfigError(
                f"model_conf.inputs.{name}: no data set brings it: give one that has {entry.text!r} and no speech, in "
                "train_groups or alone"
            )


def check_files(where: str, data: Iterable[Sequence[str]], shape_files: Iterable[str], *, made: bool = True) -> None:
    """Refuse a data set that cannot be read.

    Args:
        where: what a user calls it.
        data: file, name and type of each of its data.
        shape_files: files with the lengths of its utterances.
        made: whether its files are there already.

    Raises:
        ConfigError: a type is unknown, or a file is missing.
    """
    for path, name, kind in data:
        if not any(re.match(known, kind) for known in DATA_TYPES):
            raise ConfigError(f"{where}: {name} has the type {kind!r}: give sound for speech, text for the rest")
        if made and not Path(path).is_file():
            raise ConfigError(f"{where}: {name}: there is no file {path}")
    for path in shape_files if made else ():
        if not Path(path).is_file():
            raise ConfigError(f"{where}: there is no file {path} with the lengths of its utterances")


def _input(preprocess: JSTPreprocessor, where: str, names: Collection[str]) -> InputSpec | None:
    """What enters the model from a data set; None for speech."""
    known = preprocess.text_names | {SPEECH, FRAMES}
    for name in names:
        if name not in known:
            raise ConfigError(
                f"{where}: {name!r} names no data that the model reads{closest(name, known)}; it reads "
                f"{', '.join(sorted(known))}"
            )
    if SPEECH in names and not preprocess.channels:
        raise ConfigError(f"{where}: the model hears no speech (input_size): leave speech out, give the texts alone")
    if FRAMES in names:
        _check_frames(preprocess, where, names)
    if SPEECH in names or FRAMES in names:
        return None
    entries = [entry for entry in preprocess.inputs.values() if entry.text in names]
    if len(entries) != 1:
        several = f"{len(entries)} inputs, {' and '.join(entry.name for entry in entries)}" if entries else "no input"
        raise ConfigError(f"{where}: the data have {several}: give speech, or the text of one of model_conf.inputs")
    return entries[0]


def _check_frames(preprocess: JSTPreprocessor, where: str, names: Collection[str]) -> None:
    if SPEECH in names or not preprocess.channels:
        raise ConfigError(f"{where}: frames stand for speech: give one of them, to a model that hears it")
    conf = preprocess.conf
    if conf.speed_prob or conf.noise_prob or conf.equalizer_prob or conf.gain_db != (0.0, 0.0):
        raise ConfigError(
            f"{where}: preprocessor_conf changes recordings, and frames are made of them as they are: leave out "
            "speed_prob, noise_prob, equalizer_prob and gain_db, or the frames"
        )


def _missing(preprocess: JSTPreprocessor, head: str, names: Collection[str]) -> list[str]:
    return [text for text in preprocess.needs[head] if text not in names]


def _needed(head: str, text: str, where: str) -> ConfigError:
    fix = FIXES.get(text, "the text of one of its lanes")
    more = f", and for {VALID} too" if where == TRAIN else ""
    return ConfigError(f"head {head!r} needs the data {text!r}: {fix}; give it as {where} FILE,{text},text{more}")
