"""The task: ESPnet's ST task with JSTModel, its preprocessor, its trainer and a strict configuration."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any, TextIO

from espnet_jst.compat import silence_others
from espnet_jst.registry import PRETRAINED, register

register()  # before the parser is made, and in every spawned worker, which imports this module to find the task

import torch  # noqa: E402
from espnet2.tasks import abs_task, st  # noqa: E402
from espnet2.torch_utils.initialize import initialize  # noqa: E402
from espnet2.utils.nested_dict_action import NestedDictAction  # noqa: E402

from espnet_jst.config import options_of  # noqa: E402
from espnet_jst.data.conf import PreprocessorConf  # noqa: E402
from espnet_jst.data.joining import JoinedUtterances  # noqa: E402
from espnet_jst.errors import ConfigError  # noqa: E402
from espnet_jst.inputs.spec import SPEECH  # noqa: E402
from espnet_jst.keys import read  # noqa: E402
from espnet_jst.model import JSTModel  # noqa: E402
from espnet_jst.tasks import arguments  # noqa: E402
from espnet_jst.tasks.build import build_model  # noqa: E402
from espnet_jst.tasks.bursts import check_bursts  # noqa: E402
from espnet_jst.tasks.clipping import GRAD_CLIP_HELP, set_grad_clip  # noqa: E402
from espnet_jst.tasks.data_sets import TRAIN, VALID, check_files, check_sets  # noqa: E402
from espnet_jst.tasks.parser import JSTParser, strict_parser  # noqa: E402
from espnet_jst.tasks.preprocessor import JSTPreprocessor  # noqa: E402
from espnet_jst.tasks.refused import refuse  # noqa: E402
from espnet_jst.text.lanes import parse_lanes  # noqa: E402
from espnet_jst.text.token_list import TOKEN_TYPES  # noqa: E402
from espnet_jst.training.batches import CountedBatches, speech_lengths  # noqa: E402
from espnet_jst.training.checkpoints import check_checkpoint  # noqa: E402
from espnet_jst.training.conf import parse_groups  # noqa: E402
from espnet_jst.training.groups import GroupedBatches  # noqa: E402
from espnet_jst.training.hooks import ModelOptimizer  # noqa: E402
from espnet_jst.training.precision import Float32Arguments  # noqa: E402
from espnet_jst.training.processes import leave_processes, run_processes, wanted_processes  # noqa: E402
from espnet_jst.training.rates import parse_factors, scale_rates  # noqa: E402
from espnet_jst.training.safe_files import safe_checkpoints  # noqa: E402
from espnet_jst.training.trainer import JSTTrainer  # noqa: E402
from espnet_jst.weights import check_finite, limit_parameters, load_strict, read_weights  # noqa: E402

FS = 16_000  # the default of every frontend
DEFAULTS = {
    "frontend": "log_mel",
    "normalize": "running_mvn",
    "encoder": "chunk_conformer",
    "model_conf": {},  # ESPnet's default is every argument of its own model
    "best_model_criterion": [["valid", "loss", "min"]],  # "acc" is not reported
    "num_att_plot": 0,
    "grad_clip": None,  # see clipping.set_grad_clip
    "src_token_type": "bpe",
}


class JSTTask(st.STTask):
    """Joint speech recognition and translation as an ESPnet task."""

    class_choices_list = [
        st.frontend_choices,
        st.specaug_choices,
        st.normalize_choices,
        st.encoder_choices,
        st.hier_encoder_choices,
    ]
    trainer = JSTTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """ESPnet's options of ST that the model reads, and ours; the others are refused by name."""
        super().add_task_arguments(parser)
        group = parser.add_argument_group("Curriculum and preprocessing")
        group.add_argument(
            "--curriculum",
            type=float,
            default=0.0,
            help="Share of the training, from its start, in which longer and longer utterances are admitted",
        )
        group.add_argument(
            "--curriculum_start",
            type=float,
            default=0.15,
            help="Share of the batches, by length, that the curriculum starts with",
        )
        group.add_argument(
            "--preprocessor_conf",
            action=NestedDictAction,
            default={},
            help="Changes of training recordings, languages of tags: see --help preprocessor",
        )
        group.add_argument(
            "--train_groups",
            action=NestedDictAction,
            default={},
            help="Further training data, whose inputs may be others: name -> data, shape_files, share of the steps",
        )
        parser.add_argument(
            "--lr_factors",
            action=NestedDictAction,
            default={},
            help="Factors of the learning rate of parts of the model: encoder=0.1, or encoder.layers=[0.05,0.2] from "
            "the lowest to the highest layer; --freeze_param takes what should not move at all",
        )
        parser.add_argument(
            "--cpu_processes",
            type=int,
            default=1,
            help="Processes that train together on the CPU, each with its share of every batch; not used with a GPU",
        )
        parser.set_defaults(**DEFAULTS)
        for action in options_of(parser):
            if action.dest in ("token_type", "src_token_type"):
                action.choices = TOKEN_TYPES
            elif action.dest == "grad_clip":
                action.help = GRAD_CLIP_HELP
        refuse(parser)

    @classmethod
    def get_parser(cls) -> JSTParser:
        """ESPnet's parser, strict."""
        return strict_parser(super().get_parser())

    @classmethod
    def print_config(cls, file: TextIO | None = None) -> None:
        """All values of a command, with the defaults of the classes that it names; ESPnet's writes to the standard
        output of the moment in which it was imported, which may be nobody's."""
        super().print_config(file or sys.stdout)

    @classmethod
    def check_required_command_args(cls, args: argparse.Namespace) -> None:
        """Refuse a command without an option that is always needed."""
        missing = [f"--{name}" for name in args.required if getattr(args, name) is None]
        if missing:
            raise ConfigError(f"{', '.join(missing)} must be given")
        if not args.use_preprocessor:
            raise ConfigError("--use_preprocessor false: the preprocessor makes the targets of the heads")
        if args.max_cache_size > 0:
            raise ConfigError("--max_cache_size: ESPnet keeps utterances as augmented once, leave it 0")
        wanted_processes(args)
        arguments.check_keys_of(args)
        set_grad_clip(args)

    @classmethod
    def main_worker(cls, args: argparse.Namespace) -> None:
        """One process of a training, or the start of several: ESPnet's, with atomic saves and safe loads."""
        silence_others()  # here, because every process of a training passes here
        if args.resume and not (args.collect_stats or args.dry_run):
            # Before ESPnet overwrites the configuration that the weights belong to.
            check_checkpoint(Path(args.output_dir), arguments.marks_of(args))
        _check_data(args, cls.build_preprocess_fn(args, train=True))
        # Processes that train together must know of a step that does not reach every parameter.
        untrained = any(not spec.weight for spec in arguments.heads_of(args).values())
        args.unused_parameters |= untrained or bool(args.train_groups or arguments.inputs_of(args))
        if not args.distributed and wanted_processes(args) > 1:
            run_processes(cls.main_worker, args)
            return
        args.__class__ = Float32Arguments
        with safe_checkpoints():
            super().main_worker(args)
        leave_processes()

    @classmethod
    def required_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Names that every data set has; what a training needs is checked where its configuration is known."""
        return (SPEECH,) if inference else ()

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Further names that a data set may have; see `required_data_names`."""
        return ()

    @classmethod
    def check_task_requirements(
        cls, dataset: Any, allow_variable_data_keys: bool, train: bool, inference: bool = False
    ) -> None:
        """ESPnet's check of the names, for decoding; those of a training were checked before."""
        if inference:
            super().check_task_requirements(dataset, allow_variable_data_keys, train, inference)

    @classmethod
    def build_preprocess_fn(cls, args: argparse.Namespace, train: bool) -> JSTPreprocessor:
        """The preprocessor of a configuration.

        Raises:
            ConfigError: the token lists, the heads and `preprocessor_conf` do not fit together.
        """
        return JSTPreprocessor(
            train,
            specs=arguments.heads_of(args),
            tokenizers=arguments.build_tokenizers(args),
            inputs=arguments.inputs_of(args),
            lanes=parse_lanes((args.model_conf or {}).get("lanes")),
            tgt_langs=arguments.tgt_langs_of(args),
            channels=arguments.channels_of(args, st.frontend_choices.classes),
            conf=getattr(args, "preprocessor_conf", None),
        )

    @classmethod
    def build_collate_fn(cls, args: argparse.Namespace, train: bool) -> Any:
        """ESPnet's, in training of utterances that are joined where the configuration asks for it.

        Raises:
            ConfigError: they cannot be joined, because each is told the language that it is translated into.
        """
        collate = super().build_collate_fn(args, train)
        conf = read(PreprocessorConf, getattr(args, "preprocessor_conf", None), "preprocessor_conf")
        if not train or not conf.join_prob:
            return collate
        if arguments.tgt_langs_of(args) is not None:
            raise ConfigError("preprocessor_conf.join_prob: utterances that are told a language (tgt_langs) cannot be")
        return JoinedUtterances(collate, conf, fs=(args.frontend_conf or {}).get("fs") or FS)

    @classmethod
    def build_dataset(cls, args: argparse.Namespace, iter_options: Any, keys_to_load: Any = None) -> Any:
        """ESPnet's data set, after a check of its sampling rate and channels."""
        arguments.check_form(args, iter_options.data_path_and_name_and_type)
        return super().build_dataset(args, iter_options, keys_to_load)

    @classmethod
    def build_sequence_iter_factory(cls, args: argparse.Namespace, iter_options: Any, mode: str) -> Any:
        """ESPnet's batches; those of training know their number, may be of several groups and follow a curriculum."""
        if mode != "train":
            return super().build_sequence_iter_factory(args, iter_options, mode)
        groups = parse_groups(args.train_groups)
        first = cls._counted(args, iter_options)
        others = [(group.share, cls._counted(args, group.options(iter_options))) for group in groups]
        return GroupedBatches(first, others) if others else first

    @classmethod
    def _counted(cls, args: argparse.Namespace, iter_options: Any) -> CountedBatches:
        """The training batches of a group of data."""
        factory = super().build_sequence_iter_factory(args, iter_options, "train")
        check_bursts(iter_options.data_path_and_name_and_type, iter_options.preprocess_fn)
        needed = args.curriculum or args.max_train_minutes is not None
        return CountedBatches(
            factory,
            speech_lengths(iter_options.shape_files) if needed else None,
            curriculum=args.curriculum,
            curriculum_start=args.curriculum_start,
        )

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> JSTModel:  # type: ignore[override]
        """The model of a configuration.

        Raises:
            ConfigError: a name, key or value cannot be used; the message names it and the closest known one.
        """
        whole = [Path(path) for path in getattr(args, "init_param", None) or [] if ":" not in path]
        read = any((getattr(args, f"{part}_conf", None) or {}).get("model") for part in PRETRAINED)
        if whole and whole[0].is_file() and not read and not getattr(args, "ignore_init_mismatch", False):
            # All the weights of another model: its file says how large this one can be, a number takes a byte or more.
            with limit_parameters(whole[0].stat().st_size, whole[0]):
                model = cls._build(args)
        else:
            model = cls._build(args)
        if getattr(args, "init", None) is not None:
            if args.frontend_conf and "architecture" in args.frontend_conf:
                raise ConfigError("--init draws all weights anew, those of --frontend pretrained as well: leave it out")
            initialize(model, args.init)
        return model

    @classmethod
    def _build(cls, args: argparse.Namespace) -> JSTModel:
        return build_model(args, {choices.name: choices for choices in cls.class_choices_list})

    @classmethod
    def build_optimizers(cls, args: argparse.Namespace, model: torch.nn.Module) -> list[torch.optim.Optimizer]:
        """ESPnet's optimizers; one that groups the parameters in its own way is given the model."""
        optimizers = cls._optimizers(args, model)
        factors = parse_factors(args.lr_factors)
        for optimizer in optimizers if factors else ():
            scale_rates(optimizer, model, factors)
        return optimizers

    @classmethod
    def _optimizers(cls, args: argparse.Namespace, model: torch.nn.Module) -> list[torch.optim.Optimizer]:
        chosen = abs_task.optim_classes[args.optim]
        if not issubclass(chosen, ModelOptimizer):
            return super().build_optimizers(args, model)
        if chosen.clips:
            logging.info(f"--optim {args.optim} clips gradients by itself: --grad_clip is off")
        if args.exclude_weight_decay:
            raise ConfigError(
                f"--exclude_weight_decay: {args.optim} groups the parameters in its own way, set it to false"
            )
        return [chosen(chosen.groups(model), **args.optim_conf)]

    @classmethod
    def load_model(
        cls, config_file: str | Path | None, model_file: str | Path | None, device: str = "cpu"
    ) -> tuple[JSTModel, argparse.Namespace]:
        """A trained model and its training arguments; nothing in the files is executed and nothing is ignored.

        Raises:
            CheckpointError: a file is missing, damaged or unsafe, or configuration and weights do not belong together.
            ConfigError: the configuration cannot be used.
        """
        from espnet_jst.untrusted.config_file import read_config

        if config_file is None:
            if model_file is None:
                raise ConfigError("give a model file, a configuration file, or both")
            config_file = Path(model_file).parent / "config.yaml"
        args = arguments.loaded_arguments(read_config(config_file), config_file)
        if model_file is None:
            return cls._build(args).to(device), args
        state = read_weights(model_file)
        check_finite(state, model_file)
        with limit_parameters(sum(tensor.numel() for tensor in state.values()), model_file):
            model = cls._build(args)
        load_strict(model, state, model_file)
        return model.to(device), args

    @classmethod
    def build_model_from_file(
        cls, config_file: str | Path | None = None, model_file: str | Path | None = None, device: str = "cpu"
    ) -> tuple[Any, argparse.Namespace]:
        """As `load_model`, dressed for ESPnet's own decoding scripts where a head can serve them."""
        from espnet_jst.tasks.espnet_view import ESPnetView, serving_head

        model, args = cls.load_model(config_file, model_file, device)
        try:
            serving_head(model)
        except ConfigError as error:
            logging.info(f"{error}")
            return model, args
        return ESPnetView(model, args), args


def _check_data(args: argparse.Namespace, preprocess: JSTPreprocessor) -> None:
    """Look at all data sets of a training together."""
    groups = parse_groups(args.train_groups)
    if groups and args.iterator_type != "sequence":
        raise ConfigError(f"--iterator_type {args.iterator_type}: train_groups need --iterator_type sequence")
    train = {TRAIN: [name for _, name, _ in args.train_data_path_and_name_and_type]}
    train |= {group.where: group.names for group in groups}
    check_sets(preprocess, train, [name for _, name, _ in args.valid_data_path_and_name_and_type])
    made = not args.dry_run
    check_files(TRAIN, args.train_data_path_and_name_and_type, args.train_shape_file, made=made)
    check_files(VALID, args.valid_data_path_and_name_and_type, args.valid_shape_file, made=made)
    for group in groups:
        check_files(group.where, group.data, group.shape_files, made=made)
