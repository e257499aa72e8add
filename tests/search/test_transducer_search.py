"""Batched greedy and beam search against plain searches, whole and in pieces."""

import pytest
import torch

from espnet_jst.heads.transducer import TransducerHead
from espnet_jst.search.beam import BeamSearch
from espnet_jst.search.greedy import GreedySearch
from tests.reference.beam import beam_reference


def peaky_head(seed, predictor):
    torch.manual_seed(seed)
    head = TransducerHead(
        encoder_size=6, vocab_size=5, predictor=predictor, predictor_conf={"size": 6}, joint_size=8
    ).eval()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.mul_(2.5)
    return head, 2 * torch.randn(3, 6, 6), torch.tensor([6, 4, 5])


def in_pieces(search, x, lengths, cuts):
    state, shown = search.init_state(len(x)), [[] for _ in x]
    for start, stop in zip([0, *cuts], [*cuts, x.size(1)], strict=True):
        new, state = search.step(x[:, start:stop], (lengths - start).clamp(0, stop - start), state)
        for stream, emissions in zip(shown, new, strict=True):
            stream.extend(emissions)
    return shown, state


@torch.no_grad()
@pytest.mark.parametrize("predictor", ["lstm", "stateless"])
@pytest.mark.parametrize("max_symbols", [1, 4])
def test_beam_equals_the_plain_search(predictor, max_symbols):
    for seed in range(5):
        head, x, lengths = peaky_head(seed, predictor)
        search = BeamSearch(head, beam_size=4, max_symbols=max_symbols, blank_penalty=0.3)
        shown, state = in_pieces(search, x, lengths, [2])
        for b, hypotheses in enumerate(search.finish(state)):
            reference = beam_reference(head, x[b, : lengths[b]], 4, max_symbols, 0.3)
            assert [tuple(e.token for e in h.emissions) for h in hypotheses] == [labels for labels, _ in reference]
            torch.testing.assert_close(
                torch.tensor([h.score for h in hypotheses]), torch.tensor([s for _, s in reference]), atol=1e-3, rtol=0
            )
            # What was shown early is a prefix of the final best.
            assert [e.token for e in shown[b]] == [e.token for e in hypotheses[0].emissions][: len(shown[b])]


@torch.no_grad()
@pytest.mark.parametrize("predictor", ["lstm", "stateless"])
def test_greedy_in_a_batch_and_in_pieces_equals_greedy_alone(predictor):
    emitted = 0
    for seed in range(20):
        head, x, lengths = peaky_head(seed, predictor)
        search = GreedySearch(head, max_symbols=5)
        batch, _ = in_pieces(search, x, lengths, [])
        pieces, _ = in_pieces(search, x, lengths, [1, 4])
        alone = [in_pieces(search, x[b : b + 1, :n], n[None], [])[0][0] for b, n in enumerate(lengths)]
        for b in range(3):
            assert [e[:2] for e in batch[b]] == [e[:2] for e in pieces[b]] == [e[:2] for e in alone[b]]
            emitted += len(batch[b])
    assert emitted > 50


@torch.no_grad()
def test_greedy_writes_bursts_up_to_the_limit():
    head, x, lengths = peaky_head(0, "lstm")
    head.joint.output.bias[0] = -100.0
    batch, _ = in_pieces(GreedySearch(head, max_symbols=3), x, lengths, [])
    for b, n in enumerate(lengths.tolist()):
        assert [e.frame for e in batch[b]] == [t for t in range(n) for _ in range(3)]


@torch.no_grad()
def test_a_larger_blank_penalty_writes_no_less():
    head, x, lengths = peaky_head(3, "lstm")
    counts = [
        sum(map(len, in_pieces(GreedySearch(head, blank_penalty=p), x, lengths, [])[0])) for p in (-50.0, 0.0, 2.0)
    ]
    assert counts[0] == 0 and counts[0] <= counts[1] <= counts[2] and counts[2] > 0


@torch.no_grad()
def test_a_beam_forgets_what_every_stream_has_given_out():
    head, _, _ = peaky_head(1, "stateless")
    torch.manual_seed(0)
    search, lengths = BeamSearch(head, beam_size=3, max_symbols=2, blank_penalty=1.5), torch.tensor([10])
    state, shown, sizes = search.init_state(1), [], []
    for _ in range(40):
        new, state = search.step(2 * torch.randn(1, 10, 6), lengths, state)
        shown.extend(new[0])
        sizes.append(state.history.size(3))
    assert len(shown) > 50 and max(sizes) < len(shown) / 2
    final = [e.token for e in search.finish(state)[0][0].emissions]
    assert final[: len(shown)] == [e.token for e in shown]
