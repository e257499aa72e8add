"""Long recordings: how much is decoded at once, and what a recording costs that must be heard as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from espnet_jst.encoders.chain import FIRST
from espnet_jst.errors import DataError
from espnet_jst.heads.ctc import CTCHead
from espnet_jst.model import JSTModel

WHOLE_S = 120.0
"""With a finite chunk, longer recordings go through a session: under the mask of a whole, memory grows with the square
of the length, in a session it does not grow."""

COSTLY_S = 1200.0
"""With an infinite chunk, memory grows with the length and time with its square: from here on that is said."""

SAMPLE_BYTES = 200  # an estimate, on the safe side: a tiny model took 44
CHANNEL_BYTES = 16  # more for each further channel of a sample: it is there up to four times
LABEL_BYTES = 12  # logits, their log-probabilities and a copy, for each frame and label


def check_whole(model: JSTModel, samples: int, free: float | None) -> None:
    """Refuse a recording that must be heard as a whole and does not fit into memory.

    Args:
        model: the model.
        samples: length at the model's rate.
        free: bytes that can be had, None where that is not known.

    Raises:
        DataError: names length, need and what can be had.
    """
    labels = sum(head.vocab_size for head in model.heads.values() if isinstance(head, CTCHead))
    frames = samples / model.fs / model.chain.shifts_s[FIRST]
    needed = (SAMPLE_BYTES + CHANNEL_BYTES * (model.channels - 1)) * samples + LABEL_BYTES * labels * frames
    if free is not None and needed > free:
        raise DataError(
            f"{samples / model.fs / 60:.1f} minutes or more: this model hears a recording as a whole, which takes "
            f"about {needed / 2**30:.1f} GiB here, and {free / 2**30:.1f} GiB are free; give a chunk (--chunk_s 2.56), "
            "with which it needs no more than for a short one, or cut the recording"
        )


def free_bytes() -> float | None:
    """Memory that this process can still get, None where the system does not tell."""
    found = []
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                found.append(1024.0 * int(line.split()[1]))
        limit, used = (Path(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current"))
        if limit.is_file() and limit.read_text(encoding="ascii").strip() != "max":
            found.append(float(limit.read_text(encoding="ascii")) - float(used.read_text(encoding="ascii")))
        import resource

        most = resource.getrlimit(resource.RLIMIT_AS)[0]
        if most != resource.RLIM_INFINITY:
            found.append(most - 4096.0 * int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]))
    except (OSError, ValueError, ImportError):
        pass
    return max(0.0, min(found)) if found else None


@contextmanager
def memory_errors(duration_s: float) -> Iterator[None]:
    """What the libraries raise where memory is at its end becomes one message."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # PyTorch's are RuntimeErrors
        said = str(error)
        if not isinstance(error, MemoryError) and not re.search(r"out of memory|can't allocate memory", said):
            raise
        raise DataError(
            f"{duration_s / 60:.1f} minutes: not enough memory to hear them as a whole; give a chunk (--chunk_s 2.56), "
            "decode fewer recordings at once (--batch_size), or cut the recording"
        ) from error
