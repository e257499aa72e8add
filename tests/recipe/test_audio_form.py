"""Stage 3 leaves quick audio where it is and decodes slow formats once."""

import numpy as np
import pytest
import soundfile

from espnet_jst.data.utterances import AudioItem
from espnet_jst.recipe.audio_form import format_shard

FORMATS = [("wav", "WAV", "PCM_16"), ("flac", "FLAC", "PCM_16"), ("opus", "OGG", "OPUS"), ("ogg", "OGG", "VORBIS")]


@pytest.mark.parametrize("suffix, kind, subtype", FORMATS)
def test_lossy_audio_is_decoded_once_and_the_rest_stays(tmp_path, suffix, kind, subtype):
    source = tmp_path / f"a.{suffix}"
    tone = 0.3 * np.sin(np.arange(16000) * 0.1)
    soundfile.write(source, tone, 16000, format=kind, subtype=subtype)
    out = tmp_path / "out"
    out.mkdir()
    done = format_shard([AudioItem("a", str(source))], out=out, fs=16000, strict_fs=False, audio_format="flac")
    slow = suffix in ("opus", "ogg")
    assert done.wav == {"a": (out / "a.flac").as_posix() if slow else str(source)}
    assert dict(done.changed) == ({"decoded": 1} if slow else {})
    decoded, original = (soundfile.read(path)[0] for path in (done.wav["a"], source))
    assert len(decoded) == int(done.samples["a"]) == len(original)
    assert np.abs(decoded - original).max() < 1 / 32768
