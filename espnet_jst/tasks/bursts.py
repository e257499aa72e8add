"""Whether the bands of the pruned heads hold the bursts of the training text: said before the first epoch."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from espnet_jst.data.kaldi import read_table
from espnet_jst.errors import DataError
from espnet_jst.heads.conf import TransducerHeadConf
from espnet_jst.heads.spec import HeadSpec
from espnet_jst.tasks.preprocessor import JSTPreprocessor
from espnet_jst.text.diagnose import TOLERATED_SHARE, Bursts, longest_burst
from espnet_jst.text.lanes import TRANSCRIPT
from espnet_jst.text.tags import Tags

MOST_UTTERANCES = 5000  # spread over the training set; more would not change a share of a hundredth


def check_bursts(files: Sequence[Sequence[str]], preprocess: Any) -> dict[str, Bursts]:
    """Compare the band of every pruned, serialized head with the bursts of the training text, and warn where it is too
    narrow.

    A block's whole translation is due in the frame in which the block ends, and a band of R rows lets R - 1 labels out
    in one frame; longer bursts are learnt late or not at all.

    Args:
        files: the training data, as `--train_data_path_and_name_and_type` gives it.
        preprocess: the preprocessor.

    Returns:
        For each such head, its bursts.
    """
    if not isinstance(preprocess, JSTPreprocessor):
        return {}
    there = {name for _, name, _ in files}
    pruned = {name: spec for name, spec in preprocess.specs.items() if _band(spec) and spec.serialized}
    trained = {name: spec for name, spec in pruned.items() if there.issuperset(preprocess.needs[name])}
    return {name: _check(name, spec, files, preprocess) for name, spec in trained.items()}


def _band(spec: HeadSpec) -> int:
    """Rows of the head's band; 0 for a head without one."""
    if spec.kind != "transducer":
        return 0
    conf = TransducerHeadConf(**spec.conf)
    return conf.prune_range if conf.loss == "pruned_rnnt" else 0


def _check(name: str, spec: HeadSpec, files: Sequence[Sequence[str]], preprocess: JSTPreprocessor) -> Bursts:
    tags, tokenizer = preprocess.tags[name], preprocess.tokenizers[name]
    source, target = (tokenizer.tokens.index(tag) for tag in (tags.source_tag(), tags.target_tag()))
    of_any_language = {  # tags of a lane's other languages count as that of its first
        tokenizer.tokens.index(tag): source if lane == TRANSCRIPT else target
        for tag in tags.all()
        if (lane := _lane(tags, tag)) is not None
    }
    labels = ([of_any_language.get(label, label) for label in ids] for ids in _targets(spec.target, files, preprocess))
    bursts = Bursts(tuple(sorted(longest_burst(ids, source, target) for ids in labels)))
    out_in_one = _band(spec) - 1
    over = bursts.share_over(out_in_one)
    message = (
        f"head {name!r}: prune_range {_band(spec)} lets {out_in_one} labels out in one frame; {over:.1%} of "
        f"{len(bursts.longest)} training utterances have a longer burst"
    )
    if over > TOLERATED_SHARE:
        logging.warning(f"{message}: prune_range {bursts.prune_range()} would do for 99 %")
    else:
        logging.info(message)
    return bursts


def _lane(tags: Tags, tag: str) -> str | None:
    """The lane that a tag opens, whatever its language; None of a speaker's."""
    opened = tags.read(tag)
    return None if opened is None else opened.lane


def _targets(target: str, files: Sequence[Sequence[str]], preprocess: JSTPreprocessor) -> Iterator[Sequence[int]]:
    tables = {name: read_table(path) for path, name, _ in files if name in preprocess.text_names}
    keys = list(next(iter(tables.values()), {}))
    every = max(1, len(keys) // MOST_UTTERANCES)
    for key in islice(keys, 0, None, every):
        try:
            made = preprocess(key, {name: table[key] for name, table in tables.items() if key in table})
        except DataError:
            continue  # the training refuses it by itself
        if target in made:
            yield made[target].tolist()
