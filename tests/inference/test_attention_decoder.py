"""Attention decoders in a model: beside transducers, as a second pass, in streams, and what is refused."""

import pytest
import torch

from espnet_jst.errors import ConfigError
from tests.inference import tiny
from tests.inference.test_chains import full_context_above

DECODER = {"kind": "attention", "reads": "hier_encoder", "layers": 1, "heads": 2, "feed_forward_size": 32}
AED = {**tiny.TWO_HEADS, "st": {**DECODER, "lanes": ["translation"]}}
TWO_PASSES = {
    "streaming": {"kind": "transducer", "lanes": ["transcript"], "predictor_conf": {"size": 24}},
    "ctc": {"kind": "ctc", "lanes": ["transcript"], "reads": "encoder.1"},
    "offline": {**DECODER, "lanes": ["transcript"]},
    "offline_ctc": {"kind": "ctc", "lanes": ["transcript"], "reads": "hier_encoder"},
}
SECOND = {"offline": {"heads": ["offline", "offline_ctc"], "second_pass_of": "streaming"}}


def conf(heads, searches=None, *, whole=True):
    values = full_context_above(heads) if whole else tiny.config(heads, two_encoders=True)
    values["model_conf"]["searches"] = searches
    return values


def test_a_translation_by_attention_comes_at_the_end_of_a_stream():
    speech2text, speech = tiny.speech2text(conf(AED), beam_size=2, maxlenratio=0.3), tiny.speech(4.0, seed=3)
    session = speech2text.session()
    early = session.push(speech)
    late = session.finish()
    assert {word.lane for word in early} <= {"transcript"}
    translation = [word for word in late if word.lane == "translation"]
    assert translation and {word.emission_s for word in translation} == {4.0}
    [(text, _, token_int, hypothesis)] = speech2text(speech)
    assert text == " ".join(word.text for word in translation) and len(token_int) <= 15
    assert hypothesis.score == pytest.approx(session.nbest["st"][0].score, abs=1e-4)


def test_a_second_pass_by_attention_and_ctc_replaces_the_words_of_the_stream():
    speech2text, speech = (
        tiny.speech2text(conf(TWO_PASSES, SECOND), beam_size=3, ctc_weight=0.5, revise=True),
        tiny.speech(4.0, seed=3),
    )
    assert speech2text.decoder.searches["offline"].search.taps == {"hier_encoder"}
    session = speech2text.session()
    shown = session.push(speech)
    final = session.finish()
    assert shown and not any(word.final for word in shown)
    assert set(session.withdrawn) == set(shown) and session.words == final
    assert [word.text for word in speech2text(speech)[0][3].words] == [word.text for word in final]


def test_by_default_an_attention_decoder_is_searched_with_the_ctc_head_beside_it():
    offline = (
        tiny.speech2text(conf(TWO_PASSES), search_heads=["offline"], beam_size=2).decoder.searches["offline"].search
    )
    assert offline.ctc_weight == 0.3 and offline.ctc_reads == "hier_encoder"
    lower = {name: head for name, head in TWO_PASSES.items() if name != "offline_ctc"}
    assert (
        tiny.speech2text(conf(lower), search_heads=["offline"]).decoder.searches["offline"].search.ctc_reads
        == "encoder.1"
    )
    alone = tiny.speech2text(conf(AED), search_heads=["st"]).decoder.searches["st"].search
    assert alone.ctc is None and alone.ctc_weight == 0.0


def test_a_stream_above_chunks_is_refused_and_whole_utterances_are_not():
    speech2text = tiny.speech2text(conf(AED, whole=False))
    with pytest.raises(
        ConfigError, match=r"'st' has no streaming policy.*search_heads: \[asr\] leaves it out, chunk_s: 0"
    ):
        speech2text.session()
    assert speech2text(tiny.speech(2.0))
    for options in ({"search_heads": ["asr"]}, {"chunk_s": 0}):
        assert tiny.speech2text(conf(AED, whole=False), **options).session()


@pytest.mark.parametrize(
    ("heads", "searches", "options", "message"),
    [
        (tiny.TWO_HEADS, None, {"ctc_weight": 0.3}, "ctc_weight is of attention decoders, and none is searched"),
        (TWO_PASSES, None, {}, r"both write the lane transcript.*heads: \[offline\], second_pass_of: streaming"),
        (
            AED,
            {"st": {"heads": ["st", "ctc"]}},
            {},
            "'st' there may be one CTC head that writes the same labels, not ctc",
        ),
        (TWO_PASSES, {"one": {"heads": []}}, {}, "names none: give ctc or offline"),
        (AED, None, {"ctc_weight": 1.5}, "ctc_weight is 1.5: give a number from 0 to 1"),
    ],
)
def test_what_cannot_be_searched_is_one_message(heads, searches, options, message):
    with pytest.raises(ConfigError, match=message):
        tiny.speech2text(conf(heads, searches), **options)


def test_a_model_trains_it_beside_the_others():
    model = tiny.tiny_model(conf(AED))[0].train()
    speech = torch.stack([torch.from_numpy(tiny.speech(2.0, seed=seed)) for seed in range(2)])
    batch = {"speech": speech, "speech_lengths": torch.tensor([16000, 9000])}
    for name, labels in (("asr", [2, 3]), ("ctc", [2, 3]), ("st", [7, 8])):
        batch |= {f"target_{name}": torch.tensor([labels, [4, -1]]), f"target_{name}_lengths": torch.tensor([2, 1])}
    loss, stats, _ = model(**batch)
    assert loss.isfinite() and stats["st_attention"] > 0
    heard = model.encode(batch["speech"], batch["speech_lengths"])["hier_encoder"]
    loss = model.heads["st"](heard, batch["target_st"], batch["target_st_lengths"]).loss.sum()
    gradients = torch.autograd.grad(loss, [*model.encoder.parameters()], allow_unused=True)
    assert sum(float(gradient.abs().sum()) for gradient in gradients if gradient is not None) > 0
