"""Models that `espnet-jst export --to onnx` wrote, run by onnxruntime."""
