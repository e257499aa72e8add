"""`--finetune`: can the model write the new texts at all? Said before hours are spent on it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from espnet_jst.config import json_text
from espnet_jst.data import kaldi
from espnet_jst.errors import ConfigError
from espnet_jst.text.languages import language
from espnet_jst.text.units import split_units

if TYPE_CHECKING:
    from espnet_jst.text.tokenizer import Tokenizer

HOPELESS = 0.5  # share of a lane's words that a model cannot write
NOTICED = 0.01
FIT_FILE = "fit.json"  # beside the token list: what did not fit


def check_fit(
    model: str,
    config: Mapping[str, Any],
    folders: Mapping[str, Path],
    texts: Mapping[str, Path],
    *,
    known: Sequence[str],
    languages: Sequence[str],
    anyway: bool,
) -> list[str]:
    """Compare the training text with the token lists of the model that is trained further, and the languages.

    Args:
        folders: its token lists, by side.
        texts: lane -> text of the training set.
        known: languages that the model was trained for, the spoken one first; empty where it does not say.
        anyway: train it although half of the text or more cannot be written.

    Returns:
        A line for each thing that does not fit; they are kept beside the token list, for the model card.

    Raises:
        ConfigError: half of the words of a lane or more cannot be written, and no flag allows it.
    """
    lines, hopeless = [], ""
    if known and [language(code).code for code in known[:2]] != [language(code).code for code in languages]:
        lines.append(f"was trained for {' -> '.join(known)} and is trained further for {' -> '.join(languages)}")
    for lane, file, side, tokenizer in _lanes(config, folders, texts):
        words = Counter(word for text in kaldi.read_table(file).values() for word in split_units(text))
        unknown = Counter({word: n for word, n in words.items() if tokenizer.unk_id in tokenizer.encode([word])})
        share = unknown.total() / max(1, words.total())
        if share < NOTICED:
            continue
        first = ", ".join(word for word, _ in unknown.most_common(5))
        said = (
            f"cannot write {unknown.total()} of {words.total()} words of the {lane} with its {side} tokens "
            f"({len(unknown)} of {len(words)} different ones: {first})"
        )
        lines.append(said)
        hopeless = hopeless or (said if share >= HOPELESS else "")
    if hopeless and not anyway:
        raise ConfigError(
            f"--finetune {model}: it {hopeless}. Leave out --finetune to train a new model with tokens of "
            "this text; --finetune_anyway true trains this one all the same"
        )
    for folder in folders.values():
        (folder / FIT_FILE).write_text(json_text(lines, ensure_ascii=False), encoding="utf-8")
    return lines


def misfits(tokens: Path) -> list[str]:
    """What `check_fit` found and left in a folder of a token list, for the model card."""
    file = tokens / FIT_FILE
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []


def _lanes(
    config: Mapping[str, Any], folders: Mapping[str, Path], texts: Mapping[str, Path]
) -> Iterator[tuple[str, Path, str, Tokenizer]]:
    """(lane, its training text, side and tokenizer that a head of the model writes it with), each once."""
    from espnet_jst.heads.spec import parse_heads, vocabulary_of
    from espnet_jst.text.lanes import parse_lanes
    from espnet_jst.text.tokenizer import Tokenizer

    tokenizers = {side: Tokenizer.load(out) for side, out in folders.items()}
    seen, model_conf = set(), config.get("model_conf") or {}
    for spec in parse_heads(model_conf.get("heads"), parse_lanes(model_conf.get("lanes"))).values():
        side = vocabulary_of(spec, tokenizers)
        for lane in spec.lanes:
            if lane in texts and (lane, side) not in seen:
                seen.add((lane, side))
                yield lane, texts[lane], side, tokenizers[side]
