"""A model that hears text and nothing else: it trains, translates lines, follows words as they come, and is packed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from espnet_jst.errors import ConfigError
from espnet_jst.hub.pack import pack
from espnet_jst.inference.text2text import Text2Text
from espnet_jst.tasks.jst import JSTTask
from espnet_jst.text.words import Word, join_words
from espnet_jst.weights import read_weights
from tests.inference import text_model
from tests.inference.text_model import lines, translated


@pytest.fixture(scope="module")
def exp(tmp_path_factory) -> Path:
    root = text_model.make_text_corpus(tmp_path_factory.mktemp("text"))
    return text_model.train(root, max_epoch=12, optim_conf={"lr": 0.02})


@pytest.fixture(scope="module")
def translator(exp) -> Text2Text:
    return Text2Text.from_pretrained(exp)


def test_it_learns_to_translate(translator):
    given = [line for line in lines(80, 99) if len({*line.split()}) == len(line.split())]
    found = [join_words(words) for words in translator(given)]
    assert len(given) > 10 and found == [translated(line) for line in given]


def test_words_stand_at_the_places_of_those_that_they_were_written_for(translator):
    [words] = translator(["one three two"])
    assert [(word.text, word.start_s, word.end_s) for word in words] == [("eins", 0, 1), ("drei", 1, 2), ("zwei", 2, 3)]


def test_a_line_without_a_word_has_no_translation(translator):
    assert translator(["", "one"])[0] == []
    assert translator([]) == []


def test_words_that_come_at_any_pace_are_translated_as_a_whole_line(translator):
    rng = np.random.default_rng(0)
    for line in lines(12, 7):
        [whole] = translator([line])
        spoken = [Word(text, "transcript", k, k + 1, 0) for k, text in enumerate(line.split())]
        state, shown = translator.init_state(1), []
        while spoken:
            count = int(rng.integers(0, 4))
            [update], state = translator.advance([spoken[:count]], [9.0], state, [False])
            shown, spoken = shown + update.new, spoken[count:]
        [update], state = translator.advance([[]], [9.0], state, [True])
        shown += update.new
        assert [(w.text, w.start_s, w.end_s) for w in shown] == [(w.text, w.start_s, w.end_s) for w in whole]


def test_streams_of_different_age_share_a_batch(translator):
    one, two = ([Word(text, "transcript", k, k + 1, 0) for k, text in enumerate(line.split())] for line in lines(2, 5))
    state = translator.init_state(2)
    _, state = translator.advance([one, []], [1.0, 1.0], state, [True, False])
    _, state = translator.advance([[], two], [1.0, 1.0], state, [False, True])
    alone = translator([" ".join(word.text for word in words) for words in (one, two)])
    assert [join_words(state.decoding.words(row)) for row in range(2)] == [join_words(words) for words in alone]


def test_the_saved_model_has_nothing_of_speech(exp):
    values = yaml.safe_load((exp / "config.yaml").read_text())
    assert values["frontend"] is values["normalize"] is values["specaug"] is None and values["input_size"] == 24
    assert {name.split(".")[0] for name in read_weights(exp / "valid.loss.ave_1best.pth")} >= {"inputs", "encoder"}


def test_a_pack_is_tried_out_with_a_text(exp, translator, tmp_path):
    (tmp_path / "lines.txt").write_text("two one\n", encoding="utf-8")
    made = pack(exp, tmp_path / "mt.zip", wav=tmp_path / "lines.txt")
    assert Text2Text.from_pretrained(made)(["two one"]) == translator(["two one"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {
                "hier_encoder": "chunk_conformer",
                "hier_encoder_conf": text_model.ENCODER,
                "model_conf": {
                    "heads": {"st": {**text_model.HEAD, "reads": "hier_encoder"}},
                    "inputs": {"src_text": {**text_model.INPUTS["src_text"], "into": "hier_encoder"}},
                },
            },
            "no speech is heard, so an entry of model_conf.inputs must feed the encoder, and none does",
        ),
        ({"input_size": 0}, "input_size is 0: give the features of a frame of text"),
    ],
)
def test_a_configuration_that_hears_nothing_is_one_message(exp, changes, message, tmp_path):
    path = text_model.text_config(exp.parent, **changes)
    with pytest.raises(ConfigError, match=message):
        JSTTask.main(cmd=["--config", str(path), "--output_dir", str(tmp_path), "--dry_run", "true"])


def test_speech_is_refused_before_the_training(exp, tmp_path):
    path = text_model.text_config(exp.parent)
    data = f"{exp.parent / 'train' / 'words'},speech,sound"
    with pytest.raises(ConfigError, match="the model hears no speech .input_size.: leave speech out"):
        JSTTask.main(
            cmd=["--config", str(path), "--output_dir", str(tmp_path), "--train_data_path_and_name_and_type", data]
        )
