"""Weights of a graph in 8 bits."""

from __future__ import annotations

import logging
from pathlib import Path


def quantize(path: Path) -> None:
    """Replace a graph's matrices by 8-bit ones, with a factor for each column; what is multiplied with them is
    quantized as it comes. Convolutions, embeddings and what is small stay as they are.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    made = path.with_suffix(".int8.onnx")
    root = logging.getLogger()
    level = root.level
    try:
        root.setLevel(logging.ERROR)  # it recommends a preparation that these graphs do not need
        quantize_dynamic(
            path, made, weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=["MatMul", "Gemm"]
        )
    finally:
        root.setLevel(level)
    made.replace(path)
