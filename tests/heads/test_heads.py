"""Configuration and parts of the heads."""

import pytest
import torch

from espnet_jst.errors import ConfigError, NonFiniteLossError
from espnet_jst.heads import JointNetwork
from espnet_jst.heads.build import build_heads
from espnet_jst.heads.ctc import CTCHead
from espnet_jst.heads.predictor import LSTMPredictor, StatelessPredictor
from espnet_jst.heads.spec import HeadSpec, ModelConf, parse_heads, vocabulary_of
from espnet_jst.heads.transducer import TransducerHead
from espnet_jst.keys import read
from espnet_jst.losses import PrunedTransducerLoss
from espnet_jst.search.beam import BeamSearch
from espnet_jst.search.greedy import GreedySearch
from espnet_jst.taps import Tap
from espnet_jst.text.lanes import parse_lanes
from tests.search.heads import peaky_head

JOINT = {"kind": "transducer", "lanes": ["transcript", "translation"]}


def tap(x, lengths):
    return Tap(x, lengths, 0.04)


@pytest.mark.parametrize("make", [LSTMPredictor, StatelessPredictor])
@torch.no_grad()
def test_a_predictor_step_by_step_equals_the_whole_sequence(make):
    torch.manual_seed(0)
    predictor = make(vocab_size=9, size=8).eval()
    targets = torch.randint(1, 9, (3, 6))
    whole = predictor(targets)
    y, state = predictor.step(torch.zeros(3, dtype=torch.long), predictor.init_state(3))
    torch.testing.assert_close(y, whole[:, 0])
    for u in range(6):
        y, state = predictor.step(targets[:, u], state)
        torch.testing.assert_close(y, whole[:, u + 1])


@torch.no_grad()
def test_a_stateless_predictor_can_mix_features_and_begin_with_no_label_before_the_blank():
    torch.manual_seed(0)
    predictor = StatelessPredictor(vocab_size=9, size=8, context=3, group_size=4, before="zero").eval()
    assert predictor.conv.weight.shape == (8, 4, 3)
    targets = torch.tensor([[5, 6]])
    rows = torch.cat([torch.zeros(2, 8), predictor.embedding(torch.tensor([0, 5, 6]))])  # nothing, nothing, blank, 5, 6
    whole = predictor(targets)
    for u in range(3):
        features = torch.einsum("kgi,goik->go", rows[u : u + 3].view(3, 2, 4), predictor.conv.weight.view(2, 4, 4, 3))
        torch.testing.assert_close(whole[0, u], features.flatten().relu())
    y, state = predictor.step(torch.zeros(1, dtype=torch.long), predictor.init_state(1))
    torch.testing.assert_close(y, whole[:, 0])
    for u in range(2):
        y, state = predictor.step(targets[:, u], state)
        torch.testing.assert_close(y, whole[:, u + 1])


def test_a_bias_of_the_additive_joiners_predictor_counts_in_its_smoothing_alone():
    torch.manual_seed(0)
    x, lengths = torch.randn(1, 6, 5), torch.tensor([6])
    targets, counts = torch.tensor([[3, 2]]), torch.tensor([2])
    g, losses = torch.randn(1, 3, 4), {}
    for lm_scale in (0.0, 0.25):
        loss = PrunedTransducerLoss(5, 4, 8, 7, lm_scale=lm_scale, simple_bias=True)
        bias = loss.simple_predictor.bias.detach().clone()
        with torch.no_grad():
            before = loss.simple(x, lengths, g, targets, counts)[0]
            loss.simple_predictor.bias.zero_()
            loss.simple_encoder.bias += bias
            losses[lm_scale] = (before - loss.simple(x, lengths, g, targets, counts)[0]).abs().item()
    assert losses[0.0] < 1e-5 and losses[0.25] > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("beam", [False, True])
def test_a_search_takes_what_is_unknown_for_the_blank(beam):
    head, x, lengths = peaky_head(0, "stateless")
    search = BeamSearch(head, beam_size=3) if beam else GreedySearch(head)
    [found, *_] = search.finish(search.step({"encoder": tap(x, lengths)}, search.init_state(len(x)))[1])
    written = [emission.token for emission in found[0].emissions]
    head.unknown = written[0]
    [found, *_] = search.finish(search.step({"encoder": tap(x, lengths)}, search.init_state(len(x)))[1])
    assert written and head.unknown not in [emission.token for emission in found[0].emissions]


@pytest.mark.parametrize("unknown", [0, 9])
def test_what_is_unknown_must_be_a_label(unknown):
    with pytest.raises(ConfigError, match=f"unknown {unknown} must be a label of 9, and not the blank 0"):
        TransducerHead(encoder_size=4, vocab_size=9, unknown=unknown)


def test_groups_of_a_predictor_must_be_full():
    with pytest.raises(ConfigError, match="size 10 must be a multiple of group_size 4"):
        StatelessPredictor(vocab_size=9, size=10, group_size=4)


@torch.no_grad()
def test_predictor_states_can_be_selected_and_mixed():
    predictor = LSTMPredictor(vocab_size=9, size=8, layers=2).eval()
    a = predictor.step(torch.tensor([1, 2]), predictor.init_state(2))[1]
    b = predictor.step(torch.tensor([3, 4]), predictor.init_state(2))[1]
    mixed = a.where(torch.tensor([True, False]), b)
    torch.testing.assert_close(mixed.tensors[0], torch.stack([a.tensors[0][0], b.tensors[0][1]]))
    torch.testing.assert_close(a.select(torch.tensor([1, 1])).tensors[1][0], a.tensors[1][1])


def test_the_joint_network_is_two_projections_a_tanh_and_an_output():
    joint = JointNetwork(5, 4, 3, 7)
    h, g = torch.randn(2, 6, 1, 5), torch.randn(2, 1, 3, 4)
    expected = joint.output((joint.encoder_proj(h) + joint.predictor_proj(g)).tanh())
    assert joint(h, g).shape == (2, 6, 3, 7)
    torch.testing.assert_close(joint(h, g), expected)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {**JOINT, "kind": "transducr"},
            r"'transducr' is not one of attention, ctc, transducer \(did you mean 'transducer'",
        ),
        ({"kind": "ctc"}, "heads.x: 'lanes' is missing"),
        ({**JOINT, "lanes": ["transcript", "transcript"]}, "must name each lane once"),
        ({**JOINT, "kind": "ctc"}, "a ctc head writes one lane"),
        ({**JOINT, "policy": "aling"}, "did you mean 'align'"),
        ({**JOINT, "tags": "langs"}, "tags: 'langs' is not one of"),
        ("transducer", "must be a mapping"),
    ],
)
def test_a_wrong_entry_is_named(entry, message):
    with pytest.raises(ConfigError, match=message):
        HeadSpec.parse("x", entry)


def test_no_heads_and_unknown_model_keys_are_refused():
    with pytest.raises(ConfigError, match="give at least one head"):
        parse_heads({})
    with pytest.raises(ConfigError, match=r"unknown key 'head' \(did you mean 'heads'"):
        read(ModelConf, {"head": {}}, "model_conf")


def test_a_head_of_one_lane_has_the_token_list_of_its_lane_where_there_is_one():
    lanes = parse_lanes({"second": {"like": "transcript", "speaker": "B"}, "french": {"like": "translation"}})
    names = ("second", "french", "transcript")
    specs = parse_heads({lane: {"kind": "ctc", "lanes": [lane]} for lane in names} | {"joint": JOINT}, lanes)
    sizes = {"src": 7, "tgt": 11}
    assert [vocabulary_of(specs[name], sizes) for name in (*names, "joint")] == ["src", "tgt", "src", "tgt"]
    assert vocabulary_of(specs["second"], {"tgt": 11}) == "tgt"


def test_a_head_is_built_with_the_tap_and_vocabulary_that_it_names():
    specs = parse_heads({"a": {**JOINT, "reads": "hier_encoder"}, "c": {"kind": "ctc", "lanes": ["transcript"]}})
    heads = build_heads(specs, {"encoder": 6, "hier_encoder": 10}, {"tgt": 11, "src": 7})
    assert heads["a"].joint.encoder_proj.in_features == 10 and heads["a"].vocab_size == 11
    assert heads["c"].output.in_features == 6 and heads["c"].vocab_size == 7


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({**JOINT, "reads": "encoder.3"}, "'encoder.3' is not one of encoder"),
        ({**JOINT, "join_size": 3}, r"unknown key 'join_size' \(did you mean 'joint_size'"),
        ({**JOINT, "vocabulary": "src"}, "needs --src_token_list"),
        ({**JOINT, "predictor": "lstmm"}, "did you mean 'lstm'"),
    ],
)
def test_a_head_that_cannot_be_built_is_one_message(entry, message):
    with pytest.raises(ConfigError, match=message):
        build_heads(parse_heads({"x": entry}), {"encoder": 6}, {"tgt": 11})


def test_ctc_counts_what_has_no_path_and_goes_on():
    head = CTCHead(encoder_size=4, vocab_size=5)
    targets = torch.tensor([[1, 1, 2], [1, 2, 3], [1, 2, -1]])
    loss, parts, _ = head(tap(torch.randn(3, 3, 4), torch.tensor([3, 3, 3])), targets, torch.tensor([3, 3, 2]))
    assert parts["too_short"].tolist() == [1.0, 0.0, 0.0]  # two equal labels need a blank between them
    assert loss[0] == 0 and (loss[1:] > 0).all()


def test_ctc_reports_the_errors_of_its_best_path_in_evaluation():
    head = CTCHead(encoder_size=4, vocab_size=4).eval()
    with torch.no_grad():
        head.output.weight.copy_(9.0 * torch.eye(4))
        head.output.bias.zero_()
    frames = torch.nn.functional.one_hot(torch.tensor([[1, 1, 0, 1, 2], [3, 0, 0, 0, 2]]), 4).float()
    targets = torch.tensor([[1, 1, 2], [3, 1, -1]])  # the second: one label right, one not written
    batch = tap(frames, torch.tensor([5, 4])), targets, torch.tensor([3, 2])
    parts = head(*batch).parts
    assert float(parts["error"].mean()) == pytest.approx((0 + 1) / (3 + 2))
    assert "error" not in head.train()(*batch).parts


def test_ctc_with_a_forbidden_symbol_is_one_without_it_and_refuses_it_as_a_label():
    torch.manual_seed(0)
    head, without = CTCHead(encoder_size=4, vocab_size=6), CTCHead(encoder_size=4, vocab_size=5)
    with torch.no_grad():
        head.output.bias[5] = -torch.inf
        without.output.weight.copy_(head.output.weight[:5])
        without.output.bias.copy_(head.output.bias[:5])
    x = torch.randn(2, 7, 4, requires_grad=True)
    batch = torch.tensor([7, 5]), torch.tensor([[1, 2], [3, -1]]), torch.tensor([2, 1])
    losses = [one(tap(x, batch[0]), *batch[1:]).loss for one in (head, without)]
    torch.testing.assert_close(*losses)
    ours, theirs = (
        torch.autograd.grad(loss.sum(), (x, *one.parameters())) for loss, one in zip(losses, (head, without))
    )
    torch.testing.assert_close(ours[0], theirs[0])
    torch.testing.assert_close((ours[1][:5], ours[2][:5]), theirs[1:])
    with pytest.raises(NonFiniteLossError, match="utterance 1 .*the CTC loss is inf; no path through it"):
        head(tap(x, batch[0]), torch.tensor([[1, 2], [5, -1]]), batch[2])


def test_ctc_names_the_utterance_of_a_nan():
    head = CTCHead(encoder_size=4, vocab_size=5)
    x = torch.randn(2, 3, 4)
    x[1] = torch.nan
    with pytest.raises(NonFiniteLossError, match="utterance 1 .*the CTC loss is nan"):
        head(tap(x, torch.tensor([3, 3])), torch.tensor([[1], [2]]), torch.tensor([1, 1]))


def test_a_transducer_learns_a_sequence_and_its_additive_joiner_is_for_training_only():
    torch.manual_seed(0)
    head = TransducerHead(encoder_size=6, vocab_size=5, predictor_conf={"size": 8, "dropout": 0.0}, joint_size=8)
    x, targets = torch.randn(2, 6, 6), torch.tensor([[1, 2, 3], [4, 4, -1]])
    lengths, target_lengths = torch.tensor([6, 5]), torch.tensor([3, 2])
    optimizer = torch.optim.Adam(head.parameters(), 0.03)
    first = None
    for _ in range(60):
        loss, parts, _ = head(tap(x, lengths), targets, target_lengths)
        first = parts["rnnt"].mean() if first is None else first
        optimizer.zero_grad()
        loss.mean().backward()
        optimizer.step()
    assert parts["rnnt"].mean() < 0.1 * first and parts["simple"].mean() > 0
    plain = TransducerHead(encoder_size=6, vocab_size=5, joint_size=8, simple_weight=0.0)
    assert not any("simple" in name for name, _ in plain.named_parameters())


@torch.no_grad()
def test_the_warm_up_scales_the_training_loss_only():
    torch.manual_seed(0)
    conf = {"encoder_size": 6, "vocab_size": 5, "predictor_conf": {"size": 8}, "joint_size": 8}
    warm, plain = TransducerHead(**conf, warm_steps=10), TransducerHead(**conf)
    plain.load_state_dict(warm.state_dict(), strict=False)
    batch = tap(torch.randn(1, 4, 6), torch.tensor([4])), torch.tensor([[1, 2]]), torch.tensor([2])
    expected = plain.eval()(*batch).loss
    assert torch.equal(warm.eval()(*batch).loss, expected)
    loss, parts, _ = warm.train()(*batch)
    torch.testing.assert_close(loss, 0.1 * parts["rnnt"] + parts["simple"])
    warm.at(5, 1)
    loss, parts, _ = warm(*batch)
    torch.testing.assert_close(loss, 0.55 * parts["rnnt"] + 0.75 * parts["simple"])
    warm.at(1000, 9)
    loss, parts, _ = warm(*batch)
    torch.testing.assert_close(loss, parts["rnnt"] + 0.5 * parts["simple"])
    assert torch.equal(warm.eval()(*batch).loss, expected)
