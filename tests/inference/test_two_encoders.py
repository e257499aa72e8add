"""Two encoders with a transducer on each: the shipped configuration, made small in YAML, learns and streams."""

import jiwer
import pytest
import soundfile
import torch
import yaml

from espnet_jst.inference import Speech2Text
from espnet_jst.tasks.jst import JSTTask
from tests.training.corpus import FS, config, make_corpus

SMALL = {
    "frontend_conf": {"fs": FS, "n_mels": 16},
    "encoder_conf": {
        "size": 24, "layers": 1, "heads": 2, "feed_forward_size": 48, "kernel_size": 3, "subsampling_channels": [4, 8],
        "dropout": 0.0, "chunk_frames": 2, "left_chunks": 4, "train_chunk_frames": [2, 4, 0], "taps": [1],
    },
    "hier_encoder_conf": {
        "size": 24, "layers": 1, "heads": 2, "feed_forward_size": 48, "kernel_size": 3, "dropout": 0.0,
        "chunk_frames": 4, "left_chunks": 2, "train_chunk_frames": [4, 8, 0],
    },
    "model_conf": {
        "heads": {
            "asr": {"predictor_conf": {"size": 24}, "joint_size": 24},
            "asr_ctc": {"reads": "encoder.1"},
            "st": {"predictor_conf": {"size": 24}, "joint_size": 24},
        }
    },
    "optim_conf": {"lr": 0.01},
    "max_epoch": 25,
    "num_iters_per_epoch": 8,
    "keep_nbest_models": [1],
    "batch_type": "sorted",
}  # fmt: skip
FROM_THE_CORPUS = (
    "train_data_path_and_name_and_type", "valid_data_path_and_name_and_type", "train_shape_file", "valid_shape_file",
    "normalize_conf", "token_list", "token_type", "batch_size", "num_workers", "use_tensorboard", "use_matplotlib",
)  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    torch.set_num_threads(1)
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def trained(root, request):
    shared = config(root)
    shipped = request.config.rootpath / "conf" / "two_transducers.yaml"
    values = {"base": str(shipped), **SMALL, **{key: shared[key] for key in FROM_THE_CORPUS}}
    (root / "two.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    JSTTask.main(cmd=["--config", str(root / "two.yaml"), "--output_dir", str(root / "exp")])
    return Speech2Text.from_pretrained(root / "exp")


def texts(path):
    return dict(line.rstrip("\n").split(" ", 1) for line in path.open(encoding="utf-8"))


def test_both_lanes_are_learnt_and_streamed(root, trained):
    audio = texts(root / "train" / "wav.scp")
    wanted = {"transcript": texts(root / "train" / "src_text"), "translation": texts(root / "train" / "text")}
    written = {lane: {} for lane in wanted}
    for key, path in audio.items():
        samples, fs = soundfile.read(path, dtype="float32")
        text, _, _, hypothesis = trained(samples, fs)[0]
        assert text == hypothesis.text("translation")
        session = trained.session(fs=fs)
        words = [word for start in range(0, len(samples), 700) for word in session.push(samples[start : start + 700])]
        words += session.finish()
        for lane in wanted:
            streamed = " ".join(word.text for word in words if word.lane == lane)
            assert streamed == hypothesis.text(lane)
            written[lane][key] = streamed
    for lane, references in wanted.items():
        wer = jiwer.wer(list(references.values()), [written[lane][key] for key in references])
        assert wer < 0.3, (lane, wer, written[lane])
