"""Speech as discrete units, and text through the same parameters: from a data directory to a pack that reads audio."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import soundfile
import yaml

from espnet_jst.data.kaldi import read_table, write_table
from espnet_jst.errors import ConfigError
from espnet_jst.inference import Speech2Text
from espnet_jst.recipe.options import Options
from espnet_jst.recipe.recipe import check_options
from espnet_jst.recipe.stages.unit_fitting import shuffle
from espnet_jst.recipe.unit_training import repeats
from espnet_jst.text.token_list import read_tokens
from espnet_jst.units.alphabet import is_unit
from espnet_jst.units.unit_set import UnitSet
from tests.recipe.spoken_digits import NAMES, make_corpus, recipe

GERMAN_NAMES = ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")
GERMAN = dict(zip(NAMES, GERMAN_NAMES, strict=True))
ENCODER = {
    **{"size": 16, "layers": 1, "heads": 2, "feed_forward_size": 16, "kernel_size": 5, "subsampling": 1},
    **{"chunk_frames": 0, "train_chunk_frames": [0], "left_chunks": -1, "train_left_chunks": [-1]},
}
CONF = {
    "input_size": 16,
    "encoder": "chunk_conformer",
    "encoder_conf": ENCODER,
    "hier_encoder": "chunk_conformer",
    "hier_encoder_conf": ENCODER,
    "model_conf": {
        "inputs": {
            "units": {"kind": "tokens", "into": "encoder"},
            "words": {"kind": "tokens", "into": "encoder", "shares": "units"},
        },
        "heads": {
            "asr_ctc": {"kind": "ctc", "lanes": ["transcript"], "weight": 0.3},
            "st": {
                **{"kind": "transducer", "reads": "hier_encoder", "lanes": ["translation"]},
                **{"predictor_conf": {"size": 16}, "joint_size": 16},
            },
        },
    },
    "batch_type": "sorted",
    "batch_size": 8,
    "max_epoch": 1,
    "keep_nbest_models": 1,
    "num_workers": 0,
}
FLAGS = (
    "--corpus_dir mine --valid_share 0.15 --test_share 0.15 --fs 8k --st_config train.yaml --st_tag x --use_streaming "
    "false --kmeans_feature log_mel --nclusters 30 --unit_nbpe 60 --src_token_type bpe --src_nbpe 40 --nbpe 40 "
    "--token_joint false --text_share 0.5"
)


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Spoken digits in English with German beside them, and further pairs without speech."""
    monkeypatch.setenv("JST_CACHE", str(tmp_path / "cache"))
    make_corpus(tmp_path / "mine", "text.lc.en")
    english = read_table(tmp_path / "mine" / "text.lc.en")
    write_table(tmp_path / "mine" / "text.lc.de", {key: translated(line) for key, line in english.items()})
    more = {f"m{n}": f"{NAMES[n % 10]} {NAMES[n // 2 % 10]}" for n in range(30)}
    write_table(tmp_path / "data" / "more" / "text.lc.en", more)
    write_table(tmp_path / "data" / "more" / "text.lc.de", {key: translated(line) for key, line in more.items()})
    (tmp_path / "train.yaml").write_text(json.dumps(CONF))  # which is YAML, without aliases of what is there twice
    return tmp_path


def translated(line: str) -> str:
    return " ".join(GERMAN[word] for word in line.split())


@pytest.mark.long
def test_units_and_text_become_a_model_that_reads_audio_in_an_empty_folder(corpus: Path) -> None:
    said = recipe(corpus, *FLAGS.split(), "--text_set", "more")
    assert "collect statistics: skip (units have no features)" in said and "tokens of units for one of the" in said
    units = UnitSet.load(corpus / "exp" / "kmeans" / "log_mel_km30" / "units.safetensors")
    assert units.clusters == 30 and units.features["frontend_conf"]["fs"] == 8000
    train = corpus / "dump" / "raw" / "train"
    texts = read_table(train / "text.rm.log_mel_km30")
    assert texts.keys() == read_table(train / "wav.scp").keys() and all(map(is_unit, texts.values()))
    exp = corpus / "exp" / "st_x"
    conf = yaml.safe_load((exp / "config.yaml").read_text())
    names = {name for _, name, _ in conf["train_data_path_and_name_and_type"]}
    assert names == {"units", "src_text", "text", "alignment"}
    inputs = conf["model_conf"]["inputs"]
    ratio = next(train.glob("ratio.*"))
    assert inputs["words"]["repeat"] == repeats(ratio, "auto") > 1 and conf["train_groups"]["words"]["share"] == 0.5
    tokens = read_tokens(next((corpus / "data").glob("en_de_token_list/src_*/tokens.txt")))
    assert any(is_unit(token.lstrip("▁")) for token in tokens) and "▁one" in tokens
    [decoded] = exp.glob("decode*/test")
    assert json.loads((decoded / "scores.json").read_text())["lanes"].keys() == {"translation"}
    pack, alone = exp / "st_x_valid.loss.ave.zip", corpus.parent / f"{corpus.name}-alone"
    alone.mkdir()
    shutil.copyfile(pack, alone / "pack.zip")
    key, audio = next(iter(read_table(corpus / "dump/raw/test/wav.scp").items()))
    samples, fs = soundfile.read(corpus / audio, dtype="float32")
    shutil.move(corpus / "exp" / "kmeans", corpus / "exp" / "gone")
    model = Speech2Text.from_pretrained(str(alone / "pack.zip"))
    assert model(samples, fs=fs)[0][0] == read_table(decoded / "text")[key]
    shutil.move(corpus / "exp" / "gone", corpus / "exp" / "kmeans")
    again = recipe(corpus, *FLAGS.split(), "--text_set", "more")
    assert " ...\n" not in again


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text_share": 0.5}, "go with units: give --kmeans_feature"),
        ({"kmeans_feature": "log_mel", "text_share": 1.0}, "units need a share of the steps"),
        ({"kmeans_feature": "log_mel", "upsample": "four"}, "--upsample four: give auto, or a whole number"),
        ({"kmeans_feature": "log_mel", "nclusters": 0}, "--nclusters 0: at least 1"),
        ({"kmeans_feature": "log_mel", "text_ctc": True}, "say how text is trained on: give --text_share"),
    ],
)
def test_options_that_do_not_go_together_are_one_message(options: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        check_options(Options.of(**options, corpus_dir=str(tmp_path), skip_train=True))


def test_a_configuration_that_hears_speech_trains_no_units(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(corpus)
    (corpus / "speech.yaml").write_text(yaml.safe_dump({"encoder": "chunk_conformer"}))
    with pytest.raises(ConfigError, match="--kmeans_feature: speech.yaml has no input_size"):
        check_options(Options.of(kmeans_feature="log_mel", st_config="speech.yaml", corpus_dir="mine"))


def test_shuffled_text_gives_every_transcript_another_translation() -> None:
    table = {f"u{n}": f"line {n}" for n in range(7)}
    found = shuffle(table)
    assert found.keys() == table.keys() and sorted(found.values()) == sorted(table.values())
    assert all(found[key] != line for key, line in table.items()) and shuffle(table) == found


@pytest.mark.long
def test_the_control_trains_on_shuffled_text_and_the_transcripts_ctc_on_text(corpus: Path) -> None:
    flags = [*FLAGS.split(), "--stop_stage", "11"]
    recipe(corpus, *flags, "--text_shuffled", "true", "--text_ctc", "true")
    train = corpus / "dump" / "raw" / "train"
    [shuffled] = train.glob("text.lc.de.shuffled")
    translations, others = read_table(train / "text.lc.de"), read_table(shuffled)
    conf = yaml.safe_load((corpus / "exp" / "st_x" / "config.yaml").read_text())
    data = {name: path for path, name, _ in conf["train_groups"]["words"]["data"]}
    assert data.keys() == {"words", "text", "src_text"} and data["text"].endswith("text.lc.de.shuffled")
    assert data["words"] == data["src_text"] and others.keys() == translations.keys()
    assert sum(others[key] == translations[key] for key in others) < len(others) / 2
    recipe(corpus, *flags, "--st_tag", "y", "--stage", "5")
    again = recipe(corpus, *flags, "--text_shuffled", "true", "--text_ctc", "true")
    assert "train ..." not in again  # the other one has files of its own


def test_text_is_as_many_times_as_long_as_its_units(tmp_path: Path) -> None:
    (tmp_path / "ratio").write_text("3.620\n")
    assert repeats(tmp_path / "ratio", "auto") == 4 and repeats(tmp_path / "ratio", "2") == 2
    (tmp_path / "ratio").write_text("0.3\n")
    assert repeats(tmp_path / "ratio", "auto") == 1
