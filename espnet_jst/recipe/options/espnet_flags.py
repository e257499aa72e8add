"""The flags of ESPnet's egs2/TEMPLATE/st1/st.sh that `RecipeOptions` does not have: what is done when one is given.

A flag that asks for what is done anyway is taken without a word. Of the others, those that cannot change the result are
ignored, which is said; the rest is refused with what takes its place.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

from espnet_jst.errors import ConfigError

_PREFIX = "st_sh."  # of their names among the parsed values


@dataclass(frozen=True)
class Foreign:
    """A flag that is not ours.

    Attributes:
        says: what takes its place, or why it is not needed.
        silent: values that ask for what is done anyway.
        ignored: other values are ignored instead of refused.
    """

    says: str
    silent: tuple[str, ...] = ("",)
    ignored: bool = False


def _ignored(says: str, *silent: str) -> Foreign:
    return Foreign(says, ("", *silent), ignored=True)


_NO_LM = "no language model is trained here"
_USE_LM = (
    "no language model is trained here; decode with one of espnet2.bin.lm_train: "
    '--inference_args "--lm_train_config CONFIG --lm_file FILE"'
)
_PIECES = "the token list is made from the transcripts and translations of the training set"
_COVER = "every character of the training text is covered"
_SYMBOLS = "the symbols of a token list are fixed: <blank>, <unk>, <sos/eos>"
_LENGTHS = "batches go by the lengths of the audio; see batch_type in the training configuration"
_PREPARED = "texts are normalized when the data is made (local/data.py)"

FOREIGN: Mapping[str, Foreign] = {
    "python": _ignored("every program runs with the Python that run.sh finds", "python3", "python"),
    "gpu_inference": _ignored("decoding uses a GPU where --ngpu is 1 or more", "false"),
    "lang": _ignored("--src_lang and --tgt_lang name the languages", "noinfo"),
    "oov": Foreign(_SYMBOLS, ("", "<unk>")),
    "blank": Foreign(_SYMBOLS, ("", "<blank>")),
    "sos_eos": Foreign(_SYMBOLS, ("", "<sos/eos>")),
    "nlsyms_txt": Foreign("--tag_scheme adds the tags; texts hold no other symbols", ("", "none")),
    "cleaner": Foreign(_PREPARED, ("", "none")),
    "g2p": Foreign("there is no token type phn", ("", "none")),
    "src_bpe_nlsyms": Foreign("--tag_scheme adds the tags; texts hold no other symbols"),
    "tgt_bpe_nlsyms": Foreign("--tag_scheme adds the tags; texts hold no other symbols"),
    "src_bpe_char_cover": Foreign(_COVER, ("", "1.0", "1")),
    "tgt_bpe_char_cover": Foreign(_COVER, ("", "1.0", "1")),
    "src_bpe_input_sentence_size": _ignored("every sentence is read", "100000000"),
    "tgt_bpe_input_sentence_size": _ignored("every sentence is read", "100000000"),
    "src_bpe_train_text": Foreign(_PIECES),
    "tgt_bpe_train_text": Foreign(_PIECES),
    "use_lm": Foreign(_USE_LM, ("", "false")),
    "use_word_lm": Foreign(_USE_LM, ("", "false")),
    "use_ngram": Foreign("the search takes no n-gram model", ("", "false")),
    **dict.fromkeys(("lm_tag", "lm_exp", "lm_stats_dir", "lm_config", "lm_args", "ngram_exp"), _ignored(_NO_LM)),
    **dict.fromkeys(("lm_train_text", "lm_dev_text", "lm_test_text"), _ignored(_NO_LM)),
    "num_splits_lm": _ignored(_NO_LM, "1"),
    "word_vocab_size": _ignored(_NO_LM, "10000"),
    "lm_fold_length": _ignored(_NO_LM, "150"),
    "inference_lm": _ignored(_NO_LM, "valid.loss.ave.pth"),
    "ngram_num": _ignored(_NO_LM, "3"),
    "inference_ngram": _ignored(_NO_LM, "3gram.bin"),
    "num_splits_st": _ignored("the tables of a set need no splitting", "1"),
    "pretrained_asr": Foreign('give --st_args "--init_param FILE:encoder:encoder"'),
    "ignore_init_mismatch": Foreign('give --st_args "--ignore_init_mismatch true"', ("", "false")),
    "use_k2": Foreign("the search is our own", ("", "false")),
    "batch_size": Foreign('give --inference_args "--batch_size N"', ("", "1")),
    "download_model": Foreign("decode a packed model with espnet-jst inference --model_tag, or train it: --finetune"),
    "score_opts": _ignored("no sclite is used; see docs/scoring.md"),
    "local_score_opts": _ignored("no local/score.sh is run"),
    "st_speech_fold_length": _ignored(_LENGTHS, "800"),
    "st_text_fold_length": _ignored(_LENGTHS, "150"),
}


def add_foreign(parser: argparse.ArgumentParser) -> None:
    """Let a parser take the flags, so that something can be said of them."""
    for name in FOREIGN:
        names = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}"))
        parser.add_argument(*names, dest=f"{_PREFIX}{name}", nargs="?", const="true", help=argparse.SUPPRESS)


def sort_out(values: dict[str, object]) -> list[str]:
    """Take the flags out of the parsed values. Returns a line for each reason why some of them are ignored.

    Raises:
        ConfigError: one is refused; the message says what takes its place.
    """
    ignored: dict[str, list[str]] = {}
    for name, flag in FOREIGN.items():
        value = values.pop(f"{_PREFIX}{name}", None)
        if value is None or str(value).strip().lower() in flag.silent:
            continue
        if not flag.ignored:
            raise ConfigError(f"--{name} {value}: not used here; {flag.says}")
        ignored.setdefault(flag.says, []).append(f"--{name}")
    return [f"{', '.join(flags)} ignored: {says}" for says, flags in ignored.items()]
