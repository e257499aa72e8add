"""Blank penalties that adapt: what is heard is counted right, and greedy and beam search follow it, however cut."""

from __future__ import annotations

import math
import random

import pytest
import torch
from torch import Tensor

from espnet_jst.errors import ConfigError
from espnet_jst.heads.ctc import CTCHead
from espnet_jst.heads.spec import parse_heads
from espnet_jst.search.beam import BeamSearch
from espnet_jst.search.blank_penalty import BlankPenalty, Steering
from espnet_jst.search.clocks import CTCLabels, Seconds, Silent, faded_sums
from espnet_jst.search.conf import DecodingConf
from espnet_jst.search.followed import Followed, lane_penalties
from espnet_jst.search.greedy import GreedySearch
from espnet_jst.search.interface import Emission, Search
from espnet_jst.search.label_looping import LabelLooping
from espnet_jst.search.penalty_rules import BoundLength, FollowLength, GrowWithBlanks, PenaltyRule
from espnet_jst.taps import Tap
from espnet_jst.text.lanes import parse_lanes
from tests.reference.beam import beam_reference
from tests.reference.pace import expected_labels, onsets, pace_at
from tests.search.heads import peaky_head

SHIFT_S = 0.04
OPENS = [-1, 0, 1, -1, -1]  # labels 1 and 2 open a lane
T = 18
RULES = {
    "length": FollowLength(ratio=0.8, slope=0.7, penalty=0.2, min=-1.0, max=3.0, memory_s=1.0),
    "blanks": GrowWithBlanks(slope=0.9, penalty=-0.3, min=-0.5, max=2.0, memory_s=0.5),
    "bound": BoundLength(ratio=0.9, penalty=1.2, memory_s=None),
}


def ctc_head(seed: int) -> CTCHead:
    torch.manual_seed(seed)
    head = CTCHead(encoder_size=6, vocab_size=4).eval()
    head.output.weight.data.mul_(4.0)
    return head


def frames(seed: int, rate: int = 1, rows: int = 3) -> tuple[Tensor, Tensor]:
    """What search and CTC head read, (B, T, 6) and (B, rate T, 6)."""
    torch.manual_seed(seed)
    return 2 * torch.randn(rows, T, 6), 2 * torch.randn(rows, rate * T, 6)


def clock_of(ctc: CTCHead, rule: PenaltyRule, rate: float = 1) -> CTCLabels:
    return CTCLabels(ctc, reads="ctc", shift_s=SHIFT_S / rate, search_shift_s=SHIFT_S, memory_s=rule.conf.memory_s)


def one_lane(rule: PenaltyRule, ctc: CTCHead, rate: float = 1) -> BlankPenalty:
    return BlankPenalty([rule.conf.penalty], None, [Steering(rule, clock_of(ctc, rule, rate))], SHIFT_S)


def two_lanes(rule: PenaltyRule, ctc: CTCHead) -> BlankPenalty:
    """The first lane fixed; the second follows what is written in the first, or seconds."""
    written = Steering(rule, Silent(), 0) if rule.conf.reads_written else Steering(rule, Seconds(SHIFT_S, 1.0))
    return BlankPenalty([0.3, rule.conf.penalty], OPENS, [None, written], SHIFT_S)


def searches(penalty: BlankPenalty, seed: int) -> dict[str, Search]:
    head = peaky_head(seed, "lstm")[0]
    greedy = GreedySearch(head, max_symbols=3, blank_penalty=penalty)
    looping = GreedySearch(head, max_symbols=3, blank_penalty=penalty)
    looping._step = LabelLooping(head, max_symbols=3, blank_penalty=looping.blank_penalty).step  # as on a GPU
    return {
        "greedy": greedy,
        "looping": looping,
        "beam": BeamSearch(head, beam_size=3, max_symbols=3, blank_penalty=penalty),
    }


def heard_in(
    search: Search, x: Tensor, other: Tensor, cuts: list[list[int]], rate: float = 1
) -> tuple[list[list[Emission]], list[list[Emission]]]:
    """Each stream hears as many frames at a time as its row of `cuts` says -> what was shown, and the final best."""
    state, shown = search.init_state(len(x)), [[] for _ in x]
    at = [0] * len(x)
    for counts in zip(*cuts, strict=True):
        taps = {}
        for name, source, factor in (("encoder", x, 1), ("ctc", other, rate)):
            pieces = [source[b, int(factor * at[b]) : int(factor * (at[b] + n))] for b, n in enumerate(counts)]
            lengths = torch.tensor([len(piece) for piece in pieces])
            padded = torch.nn.utils.rnn.pad_sequence(pieces, batch_first=True, padding_value=9.0)
            taps[name] = Tap(padded, lengths, SHIFT_S / factor)
        at = [a + n for a, n in zip(at, counts, strict=True)]
        new, state = search.step(taps, state)
        for row, emissions in zip(shown, new, strict=True):
            row.extend(emissions)
    return shown, [nbest[0].emissions for nbest in search.finish(state)]


def labels_of(rows: list[list[Emission]]) -> list[list[int]]:
    return [[emission.token for emission in row] for row in rows]


def frames_of(rows: list[list[Emission]]) -> list[list[int]]:
    return [[emission.frame for emission in row] for row in rows]


def test_sums_that_fade_are_those_of_a_loop() -> None:
    x, start = torch.rand(2, 150, dtype=torch.double), torch.tensor([3.0, 0.0], dtype=torch.double)
    expected, y = [], start
    for t in range(150):
        y = 0.9 * y + x[:, t]
        expected.append(y)
    torch.testing.assert_close(faded_sums(x, start, 0.9), torch.stack(expected, dim=1))


@torch.no_grad()
def test_a_ctc_clock_gives_the_expected_number_of_labels_over_all_paths() -> None:
    ctc, (_, other) = ctc_head(0), frames(0, rows=1)
    clock = CTCLabels(ctc, reads="ctc", shift_s=SHIFT_S, search_shift_s=SHIFT_S, memory_s=None)
    taps = {"ctc": Tap(other[:, :5], torch.tensor([5]), SHIFT_S)}
    counts, _ = clock.read(taps, torch.arange(5)[None], torch.tensor([5]), clock.init_state(1, torch.device("cpu")))
    expected = expected_labels(ctc.log_probs(other[:, :5]).exp()[0].tolist())
    assert counts[0].tolist() == pytest.approx(expected, abs=1e-5) and expected[-1] > 1.0


@torch.no_grad()
@pytest.mark.parametrize("rate", [0.5, 1, 3])
def test_a_clock_of_another_rate_knows_the_frames_that_have_ended(rate: float) -> None:
    ctc, rule = ctc_head(1), RULES["bound"]
    torch.manual_seed(2)
    other = 2 * torch.randn(1, int(rate * T), 6)
    clock = clock_of(ctc, rule, rate)
    taps = {"ctc": Tap(other, torch.tensor([other.size(1)]), SHIFT_S / rate)}
    state = clock.init_state(1, torch.device("cpu"))
    counts, _ = clock.read(taps, torch.arange(T)[None], torch.tensor([T]), state)
    added = onsets(ctc.log_probs(other).exp()[0].tolist())
    assert counts[0].tolist() == pytest.approx([sum(added[: math.floor((t + 1) * rate)]) for t in range(T)], abs=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["greedy", "looping"])
@pytest.mark.parametrize("name", RULES)
def test_greedy_search_equals_a_plain_one_that_counts_frame_by_frame(name: str, kind: str) -> None:
    rule, written, differing = RULES[name], 0, 0
    kept = math.exp(-SHIFT_S / rule.conf.memory_s) if rule.conf.memory_s else 1.0
    for seed in range(6):
        ctc, (x, other) = ctc_head(seed), frames(seed)
        search = searches(one_lane(rule, ctc), seed)[kind]
        _, found = heard_in(search, x, other, [[T]] * 3)
        for b, emissions in enumerate(found):
            added, labels, at, seen = onsets(ctc.log_probs(other[b]).exp().tolist()), [], [], set()
            for t in range(T):
                for _ in range(3):
                    heard, count, since = pace_at(t, added, at, kept)
                    wanted = {
                        "length": 0.2 + 0.7 * (0.8 * heard - count),
                        "blanks": -0.3 + 0.9 * since,
                        "bound": 1.2 if count < 0.9 * heard else 0.0,
                    }[name]
                    penalty = min(max(wanted, rule.conf.min), rule.conf.max)
                    seen.add(round(penalty, 3))
                    g = search.head.predictor(torch.tensor([labels], dtype=torch.long).view(1, -1))[0, -1]
                    logits = search.head.joint(x[b, t], g)
                    logits[search.head.blank] -= penalty
                    if int(logits.argmax()) == search.head.blank:
                        break
                    labels.append(int(logits.argmax()))
                    at.append(t)
            assert (labels_of([emissions]), frames_of([emissions])) == ([labels], [at])
            written, differing = written + len(labels), differing + len(seen)
    assert written > 50 and differing > 18 * (1 if name == "bound" else 2)


@torch.no_grad()
@pytest.mark.parametrize("name", ["length", "bound"])
def test_a_beam_goes_by_the_pace_of_its_best_hypothesis(name: str) -> None:
    conf = {"ratio": 0.8, "memory_s": None}
    rule = FollowLength(slope=0.4, penalty=0.2, **conf) if name == "length" else BoundLength(penalty=1.2, **conf)
    changed = 0
    for seed in range(6):
        ctc, (x, other) = ctc_head(seed), frames(seed)
        search = searches(one_lane(rule, ctc), seed)["beam"]
        _, found = heard_in(search, x, other, [[8, T - 8]] * 3)
        for b, emissions in enumerate(found):
            added = onsets(ctc.log_probs(other[b]).exp().tolist())

            def gain(labels, t, best, added=added):
                behind = 0.8 * sum(added[: t + 1]) - len(best)
                return min(max(0.2 + 0.4 * behind, 0.0), 2.0) if name == "length" else 1.2 * (behind > 0)

            expected = beam_reference(search.head, x[b], 3, 3, gain)[0][0]
            assert [emission.token for emission in emissions] == list(expected)
            changed += expected != beam_reference(search.head, x[b], 3, 3, rule.conf.penalty)[0][0]
    assert changed > 3


@torch.no_grad()
@pytest.mark.parametrize("kind", ["greedy", "looping", "beam"])
@pytest.mark.parametrize("name", RULES)
def test_streams_cut_anywhere_and_of_any_age_write_what_each_writes_whole_and_alone(name: str, kind: str) -> None:
    rule, written = RULES[name], 0
    for seed in range(4):
        draw, ctc, rate = random.Random(seed), ctc_head(seed), 1 + seed % 2
        penalty = two_lanes(rule, ctc) if seed % 4 == 3 else one_lane(rule, ctc, rate)
        (x, other), search = frames(seed, rate), searches(penalty, seed)[kind]
        whole = [heard_in(search, x[b : b + 1], other[b : b + 1], [[T]], rate)[1][0] for b in range(3)]
        for _ in range(2):
            cuts = []
            for _ in range(3):
                ends = sorted(draw.randint(0, T) for _ in range(5))  # some of them stand still
                cuts.append([b - a for a, b in zip([0, *ends], [*ends, T])])
            shown, best = heard_in(search, x, other, cuts, rate)
            assert labels_of(best) == labels_of(whole)
            # What a beam shows early has the frames of the path that was best then.
            assert kind == "beam" or frames_of(best) == frames_of(whole)
            assert all(row[: len(early)] == early for row, early in zip(labels_of(best), labels_of(shown)))
        written += sum(map(len, whole))
    assert written > 60


@torch.no_grad()
@pytest.mark.parametrize("kind", ["greedy", "beam"])
def test_a_lane_can_follow_the_lane_that_is_written_beside_it(kind: str) -> None:
    """With three labels for each of the other lane more is written than with a third of one."""
    written = []
    for ratio in (0.3, 3.0):
        rule = FollowLength(ratio=ratio, slope=1.0, penalty=0.5, max=4.0)
        lengths = [0, 0]
        for seed in range(8):
            x, other = frames(seed)
            search = searches(BlankPenalty([0.3, 0.5], OPENS, [None, Steering(rule, Silent(), 0)], SHIFT_S), seed)[kind]
            for emissions in heard_in(search, x, other, [[T]] * 3)[1]:
                lane = 0
                for emission in emissions:
                    lane = OPENS[emission.token] if OPENS[emission.token] >= 0 else lane
                    lengths[lane] += OPENS[emission.token] < 0
        written.append(lengths[1] / lengths[0])
    assert written[1] > 1.1 * written[0] > 0.0


def test_a_penalty_that_grew_is_reset_by_a_label() -> None:
    penalty = one_lane(RULES["blanks"], ctc_head(0))
    lane, clock = torch.zeros(1, dtype=torch.long), torch.tensor([[2.0]], dtype=torch.double)
    before = penalty.now(penalty.of_streams(1), clock, penalty.paces(1), torch.tensor([3]))
    pace = penalty.wrote(penalty.paces(1), lane, torch.tensor([3]), clock, torch.tensor([3]))
    after = penalty.now(penalty.of_streams(1), clock, pace, torch.tensor([3]))
    assert before.item() == pytest.approx(-0.3 + 0.9 * 2.0) and after.item() == pytest.approx(-0.3)


def test_a_ratio_that_is_wrong_does_not_wind_up_in_an_hour() -> None:
    """What is missing after an hour at half the pace is no more than a memory holds."""
    rule = FollowLength(ratio=2.0, slope=0.1, penalty=0.0, max=1000.0, memory_s=10.0)
    penalty, lane = BlankPenalty([0.0], None, [Steering(rule, Seconds(SHIFT_S, 10.0))], SHIFT_S), torch.zeros(1).long()
    pace, clock = penalty.paces(1), Seconds(SHIFT_S, 10.0)
    for second in range(3600):  # a label a second
        frame = torch.tensor([25 * second])
        heard = clock.read({}, frame[None], torch.tensor([1]), None)[0]
        pace = penalty.wrote(pace, lane, torch.tensor([1]), heard, frame)
    wanted = penalty.now(penalty.of_streams(1), heard, pace, frame).item()
    assert 0.5 < wanted < 0.1 * 2.0 * 10.0


HEADS = {
    "joint": {"kind": "transducer", "lanes": ["transcript", "translation"]},
    "st": {"kind": "transducer", "reads": "hier_encoder", "lanes": ["translation"]},
    "ctc": {"kind": "ctc", "reads": "encoder.1", "lanes": ["transcript"]},
    "st_ctc": {"kind": "ctc", "reads": "hier_encoder", "lanes": ["translation"]},
}


def followed(head: str, lane: str, entry: dict, *without: str) -> Followed:
    heads = parse_heads({name: conf for name, conf in HEADS.items() if name not in without})
    found = lane_penalties({lane: entry}, heads[head], heads, parse_lanes(None))
    return found[heads[head].lanes.index(lane)].followed


def test_a_lane_follows_itself_by_its_ctc_head_else_what_was_spoken() -> None:
    length = {"kind": "length"}
    assert followed("st", "translation", length) == Followed(head="st_ctc")
    assert followed("st", "translation", length, "st_ctc") == Followed(head="ctc")
    assert followed("joint", "transcript", length) == Followed(head="ctc")
    # A CTC head on a later encoder hears too late for this search.
    assert followed("joint", "translation", length) == Followed(written=0)
    assert followed("joint", "translation", {"kind": "blanks"}) == Followed(head="ctc")
    assert followed("st", "translation", {"kind": "bound", "follows": "seconds"}, "ctc", "st_ctc") == Followed()


@pytest.mark.parametrize(
    ("entry", "without", "message"),
    [
        ({"kind": "blanks"}, ("ctc",), "blank_penalty.translation: no CTC head that hears translation or transcript"),
        (
            {"kind": "length", "follows": "translation"},
            (),
            "no CTC head that hears translation as early as head 'joint'",
        ),
        ({"kind": "length", "follows": "transcrip"}, (), "follows: 'transcrip' .*did you mean 'transcript'"),
    ],
)
def test_what_a_model_cannot_follow_is_refused(entry: dict, without: tuple, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        followed("joint", "translation", entry, *without)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"kind": "lenght"}, "blank_penalty.translation: kind: 'lenght' is not one of .*did you mean 'length'"),
        ({"ratio": 1.1}, "blank_penalty.translation: 'kind' is missing: blanks or bound or length"),
        ({"kind": "blanks", "ratio": 1.1}, "blank_penalty.translation: unknown key 'ratio'"),
        ({"kind": "length", "penalty": 3.0}, "penalty is 3: it must lie between min 0 and max 2"),
        ({"kind": "length", "memory_s": 0.0}, "memory_s is 0.0: give a number from 0.1"),
    ],
)
def test_wrong_keys_are_one_message_before_a_model_is_built(entry: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DecodingConf(blank_penalty={"translation": entry})
