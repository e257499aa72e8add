"""Batched greedy and beam search against plain searches, whole and in pieces."""

from dataclasses import replace

import pytest
import torch

from espnet_jst.errors import ConfigError, DataError
from espnet_jst.search import label_looping
from espnet_jst.search.beam import BeamSearch
from espnet_jst.search.blank_penalty import BlankPenalty
from espnet_jst.search.greedy import GreedySearch
from espnet_jst.search.label_looping import LabelLooping
from espnet_jst.search.scorers import LanguageModel, PhraseBias
from espnet_jst.taps import Tap
from tests.reference.beam import beam_reference
from tests.search.heads import peaky_head

OPENS = [-1, 0, 1, -1, -1]  # labels 1 and 2 open a lane


def penalty_of(values):
    """The penalty of a stream that has written some labels: that of the lane of its last tag."""
    return lambda labels, *_: values[next((OPENS[v] for v in reversed(labels) if OPENS[v] >= 0), 0)]


def a_search(head, beam_size, **conf):
    if beam_size == 1:
        return GreedySearch(head, max_symbols=3, **conf)
    return BeamSearch(head, beam_size=beam_size, max_symbols=3, **conf)


def step(search, x, lengths, state):
    """One step of a search; label looping takes frames as they are."""
    taps = {"encoder": Tap(x, lengths, 0.04)}
    if isinstance(search, LabelLooping):
        clock, heard = search.blank_penalty.hear(taps, "encoder", state.frames, state.heard)
        return search.step(x, lengths, replace(state, heard=heard), clock)
    return search.step(taps, state)


def in_pieces(search, x, lengths, cuts, state=None):
    state, shown = state or search.init_state(len(x)), [[] for _ in x]
    for start, stop in zip([0, *cuts], [*cuts, x.size(1)], strict=True):
        new, state = step(search, x[:, start:stop], (lengths - start).clamp(0, stop - start), state)
        for stream, emissions in zip(shown, new, strict=True):
            stream.extend(emissions)
    return shown, state


def same_hypotheses(hypotheses, reference):
    assert [tuple(e.token for e in h.emissions) for h in hypotheses] == [labels for labels, _ in reference]
    scores = torch.tensor([h.score for h in hypotheses]), torch.tensor([score for _, score in reference])
    torch.testing.assert_close(*scores, atol=1e-3, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("hat", [False, True], ids=["softmax", "hat"])
@pytest.mark.parametrize("predictor", ["lstm", "stateless"])
@pytest.mark.parametrize("max_symbols", [1, 4])
def test_beam_equals_the_plain_search(predictor, max_symbols, hat):
    # 9 seeds of 3 utterances in 8 variants: 216 cases.
    for seed in range(9):
        head, x, lengths = peaky_head(seed, predictor, hat)
        search = BeamSearch(head, beam_size=4, max_symbols=max_symbols, blank_penalty=0.3)
        shown, state = in_pieces(search, x, lengths, [2])
        for b, hypotheses in enumerate(search.finish(state)):
            same_hypotheses(hypotheses, beam_reference(head, x[b, : lengths[b]], 4, max_symbols, 0.3))
            # What was shown early is a prefix of the final best.
            assert [e.token for e in shown[b]] == [e.token for e in hypotheses[0].emissions][: len(shown[b])]


@torch.no_grad()
@pytest.mark.parametrize("beam_size", [1, 4])
def test_a_penalty_for_each_lane_equals_the_plain_search(beam_size):
    values, different = [0.1, 1.5], 0
    for seed in range(12):
        head, x, lengths = peaky_head(seed, "lstm")
        penalty = BlankPenalty(values, OPENS)
        search = BeamSearch(head, beam_size=beam_size, max_symbols=3, blank_penalty=penalty)
        _, state = in_pieces(search, x, lengths, [2])
        for b, hypotheses in enumerate(search.finish(state)):
            frames = x[b, : lengths[b]]
            same_hypotheses(hypotheses, beam_reference(head, frames, beam_size, 3, penalty_of(values)))
            different += hypotheses[0].score != beam_reference(head, frames, beam_size, 3, values[0])[0][1]
    assert different > 5


@torch.no_grad()
def test_a_penalty_of_one_lane_makes_a_beam_write_more_in_it():
    """Not less, as when a hypothesis is charged for waiting and one that never opens the lane wins."""
    written = [0, 0]
    for seed in range(12):
        head, x, lengths = peaky_head(seed, "lstm")
        for case, penalty in enumerate((0.0, 1.5)):
            search = BeamSearch(head, beam_size=4, max_symbols=2, blank_penalty=BlankPenalty([0.0, penalty], OPENS))
            for hypotheses in search.finish(in_pieces(search, x, lengths, [])[1]):
                lane = 0
                for emission in hypotheses[0].emissions:
                    lane = OPENS[emission.token] if OPENS[emission.token] >= 0 else lane
                    written[case] += lane == 1
    assert written[1] > written[0] > 10


@torch.no_grad()
def test_greedy_search_takes_each_lanes_penalty_off_the_blank():
    for seed in range(12):
        head, x, lengths = peaky_head(seed, "lstm")
        penalty_s = [0.1, 1.5]
        search = GreedySearch(head, max_symbols=3, blank_penalty=BlankPenalty(penalty_s, OPENS))
        written, state = in_pieces(search, x, lengths, [2])
        for b, emissions in enumerate(written):
            labels = []
            for t in range(int(lengths[b])):
                for _ in range(3):
                    logits = head.joint(x[b, t], head.predictor(torch.tensor([labels]).view(1, -1).long())[0, -1])
                    logits[head.blank] -= penalty_of(penalty_s)(labels)
                    if int(logits.argmax()) == head.blank:
                        break
                    labels.append(int(logits.argmax()))
            assert [emission.token for emission in emissions] == labels
            assert penalty_s[int(state.lane[b])] == penalty_of(penalty_s)(labels)


@torch.no_grad()
def test_a_beam_with_phrases_equals_the_plain_search():
    phrases, improved = [[1, 2], [2, 3, 1], [3]], 0
    for seed in range(12):
        head, x, lengths = peaky_head(seed, "stateless")
        search = BeamSearch(head, beam_size=3, max_symbols=3, scorers=[PhraseBias(phrases, 5, bonus=0.8)])
        _, state = in_pieces(search, x, lengths, [3])

        def bonus(labels):
            return [potential(phrases, (*labels, v), 0.8) - potential(phrases, labels, 0.8) for v in range(5)]

        def final(labels):
            return earned(phrases, labels, 0.8) - potential(phrases, labels, 0.8)

        for b, hypotheses in enumerate(search.finish(state)):
            reference = beam_reference(head, x[b, : lengths[b]], 3, 3, bonus=bonus, final=final)
            same_hypotheses(hypotheses, reference)
            plain = beam_reference(head, x[b, : lengths[b]], 3, 3)
            improved += occurrences(phrases, reference[0][0]) > occurrences(phrases, plain[0][0])
    assert improved > 3


def occurrences(phrases, labels):
    return sum(tuple(labels[i : i + len(p)]) == tuple(p) for p in phrases for i in range(len(labels)))


def earned(phrases, labels, bonus):
    """Of all occurrences: their labels, without those of the longest phrase that an occurrence begins with."""
    total = 0
    for phrase in phrases:
        prefixes = [len(p) for p in phrases if len(p) < len(phrase) and phrase[: len(p)] == p]
        own = len(phrase) - max(prefixes, default=0)
        total += own * sum(tuple(labels[i : i + len(phrase)]) == tuple(phrase) for i in range(len(labels)))
    return bonus * total


def potential(phrases, labels, bonus):
    """What is earned, and what the longest unfinished phrase at the end may earn yet."""
    for start in range(len(labels)):
        tail = list(labels[start:])
        if any(p[: len(tail)] == tail for p in phrases):
            done = [len(p) for p in phrases if len(p) <= len(tail) and tail[: len(p)] == p]
            return earned(phrases, labels, bonus) + bonus * (len(tail) - max(done, default=0))
    return earned(phrases, labels, bonus)


@pytest.mark.parametrize("seed", range(20))
def test_phrases_earn_what_their_occurrences_hold(seed):
    g = torch.Generator().manual_seed(seed)
    phrases = [torch.randint(1, 4, (int(n),), generator=g).tolist() for n in torch.randint(1, 5, (4,), generator=g)]
    labels = torch.randint(1, 4, (30,), generator=g)
    bias = PhraseBias(phrases, 4, bonus=1.0)
    state, total = bias.init_state(1), 0.0
    unique = [list(p) for p in {tuple(p) for p in phrases}]
    for n, label in enumerate(labels, start=1):
        total += float(bias.scores(state)[0, label])
        state = bias.step(label[None], state)
        assert total == pytest.approx(potential(unique, labels[:n].tolist(), 1.0))
    assert total + float(bias.final(state)) == pytest.approx(earned(unique, labels.tolist(), 1.0))


def test_an_empty_or_unknown_phrase_is_refused():
    for phrase in ([], [9]):
        with pytest.raises(ConfigError, match="must hold labels of the vocabulary of 4"):
            PhraseBias([phrase], 4)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_beam_with_espnets_language_model_equals_the_plain_search(kind):
    from espnet2.lm.seq_rnn_lm import SequentialRNNLM

    for seed in range(6):
        head, x, lengths = peaky_head(seed, "lstm")
        lm = SequentialRNNLM(5, unit=7, nlayers=2, rnn_type=kind).eval()
        search = BeamSearch(head, beam_size=3, max_symbols=2, scorers=[LanguageModel(lm, weight=0.7)])
        _, state = in_pieces(search, x, lengths, [4])

        def bonus(labels, lm=lm):
            y, _ = lm(torch.tensor([[4, *labels]]), None)
            return (0.7 * y[0, -1].log_softmax(-1)).tolist()

        for b, hypotheses in enumerate(search.finish(state)):
            same_hypotheses(hypotheses, beam_reference(head, x[b, : lengths[b]], 3, 2, bonus=bonus))


@torch.no_grad()
@pytest.mark.parametrize("beam_size", [1, 3])
def test_sessions_that_began_at_different_times_decode_in_one_batch(beam_size):
    written = 0
    for seed in range(6):
        head, x, _ = peaky_head(seed, "lstm")
        search = a_search(head, beam_size)
        full = torch.tensor([6])
        alone = [in_pieces(search, x[b : b + 1], full, [2, 4]) for b in range(2)]
        # The first session is two frames ahead when the second one comes, and then goes first.
        shown = [[], []]
        new, early = step(search, x[:1, :2], torch.tensor([2]), search.init_state(1))
        shown[0] += new[0]
        both = type(early).concat([early, search.init_state(1)])
        for n in range(2):
            pieces = torch.cat([x[:1, 2 + 2 * n : 4 + 2 * n], x[1:2, 2 * n : 2 + 2 * n]])
            new, both = step(search, pieces, torch.tensor([2, 2]), both)
            for b in range(2):
                shown[b] += new[b]
        new, late = step(search, x[1:2, 4:], torch.tensor([2]), both.select(torch.tensor([1])))
        shown[1] += new[0]
        for b, state in enumerate((both.select(torch.tensor([0])), late)):
            assert [e[:2] for e in shown[b]] == [e[:2] for e in alone[b][0][0]]
            written += len(alone[b][0][0])
            if beam_size > 1:
                one, other = search.finish(state)[0], search.finish(alone[b][1])[0]
                assert [[e[:2] for e in h.emissions] for h in one] == [[e[:2] for e in h.emissions] for h in other]
                assert [h.score for h in one] == pytest.approx([h.score for h in other], abs=1e-4)
                written += len(one[0].emissions)
    assert written > 10


@torch.no_grad()
@pytest.mark.parametrize("hat", [False, True], ids=["softmax", "hat"])
@pytest.mark.parametrize("predictor", ["lstm", "stateless"])
def test_label_looping_writes_what_the_frame_synchronous_search_writes(predictor, hat, monkeypatch):
    monkeypatch.setattr(label_looping, "ITERATIONS", 5)
    monkeypatch.setattr(label_looping, "WINDOW", 3)
    emitted = 0
    for seed in range(20):
        head, x, lengths = peaky_head(seed, predictor, hat)
        penalty = BlankPenalty([0.2 * (seed % 3), 1.5], OPENS) if seed % 2 else BlankPenalty([0.2 * (seed % 3)])
        conf = {"max_symbols": 1 + seed % 4, "blank_penalty": penalty}
        frames, labels = GreedySearch(head, **conf), LabelLooping(head, **conf)
        one, state_one = in_pieces(frames, x, lengths, [2])
        two, state_two = in_pieces(labels, x, lengths, [2], frames.init_state(3))
        for a, b in zip(one, two, strict=True):
            assert [e[:2] for e in a] == [e[:2] for e in b]
            assert [e.logp for e in a] == pytest.approx([e.logp for e in b], abs=1e-4)
            emitted += len(a)
        torch.testing.assert_close(state_one.projected, state_two.projected)
        assert torch.equal(state_one.frames, state_two.frames)
        assert torch.equal(state_one.lane, state_two.lane)
    assert emitted > 50


@torch.no_grad()
def test_two_sessions_that_meet_inside_label_looping_write_what_each_writes_alone(monkeypatch):
    monkeypatch.setattr(label_looping, "ITERATIONS", 3)
    head, x, lengths = peaky_head(3, "lstm")
    search = LabelLooping(head, max_symbols=3, blank_penalty=BlankPenalty([0.0]))
    start = GreedySearch(head).init_state
    one, other = (x, lengths, start(3)), (x.flip(1), lengths, start(3))
    alone = [step(search, *session) for session in (one, other)]
    run, met = label_looping._Loop.run, []

    def meeting(loop):  # between the first session's labels and its reading them, the other one begins and ends
        found = run(loop)
        if not met:
            met.append(None)
            met.append(step(search, *other))
        return found

    monkeypatch.setattr(label_looping._Loop, "run", meeting)
    together = [step(search, *one), met[1]]
    assert sum(map(len, alone[0][0])) > 10
    for (found, state), (expected, expected_state) in zip(together, alone):
        assert found == expected
        assert torch.equal(state.projected, expected_state.projected)


@torch.no_grad()
def test_label_looping_keeps_the_memory_of_a_few_shapes_only(monkeypatch):
    head, x, lengths = peaky_head(0, "stateless")
    search = LabelLooping(head, blank_penalty=BlankPenalty([0.0]))
    monkeypatch.setattr(label_looping, "KEPT_LOOPS", 3)
    for T in range(1, 7):
        step(search, x[:, :T], lengths.clamp(max=T), GreedySearch(head).init_state(3))
    assert len(search._free) == 3
    kept = search._free[-1][1]
    step(search, x, lengths, GreedySearch(head).init_state(3))
    assert search._free[-1][1] is kept
    head.joint.output.weight.data = head.joint.output.weight.data.clone()  # elsewhere: a graph would read the old one
    step(search, x, lengths, GreedySearch(head).init_state(3))
    assert search._free[-1][1] is not kept


@torch.no_grad()
def test_greedy_with_one_symbol_a_frame_writes_what_espnets_greedy_writes():
    from espnet2.asr.decoder.transducer_decoder import TransducerDecoder
    from espnet2.asr.transducer.beam_search_transducer import BeamSearchTransducer
    from espnet2.asr_transducer.joint_network import JointNetwork

    emitted = 0
    for seed in range(20):
        head, x, lengths = peaky_head(seed, "lstm")
        decoder = TransducerDecoder(5, hidden_size=6).eval()
        decoder.embed.weight.copy_(head.predictor.embedding.weight)
        decoder.decoder[0].load_state_dict(head.predictor.lstm.state_dict())
        joint = JointNetwork(5, 6, 6, 8, lin_dec_bias=False).eval()
        for theirs, ours in (("lin_enc", "encoder_proj"), ("lin_dec", "predictor_proj"), ("lin_out", "output")):
            getattr(joint, theirs).load_state_dict(getattr(head.joint, ours).state_dict())
        batch, _ = in_pieces(GreedySearch(head, max_symbols=1), x, lengths, [])
        for b, n in enumerate(lengths):
            [hypothesis] = BeamSearchTransducer(decoder, joint, beam_size=1)(x[b, :n])
            assert [e.token for e in batch[b]] == hypothesis.yseq[1:]
            assert sum(e.logp for e in batch[b]) == pytest.approx(hypothesis.score, abs=1e-3)
            emitted += len(batch[b])
    assert emitted > 50


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
        new, state = step(search, 2 * torch.randn(1, 10, 6), lengths, state)
        shown.extend(new[0])
        sizes.append(max(map(len, state.pending[0])))
    assert len(shown) > 50 and max(sizes) < len(shown) / 2
    final = [e.token for e in search.finish(state)[0][0].emissions]
    assert final[: len(shown)] == [e.token for e in shown]


@torch.no_grad()
@pytest.mark.parametrize("beam_size", [1, 3])
def test_64_desynchronised_sessions_write_what_each_writes_alone(beam_size):
    """Sessions come, pause and leave as they like; whoever has frames in a step shares the batch of that step."""
    g = torch.Generator().manual_seed(beam_size)
    head, _, _ = peaky_head(3, "lstm")
    search = a_search(head, beam_size)
    lengths = torch.randint(4, 25, (64,), generator=g)
    inputs = [2 * torch.randn(1, int(n), 6, generator=g) for n in lengths]
    states, heard, shown = [search.init_state(1) for _ in inputs], [0] * 64, [[] for _ in inputs]
    begins = torch.randint(0, 20, (64,), generator=g)
    batches, time = [], 0
    while any(heard[b] < lengths[b] for b in range(64)):
        awake = [
            b for b in range(64) if begins[b] <= time and heard[b] < lengths[b] and torch.rand((), generator=g) > 0.3
        ]
        time += 1
        if not awake:
            continue
        counts = [min(int(torch.randint(1, 4, (), generator=g)), int(lengths[b]) - heard[b]) for b in awake]
        pieces = [inputs[b][0, heard[b] : heard[b] + n] for b, n in zip(awake, counts)]
        x = torch.nn.utils.rnn.pad_sequence(pieces, batch_first=True)
        batch = type(states[0]).concat([states[b] for b in awake])
        new, batch = step(search, x, torch.tensor(counts), batch)
        for place, (b, n) in enumerate(zip(awake, counts)):
            states[b], heard[b] = batch.select(torch.tensor([place])), heard[b] + n
            shown[b] += new[place]
        batches.append(len(awake))
    same = total = 0
    for b, x in enumerate(inputs):
        alone, state = step(search, x, lengths[b : b + 1], search.init_state(1))
        written = shown[b]
        if beam_size > 1:
            written = search.finish(states[b])[0][0].emissions
            alone = [search.finish(state)[0][0].emissions]
        total += len(written)
        same += [e[:2] for e in written] == [e[:2] for e in alone[0]]
    assert same == 64 and total > 64 and max(batches) > 20


@pytest.mark.parametrize("where", ["step", "finish"])
def test_a_beam_without_a_living_hypothesis_names_the_stream(where):
    head, x, lengths = peaky_head(0, "lstm")
    search = BeamSearch(head, beam_size=3)
    with pytest.raises(DataError, match="no hypothesis of the beam") as caught:
        if where == "step":
            x[1, 2] = torch.nan
            step(search, x, lengths, search.init_state(3))
        else:
            state = search.init_state(3)
            state.beam.scores[1] = float("-inf")
            search.finish(state)
    assert caught.value.index == 1


def same_emissions(one, other):
    assert [[e[:2] for e in row] for row in one] == [[e[:2] for e in row] for row in other]


@torch.no_grad()
@pytest.mark.parametrize("beam_size", [1, 3])
def test_three_streams_of_different_age_in_one_batch_write_what_each_writes_alone(beam_size):
    """The first is ahead, the second stands still for a while, the third comes later and leaves earlier."""
    written = 0
    for seed in range(6):
        head, x, lengths = peaky_head(seed, "lstm")
        search, lengths = (
            a_search(head, beam_size, blank_penalty=BlankPenalty([0.2, 0.9], OPENS)),
            torch.tensor([6, 5, 3]),
        )
        alone = [search.finish(in_pieces(search, x[b : b + 1, :n], n[None], [])[1])[0] for b, n in enumerate(lengths)]
        heard, state = [0, 0, 0], search.init_state(2)
        for counts in ([2, 1], [1, 0, 2], [2, 3, 0], [1, 1, 1]):
            if len(counts) == 3 and len(state.frames) == 2:
                state = type(state).concat([state, search.init_state(1)])
            pieces = [x[b, heard[b] : heard[b] + n] for b, n in enumerate(counts)]
            batch = torch.nn.utils.rnn.pad_sequence(pieces, batch_first=True, padding_value=9.0)
            _, state = step(search, batch, torch.tensor(counts), state)
            heard = [a + b for a, b in zip(heard, [*counts, 0])]
        assert heard == lengths.tolist()
        for b, nbest in enumerate(search.finish(state)):
            same_emissions([h.emissions for h in nbest], [h.emissions for h in alone[b]])
            assert [h.score for h in nbest] == pytest.approx([h.score for h in alone[b]], abs=1e-4)
            written += len(nbest[0].emissions)
    assert written > 20


def of_kind(kind, head, penalty):
    classes = {"greedy": GreedySearch, "beam": BeamSearch, "label looping": LabelLooping}
    return classes[kind](head, max_symbols=3, blank_penalty=penalty)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["greedy", "beam", "label looping"])
def test_the_penalty_is_a_value_of_each_stream_that_may_change_while_it_goes_on(kind):
    different = 0
    for seed in range(8):
        head, x, _ = peaky_head(seed, "lstm")
        full, values = torch.tensor([6]), torch.tensor([[0.0, 0.0], [1.5, 0.2], [-0.5, 2.0]])

        search = of_kind(kind, head, BlankPenalty([0.0, 0.0], OPENS))
        begin = GreedySearch(head, blank_penalty=BlankPenalty([0.0, 0.0])) if kind == "label looping" else search
        together, _ = in_pieces(search, x, full.expand(3), [], replace(begin.init_state(3), penalty=values))
        for b in range(3):
            own = of_kind(kind, head, BlankPenalty(values[b].tolist(), OPENS))
            start = replace(begin.init_state(1), penalty=values[b : b + 1])
            same_emissions([together[b]], in_pieces(own, x[b : b + 1], full, [], start)[0])
        # Between two frames the second and the third stream get another one.
        _, before = in_pieces(search, x[:, :3], full.expand(3) - 3, [], begin.init_state(3))
        unchanged, _ = step(search, x[:, 3:], full.expand(3) - 3, before)
        changed, _ = step(search, x[:, 3:], full.expand(3) - 3, replace(before, penalty=values))
        assert changed[0] == unchanged[0]
        different += changed[1:] != unchanged[1:]
    assert different > 2


@torch.no_grad()
def test_greedy_search_finishes_with_its_one_hypothesis():
    head, x, lengths = peaky_head(2, "lstm")
    search = GreedySearch(head, max_symbols=3)
    shown, state = in_pieces(search, x, lengths, [2, 4])
    lists = search.finish(state)
    assert [hypothesis.emissions for [hypothesis] in lists] == shown and sum(map(len, shown)) > 5
    assert [h.score for [h] in lists] == pytest.approx([sum(e.logp for e in row) for row in shown])


@torch.no_grad()
@pytest.mark.parametrize("beam_size", [1, 3])
def test_stepping_changes_no_state(beam_size):
    head, x, lengths = peaky_head(1, "stateless")
    search = a_search(head, beam_size)
    _, state = in_pieces(search, x[:, :3], lengths.clamp(max=3), [])
    first = step(search, x[:, 3:], lengths - 3, state)
    again = step(search, x[:, 3:], lengths - 3, state)
    assert first[0] == again[0] and search.finish(first[1]) == search.finish(again[1])
