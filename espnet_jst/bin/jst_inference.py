"""Decode a Kaldi-style list of recordings: the flags and output folders of espnet2.bin.st_inference, and both lanes.

Models that were trained on units take files of units as well, with those of espnet2.bin.mt_inference.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from espnet_jst.bin.arguments import (
    MODEL_HELP,
    add_refused,
    check_refused,
    encoder_values,
    lane_values,
    parse_with_config,
    penalty_text,
    run_main,
)
from espnet_jst.config import CommandParser, truth
from espnet_jst.errors import ConfigError

if TYPE_CHECKING:
    from espnet_jst.units.unit_set import UnitSet

_NO_LM = "the search takes one recurrent language model over its labels: --lm_train_config and --lm_file"
_ONE_FOR_ALL = "all searches take the same: --beam_size, --ctc_weight, --penalty, --maxlenratio, --minlenratio"
_FROM_CONFIG = "the vocabulary of the training configuration is used"
REFUSED = {
    **dict.fromkeys(["word_lm_train_config", "word_lm_file", "ngram_file"], _NO_LM),
    **dict.fromkeys(["src_lm_train_config", "src_lm_file", "src_word_lm_train_config", "src_word_lm_file"], _NO_LM),
    **dict.fromkeys(["ngram_weight", "asr_lm_weight", "asr_ngram_weight", "src_ngram_file"], _NO_LM),
    **dict.fromkeys(["asr_ctc_weight", "asr_penalty", "asr_maxlenratio", "asr_minlenratio"], _ONE_FOR_ALL),
    **dict.fromkeys(["asr_nbest", "asr_beam_size"], _ONE_FOR_ALL),
    "ctc_greedy": "name the CTC head: --search_heads st_ctc --beam_size 1",
    "normalize_length": "a score is that of the whole sequence; see --penalty",
    **dict.fromkeys(["token_type", "bpemodel", "src_token_type", "src_bpemodel"], _FROM_CONFIG),
    "transducer_conf": "use --beam_size, --nbest, --max_symbols and --blank_penalty",
    **dict.fromkeys(["enh_s2t_task", "hugging_face_decoder", "hugging_face_decoder_max_length"], "this model has none"),
    "allow_variable_data_keys": "decoding reads one input",
}
DECODING = (
    *("beam_size", "nbest", "chunk_s", "left_chunks", "look_ahead_s", "blank_penalty", "max_symbols", "search_heads"),
    *("ctc_weight", "penalty", "maxlenratio", "minlenratio"),
    *("lm_train_config", "lm_file", "lm_weight", "phrase_bonus", "quantize_model", "tgt_lang", "mt_model", "revise"),
    "rescore",
)
PACKED = {
    **{"beam_size": 1, "blank_penalty": 0.0, "max_symbols": 20, "chunk_s": None, "left_chunks": None},
    **dict.fromkeys(["look_ahead_s", "ctc_weight", "penalty", "maxlenratio", "minlenratio"]),
}
"""What --model_tag may know better, and its value where neither it nor the user says anything."""
SOUND, LANGUAGES = ("speech", "sound"), ("tgt_lang", "text")
# Units: as ids, or as characters; the second name is that of ESPnet's discrete models in mt_inference.
UNITS = tuple((name, kind) for name in ("units", "src_text") for kind in ("text_int", "text"))
NEUTRAL = ("", "0", "0.0", "none", "false", "{}", "1")


def get_parser() -> argparse.ArgumentParser:
    """The flags; those of ESPnet keep their names and meanings."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("--output_dir", required=True, help="gets 1best_recog/{text,src_text,token,...,words.jsonl}")
    parser.add_argument("--ngpu", type=int, default=0, help="0: CPU; 1: the first GPU")
    parser.add_argument("--seed", type=int, default=0, help="random seed (decoding draws nothing)")
    parser.add_argument("--dtype", default="float32", choices=["float32"], help="data type")
    parser.add_argument("--num_workers", type=int, default=1, help="accepted for ESPnet's sake; files are read in line")
    parser.add_argument("--log_level", type=str.upper, default="INFO", help="level of ESPnet's messages while loading")
    group = parser.add_argument_group("input")
    group.add_argument(
        "--data_path_and_name_and_type",
        action="append",
        help="wav.scp,speech,sound (required), or of a model that was trained on units FILE,units,text_int or, as "
        "characters, FILE,units,text; utt2tgt_lang,tgt_lang,text: the language to translate each into",
        metavar="PATH,NAME,TYPE",
    )
    group.add_argument("--key_file", help="decode only the utterances that begin a line of this file")
    group = parser.add_argument_group("model")
    group.add_argument(
        "--st_train_config", "--mt_train_config", help="config.yaml of the training run; default: beside the weights"
    )
    group.add_argument("--st_model_file", "--mt_model_file", help="weights, .pth or .safetensors")
    group.add_argument("--model_tag", help=f"instead of both: {MODEL_HELP}")
    group.add_argument("--quantize_model", type=truth, default=False, help="true: 8-bit weights, faster on a CPU")
    group = parser.add_argument_group("search")
    group.add_argument("--batch_size", type=int, default=1, help="whole utterances decoded at once (not in streaming)")
    group.add_argument("--beam_size", type=int, help="hypotheses kept; 1: greedy (1, or the pack's)")
    group.add_argument("--nbest", type=int, default=1, help="length of the n-best list, at most beam_size")
    group.add_argument(
        "--blank_penalty",
        type=lane_values,
        help="labels gain it over the blank: more words; a number, transcript=0,translation=1, or YAML for what "
        "adapts, '{translation: {kind: length}}' (0, or the pack's)",
    )
    group.add_argument("--max_symbols", type=int, help="most symbols in one frame (20, or the pack's)")
    group.add_argument("--ctc_weight", type=float, help="share of CTC beside an attention decoder (0.3, or the pack's)")
    group.add_argument("--penalty", type=float, help="nats for each label of an attention decoder (0, or the pack's)")
    group.add_argument("--maxlenratio", type=float, help="its most labels a frame; 0: as many as frames; -N: N")
    group.add_argument("--minlenratio", type=float, help="its least labels a frame; -N: N")
    group.add_argument("--lm_train_config", help="config.yaml of a recurrent language model (espnet2.bin.lm_train)")
    group.add_argument("--lm_file", help="its weights; needs a beam")
    group.add_argument("--lm_weight", type=float, default=0.3, help="factor of its log-probabilities")
    group.add_argument("--phrases", help="file with a likely phrase a line; needs a beam")
    group.add_argument("--phrase_bonus", type=float, default=1.5, help="nats for each label of a phrase")
    group.add_argument("--search_heads", nargs="+", help="heads to search; default: all that can be")
    group.add_argument("--mt_model", help="a cascade: pack, folder or tag of a model that translates the transcript")
    group.add_argument("--tgt_lang", help="language to translate into, of a model that has several")
    group = parser.add_argument_group("streaming")
    group.add_argument("--streaming", type=truth, default=False, help="true: a session for each file, with times")
    group.add_argument(
        "--revise",
        type=truth,
        default=False,
        help="true: a second pass replaces what the stream has shown (false: beside)",
    )
    group.add_argument(
        "--rescore",
        type=truth,
        default=False,
        help="true: a second pass writes nothing, it chooses among the hypotheses of the first one, which needs a beam",
    )
    group.add_argument("--chunk_s", type=float, help="chunk in seconds, 0: whole utterance; default: the model's own")
    group.add_argument(
        "--left_chunks",
        type=encoder_values,
        metavar="N|ENCODER=N,...",
        help="chunks of left context of the first encoder, -1: all, or of each; default: the model's own",
    )
    group.add_argument("--look_ahead_s", type=float, help="look-ahead of overlapping blocks; default: the model's own")
    add_refused(parser, REFUSED)
    return parser


def main(cmd: Sequence[str] | None = None) -> int:
    """Parse and run; returns the exit status."""
    return run_main(lambda: _run(parse_with_config(get_parser(), cmd)))


def check_flags(flags: Sequence[str]) -> argparse.Namespace:
    """Refuse flags that `main` would refuse; for a program that comes to decode hours later. Returns what they say.

    Raises:
        ConfigError: a flag or a key of `--config` is unknown, or is not used here.
    """
    parser = get_parser()
    parser.prog = "jst_inference"  # not that of the program that asks
    args = parse_with_config(parser, [*flags, "--output_dir", "-"])
    check_refused(args, REFUSED, NEUTRAL)
    return args


def search_options(args: argparse.Namespace, packed: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """How flags ask to search, as keyword arguments of `Speech2Text`; also filled in where the flags left them open.

    Args:
        packed: what a pack says of them.

    Raises:
        ConfigError: the file of phrases cannot be read.
    """
    for key, value in PACKED.items():
        if getattr(args, key) is None:
            setattr(args, key, packed.get(key, value))
    return {"phrases": _lines(args.phrases), **{key: getattr(args, key) for key in DECODING}}


def _run(args: argparse.Namespace) -> None:
    check_refused(args, REFUSED, NEUTRAL)
    if args.ngpu > 1:
        raise ConfigError(f"--ngpu {args.ngpu}: decoding uses one GPU; start several processes with parts of the keys")
    if args.batch_size < 1:
        raise ConfigError(f"--batch_size {args.batch_size}: must be at least 1")
    source, tgt_langs = _sources(args.data_path_and_name_and_type)
    items = _items(source.path, args.key_file)
    import logging

    logging.basicConfig(level=args.log_level, format="%(asctime)s (%(module)s:%(lineno)d) %(levelname)s: %(message)s")
    from espnet_jst.hub.load import CONFIG_KEY, decoding_options, resolve
    from espnet_jst.inference import Speech2Text
    from espnet_jst.inference.files import decode_files, write_cost, write_signature
    from espnet_jst.progress import progress

    packed: dict[str, Any] = {}
    if args.model_tag:
        files = resolve(args.model_tag)
        vars(args).update(files)
        packed = decoding_options(files[CONFIG_KEY])
    elif args.st_model_file is None:
        raise ConfigError("no model: give --st_model_file (and --st_train_config), or --model_tag")
    _check_output(args.output_dir)
    options, device = search_options(args, packed), "cuda" if args.ngpu else "cpu"
    speech2text = Speech2Text(args.st_train_config, args.st_model_file, device=device, **options)
    if source.kind != SOUND:
        items = _units(source, [key for key, _ in items], speech2text.units)
    tgt_langs = tgt_langs if speech2text.tgt_langs else {}
    for key, _ in items:
        speech2text.language(tgt_langs.get(key))
    settings = {key: getattr(args, key) for key in ("beam_size", "blank_penalty", "max_symbols", "seed")}
    if isinstance(args.blank_penalty, dict):
        settings["blank_penalty"] = penalty_text(args.blank_penalty)
    if args.tgt_lang:
        settings["tgt_lang"] = args.tgt_lang
    if args.lm_file:
        settings["lm_weight"] = args.lm_weight
    if args.phrases:
        settings["phrase_bonus"] = args.phrase_bonus
    if args.quantize_model:
        settings["quantized"] = "qint8"
    settings |= {key: True for key in ("revise", "rescore") if getattr(args, key)}
    settings["mode"] = "streaming" if args.streaming else "offline"
    write_signature(args.output_dir, speech2text, args.st_model_file, **settings)
    with progress("decode", len(items)) as advance:
        done = decode_files(
            speech2text,
            items,
            args.output_dir,
            streaming=args.streaming,
            batch_size=args.batch_size,
            tgt_langs=tgt_langs,
            on_progress=advance,
        )
    write_cost(args.output_dir, done)
    rate = done.elapsed_s / done.audio_s if done.audio_s else 0.0
    left_out = f", {len(done.skipped)} left out (see {Path(args.output_dir) / 'skipped.jsonl'})" if done.skipped else ""
    print(f"{done.decoded} utterances, {done.audio_s:.0f} s of audio, real-time factor {rate:.3f}{left_out}")


def _check_output(folder: str) -> None:
    """Before the model is loaded: the folder of the results can be written."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(f"--output_dir {folder}: cannot be written ({error.strerror}); choose another") from error


def _lines(path: str | None) -> list[str]:
    if path is None:
        return []
    from espnet_jst.text.lines import read_lines

    try:
        return [line.strip() for line in read_lines(path) if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--phrases {path}: cannot be read ({error}); give a text file, one phrase a line") from error


class _Source(NamedTuple):
    path: str
    kind: tuple[str, str]


def _sources(triples: Sequence[str] | None) -> tuple[_Source, dict[str, str]]:
    """What is to be decoded, and the languages to translate each utterance into where a file says so."""
    from espnet_jst.data.kaldi import read_table

    triples = [triples] if isinstance(triples, str) else triples or []
    paths = {tuple(data): path for path, *data in (triple.split(",") for triple in triples)}
    found = [_Source(path, kind) for kind, path in paths.items() if kind in (SOUND, *UNITS)]
    if len(found) != 1 or len(paths) < len(triples) or not paths.keys() <= {SOUND, *UNITS, LANGUAGES}:
        given = " ".join(triples) or "nothing"
        raise ConfigError(
            "--data_path_and_name_and_type must be given once as PATH,speech,sound (or PATH,units,text_int, of a model "
            f"on units), and may be given once more as PATH,tgt_lang,text; given: {given}"
        )
    return found[0], read_table(paths[LANGUAGES]) if LANGUAGES in paths else {}


def _items(path: str, key_file: str | None) -> list[tuple[str, Any]]:
    """Utterances with what the file says of them."""
    from espnet_jst.data.kaldi import read_table

    lines = read_table(path)
    keys = lines if key_file is None else read_table(key_file)
    missing = [key for key in keys if key not in lines]
    if missing:
        where = f"--key_file {key_file}: {len(missing)} utterances are not in {path}"
        raise ConfigError(f"{where} (first: {missing[0]}); make both from the same directory")
    return [(key, lines[key]) for key in keys]


def _units(source: _Source, keys: Sequence[str], units: UnitSet | None) -> list[tuple[str, Any]]:
    """Utterances with their units, which must be those of the model."""
    from espnet_jst.data.unit_files import read_unit_text, read_units

    if units is None:
        raise ConfigError(f"{source.path}: the model was not trained on units: give recordings, PATH,speech,sound")
    read = read_units if source.kind[1] == "text_int" else read_unit_text
    table = read(source.path, units.about())
    return [(key, table[key]) for key in keys]


if __name__ == "__main__":
    sys.exit(main())
