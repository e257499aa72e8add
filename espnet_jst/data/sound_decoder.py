"""soundfile's decoder, for files whose headers are not believed."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import soundfile

from espnet_jst.data.containers.splice import Splice

LOSSY = ("OGG", "MP3")
BEFORE_S, LAST_PAGE_S = 2, 40


class SoundDecoder(soundfile.SoundFile):
    """A file that is read in a row: soundfile would seek after each block, to where the header may say no."""

    splice: Splice | None = None

    def seekable(self) -> bool:
        return False

    def seek_before(self, sample: int) -> int:
        """Go to a sample from which everything from `sample` on is decoded as it is from the start. Returns which."""
        if not super().seekable():
            return 0
        if self.format in LOSSY:
            # The frames after a jump lack those before them, and libsndfile misses its aim in Vorbis' last page.
            sample = min(sample - BEFORE_S * self.samplerate, self.frames - LAST_PAGE_S * self.samplerate)
        return self.seek(sample) if sample > 0 else 0

    def take(self, count: int) -> np.ndarray:
        """The next samples, at most `count`, float32 (n, C); none at the end."""
        with nullcontext() if self.splice is None else self.splice.errors():
            return self.read(count, dtype="float32", always_2d=True)
