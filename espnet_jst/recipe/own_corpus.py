"""Stage 1 without a script: training, validation and test set from one data directory of the user's."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from espnet_jst.data.kaldi import read_table, write_table
from espnet_jst.data.texts import Texts
from espnet_jst.data.utterances import CHANNELS, OPTIONAL
from espnet_jst.errors import ConfigError, DataError


def split_corpus(corpus: Path, datadir: Path, *, texts: Texts, train: str, shares: Mapping[str, float]) -> str:
    """Write a data directory for each set; nothing is decoded or copied but tables.

    Sentences are drawn by a hash of the first text, so that the sets stay the same when utterances are added, and all
    utterances of one sentence are in the same set: a model cannot be tested on what it was trained on.

    Args:
        texts: file names of transcript and translation; a text alone may be called "text".
        train: name of the set that gets what is left.
        shares: name of each other set -> its share of the utterances.

    Raises:
        ConfigError: the directory lacks a file.
        DataError: there are too few different sentences for the sets.
    """
    texts = texts.found_in(corpus)
    missing = [name for name in ("wav.scp", *texts.names) if not (corpus / name).is_file()]
    if missing:
        raise ConfigError(
            f"{corpus} has no {' and no '.join(missing)}; text files are called text.<case>.<language>: see "
            "--src_lang, --tgt_lang, --src_case and --tgt_case"
        )
    extras = [name for name in (*OPTIONAL, "segments", CHANNELS) if (corpus / name).is_file()]
    tables = {name: read_table(corpus / name) for name in ("wav.scp", *texts.names, *extras)}
    owners = _owners(tables[texts.names[0]], shares, train)
    recordings = {key: line.split()[0] for key, line in tables.get("segments", {}).items()}
    counts = []
    for name in (train, *reversed([*shares])):
        keys = [key for key, owner in owners.items() if owner == name]
        _write(datadir / name, tables, keys, recordings)
        counts.append(f"{name} {len(keys)}")
    return ", ".join(counts) + " utterances"


def _owners(transcripts: Mapping[str, str], shares: Mapping[str, float], rest: str) -> dict[str, str]:
    """Utterance -> set. Sentences in the order of their hashes go to the sets with a share, the others to `rest`."""
    utterances: dict[str, list[str]] = {}
    for key, text in transcripts.items():
        utterances.setdefault(" ".join(text.split()), []).append(key)
    if len(utterances) < len(shares) + 1:
        raise DataError(
            f"{len(utterances)} different transcripts are too few for {len(shares) + 1} sets: add utterances"
        )
    waiting = sorted(utterances, key=lambda text: hashlib.sha256(text.encode("utf-8")).digest())
    owners: dict[str, str] = {}
    for name, share in shares.items():
        wanted, taken = max(1, round(share * len(transcripts))), 0
        while taken < wanted and len(waiting) > 1:
            keys = utterances[waiting.pop()]
            owners.update(dict.fromkeys(keys, name))
            taken += len(keys)
    return {key: owners.get(key, rest) for key in transcripts}


def _write(
    out: Path, tables: Mapping[str, Mapping[str, str]], keys: Sequence[str], recordings: Mapping[str, str]
) -> None:
    wav = {recordings.get(key, key) for key in keys}
    for name, table in tables.items():
        mine = wav if name in ("wav.scp", CHANNELS) else set(keys)
        write_table(out / name, {key: value for key, value in table.items() if key in mine})
