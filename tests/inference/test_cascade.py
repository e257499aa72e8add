"""A cascade says in a stream what it says in whole, whatever the cuts, at the times of what was said."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from espnet_jst.errors import ConfigError
from espnet_jst.inference import Speech2Text
from espnet_jst.inference.session import Session, advance_together
from espnet_jst.inference.text2text import Text2Text
from espnet_jst.serving.about import ServedModel
from espnet_jst.text.words import Word
from tests.inference import text_model, tiny

ASR = {name: tiny.TWO_HEADS[name] for name in ("asr", "ctc")}
FS = 8000


def text_conf(**model_conf) -> dict:
    """A text transducer that has learnt nothing."""
    return tiny.config({}) | {
        "input_size": 24,
        "encoder_conf": text_model.ENCODER,
        "model_conf": {"heads": {"st": text_model.HEAD}, "inputs": text_model.INPUTS, **model_conf},
    }


@pytest.fixture(scope="module")
def mt(tmp_path_factory) -> Path:
    """A folder with a text transducer that translates numbers."""
    torch.set_num_threads(1)
    root = text_model.make_text_corpus(tmp_path_factory.mktemp("mt"))
    return text_model.train(root, max_epoch=12, optim_conf={"lr": 0.02})


@pytest.fixture(scope="module")
def cascade(mt) -> Speech2Text:
    """A recognizer that writes anything, and a translator of it."""
    return tiny.speech2text(tiny.config(ASR), mt_model=str(mt), max_symbols=4)


def translator_of(mt: Path) -> Text2Text:
    return Text2Text.from_pretrained(mt, max_symbols=4)


def of(words: list[Word], lane: str) -> list[Word]:
    return [word for word in words if word.lane == lane]


def alike(words: list[Word], others: list[Word]) -> None:
    """Equal but for the last digits of probabilities, which depend on what shares a batch."""
    assert [w.as_dict() | {"confidence": 0} for w in words] == [w.as_dict() | {"confidence": 0} for w in others]


def cut(session: Session, audio: np.ndarray, seed: int) -> list[Word]:
    rng = np.random.default_rng(seed)
    shown = []
    places = [0, *sorted(rng.integers(0, len(audio), 12).tolist()), len(audio)]
    for begin, end in itertools.pairwise(places):
        shown += session.push(audio[begin:end])
    return shown + session.finish()


def test_random_cuts_give_the_words_and_times_of_the_whole(cascade):
    written = 0
    for seed in range(3):
        audio = tiny.speech(1.5 + seed, seed=seed)
        whole = cascade(audio)[0][3].words
        written += len(of(whole, "translation"))
        for trial in range(2):
            session = cascade.session(FS)
            alike(cut(session, audio, trial), whole)
            alike(session.words, whole)
    assert written > 10 and cascade.main_lane == "translation" and [*cascade.lanes] == ["transcript", "translation"]


def test_so_they_do_in_a_beam(mt):
    # Of what a recognizer writes that has learnt nothing, nothing is the likeliest.
    options = {"beam_size": 3, "nbest": 2, "blank_penalty": {"transcript": 3.0}, "max_symbols": 2}
    decoder, audio = tiny.speech2text(tiny.config(ASR), mt_model=str(mt), **options), tiny.speech(1.2, seed=1)
    first, second = (hyp for *_, hyp in decoder(audio))
    session = decoder.session(FS)
    alike(cut(session, audio, 0), first.words)
    assert first.score > second.score and first.text("translation") != second.text("translation")
    assert first.text("transcript") == second.text("transcript")
    spans = [(word.start_s, word.end_s) for hyp in (first, second) for word in hyp.lanes["translation"]]
    assert spans and all(0 <= start_s <= end_s <= 1.2 for start_s, end_s in spans)


def test_sessions_of_any_age_and_batches_say_what_each_says_alone(cascade):
    audio = [tiny.speech(seconds, seed=seed) for seed, seconds in enumerate((2.9, 0.05, 1.7))]
    alone = [cascade(samples)[0][3].words for samples in audio]
    for found, words in zip(cascade.decode([(samples, FS) for samples in audio]), alone, strict=True):
        alike(found[0][3].words, words)
    sessions = [cascade.session(FS) for _ in audio]
    sessions[0].put(audio[0][:9000])
    advance_together(sessions)
    for session, samples, begin in zip(sessions, audio, (9000, 0, 0), strict=True):
        session.put(samples[begin:])
        session.end()
    advance_together(sessions)
    for session, words in zip(sessions, alone, strict=True):
        alike(session.words, words)


def test_the_transcript_is_the_recognizers_and_the_translation_that_of_its_text(cascade, mt):
    recognizer, translator = tiny.speech2text(tiny.config(ASR), max_symbols=4), translator_of(mt)
    for seed in range(2):
        audio = tiny.speech(3.0, seed=seed)
        words = cascade(audio)[0][3].words
        alike(of(words, "transcript"), recognizer(audio)[0][3].words)
        [expected] = translator([" ".join(word.text for word in of(words, "transcript"))])
        assert [word.text for word in of(words, "translation")] == [word.text for word in expected]


def test_a_translated_word_has_the_time_of_the_words_that_it_was_written_for(cascade, mt):
    translator = translator_of(mt)
    for seed in range(2):
        words = cascade(tiny.speech(4.0, seed=seed))[0][3].words
        spoken = of(words, "transcript")
        [places] = translator([" ".join(word.text for word in spoken)])
        translated = of(words, "translation")
        assert translated and len(translated) == len(places)
        for word, place in zip(translated, places, strict=True):
            first, last = spoken[int(place.start_s)], spoken[int(place.end_s) - 1]
            assert (word.start_s, word.end_s) == (first.start_s, last.end_s)
            assert word.emission_s >= first.emission_s


def test_translations_come_while_the_recognizer_goes_on(mt):
    audio, session = tiny.speech(6.0, seed=2), tiny.speech2text(tiny.config(ASR), mt_model=str(mt)).session(FS)
    early = [word for begin in range(0, len(audio), 2000) for word in session.push(audio[begin : begin + 2000])]
    late = session.finish()
    assert len(of(early, "translation")) > len(of(late, "translation"))
    assert min(word.emission_s for word in of(early, "translation")) < 4.0


def test_words_of_a_first_pass_wait_for_the_second(mt):
    head = {"kind": "transducer", "lanes": ["transcript"], "predictor_conf": {"size": 24}}
    conf = tiny.config({"streaming": head, "offline": {**head, "reads": "hier_encoder"}}, two_encoders=True)
    conf["model_conf"]["searches"] = {"two_pass": {"heads": ["offline"], "second_pass_of": "streaming"}}
    audio, options = tiny.speech(4.0, seed=3), {"mt_model": str(mt), "max_symbols": 4}
    decoder = tiny.speech2text(conf, revise=True, **options)
    assert ServedModel(decoder, "", None, None, {}).hears_whole
    session = decoder.session(FS)
    cut(session, audio, 1)
    translator = translator_of(mt)
    [expected] = translator([" ".join(word.text for word in of(session.words, "transcript"))])
    assert [word.text for word in of(session.words, "translation")] == [word.text for word in expected]
    alike(decoder(audio)[0][3].words, session.words)
    # Where the stream stands, it is what is translated, at once; the second pass is beside it.
    stands = tiny.speech2text(conf, **options).session(FS)
    cut(stands, audio, 1)
    alone = tiny.speech2text(conf, search_heads=["streaming"], **options)
    alike(stands.words, alone(audio)[0][3].words)
    assert min(word.emission_s for word in of(stands.words, "translation")) < 4.0
    assert [w.text for w in of(stands.result, "transcript")] == [w.text for w in of(session.words, "transcript")]
    assert of(stands.result, "translation") == of(stands.words, "translation")


def test_the_translation_of_a_recognizer_that_translates_itself_gives_way(mt):
    audio = tiny.speech(3.0, seed=4)
    own = tiny.speech2text(tiny.config(tiny.SERIALIZED), max_symbols=4)(audio)[0][3]
    found = tiny.speech2text(tiny.config(tiny.SERIALIZED), mt_model=str(mt), max_symbols=4)(audio)[0][3]
    alike(found.lanes["transcript"], own.lanes["transcript"])
    assert found.text("translation") != own.text("translation")


def test_a_whole_utterance_is_translated_as_a_whole_text(mt):
    decoder = tiny.speech2text(tiny.config(ASR), mt_model=str(mt), chunk_s=0.0)
    assert decoder.translator.context.hears_whole
    assert not tiny.speech2text(tiny.config(ASR), mt_model=str(mt)).translator.context.hears_whole


def test_what_the_recognizer_does_not_write_cannot_be_translated(tmp_path):
    inputs = {"spoken": {**text_model.INPUTS["src_text"], "text": "other"}}
    tiny.save(*tiny.tiny_model(text_conf(inputs=inputs)), tmp_path)
    with pytest.raises(ConfigError, match="mt_model translates 'other', and the recognizer writes src_text"):
        tiny.speech2text(tiny.config(ASR), mt_model=str(tmp_path))


@pytest.mark.parametrize("chunk_frames", [0, 8])
def test_a_translator_by_attention_is_asked_for_its_own_encoders(tmp_path, chunk_frames):
    head = {"kind": "attention", "lanes": ["translation"], "layers": 1, "heads": 2, "feed_forward_size": 32}
    conf = text_conf(heads={"st": head})
    conf["encoder_conf"] = {**conf["encoder_conf"], "chunk_frames": chunk_frames}
    tiny.save(*tiny.tiny_model(conf), tmp_path)
    speech2text = tiny.speech2text(tiny.config(ASR), mt_model=str(tmp_path))
    if chunk_frames:
        with pytest.raises(ConfigError, match="'st' has no streaming policy"):
            speech2text.session(FS)
    else:  # it waits for the end, which a server has to know
        speech2text.session(FS)
    assert ServedModel(speech2text, "", None, None, {}).hears_whole


def test_each_kind_of_model_is_refused_where_the_other_belongs(mt, tmp_path):
    with pytest.raises(ConfigError, match="the model reads text: translate with espnet-jst translate, or give it as"):
        Speech2Text.from_pretrained(mt)
    tiny.save(*tiny.tiny_model(tiny.config(ASR)), tmp_path)
    with pytest.raises(ConfigError, match="the model hears speech and no text"):
        Text2Text.from_pretrained(tmp_path)


def test_the_target_language_is_the_translators(tmp_path):
    model, args = tiny.tiny_model(text_conf(tgt_langs={"at": "encoder", "codes": ["de", "es"]}))
    with torch.no_grad():
        vector = model.tgt_langs.get_parameter("to_es")
        vector.copy_(torch.randn(vector.shape, generator=torch.Generator().manual_seed(1)))
    tiny.save(model, args, tmp_path)
    decoder, audio = tiny.speech2text(tiny.config(ASR), mt_model=str(tmp_path)), tiny.speech(4.0, seed=1)
    texts = {code: decoder(audio, tgt_lang=code)[0][3] for code in ("de", "es")}
    assert texts["de"].text("translation") != texts["es"].text("translation")
    assert {word.language for word in texts["es"].lanes["translation"]} == {"es"}
    with pytest.raises(ConfigError, match="no target language is given: the model translates into de, es"):
        decoder(audio)


def test_another_penalty_is_that_of_both_models(cascade, mt):
    audio, penalty = tiny.speech(4.0, seed=1), {"translation": -50.0}
    silent = cascade.with_penalty(penalty)
    anew = tiny.speech2text(tiny.config(ASR), mt_model=str(mt), max_symbols=4, blank_penalty=penalty)
    found = silent(audio)[0][3]
    alike(found.words, anew(audio)[0][3].words)
    assert found.text("translation") == "" and cascade(audio)[0][3].text("translation")
