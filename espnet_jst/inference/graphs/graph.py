"""One ONNX graph, run by onnxruntime on tensors."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from espnet_jst.errors import CheckpointError, JSTError

EXTRA = "pip install 'espnet_jst[export]'"


def needed(name: str) -> ModuleType:
    """A module of the extra `export`.

    Raises:
        JSTError: it is missing, or one that it needs; says the command that installs it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise JSTError(f"{error.name or name} is missing: {EXTRA}") from None


class Graph:
    """Tensors in, tensors out, in the order of the graph's own inputs and outputs.

    It runs on the CPU with as many threads as PyTorch has when it is loaded.

    Args:
        path: of the file.
        inputs: names that it must have.

    Attributes:
        shapes: of the inputs, without the batch.

    Raises:
        CheckpointError: the file is no graph, or one of other inputs.
    """

    def __init__(self, path: Path, inputs: Sequence[str]) -> None:
        ort = needed("onnxruntime")
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the exceptions of onnxruntime have no common base
            reason = str(error).strip().splitlines()[0]
            raise CheckpointError(f"{path} is no graph that onnxruntime reads ({reason}): export again") from error
        self.inputs = [entry.name for entry in self._session.get_inputs()]
        self.shapes = {entry.name: tuple(entry.shape[1:]) for entry in self._session.get_inputs()}
        if self.inputs != [*inputs]:
            raise CheckpointError(
                f"{path} takes {', '.join(self.inputs)}, not {', '.join(inputs)}: export the model again"
            )

    def __call__(self, values: Sequence[Tensor]) -> list[Tensor]:
        """The outputs for these inputs, on the CPU."""
        feeds = {name: value.contiguous().numpy() for name, value in zip(self.inputs, values, strict=True)}
        return [torch.from_numpy(found) for found in self._session.run(None, feeds)]
