"""Half an hour of digital silence, then speech: the words of the speech alone, and at the same time."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import soundfile
import torch

from espnet_jst.inference import Session, Speech2Text
from espnet_jst.tasks.jst import JSTTask
from tests.training.corpus import FS, config, make_corpus, write_config

SILENCE_S = 1800.0
STEADY = {
    "encoder_conf": {
        "size": 24, "layers": 1, "heads": 2, "feed_forward_size": 48, "kernel_size": 3, "subsampling": 4,
        "subsampling_channels": [4, 8], "dropout": 0.1, "chunk_frames": 4, "left_chunks": 4,
        "train_chunk_frames": [4, 3, 5],
    },
    "model_conf": {
        "heads": {
            "joint": {
                "kind": "transducer", "lanes": ["transcript", "translation"],
                "predictor_conf": {"size": 24}, "joint_size": 24,
            }
        }
    },
    "specaug": None, "specaug_conf": {}, "preprocessor_conf": {},
    "optim_conf": {"lr": 0.01}, "max_epoch": 50, "num_iters_per_epoch": 50, "keep_nbest_models": [1],
}  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Tones after up to two seconds of silence: a model says nothing in silence only if it has heard some."""
    torch.set_num_threads(1)
    root, rng = make_corpus(tmp_path_factory.mktemp("corpus"), train=160), np.random.default_rng(0)
    for path in sorted(root.glob("*/*.wav")):
        audio, _ = soundfile.read(path, dtype="float32")
        before, after = (np.zeros(int(max(0.0, rng.uniform(*s)) * FS), np.float32) for s in ((-1.0, 2.0), (0.0, 0.3)))
        soundfile.write(path, np.concatenate([before, audio, after]), FS)
    return root


def train(corpus, name: str, *, ignore_silence: bool) -> Speech2Text:
    conf = {**config(corpus)["normalize_conf"], "ignore_silence": ignore_silence}
    path = write_config(corpus, f"{name}.yaml", **STEADY, normalize_conf=conf)
    JSTTask.main(cmd=["--config", str(path), "--output_dir", str(corpus / name)])
    return Speech2Text.from_pretrained(corpus / name)


def utterances(corpus) -> list[np.ndarray]:
    """Without the silence before and after."""
    found = []
    for path in sorted(corpus.glob("train/*.wav")):
        audio, _ = soundfile.read(path, dtype="float32")
        sounds = np.flatnonzero(audio)
        found.append(audio[sounds[0] : sounds[-1] + 1])
    return found


def tokens(session: Session) -> list[int]:
    [emissions] = session.tokens.values()
    return [emission.token for emission in emissions]


def after_silence(model: Speech2Text) -> tuple[Session, int]:
    """A stream that has heard the silence, and its samples: no multiple of a chunk."""
    session, minute = model.session(), np.zeros(60 * FS, np.float32)
    samples = 0
    while samples < SILENCE_S * FS:
        session.push(minute)
        samples += len(minute)
    session.push(minute[:1234])
    return session, samples + 1234


@pytest.mark.long
def test_thirty_minutes_of_silence_change_neither_the_words_nor_their_times(corpus):
    model = train(corpus, "ignored", ignore_silence=True)
    silent, samples = after_silence(model)
    assert tokens(silent) == []
    written = 0
    for speech in utterances(corpus):
        alone, after = model.session(), copy.deepcopy(silent)
        alone.push(speech)
        after.push(speech)
        for session in (alone, after):
            session.finish()
        assert tokens(after) == tokens(alone)
        for one, other in zip(alone.words, after.words, strict=True):
            assert other.emission_s - samples / FS <= one.emission_s + model.schedule.chunk_s + 0.1
        written += len(alone.words)
    assert written > 60
