"""A second pass that chooses among the sequences of the first one."""

import copy

import pytest
import torch

from espnet_jst.errors import ConfigError
from espnet_jst.search.interface import Emission, Hypothesis
from espnet_jst.search.rescoring import Rescoring
from espnet_jst.taps import Tap
from tests.inference import tiny
from tests.inference.test_attention_decoder import DECODER, conf

STREAMING = {"kind": "transducer", "lanes": ["transcript"], "predictor_conf": {"size": 24}}
HEADS = {
    "streaming": STREAMING,
    "offline": {**STREAMING, "reads": "hier_encoder"},
    "attention": {**DECODER, "lanes": ["transcript"]},
    "ctc": {"kind": "ctc", "lanes": ["transcript"], "reads": "hier_encoder"},
}
RESCORED = {"offline": {"heads": ["offline"], "second_pass_of": "streaming", "rescores": True, "share": 0.75}}


def model():
    return tiny.tiny_model(conf(HEADS, RESCORED))


@pytest.mark.parametrize("name", ["offline", "attention", "ctc"])
def test_a_score_is_the_log_probability_that_the_loss_has(name):
    made, _ = model()
    head = made.eval().heads[name]
    x = torch.randn(2, 9, made.chain.sizes["hier_encoder"], generator=torch.Generator().manual_seed(0))
    tap, targets, lengths = (
        Tap(x, torch.tensor([9, 6]), 0.08),
        torch.tensor([[2, 3, 2], [4, -1, -1]]),
        torch.tensor([3, 1]),
    )
    with torch.no_grad():
        scores = head.score(tap, targets, lengths)
        if name == "attention":
            head.smoothing, before = 0.0, head.smoothing
            expected = -head(tap, targets, lengths).loss
            head.smoothing = before
        else:
            expected = -head(tap, targets, lengths).parts["ctc" if name == "ctc" else "rnnt"]
        torch.testing.assert_close(scores, expected, atol=1e-4, rtol=1e-5)
        assert head.score(tap, targets[:, :0], torch.tensor([0, 0])).isfinite().all()


def test_sequences_are_put_in_the_order_of_both_scores():
    made, _ = model()
    heads = [(made.eval().heads["offline"], "hier_encoder", 0.7), (made.heads["ctc"], "hier_encoder", 0.3)]
    search = Rescoring(heads, made.chain.sizes, share=0.75)
    x = torch.randn(2, 9, made.chain.sizes["hier_encoder"], generator=torch.Generator().manual_seed(0))
    state = search.init_state(2)
    for piece in (x[:, :4], x[:, 4:]):
        lengths = torch.tensor([piece.size(1), 0])  # nothing is heard of the other one
        _, state = search.step({"hier_encoder": Tap(piece, lengths, 0.08)}, state)
    given = [[2, 3], [], [4, 4, 2], [3]]
    lists = [
        [
            Hypothesis([Emission(label, frame, -0.1) for frame, label in enumerate(labels)], -1.0 * n)
            for n, labels in enumerate(given)
        ]
        for _ in range(2)
    ]
    found = search.finish(state, lists)
    scores = []
    for n, labels in enumerate(given):
        targets, count = torch.tensor([labels], dtype=torch.long), torch.tensor([len(labels)])
        alone = [head.score(Tap(x[:1], torch.tensor([9]), 0.08), targets, count) for head, _, _ in heads]
        scores.append(0.25 * -n + 0.75 * float(0.7 * alone[0] + 0.3 * alone[1]))
    order = sorted(range(4), key=lambda n: -scores[n])
    assert [hypothesis.emissions for hypothesis in found[0]] == [lists[0][n].emissions for n in order]
    assert [hypothesis.score for hypothesis in found[0]] == pytest.approx([scores[n] for n in order], abs=1e-3)
    assert found[1] == lists[1]


@pytest.mark.parametrize("streams", [False, True])
def test_a_model_says_at_the_end_what_the_rescored_list_begins_with(streams):
    settings = conf(HEADS, RESCORED)
    settings["model_conf"]["heads"] = {name: HEADS[name] for name in ("streaming", "offline", "ctc")}
    speech2text, speech = tiny.speech2text(settings, beam_size=4, revise=True), tiny.speech(6.0, seed=3)
    if streams:
        session = speech2text.session()
        shown = session.push(speech)
        final, nbest = session.finish(), session.nbest
        assert shown and set(session.withdrawn) == set(shown)
    else:
        [(_, _, _, hypothesis)] = speech2text(speech)
        final, nbest = hypothesis.words, None
    alone = tiny.speech2text(settings, beam_size=4, nbest=4, search_heads=["streaming"])(speech)
    texts = [result[0] for result in alone]
    assert " ".join(word.text for word in final) in texts
    if nbest is not None:
        assert {len(nbest["offline"])} == {len(nbest["streaming"])}
        assert [h.emissions for h in nbest["offline"]] != [h.emissions for h in nbest["streaming"]]


@pytest.mark.parametrize(
    ("entry", "options", "message"),
    [
        ({"rescores": True}, {"beam_size": 2}, "offline.rescores: name the search whose sequences it chooses among"),
        ({"rescores": True, "second_pass_of": "streaming"}, {}, "among the sequences of 'streaming': give a beam"),
        ({"rescores": True, "second_pass_of": "st"}, {"beam_size": 2}, "'offline' does not write the labels of 'st'"),
        ({"second_pass_of": "streaming", "share": 2}, {}, "share is 2: give a number from 0 to 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_rescored_is_one_message(entry, options, message):
    heads = {name: HEADS[name] for name in ("streaming", "offline")}
    if entry.get("second_pass_of") == "st":
        heads["st"] = {**STREAMING, "lanes": ["transcript", "translation"]}
        del heads["streaming"]
    with pytest.raises(ConfigError, match=message):
        tiny.speech2text(conf(heads, {"offline": {"heads": ["offline"], **entry}}), **options)


def test_a_second_pass_that_writes_is_asked_to_rescore_instead():
    settings = conf(HEADS, RESCORED)
    settings["model_conf"]["heads"] = {name: HEADS[name] for name in ("streaming", "offline", "ctc")}
    writes = copy.deepcopy(settings)
    for entry in writes["model_conf"]["searches"].values():
        entry.pop("rescores")
    speech = tiny.speech(6.0, seed=3)
    rescored = [result[0] for result in tiny.speech2text(settings, beam_size=4, nbest=4)(speech)]
    assert [result[0] for result in tiny.speech2text(writes, beam_size=4, nbest=4, rescore=True)(speech)] == rescored
    assert tiny.speech2text(writes, beam_size=4)(speech)[0][0] != rescored[0]
    with pytest.raises(ConfigError, match="rescore: no search is a second pass"):
        tiny.speech2text(writes, beam_size=4, rescore=True, search_heads=["streaming"])
