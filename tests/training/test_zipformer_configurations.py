"""Systems on Zipformers, made small in YAML: they learn, stream as they decode a whole, and can be packed."""

import copy
import zipfile

import pytest
import soundfile
import torch

from espnet_jst.encoders.zipformer.zipformer import Zipformer
from espnet_jst.hub.pack import pack
from espnet_jst.inference import Speech2Text
from tests.inference.test_two_encoders import SMALL, texts
from tests.training.corpus import make_corpus, write_config
from tests.training.test_cr_ctc_configurations import FEW, MASKS, train
from tests.training.test_resume import AVERAGE, same
from tests.training.test_resume import train as resumed

STACKS = {
    "layers": [1, 1], "sizes": [24, 24], "unmasked_sizes": [16, 16], "downsampling": [1, 2],
    "feed_forward_sizes": [48, 48], "heads": [2, 2], "kernel_sizes": [7, 5], "query_head_size": 8, "pos_size": 12,
    "left_chunks": 4, "train_left_frames": [16], "dropout": [0.0, 0.0], "skips": False, "feature_mask": 0.0,
    "batch_scale": 100,
}  # fmt: skip
LOWER = {**STACKS, "subsampling_channels": [4, 4, 8], "chunk_frames": 2, "train_chunk_frames": [2, 4, 0]}
UPPER = {**copy.deepcopy(STACKS), "chunk_frames": 4, "train_chunk_frames": [4, 8, 16, 0]}
SERIALIZED = {
    **FEW,
    "max_epoch": 8,
    "specaug": None,
    "specaug_conf": {"base": None},
    "frontend_conf": SMALL["frontend_conf"],
    "encoder_conf": LOWER,
    "model_conf": {"heads": {"joint": {"predictor_conf": {"size": 16}, "joint_size": 16}}},
    "batch_type": "sorted",
    "keep_nbest_models": [1],
}
WITH_CR_CTC = {
    **SERIALIZED,
    "specaug": "lhotse_specaug",
    "specaug_conf": MASKS,
    "model_conf": SERIALIZED["model_conf"] | {"regularizers": {"cr_ctc": {"heads": ["ctc"], "warm_steps": 4}}},
}
HEADS = {"predictor_conf": {"size": 24}, "joint_size": 24}
HIERARCHY = {
    **SMALL,
    **FEW,
    "encoder_conf": LOWER,
    "hier_encoder_conf": UPPER,
    "model_conf": {"heads": {"asr": HEADS, "st": copy.deepcopy(HEADS)}},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    torch.set_num_threads(1)
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def serialized(root, request):
    return train(root, request.config.rootpath / "conf" / "tsot_zipformer.yaml", SERIALIZED)


def falls(epochs, key="loss", factor=0.7):
    return epochs[-1]["valid"][key] < factor * epochs[0]["valid"][key]


def test_tsot_on_a_zipformer_learns(serialized):
    [(run, epochs)] = serialized
    assert falls(epochs) and falls(epochs, "ctc_ctc")
    assert isinstance(Speech2Text.from_pretrained(run.folder).st_model.encoder, Zipformer)


def test_tsot_with_cr_ctc_on_a_zipformer_learns(root, request):
    [(_, epochs)] = train(root, request.config.rootpath / "conf" / "tsot_zipformer.yaml", WITH_CR_CTC)
    assert falls(epochs) and all(epoch["train"]["cr_ctc_ctc"] > 0 for epoch in epochs)


def test_hent_srt_learns_to_recognize_and_then_to_translate_too(root, request):
    (_, alone), (joint, both) = train(root, request.config.rootpath / "conf" / "hent_srt.yaml", HIERARCHY)
    assert falls(alone, "asr_rnnt", 0.9) and falls(both, "asr_rnnt", 0.9) and falls(both, "st_rnnt", 0.9)
    assert both[0]["valid"]["asr_rnnt"] < 0.9 * alone[0]["valid"]["asr_rnnt"]
    streams_as_a_whole(Speech2Text.from_pretrained(joint.folder), root)


def test_what_was_trained_is_packed_and_streams_as_a_whole(serialized, root, tmp_path, monkeypatch):
    [(run, _)] = serialized
    made = streams_as_a_whole(Speech2Text.from_pretrained(run.folder), root)
    pack(run.folder, tmp_path / "packed.zip", wav=None)
    with zipfile.ZipFile(tmp_path / "packed.zip") as archive:
        assert any(name.endswith(".safetensors") for name in archive.namelist())
    monkeypatch.setenv("JST_CACHE", str(tmp_path / "cache"))
    assert streams_as_a_whole(Speech2Text.from_pretrained(tmp_path / "packed.zip"), root) == made


def streams_as_a_whole(speech2text, root):
    """Tokens of every utterance, the same from packets and from the whole."""
    found = {}
    for key, path in texts(root / "valid" / "wav.scp").items():
        samples, fs = soundfile.read(path, dtype="float32")
        _, _, tokens, whole = speech2text(samples, fs)[0]
        session = speech2text.session(fs=fs)
        words = [word for start in range(0, len(samples), 700) for word in session.push(samples[start : start + 700])]
        words += session.finish()
        assert sorted(w.text for w in words) == sorted(w.text for w in whole.words)
        found[key] = tokens
    return found


def test_a_resumed_training_with_every_regularizer_is_an_undisturbed_one(root):
    """Schedules go far in nine steps, and whitening is drawn as often as after a metric beyond its limit."""
    free = {key: value for key, value in LOWER.items() if key not in ("dropout", "skips", "feature_mask")}
    heads = {"joint": {"kind": "transducer", "lanes": ["transcript", "translation"], **HEADS}}
    write_config(root, encoder="zipformer", encoder_conf={**free, "batch_scale": 700}, model_conf={"heads": heads})
    one = resumed(root, "whole")
    resumed(root, "halves", "--max_epoch", "1", "--scheduler_conf", "total_steps=9")
    two = resumed(root, "halves", "--resume", "true")
    assert same(one / AVERAGE, two / AVERAGE) and same(one / "3epoch.pth", two / "3epoch.pth")
