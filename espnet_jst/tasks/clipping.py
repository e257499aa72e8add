"""ESPnet's clipping of gradients, which is off where the optimizer has its own."""

from __future__ import annotations

import argparse
import math

from espnet2.tasks import abs_task

from espnet_jst.errors import ConfigError
from espnet_jst.training.hooks import ModelOptimizer

GRAD_CLIP = 5.0  # ESPnet's default
GRAD_CLIP_HELP = f"Largest norm of the gradient; by default {GRAD_CLIP}, or none where the optimizer clips by itself"


def set_grad_clip(args: argparse.Namespace) -> None:
    """Give `--grad_clip` its value where it has none: infinity is off.

    Raises:
        ConfigError: a limit was given, and the optimizer has its own.
    """
    chosen = abs_task.optim_classes[args.optim]
    clips = issubclass(chosen, ModelOptimizer) and chosen.clips
    if args.grad_clip is None:
        args.grad_clip = math.inf if clips else GRAD_CLIP
    elif clips and math.isfinite(args.grad_clip):
        raise ConfigError(
            f"--grad_clip {args.grad_clip:g}: --optim {args.optim} clips gradients by itself, by "
            "optim_conf.clipping_scale: leave --grad_clip out (in a file laid over another one, grad_clip: null)"
        )
