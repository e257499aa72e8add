"""What must be set before anything imports Triton: its kernels and its own functions then run in the interpreter."""

import os

os.environ.setdefault("TRITON_INTERPRET", "1")
