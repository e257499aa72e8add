"""What a recipe can be told: ESPnet's flags (egs2/TEMPLATE/st1), with their defaults and help in one place."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from espnet_jst.config import CommandParser, config_files
from espnet_jst.errors import ConfigError
from espnet_jst.recipe.espnet_flags import add_foreign, sort_out

CORES = os.cpu_count() or 1
LAST_STAGE = 16
TOKEN_TYPES = ("bpe", "word", "char")
BPE_MODES = ("unigram", "bpe")
ALIGNERS = ("builtin", "simalign", "awesome-align", "eflomal", "fast_align")


def opt(default: Any, text: str, choices: tuple[str, ...] | None = None, *, counts: bool = True) -> Any:
    """A field with its help text; one that does not count says where or how fast a stage runs, not what it makes."""
    return field(default=default, metadata={"help": text, "choices": choices, "counts": counts})


@dataclass(frozen=True, kw_only=True)
class RecipeOptions:
    """The options of one run; `--help` prints what each field means."""

    stage: int = opt(1, "first stage to run", counts=False)
    stop_stage: int = opt(10000, "last stage to run", counts=False)
    force: bool = opt(
        False, "run stages again that are up to date; training starts afresh instead of going on", counts=False
    )
    skip_data_prep: bool = opt(False, "skip stages 1-5", counts=False)
    skip_train: bool = opt(False, "skip stages 10-11", counts=False)
    skip_eval: bool = opt(False, "skip stages 12-13", counts=False)
    skip_packing: bool = opt(False, "skip stage 14", counts=False)
    skip_upload: bool = opt(True, "skip stage 15, the upload to Zenodo", counts=False)
    skip_upload_hf: bool = opt(True, "skip stage 16, the upload to Hugging Face", counts=False)
    ngpu: int = opt(0, "GPUs in training and decoding; 0 runs on the CPU", counts=False)
    num_nodes: int = opt(
        1, "machines in training, each with --ngpu GPUs: more than 1 starts it with Slurm's srun", counts=False
    )
    nj: int = opt(CORES, "processes in data preparation, alignment and statistics", counts=False)
    inference_nj: int = opt(CORES, "processes in decoding and scoring", counts=False)
    scheduler: str = opt(
        "", "where they run: this machine; tcp://host:port of a Dask scheduler; YAML of a cluster", counts=False
    )
    datadir: str = opt("data", "where stage 1 writes and stage 3 reads")
    dumpdir: str = opt("dump", "where formatted data goes")
    expdir: str = opt("exp", "where models and results go")
    local_data_opts: str = opt("", "options for the recipe's local/data.py")
    corpus_dir: str = opt("", "instead of local/data.py: one data directory that is split into the three sets")
    valid_share: float = opt(0.05, "share of --corpus_dir for validation")
    test_share: float = opt(0.05, "share of --corpus_dir for the test set")
    train_set: str = opt("train", "name of the training set")
    valid_set: str = opt("valid", "name of the validation set")
    test_sets: str = opt("test", "names of the test sets, separated by blanks")
    src_lang: str = opt("en", "language of the transcript: text.<src_case>.<src_lang>")
    tgt_lang: str = opt("de", "language of the translation: text.<tgt_case>.<tgt_lang>")
    src_case: str = opt("lc", "form of the transcript's text: lc, tc, lc.rm, ...")
    tgt_case: str = opt("lc", "form of the translation's text")
    fs: str = opt("16k", "sampling rate of the model in Hz; other rates are resampled")
    strict_fs: bool = opt(False, "leave out audio of another sampling rate instead of resampling it")
    audio_format: str = opt("flac", "format of audio that has to be rewritten", ("flac", "wav"))
    min_wav_duration: float = opt(0.1, "shortest utterance in training, seconds")
    max_wav_duration: float = opt(30.0, "longest utterance in training, seconds")
    max_text_chars: int = opt(1000, "longest text of an utterance in training, characters")
    encoder_frame_s: float = opt(0.04, "seconds of audio for one encoder output frame: text must fit its frames")
    speed_perturb_factors: str = opt("", "not used: speed is varied in training, see preprocessor_conf")
    token_joint: bool = opt(True, "one token list for both languages")
    feats_type: str = opt("raw", "what the model reads: raw audio; features are made in the model")
    token_type: str = opt("bpe", "pieces of both languages", TOKEN_TYPES)
    src_token_type: str = opt(
        "", "pieces of the source where they differ; beside a joint list, one of its own for CTC", ("", *TOKEN_TYPES)
    )
    tgt_token_type: str = opt(
        "", "pieces of the target (and of a joint token list), where they differ", ("", *TOKEN_TYPES)
    )
    bpemode: str = opt("unigram", "kind of SentencePiece model", BPE_MODES)
    src_bpemode: str = opt("", "the same for the source's own list, where it differs", ("", *BPE_MODES))
    tgt_bpemode: str = opt("", "the same for the joint (or the target's) list, where it differs", ("", *BPE_MODES))
    nbpe: int = opt(500, "pieces of the joint (or the target's) token list")
    tgt_nbpe: int = opt(0, "the same under ESPnet's name; 0 takes nbpe")
    src_nbpe: int = opt(500, "pieces of the source's own token list, where it has one")
    tag_scheme: str = opt("task", "tags of the serialized output", ("task", "lid", "task+lid"))
    aligner: str = opt("builtin", "word aligner; all but the first have to be installed", ALIGNERS)
    aligner_model: str = opt("", "for simalign and awesome-align: folder or name of the pre-trained model")
    symmetrization: str = opt(
        "grow-diag-final-and", "of the word aligner", ("grow-diag-final-and", "intersect", "forward", "reverse")
    )
    corrupt_links: float = opt(0.0, "experiment: share of the training links that get a wrong target word")
    feats_normalize: str = opt(
        "running_mvn",
        "normalization with statistics from stage 10; none: as the configuration says, without statistics",
        ("running_mvn", "global_mvn", "none"),
    )
    stats_utterances: int = opt(2000, "utterances, evenly spaced, that the statistics are taken from; 0 takes all")
    st_config: str = opt("conf/train.yaml", "training configuration")
    st_args: str = opt("", "further options for jst_train")
    st_tag: str = opt("", "name of the experiment; made from the configuration's name when empty")
    st_exp: str = opt("", "folder of the experiment, instead of <expdir>/st_<tag>")
    st_stats_dir: str = opt("", "folder of the statistics, instead of <expdir>/st_stats_raw_<token lists>")
    finetune: str = opt("", "packed zip, experiment folder or hub tag: train this model further instead of a new one")
    finetune_anyway: bool = opt(False, "train it further although its tokens cannot write half of the text or more")
    minutes: float = opt(0.0, "budget of training time in minutes; 0 trains the full schedule")
    seed: int = opt(0, "seed of training")
    inference_config: str = opt("", "decoding configuration")
    inference_args: str = opt("", "further options for jst_inference")
    inference_tag: str = opt("", "name of the decoding run; made from its configuration when empty")
    inference_st_model: str = opt("valid.loss.ave.pth", "checkpoint to decode and pack")
    use_streaming: str = opt("true", "decode chunk by chunk, whole utterances, or both", ("true", "false", "both"))
    compare: str = opt("", "file with several systems and seeds: train, decode and score them all, and make one table")
    compare_nj: int = opt(1, "runs of a comparison at a time", counts=False)
    corpus: str = opt("", "name of the data, for the model card")
    license: str = opt("", "licence of the packed model, for the model card (share-alike data hands its licence on)")
    data_license: str = opt("", "file with licence and source of the data, packed with the model")
    dry_run: bool = opt(True, "stages 15-16 show what would be uploaded, and upload nothing")
    hf_repo: str = opt("", "repository at Hugging Face: org/name")
    creator: str = opt("", "who made the model, for Zenodo: Family, Given")
    zenodo_sandbox: bool = opt(False, "upload to Zenodo's sandbox, where records are for trial")

    @property
    def fs_hz(self) -> int:
        """Sampling rate in Hz ("8k" and "8000" are the same).

        Raises:
            ConfigError: not a rate.
        """
        text = self.fs.lower()
        try:
            rate = round(float(text[:-1]) * 1000) if text.endswith("k") else int(text)
        except ValueError:
            rate = 0
        if rate <= 0:
            raise ConfigError(f"--fs {self.fs!r} is not a sampling rate: give e.g. 16k or 16000")
        return rate

    @property
    def src_text(self) -> str:
        """File name of the transcript."""
        return f"text.{self.src_case}.{self.src_lang}"

    @property
    def tgt_text(self) -> str:
        """File name of the translation."""
        return f"text.{self.tgt_case}.{self.tgt_lang}"

    @property
    def training_sets(self) -> list[str]:
        return [self.train_set, self.valid_set]

    @property
    def every_set(self) -> list[str]:
        """All sets, each once."""
        return list(dict.fromkeys([*self.training_sets, *self.test_sets.split()]))

    @property
    def raw(self) -> Path:
        return Path(self.dumpdir) / "raw"

    @property
    def token_dirs(self) -> dict[str, Path]:
        """Token list folders by side, see `token_sides`."""
        base = Path(self.datadir) / f"{self.src_lang}_{self.tgt_lang}_token_list"
        return {side: base / f"{side}_{self._pieces(side, mode=True)}" for side in self.token_sides}

    @property
    def token_sides(self) -> list[str]:
        """The token lists: "tgt", and "src" where that is not joint or the transcript has pieces of its own as well."""
        return ["tgt"] if self.token_joint and not self.src_token_type else ["tgt", "src"]

    def pieces(self, side: str) -> str:
        """Kind of pieces of a token list."""
        return (self.src_token_type if side == "src" else self.tgt_token_type) or self.token_type

    def nbpe_of(self, side: str) -> int:
        """Number of pieces of a token list, where it is a choice."""
        return self.src_nbpe if side == "src" else self.tgt_nbpe or self.nbpe

    def bpemode_of(self, side: str) -> str:
        """Kind of SentencePiece model of a token list."""
        return (self.src_bpemode if side == "src" else self.tgt_bpemode) or self.bpemode

    @property
    def data_tag(self) -> str:
        """What tells token lists and languages of two experiments apart."""
        return f"{self.src_lang}_{self.tgt_lang}_" + "_".join(
            self._pieces(side, mode=False) for side in self.token_sides
        )

    @property
    def stats_dir(self) -> Path:
        return Path(self.st_stats_dir or f"{self.expdir}/st_stats_raw_{self.data_tag}")

    @property
    def exp(self) -> Path:
        """Folder of the experiment."""
        if self.st_exp:
            return Path(self.st_exp)
        name = self.st_tag or f"{Path(self.st_config).stem}_raw_{self.data_tag}"
        return Path(self.expdir) / f"st_{name}"

    def _pieces(self, side: str, *, mode: bool) -> str:
        if self.pieces(side) != "bpe":
            return self.pieces(side)
        return f"bpe_{self.bpemode_of(side)}{self.nbpe_of(side)}" if mode else f"bpe{self.nbpe_of(side)}"


def truth(text: str) -> bool:
    """ "true" or "false", as ESPnet writes switches."""
    if text.lower() in ("true", "yes", "1"):
        return True
    if text.lower() in ("false", "no", "0"):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


def make_parser() -> argparse.ArgumentParser:
    """A parser with one option for each field; `--stop-stage` is `--stop_stage`, `--force` is `--force true`."""
    parser = CommandParser(
        description="Run the stages of a recipe: 1 local data, 2 speed, 3 format audio, 4 remove bad items, 5 tokens "
        "and word alignment, 6-9 language model (none), 10 statistics, 11 train, 12 decode, 13 score, 14 pack, "
        "15-16 upload.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add_options(parser)
    add_foreign(parser)
    return parser


def add_options(parser: argparse.ArgumentParser, names: Sequence[str] = ()) -> None:
    """Add the recipe's options of these names (all by default), for a program that does a part of its work."""
    for entry in fields(RecipeOptions):
        if not names or entry.name in names:
            _add(parser, entry)


def _add(parser: argparse.ArgumentParser, entry: Field) -> None:
    names = [f"--{entry.name}"] + ([f"--{entry.name.replace('_', '-')}"] if "_" in entry.name else [])
    about: dict[str, Any] = {"default": entry.default, "help": entry.metadata["help"], "dest": entry.name}
    if isinstance(entry.default, bool):
        parser.add_argument(*names, type=truth, nargs="?", const=True, metavar="true|false", **about)
    else:
        parser.add_argument(*names, type=type(entry.default), choices=entry.metadata["choices"], **about)


def parse_options(argv: Sequence[str] | None = None) -> RecipeOptions:
    """Options of a command line.

    Raises:
        ConfigError: a flag of ESPnet's that is not used here asks for something else than what is done.
    """
    return parse_flags(argv)[0]


def parse_flags(argv: Sequence[str] | None = None) -> tuple[RecipeOptions, list[str]]:
    """As `parse_options`, with a line for each reason why flags of ESPnet's are ignored."""
    values = vars(make_parser().parse_args(argv))
    ignored = sort_out(values)
    return RecipeOptions(**values), ignored


def check_options(options: RecipeOptions) -> None:
    """Refuse before the first stage what a later one would refuse, or what no stage could work with.

    Raises:
        ConfigError: names the option.
    """
    if not 1 <= options.stage <= min(options.stop_stage, LAST_STAGE):
        raise ConfigError(
            f"--stage {options.stage} --stop_stage {options.stop_stage}: no stage to run; there are 1 to {LAST_STAGE}"
        )
    if options.feats_type != "raw":
        raise ConfigError(
            f"--feats_type {options.feats_type}: features are made in the model, from audio: leave it raw, and "
            "choose a frontend in the training configuration"
        )
    for name in ("local_data_opts", "st_args", "inference_args"):
        try:
            shlex.split(getattr(options, name))
        except ValueError as error:
            raise ConfigError(
                f"--{name} {getattr(options, name)}: {error}; quote it as a shell would read it"
            ) from None
    for name, least in {"nj": 1, "inference_nj": 1, "compare_nj": 1, "num_nodes": 1, "ngpu": 0, "minutes": 0}.items():
        if getattr(options, name) < least:
            raise ConfigError(f"--{name} {getattr(options, name)}: at least {least}")
    if options.corpus_dir and options.stage == 1 and not options.skip_data_prep:
        if not Path(options.corpus_dir).is_dir():
            raise ConfigError(f"--corpus_dir {options.corpus_dir}: no such folder")
        shares = options.valid_share, options.test_share
        if min(shares) <= 0 or sum(shares) >= 1:
            raise ConfigError(
                f"--valid_share {shares[0]} --test_share {shares[1]}: shares of the corpus, such as 0.05, that leave "
                "something to train on"
            )
    if options.stage <= 11 <= options.stop_stage and not options.skip_train:
        config_files(options.st_config)
        _check_gpus(options)
    if options.stage <= 14 <= options.stop_stage and options.data_license and not Path(options.data_license).is_file():
        raise ConfigError(f"--data_license {options.data_license}: no such file")
    if options.stage <= 16 <= options.stop_stage and not options.skip_upload_hf:
        from espnet_jst.hub.huggingface import check_repository

        check_repository(options.hf_repo)


def _check_gpus(options: RecipeOptions) -> None:
    if options.ngpu > 0 and options.num_nodes == 1:
        import torch

        if options.ngpu > torch.cuda.device_count():
            raise ConfigError(
                f"--ngpu {options.ngpu}: this machine has {torch.cuda.device_count()} GPUs that PyTorch sees"
            )
