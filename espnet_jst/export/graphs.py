"""From modules to ONNX graphs, each compared with its module."""

from __future__ import annotations

import inspect
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from espnet_jst.encoders.fixed import COUNTER, FixedStep
from espnet_jst.errors import JSTError
from espnet_jst.heads.ctc import CTCHead
from espnet_jst.heads.interface import Head
from espnet_jst.heads.predictor import Predictor, PredictorState
from espnet_jst.heads.transducer import TransducerHead
from espnet_jst.inference.graphs.graph import Graph
from espnet_jst.inference.graphs.modules import CTC, ENCODER_PROJ, JOINT, PREDICTOR, graph_file, graphs_of

LARGEST_DIFFERENCE = 1e-3  # of float32 outputs, by the largest of them
ROWS = 3  # of the batch that a graph is traced and compared with


@dataclass
class Part:
    """A module that becomes a graph.

    Attributes:
        file: of the graph.
        module: takes and gives tensors.
        inputs, outputs: names, in order.
        example: values of the inputs.
        batch_axes: which axis of each input is the batch; by default the first.
    """

    file: str
    module: nn.Module
    inputs: list[str]
    outputs: list[str]
    example: list[Tensor]
    batch_axes: Sequence[int] = ()


class PredictorStep(nn.Module):
    """A step of the predictor, projected as the joint network wants it."""

    def __init__(self, predictor: Predictor, projection: nn.Module) -> None:
        super().__init__()
        self.predictor, self.projection = predictor, projection

    def forward(self, labels: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Labels (N,), state -> (N, J), state."""
        y, after = self.predictor.step(labels, PredictorState(state))
        return self.projection(y), *after.tensors


class Logits(nn.Module):
    """Sums of both projections (N, J) -> logits (N, V)."""

    def __init__(self, head: TransducerHead) -> None:
        super().__init__()
        self.joint = head.joint

    def forward(self, projected: Tensor) -> Tensor:
        return self.joint.logits(projected)


class LogProbs(nn.Module):
    """Frames (N, D) -> log-probabilities (N, V)."""

    def __init__(self, head: CTCHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        return self.head.log_probs(x)


def of_encoder(name: str, step: FixedStep) -> Part:
    """An encoder's step: the window, the frames that each row has of it, the state -> taps, state."""
    shapes = step.shapes
    state = [
        part + ROWS if key == COUNTER else part + torch.randn(part.shape)
        for key, part in zip(shapes.state, step.init_state(ROWS), strict=True)
    ]
    count = torch.full((ROWS,), shapes.heard(shapes.window, True))
    count[0] = 1  # the last chunk of a stream
    taps = [f"tap_{tap}" if tap else "top" for tap in step.tap_sizes]
    return Part(
        graph_file(name),
        step,
        ["x", "count", *shapes.state],
        [*taps, *(f"new_{key}" for key in shapes.state)],
        [torch.randn(ROWS, shapes.window, shapes.features), count, *state],
    )


def of_head(name: str, head: Head, tap_size: int) -> list[Part]:
    """The graphs of a head; `tap_size` are the features of what it reads."""
    frames, inputs = torch.randn(ROWS, tap_size), graphs_of(head)
    if isinstance(head, CTCHead):
        return [Part(graph_file(name, CTC), LogProbs(head), inputs[CTC], ["log_probs"], [frames])]
    assert isinstance(head, TransducerHead)
    predictor, state = PredictorStep(head.predictor, head.joint.predictor_proj), inputs[PREDICTOR][1:]
    labels = torch.arange(ROWS) % head.vocab_size
    before = [
        torch.randn(x.shape) if x.is_floating_point() else torch.randint(head.vocab_size, x.shape)
        for x in head.predictor.init_state(ROWS).tensors
    ]
    return [
        Part(graph_file(name, ENCODER_PROJ), head.joint.encoder_proj, inputs[ENCODER_PROJ], ["projected"], [frames]),
        Part(
            graph_file(name, PREDICTOR),
            predictor,
            inputs[PREDICTOR],
            ["projected", *(f"new_{part}" for part in state)],
            [labels, *before],
        ),
        Part(
            graph_file(name, JOINT),
            Logits(head),
            inputs[JOINT],
            ["logits"],
            [torch.randn(ROWS, head.joint.output.in_features)],
        ),
    ]


@torch.no_grad()
def write(part: Part, folder: Path) -> float:
    """Export a part; returns by how much the graph's outputs differ from the module's, by the largest of them.

    Raises:
        JSTError: they differ by more than rounding.
    """
    module = part.module.eval()
    wanted = module(*part.example)  # also makes tables that must not be made while it is traced
    dim = torch.export.Dim("batch")
    batch = [{axis: dim} for axis in part.batch_axes or [0] * len(part.inputs)]
    # What is beyond the named arguments of `forward` is one argument, a tuple.
    arguments = inspect.signature(type(module).forward).parameters.values()
    named = sum(argument.kind is argument.POSITIONAL_OR_KEYWORD for argument in arguments) - 1  # self
    rest = (tuple(batch[named:]),) if len(part.inputs) > named else ()
    path = folder / part.file
    with _quiet():
        torch.onnx.export(
            module,
            tuple(part.example),
            str(path),
            dynamo=True,
            dynamic_shapes=(*batch[:named], *rest),
            input_names=part.inputs,
            output_names=part.outputs,
            external_data=False,
            verbose=False,
        )
    return compare(path, part, [wanted] if isinstance(wanted, Tensor) else list(wanted))


def compare(path: Path, part: Part, wanted: Sequence[Tensor]) -> float:
    """The largest difference of a graph's outputs, by the largest output.

    Raises:
        JSTError: it is more than rounding.
    """
    found = Graph(path, part.inputs)(part.example)
    difference = 0.0
    for one, other in zip(found, wanted, strict=True):
        if one.numel():
            largest = max(1.0, float(other.abs().max()))
            difference = max(difference, float((one - other).abs().max()) / largest)
    if not difference < LARGEST_DIFFERENCE:
        raise JSTError(
            f"{part.file} differs from the model by {difference:.2g} of the largest number: a version of torch or "
            "onnxruntime that exports something else; docs/export.md names those that were tried"
        )
    return difference


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter says much that nobody can act on."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
