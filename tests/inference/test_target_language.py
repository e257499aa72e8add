"""A model that is told the language to translate into: whole, in batches, and in streams of several languages."""

import copy
import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from espnet_jst.bin import jst_inference
from espnet_jst.errors import ConfigError
from espnet_jst.hub.pack import pack
from espnet_jst.inference import Speech2Text
from espnet_jst.inference.session import advance_together
from tests.inference.tiny import TWO_HEADS, config, save, speech, speech2text, tiny_model

CODES = ["de", "es", "fr"]
FS = 8000


def told():
    conf = config(TWO_HEADS, two_encoders=True)
    conf["model_conf"]["tgt_langs"] = {"at": "hier_encoder", "codes": CODES}
    return conf


@pytest.fixture(scope="module")
def model():
    """A lively model whose languages differ, with its arguments."""
    model, args = tiny_model(told())
    model = copy.deepcopy(model)
    for number, code in enumerate(CODES):
        generator = torch.Generator().manual_seed(number)
        vector = torch.randn(model.tgt_langs.get_parameter(f"to_{code}").shape, generator=generator)
        model.tgt_langs.get_parameter(f"to_{code}").data.copy_(3.0 * vector)
    return model, args


@pytest.fixture(scope="module")
def decoder(model):
    return Speech2Text.from_model(*model)


def lines(result):
    hyp = result[0][3]
    return hyp.text("transcript"), hyp.text("translation")


def test_the_language_decides_the_translation_and_nothing_else(decoder):
    audio = speech(3.0)
    found = [lines(decoder(audio, tgt_lang=code)) for code in CODES]
    assert len({translation for _, translation in found}) == 3 and all(translation for _, translation in found)
    assert len({transcript for transcript, _ in found}) == 1


def test_words_of_the_translation_know_their_language(decoder):
    words = decoder(speech(3.0), tgt_lang="es")[0][3].words
    assert {word.language for word in words if word.lane == "translation"} == {"es"}
    assert {word.language for word in words if word.lane == "transcript"} == {None}


def test_a_batch_has_a_language_for_each_utterance(decoder):
    audio = [speech(2.0, seed=1), speech(3.0, seed=2), speech(2.5, seed=1)]
    together = decoder.decode([(samples, FS, code) for samples, code in zip(audio, CODES, strict=True)])
    assert [lines(found) for found in together] == [
        lines(decoder(samples, tgt_lang=code)) for samples, code in zip(audio, CODES, strict=True)
    ]


def test_streams_of_several_languages_share_a_batch_and_say_what_whole_utterances_do(decoder):
    audio, rng = speech(3.0, seed=4), np.random.default_rng(0)
    sessions = [decoder.session(FS, tgt_lang=code) for code in CODES]
    cuts = [0, *sorted(rng.integers(1, len(audio), 9).tolist()), len(audio)]
    for begin, end in itertools.pairwise(cuts):
        for session in sessions:
            session.put(audio[begin:end])
        advance_together(sessions)
    for session in sessions:
        session.end()
    advance_together(sessions)
    for session, code in zip(sessions, CODES, strict=True):
        whole = decoder(audio, tgt_lang=code)[0][3].words
        assert [replace(word, confidence=None) for word in session.words] == [
            replace(word, confidence=None) for word in whole
        ]
        # Rounded to four places, which a batch of another size may round the other way.
        found, wanted = ([word.confidence for word in words] for words in (session.words, whole))
        assert found == pytest.approx(wanted, abs=2e-4)


def test_the_language_of_the_decoder_holds_where_a_call_names_none(model, decoder):
    audio = speech(2.0, seed=5)
    fixed = Speech2Text.from_model(*model, tgt_lang="fr", beam_size=2, nbest=2)
    assert {word.language for hyp in fixed(audio) for word in hyp[3].lanes["translation"]} == {"fr"}
    assert lines(Speech2Text.from_model(*model, tgt_lang="fr")(audio)) == lines(decoder(audio, tgt_lang="fr"))


@pytest.mark.parametrize("open_it", ["call", "session", "batch", "constructor"])
def test_a_missing_or_unknown_language_is_one_message_that_names_the_known_ones(model, decoder, open_it):
    audio = speech(1.0)
    calls = {
        "call": lambda: decoder(audio),
        "session": lambda: decoder.session(FS, tgt_lang="it"),
        "batch": lambda: decoder.decode([(audio, FS, "de"), (audio, FS)]),
        "constructor": lambda: Speech2Text.from_model(*model, tgt_lang="it"),
    }
    with pytest.raises(ConfigError, match="the model translates into de, es, fr"):
        calls[open_it]()


def test_a_model_without_languages_refuses_one():
    with pytest.raises(ConfigError, match="tgt_lang=de: the model has one target language"):
        speech2text(config(TWO_HEADS, two_encoders=True), tgt_lang="de")


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    """An experiment, two recordings and a language for each."""
    folder = tmp_path_factory.mktemp("told")
    save(model[0], model[1], folder / "exp")
    for name in ("a", "b"):
        soundfile.write(folder / f"{name}.wav", speech(2.0, seed=7), FS)
    (folder / "wav.scp").write_text(f"a {folder / 'a.wav'}\nb {folder / 'b.wav'}\n")
    (folder / "utt2tgt_lang").write_text("a de\nb fr\n")
    return folder


def infer(folder, name, *flags):
    data = ["--data_path_and_name_and_type", f"{folder / 'wav.scp'},speech,sound"]
    weights = ["--st_model_file", str(folder / "exp/valid.loss.ave.pth")]
    status = jst_inference.main(["--output_dir", str(folder / name), *data, *weights, *flags])
    path = folder / name / "1best_recog/words.jsonl"
    entries = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return status, {
        entry["utt_id"]: {word.get("language") for word in entry["words"] if word["lane"] == "translation"}
        for entry in entries
    }


@pytest.mark.parametrize("flags", [("--batch_size", "2"), ("--streaming", "true")])
def test_a_decoding_has_the_language_of_each_utterance_or_one_for_all(folder, flags):
    table = ("--data_path_and_name_and_type", f"{folder / 'utt2tgt_lang'},tgt_lang,text")
    assert infer(folder, "each", *table, *flags) == (0, {"a": {"de"}, "b": {"fr"}})
    assert infer(folder, "all", "--tgt_lang", "es", *flags) == (0, {"a": {"es"}, "b": {"es"}})


def test_a_decoding_that_lacks_a_language_ends_before_it_begins(folder, capsys):
    assert infer(folder, "none")[0] == 1
    assert "no target language is given: the model translates into de, es, fr" in capsys.readouterr().err


def test_a_pack_keeps_the_languages_and_is_tried_out_in_the_first(folder, decoder, tmp_path):
    made = pack(folder / "exp", tmp_path / "told.zip", wav=folder / "a.wav")
    loaded = Speech2Text.from_pretrained(made, tgt_lang="fr")
    assert loaded.st_model.tgt_langs.codes == tuple(CODES)
    audio = speech(2.0, seed=7)
    assert lines(loaded(audio)) == lines(decoder(audio, tgt_lang="fr"))
