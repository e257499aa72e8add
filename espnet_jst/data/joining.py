"""Utterances of a batch, one behind the other: what a stream of several sentences is like."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from espnet_jst.data.augment import noise_level, white_noise
from espnet_jst.data.conf import PreprocessorConf

SPEECH = "speech"
SNR_DB = (30.0, 80.0)  # of the utterance behind a pause to the noise in it
SILENT_SHARE = 0.3  # of pauses without any noise: a microphone that is muted

Item = tuple[str, Mapping[str, np.ndarray]]


class JoinedUtterances:
    """A collate function that joins utterances at random before another one makes a batch of them.

    A transducer that was trained on single sentences has learnt that nothing follows the last word, and in a stream it
    writes next to nothing after its first sentence. Samples and labels of `join` utterances of a batch become one
    utterance's, each behind a pause. Drawn from NumPy's global generator, as other changes of recordings.

    Args:
        collate: makes a batch of a list of utterances.
        conf: `join_prob`, `join` and `pause_s` count.
        fs: sampling rate in Hz.
    """

    def __init__(self, collate: Callable[[Collection[Item]], Any], conf: PreprocessorConf, *, fs: int) -> None:
        self.collate, self.conf, self.fs = collate, conf, fs

    def __call__(self, data: Collection[Item]) -> Any:
        items = list(data)
        if np.random.random() < self.conf.join_prob:
            fewest, most = self.conf.join
            count = int(np.random.randint(fewest, most + 1))
            items = [items[place] for place in np.random.permutation(len(items))]
            items = [self._joined(items[start : start + count]) for start in range(0, len(items), count)]
        return self.collate(items)

    def _joined(self, items: list[Item]) -> Item:
        out = {}
        for name in items[0][1]:
            pieces = [values[name] for _, values in items]
            if name == SPEECH:
                pieces = [piece for samples in pieces for piece in (self._pause(samples), samples)]
            out[name] = np.concatenate(pieces)
        return "+".join(key for key, _ in items), out

    def _pause(self, samples: np.ndarray) -> np.ndarray:
        """Silence or faint noise before an utterance, of its channels."""
        low, high = self.conf.pause_s
        size = int(np.random.uniform(low, high) * self.fs)
        shape = (size, *samples.shape[1:])
        if np.random.random() < SILENT_SHARE:
            return np.zeros(shape, dtype=np.float32)
        return white_noise(shape, noise_level(samples, np.random.uniform(*SNR_DB)))
