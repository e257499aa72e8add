"""The configuration of this package that a released model has."""

from __future__ import annotations

import math
from collections.abc import Mapping

from espnet_jst.errors import ConfigError
from espnet_jst.hub.icefall.layout import Layout
from espnet_jst.hub.icefall.sizes import Sizes, StackSizes

Settings = dict[str, object]
TRAIN_CHUNKS, TRAIN_LEFT = (16, 32, 64, -1), (64, 128, 256, -1)  # at 50 Hz, of all published streaming models
LANES = {"": ("asr", "transcript"), "st_": ("st", "translation")}
END_FRAMES = 30  # what the released decoding puts behind an utterance for a streaming model
PRUNE_RANGES = {"asr": 5, "st": 10}
# Published penalties on the blank of the translation: of greedy search in a stream, of a beam over whole utterances.
BLANK_PENALTIES = {True: 2.0, False: 1.0}


def configuration(sizes: Sizes, layout: Layout, unknown: Mapping[str, int]) -> Settings:
    """Frontend, encoders and heads as a training configuration has them.

    Args:
        sizes: of the model, see `layout.check_sizes`.
        layout: what its checkpoint holds.
        unknown: of each task the id of `<unk>`, which is never written.

    Raises:
        ConfigError: the stacks cannot have this chunk.
    """
    factors = [
        *sizes.asr.downsampling_factor,
        *(sizes.st.downsampling_factor if sizes.st else ()),
        *layout.outputs.values(),
    ]
    unit = math.lcm(*factors)
    if layout.causal and sizes.chunk_frames > 0 and sizes.chunk_frames % unit:
        raise ConfigError(
            f"chunk_frames is {sizes.chunk_frames}, and the encoders take {', '.join(map(str, sorted({*factors})))} "
            f"frames together: give a multiple of {unit}, or -1"
        )
    conf: Settings = {
        "frontend": "kaldi_fbank",
        "frontend_conf": {
            "fs": sizes.fs,
            "n_mels": sizes.feature_dim,
            "end_frames": END_FRAMES if layout.causal else 0,
        },
        "normalize": None,
        "specaug": None,
        "encoder": "zipformer",
        "encoder_conf": _encoder(sizes, sizes.asr, layout, "encoder"),
    }
    if sizes.st is not None:
        conf["hier_encoder"] = "zipformer"
        conf["hier_encoder_conf"] = _encoder(sizes, sizes.st, layout, "st_encoder")
    heads = {}
    for task in layout.tasks:
        name, lane = LANES[task]
        reads = "hier_encoder" if task and layout.st_encoder else "encoder"
        heads[name] = _transducer(name, lane, reads, layout, task, unknown.get(task))
        if task in layout.ctc:
            heads[f"{name}_ctc"] = {"kind": "ctc", "reads": reads, "lanes": [lane], "weight": 0.1, "dropout": 0.1}
    conf["model_conf"] = {"hier_reads": "encoder.last_stack" if sizes.st else "encoder", "heads": heads}
    return conf


def _encoder(sizes: Sizes, stacks: StackSizes, layout: Layout, name: str) -> Settings:
    joined = layout.outputs[name]
    # At 50 Hz in released code, at the rate of the top here.
    chunk = max(0, sizes.chunk_frames) // joined if layout.causal else 0
    left = sizes.left_context_frames // sizes.chunk_frames if sizes.left_context_frames >= 0 else -1
    factors = stacks.downsampling_factor
    train = [
        max(0, frames) // joined
        for frames in TRAIN_CHUNKS
        if frames < 0 or (layout.causal and all(frames % factor == 0 for factor in (*factors, joined)))
    ]
    return {
        "layers": [*stacks.num_encoder_layers],
        "sizes": [*stacks.encoder_dim],
        "unmasked_sizes": [*(stacks.encoder_unmasked_dim or stacks.encoder_dim)],
        "downsampling": [*factors],
        "feed_forward_sizes": [*stacks.feedforward_dim],
        "heads": [*stacks.num_heads],
        "kernel_sizes": [*stacks.cnn_module_kernel],
        "query_head_size": sizes.common.query_head_dim,
        "value_head_size": sizes.common.value_head_dim,
        "pos_head_size": sizes.common.pos_head_dim,
        "pos_size": sizes.common.pos_dim,
        "subsampling": 2 if name == "encoder" else 1,
        "output_subsampling": joined,
        "causal": layout.causal,
        "chunk_frames": chunk,
        "left_chunks": max(1, left) if chunk and left >= 0 else -1,
        "train_chunk_frames": train,
        "train_left_frames": [frames // joined if frames > 0 else -1 for frames in TRAIN_LEFT],
    }


def _transducer(name: str, lane: str, reads: str, layout: Layout, task: str, unknown: int | None) -> Settings:
    head: Settings = {
        "kind": "transducer",
        "reads": reads,
        "lanes": [lane],
        "predictor": "stateless",
        "predictor_conf": {
            "size": layout.predictor_dim,
            "context": layout.context,
            "group_size": layout.group,
            "before": "zero",
        },
        "joint_size": layout.joiner_dim,
        "unknown": unknown,
    }
    if task not in layout.simple:
        return head | {"loss": "rnnt", "simple_weight": 0.0}
    return head | {
        "loss": "pruned_rnnt",
        "prune_range": PRUNE_RANGES[name],
        "simple_weight": 0.5,
        "simple_bias": True,
        "lm_scale": 0.25,
    }


def decoding(layout: Layout) -> Settings:
    """How a pack of the model decodes by default."""
    return {"blank_penalty": {"translation": BLANK_PENALTIES[layout.causal]}} if layout.translates else {}
