"""Search of an attention decoder, with and without CTC, against ESPnet's."""

import pytest
import torch
from espnet2.asr.ctc import CTC
from espnet2.bin.st_inference import BatchBeamSearch, CTCPrefixScorer, LengthBonus

from espnet_jst.heads.attention import AttentionHead
from espnet_jst.heads.ctc import CTCHead
from espnet_jst.search.attention import AttentionSearch
from espnet_jst.search.scorers import PhraseBias
from espnet_jst.taps import Tap

V, D = 9, 16


@pytest.fixture(scope="module")
def heads():
    torch.manual_seed(0)
    attention = AttentionHead(encoder_size=D, vocab_size=V, layers=2, heads=2, feed_forward_size=24).eval()
    ctc = CTCHead(encoder_size=D, vocab_size=V).eval()
    with torch.no_grad():  # decisions, as a trained model makes them
        attention.decoder.output_layer.weight.mul_(6.0)
        attention.decoder.output_layer.bias[[0, V - 1]] = torch.tensor([-9.0, 3.0])
        ctc.output.weight.mul_(6.0)
        ctc.output.bias[[0, V - 1]] = torch.tensor([6.0, -9.0])
    return attention, ctc


def utterances():
    x = torch.randn(3, 20, D, generator=torch.Generator().manual_seed(2))
    return Tap(x, torch.tensor([20, 12, 15]), 0.04)


def espnets(heads, x, *, beam_size, ctc_weight, penalty, maxlenratio):
    """n-best of one utterance: labels and scores."""
    attention, ctc = heads
    theirs = CTC(V, D)
    theirs.ctc_lo.load_state_dict(ctc.output.state_dict())
    scorers = {
        "decoder": attention.decoder,
        "ctc": CTCPrefixScorer(theirs.eval(), V - 1),
        "length_bonus": LengthBonus(V),
    }
    weights = {"decoder": 1.0 - ctc_weight, "ctc": ctc_weight, "length_bonus": penalty}
    search = BatchBeamSearch(
        beam_size=beam_size, weights=weights, scorers=scorers, sos=V - 1, eos=V - 1, vocab_size=V,
        token_list=list("abcdefghi"), pre_beam_score_key=None,
    )  # fmt: skip
    found = search(x, maxlenratio=maxlenratio)
    return [(hypothesis.yseq[1:-1].tolist(), float(hypothesis.score.detach())) for hypothesis in found]


@pytest.mark.parametrize("penalty", [0.0, 0.7])
@pytest.mark.parametrize("ctc_weight", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("beam_size", [1, 4])
def test_the_best_sequences_are_those_of_espnets_search(heads, beam_size, ctc_weight, penalty):
    attention, ctc = heads
    conf = {"beam_size": beam_size, "ctc_weight": ctc_weight, "penalty": penalty, "maxlenratio": 0.8}
    search, tap = AttentionSearch(attention, ctc=ctc, **conf), utterances()
    new, state = search.step({"encoder": tap}, search.init_state(3))
    lists = search.finish(state)
    assert new == [[], [], []]
    compared = 0
    for b, found in enumerate(lists):
        length = int(tap.lengths[b])
        expected = espnets(heads, tap.x[b, :length], **conf)
        labels = [emission.token for emission in found[0].emissions]
        # ESPnet ends what is at the greatest length without a score; ours has one.
        if len(labels) < int(0.8 * length) and len(expected[0][0]) < int(0.8 * length):
            assert labels == expected[0][0]
            assert found[0].score == pytest.approx(expected[0][1], abs=1e-3)
            compared += 1
        assert len(labels) <= int(0.8 * length)
        assert {emission.frame for emission in found[0].emissions} <= {length - 1}
        scores = [hypothesis.score for hypothesis in found]
        assert scores == sorted(scores, reverse=True) and len(found) <= beam_size
    assert compared


def test_lengths_are_bounded(heads):
    attention, ctc = heads
    for least, most, bounds in ((0.3, 0.4, [(6, 8), (3, 4), (4, 6)]), (-5, -7, [(5, 7)] * 3), (0.9, -2, [(2, 2)] * 3)):
        search = AttentionSearch(attention, ctc=ctc, beam_size=3, minlenratio=least, maxlenratio=most)
        lists = search.finish(search.step({"encoder": utterances()}, search.init_state(3))[1])
        for found, (low, high) in zip(lists, bounds):
            assert all(low <= len(hypothesis.emissions) <= high for hypothesis in found)


def test_a_batch_and_any_cut_of_the_frames_give_the_same(heads):
    attention, ctc = heads
    search, tap = AttentionSearch(attention, ctc=ctc, beam_size=3), utterances()
    whole = search.finish(search.step({"encoder": tap}, search.init_state(3))[1])
    state = search.init_state(3)
    for start in range(0, 20, 6):
        part = tap._replace(x=tap.x[:, start : start + 6], lengths=(tap.lengths - start).clamp(0, 6))
        _, state = search.step({"encoder": part}, state)
    pieces = search.finish(state)
    for b in range(3):
        alone = tap._replace(x=tap.x[b : b + 1, : int(tap.lengths[b])], lengths=tap.lengths[b : b + 1])
        [single] = search.finish(search.step({"encoder": alone}, search.init_state(1))[1])
        for other in (pieces[b], single):
            assert [e.token for e in other[0].emissions] == [e.token for e in whole[b][0].emissions]
            assert other[0].score == pytest.approx(whole[b][0].score, abs=1e-3)


def test_a_stream_without_a_frame_has_the_empty_sequence(heads):
    search = AttentionSearch(heads[0], beam_size=2)
    tap = utterances()._replace(lengths=torch.tensor([0, 8, 0]))
    lists = search.finish(search.step({"encoder": tap}, search.init_state(3))[1])
    assert [len(found) > 0 for found in lists] == [True] * 3 and lists[0][0].emissions == lists[2][0].emissions == []


def test_phrases_are_heard(heads):
    attention, _ = heads
    tap = utterances()

    def best(scorers):
        search = AttentionSearch(attention, beam_size=4, maxlenratio=0.8, scorers=scorers)
        return [
            [e.token for e in found[0].emissions]
            for found in search.finish(search.step({"encoder": tap}, search.init_state(3))[1])
        ]

    phrase = [3, 5, 2]
    plain, biased = best([]), best([PhraseBias([phrase], V, bonus=40.0)])
    holds = [any(labels[i : i + 3] == phrase for i in range(len(labels))) for labels in biased]
    assert biased != plain and all(holds)
