"""Many-to-many in small: the same tones are translated into the language that the utterance asks for, and no other."""

import json

import numpy as np
import pytest
import soundfile
import torch

from espnet_jst.errors import ConfigError
from espnet_jst.inference import Speech2Text
from espnet_jst.tasks.jst import JSTTask
from tests.training.corpus import FS, config, make_corpus, tone

WORDS = {"one": 400, "two": 800, "three": 1600}
NUMBERS = {"de": ["eins", "zwei", "drei"], "fr": ["un", "deux", "trois"]}
TOKENS = ["<blank>", "<unk>", *WORDS, *NUMBERS["de"], *NUMBERS["fr"], "<sos/eos>"]
SIZES = {"predictor_conf": {"size": 24}, "joint_size": 24}
HEADS = {
    "asr": {"kind": "transducer", "lanes": ["transcript"], **SIZES},
    "st": {"kind": "transducer", "lanes": ["translation"], "reads": "hier_encoder", **SIZES},
}
ENCODER = {
    "size": 24, "layers": 1, "heads": 2, "feed_forward_size": 48, "kernel_size": 3, "subsampling_channels": [4, 8],
    "dropout": 0.0, "chunk_frames": 2, "left_chunks": 4, "train_chunk_frames": [2, 4, 0],
}  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Every sentence of tones twice, once a language: nothing but `utt2tgt_lang` says which is wanted."""
    torch.set_num_threads(1)
    root, rng = make_corpus(tmp_path_factory.mktemp("corpus")), np.random.RandomState(0)
    names = ("wav.scp", "text", "src_text", "utt2tgt_lang", "shape")
    for name, count in (("train", 24), ("valid", 4)):
        tables = {table: [] for table in names}
        for number in range(count):
            digits = rng.randint(0, 3, size=1 + number % 3)
            audio = np.concatenate([tone([*WORDS.values()][digit], rng) for digit in digits])
            path = root / name / f"{number}.wav"
            soundfile.write(path, audio, FS)
            for code, numbers in NUMBERS.items():
                source, target = (" ".join(words[digit] for digit in digits) for words in ([*WORDS], numbers))
                row = dict(zip(names, (path, target, source, code, len(audio)), strict=True))
                for table, value in row.items():
                    tables[table].append(f"{code}-{number} {value}\n")
        for table, lines in tables.items():
            (root / name / table).write_text("".join(sorted(lines)), encoding="utf-8")
    (root / "tokens.txt").write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    return root


def values(root, *data, **changes):
    sets = {
        f"{side}_data_path_and_name_and_type": [
            [str(root / side / path), name, kind]
            for path, name, kind in (
                ("wav.scp", "speech", "sound"), ("src_text", "src_text", "text"), ("text", "text", "text"), *data,
            )
        ]
        for side in ("train", "valid")
    }  # fmt: skip
    given = {
        "model_conf": {"heads": HEADS, "tgt_langs": {"at": "hier_encoder", "codes": ["de", "fr"]}},
        "encoder_conf": ENCODER,
        "hier_encoder": "chunk_conformer",
        "hier_encoder_conf": {**ENCODER, "subsampling": 1},
        "optim_conf": {"lr": 0.01},
        "max_epoch": 15,
        "num_iters_per_epoch": 12,
        "keep_nbest_models": [1],
        "specaug": None,
        "preprocessor_conf": {},
    }
    return config(root, **sets, **given, **changes)


def train(root, name, *data, **changes):
    path = root / f"{name}.yaml"
    path.write_text(json.dumps(values(root, *data, **changes)), encoding="utf-8")
    JSTTask.main(cmd=["--config", str(path), "--output_dir", str(root / name)])
    return root / name


LANGUAGES = ("utt2tgt_lang", "tgt_lang", "text")


def test_only_the_language_decides_and_the_model_learns_to_obey(root):
    exp = train(root, "exp", LANGUAGES)
    decoder = Speech2Text.from_pretrained(exp)
    for line in (root / "valid" / "text").read_text().splitlines():
        key, *expected = line.split()
        code, number = key.split("-")
        [(text, *_)] = decoder(root / "valid" / f"{number}.wav", tgt_lang=code)
        # So short a training misses words: what it writes is of the language that was asked for.
        assert text.split()[0] == expected[0] and {*text.split()} <= {*NUMBERS[code]}


def test_a_data_set_without_languages_is_refused_before_the_training(root):
    with pytest.raises(ConfigError, match="head 'st' needs the data 'tgt_lang': .*utt2tgt_lang"):
        train(root, "without")
