"""Resampling with state: the same samples come out however the input is cut."""

from __future__ import annotations

from collections import deque

import numpy as np

from espnet_jst.data.resampling import no_samples
from espnet_jst.errors import DataError

MIN_FS, MAX_FS = 8000, 384_000


class Resampler:
    """A stream at one sampling rate -> a stream at another (soxr, high quality), or through untouched.

    The input enters soxr in blocks of 10 ms, so that what has come out after n samples does not depend on the
    packets, and every output sample can say how much input had been heard when it came out: soxr works on blocks
    and lags by 40 to 120 ms, which belongs to the latency.

    Args:
        input_fs: sampling rate of the input in Hz, 8,000 to 384,000.
        output_fs: sampling rate of the output in Hz.
        channels: of both; samples are (n,), or of several channels (n, C).

    Raises:
        DataError: the input's rate is outside 8-384 kHz.
    """

    def __init__(self, input_fs: int, output_fs: int, *, channels: int = 1) -> None:
        if input_fs != output_fs and not MIN_FS <= input_fs <= MAX_FS:
            raise DataError(
                f"sampling rate {input_fs} Hz is outside {MIN_FS}-{MAX_FS} Hz: give the rate of the samples as fs, "
                "in Hz, and resample them before if it is outside"
            )
        self.input_fs, self.output_fs = int(input_fs), int(output_fs)
        self.taken = 0
        self._made = 0
        self._none = no_samples(channels)
        self._pending = self._none
        self._log: deque[tuple[int, int]] = deque()
        self._stream = None
        if input_fs != output_fs:
            import soxr

            self._stream = soxr.ResampleStream(input_fs, output_fs, channels, dtype="float32", quality="HQ")

    @property
    def pending(self) -> int:
        """Input samples that wait for their block to fill."""
        return len(self._pending)

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Further samples, float32 (n,) or (n, C) -> the output samples that are ready, (m,) or (m, C), m may be 0."""
        if self._stream is None:
            self.taken += len(samples)
            return samples
        block = self.input_fs // 100
        samples = np.concatenate([self._pending, samples])
        whole = len(samples) - len(samples) % block
        self._pending = samples[whole:]
        out = [self._take(samples[start : start + block]) for start in range(0, whole, block)]
        return np.concatenate(out) if out else samples[:0]

    def finish(self) -> np.ndarray:
        """No sample follows -> the rest of the output."""
        if self._stream is None:
            return self._none
        pending, self._pending = self._pending, self._pending[:0]
        return self._take(pending, last=True)

    def heard_samples(self, made: int) -> int:
        """Input samples that had been taken when output sample number `made` (1-based) came out.

        Ask in rising order: what was asked for is forgotten, so a long stream keeps its memory flat.
        """
        if self._stream is None:
            return min(made, self.taken)
        while len(self._log) > 1 and self._log[0][0] < made:
            self._log.popleft()
        return self._log[0][1] if self._log and self._log[0][0] >= made else self.taken

    def _take(self, block: np.ndarray, *, last: bool = False) -> np.ndarray:
        assert self._stream is not None
        out = self._stream.resample_chunk(np.ascontiguousarray(block, dtype=np.float32), last=last)
        self.taken += len(block)
        self._made += len(out)
        if len(out):
            self._log.append((self._made, self.taken))
        return out


def resample(samples: np.ndarray, input_fs: int, output_fs: int) -> np.ndarray:
    """A whole signal, float32 (n,) or (n, C), at `input_fs` -> at `output_fs`; equal to the stream's output."""
    resampler = Resampler(input_fs, output_fs, channels=1 if samples.ndim == 1 else samples.shape[1])
    return np.concatenate([resampler.push(samples), resampler.finish()])
