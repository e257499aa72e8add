"""Train a model, or collect statistics: ESPnet's command line with the strictness of JSTTask."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence

from espnet_jst.errors import JSTError

HELP = """\
usage: python -m espnet_jst.bin.jst_train --config YAML --output_dir DIR [options]

Train a joint recognition and translation model with ESPnet's options. Every option may stand in the YAML file
of --config; a saved config.yaml may be given back. The options that matter:

files
  --config YAML                   values of any option; the command line goes before it
  --output_dir DIR                where checkpoints, config.yaml, images/ and tensorboard/ go
  --train_data_path_and_name_and_type FILE,NAME,TYPE   (repeated; also --valid_...)
                                  wav.scp,speech,sound   text.lc.de,text,text (translation)
                                  text.lc.en,src_text,text (transcript)   alignment,alignment,text
                                  word_times,word_times,text
  --train_shape_file FILE         lengths of the utterances (also --valid_shape_file)
  --train_groups NAME.KEY=VALUE   further training data, whose inputs may be others; they take turns
  --token_list FILE --bpemodel FILE --token_type bpe|word|char
                                  pieces of the translation and of serialized heads
  --src_token_list FILE --src_bpemodel FILE --src_token_type bpe|word|char
                                  pieces of the transcript, where they are others
model
  --frontend NAME, --specaug NAME, --normalize NAME, --encoder NAME, --hier_encoder NAME
  --frontend_conf KEY=VALUE, ...  their keys; an unknown one is named with the closest known
  --model_conf KEY=VALUE          what is predicted, and from what
  --preprocessor_conf KEY=VALUE   changes of training recordings, languages of tags
training
  --max_epoch N                   number of epochs, at most
  --max_train_minutes M           as many epochs as fit into M minutes on this machine
  --curriculum S                  short utterances first: share of the training in which longer ones are let in
  --curriculum_start S            share of the batches, by length, at its start
  --optim NAME --optim_conf KEY=VALUE    muon, scaled_adam (see docs/training.md), adamw, and ESPnet's others
  --lr_factors NAME=F             of what is trained already: encoder=0.1, encoder.layers=[0.05,0.2] by depth
  --scheduler warmupcosine|eden --scheduler_conf KEY=VALUE
  --batch_type sorted|numel|...   with --batch_size or --batch_bins
  --num_workers N                 processes that load data
  --train_dtype float32|bfloat16|auto    of the products in training; auto: bfloat16 where the machine has it
  --ngpu N                        0 trains on the CPU
  --cpu_processes N               processes that train together on the CPU
  --seed N
  --resume true                   go on from the last checkpoint; a run may be killed at any moment
  --init_param FILE[:SRC:DST:EXCLUDE]   start from weights of another model
  --keep_nbest_models N           the models averaged into valid.loss.ave.pth
other
  --collect_stats true            write shapes and feature statistics instead of training
  --print_config                  print all values and leave
  --help, --help-all              this text; every option of ESPnet
  --help TOPIC [NAME]             classes and keys with defaults, ranges and meaning, of
{topics}
"""

PAD = 34 * " "


def main(cmd: Sequence[str] | None = None) -> None:
    """Entry point; a wrong option, value or file is one message and exit status 1; too many NaN losses, status 3."""
    arguments = list(sys.argv[1:] if cmd is None else cmd)
    try:
        if not arguments or {"-h", "--help"} & set(arguments):
            _help(arguments)
            return
        from espnet_jst.tasks.jst import JSTTask

        if {"--help-all", "--help_all"} & set(arguments):
            JSTTask.get_parser().print_help()
            return
        JSTTask.main(cmd=arguments)
    except JSTError as error:
        print(f"jst_train: error: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


def _help(arguments: Sequence[str]) -> None:
    from espnet_jst.bin import configuration

    if len(arguments) in (2, 3) and arguments[0] in ("-h", "--help"):
        print(configuration.help_text(*arguments[1:]), end="")
        return
    topics = textwrap.fill(", ".join(configuration.topics()), 112, initial_indent=PAD, subsequent_indent=PAD)
    print(HELP.format(topics=topics), end="")


if __name__ == "__main__":
    main()
