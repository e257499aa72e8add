"""Similarity-preserving distillation: its matrices by hand, what it does not depend on, its weight, what it refuses."""

import copy
import math

import pytest
import torch

from espnet_jst.errors import ConfigError
from espnet_jst.regularizers.similarity import of_positions, of_utterances, similarities
from espnet_jst.regularizers.sp_kd import SPKD
from espnet_jst.taps import Tap
from tests.inference import tiny

TRANSDUCER = {"kind": "transducer", "lanes": ["transcript"], "predictor_conf": {"size": 24}, "joint_size": 16}
HEADS = {
    "streaming": TRANSDUCER,
    "offline": {**TRANSDUCER, "reads": "hier_encoder", "predictor_conf": {"size": 16}},
    "ctc": {"kind": "ctc", "reads": "hier_encoder", "lanes": ["transcript"]},
}
ENCODERS = {"kind": "sp_kd", "between": ["encoder", "hier_encoder"]}
DECODERS = {"kind": "sp_kd", "between": ["streaming.predictor", "offline.predictor"]}


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def model(regularizers, heads=HEADS, **upper):
    conf = tiny.config(heads, two_encoders=True)
    conf["hier_encoder_conf"] |= {"chunk_frames": 0, "train_chunk_frames": [0], **upper}
    conf["model_conf"]["regularizers"] = regularizers
    made = copy.deepcopy(tiny.tiny_model(conf)[0]).train()
    for link in made.chain.links:
        link.encoder.train_contexts = [link.encoder.context]
    return made


def batch(heads=HEADS):
    speech = torch.stack([torch.from_numpy(tiny.speech(2.0, seed=seed)) for seed in range(2)])
    found = {"speech": speech, "speech_lengths": torch.tensor([16000, 9000])}
    for name in heads:
        found |= {f"target_{name}": torch.tensor([[2, 3], [4, -1]]), f"target_{name}_lengths": torch.tensor([2, 1])}
    return found


def test_similarities_by_hand():
    x = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    # Products: 1 1 0, 1 2 0, 0 0 0.
    a, b = 1 / math.sqrt(2), 1 / math.sqrt(5)
    torch.testing.assert_close(similarities(x), torch.tensor([[a, a, 0], [b, 2 * b, 0], [0, 0, 0]]))


def test_losses_by_hand():
    student, teacher = torch.eye(2)[None], torch.ones(1, 2, 1)
    a = 1 / math.sqrt(2)  # the identity against a matrix of 1 / sqrt 2
    expected = ((1 - a) ** 2 + 0.5) / 2
    torch.testing.assert_close(of_positions(student, teacher, torch.tensor([2])), torch.tensor([expected]))
    student, teacher = student.transpose(0, 1), teacher.transpose(0, 1)  # the same of two utterances of one frame
    found = of_utterances(student, teacher, torch.tensor([1, 1]))
    torch.testing.assert_close(found, torch.full((2,), expected))


@pytest.mark.parametrize("compare", [of_positions, of_utterances])
def test_scale_rotation_and_equality_cost_nothing_and_gradients_are_right(compare):
    x, lengths = random(3, 5, 4), torch.tensor([5, 3, 1])
    q = torch.linalg.qr(random(4, 4, seed=1))[0]
    torch.testing.assert_close(compare(x, 3.0 * x @ q, lengths), torch.zeros(3, dtype=torch.float64))
    y = random(3, 5, 6, seed=2)
    assert (compare(x, y, lengths)[:2] > 1e-3).all()
    torch.testing.assert_close(compare(x, y, lengths), compare(y, x, lengths))
    inputs = (x.clone().requires_grad_(), y.clone().requires_grad_())
    assert torch.autograd.gradcheck(lambda a, b: compare(a, b, lengths), inputs)


def test_padding_counts_for_nothing_and_of_positions_neither_does_the_batch():
    x, y, lengths = random(3, 5, 4), random(3, 5, 6, seed=1), torch.tensor([5, 3, 2])
    loud, other = x.clone(), y.clone()
    for b, length in enumerate(lengths):
        loud[b, length:], other[b, length:] = 100.0, math.nan
    for compare in (of_positions, of_utterances):
        assert torch.equal(compare(loud, other, lengths), compare(x, y, lengths))
    alone = [of_positions(x[b : b + 1, :n], y[b : b + 1, :n], lengths[b : b + 1]) for b, n in enumerate(lengths)]
    torch.testing.assert_close(of_positions(x, y, lengths), torch.cat(alone))
    # An utterance of a batch of one is like itself.
    assert of_utterances(x[:1], y[:1], lengths[:1]).abs().max() < 1e-12


@pytest.mark.parametrize(("detach", "learn"), [("teacher", "a"), ("student", "b"), ("none", "ab")])
def test_detach_says_who_learns(detach, learn):
    x = {name: random(2, 4, 3, seed=seed).float().requires_grad_() for seed, name in enumerate("ab")}
    term = SPKD(between=["a", "b"], detach=detach)
    loss, _ = term({name: Tap(tensor, torch.tensor([4, 2]), 0.04) for name, tensor in x.items()}, {})
    loss.sum().backward()
    assert "".join(name for name, tensor in x.items() if tensor.grad is not None) == learn


@pytest.mark.parametrize("factor", [1.0, 1024.0])  # as of accumulated batches, and of loss scaling
def test_the_share_of_the_gradient_is_measured_and_kept(factor):
    x, y = (random(2, 6, 4, seed=seed).float().requires_grad_() for seed in range(2))
    weights = random(2, 6, 4, seed=3).float()
    term = SPKD(between=["a", "b"], share=0.25, weight=1.0)
    taps = {name: Tap(tensor, torch.tensor([6, 4]), 0.04) for name, tensor in (("a", x), ("b", y))}

    def step():
        loss, parts = term(taps, {})
        task = (weights * x).sum()
        (factor * (task + term.weight * loss.mean())).backward()
        return loss, parts["gradient"], term.weight

    term.share, weight = None, term.weight  # fixed
    assert step()[1].isnan().all()  # nothing is known yet
    _, gradient, _ = step()
    [own] = torch.autograd.grad(weight * term(taps, {})[0].mean(), x)
    torch.testing.assert_close(gradient, (own.norm() / weights.norm()).expand(2))
    term.share = 0.25
    for _ in range(200):
        step()
    torch.testing.assert_close(step()[1], torch.full((2,), 0.25), rtol=1e-2, atol=0)
    weights[0, 0, 0], before = math.nan, term.weight
    step()
    assert term.weight == before  # no number is learnt from


def test_a_model_adds_both_to_its_loss_and_reports_the_shares():
    terms = {"enc": {**ENCODERS, "share": None, "weight": 7.0}, "dec": {**DECODERS, "weight": 3.0}}
    plain, tied = model({}), model(terms)
    losses = []
    for one in (plain, tied):
        torch.manual_seed(7)
        losses.append(one(**batch())[:2])
    (without, _), (with_it, stats) = losses
    expected = without + 7 * stats["enc_loss"] + 3 * stats["dec_loss"]
    torch.testing.assert_close(with_it, expected, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(stats["dec_weighted"], 3 * stats["dec_loss"])
    with_it.backward()
    stats = tied(**batch())[1]
    assert 0 < stats["enc_gradient"] < 1 and 0 < stats["dec_gradient"] < 1
    assert tied.regularizers["enc"].weight == 7 and tied.regularizers["dec"].weight != 3
    assert "regularizers.dec.weight" in tied.state_dict() and "regularizers.enc.weight" not in tied.state_dict()
    assert not any(key.startswith(("enc", "dec")) for key in tied.eval()(**batch())[1])


def test_only_the_student_is_taught():
    tied = model({"enc": {**ENCODERS, "weight": 1e6}})
    taps = {name: tap._replace(x=tap.x.requires_grad_()) for name, tap in tied.encode(*speech()).items()}
    loss = tied.regularizers["enc"](taps, {})[0].sum()
    below, above = torch.autograd.grad(loss, [taps["encoder"].x, taps["hier_encoder"].x], allow_unused=True)
    assert below.abs().sum() > 0 and above is None


def speech():
    data = batch()
    return data["speech"], data["speech_lengths"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"between": ["encoder"]}, "between names .'encoder'.: give a student and a teacher"),
        ({"between": ["encoder", "hier_encoder.2"]}, "between: 'hier_encoder.2' is not one of ctc.log_probs, enc"),
        ({"between": ["encoder", "upper"]}, "regularizers.kd: the model has no 'upper'"),
        ({"between": ["streaming.predictor", "ofline.predictor"]}, "has no 'ofline' .did you mean 'offline'"),
        ({"between": ["encoder", "offline.predictor"]}, "'encoder' of frames and 'offline.predictor' of labels"),
        ({"between": ["streaming.predictor", "st.predictor"]}, "are of heads that write different labels"),
        ({"between": ["encoder", "hier_encoder"], "weight": 0}, "weight is 0 and would stay so"),
        ({"between": ["encoder", "hier_encoder"], "axis": "frames"}, "axis: 'frames' is not one of batch, time"),
    ],
)
def test_what_cannot_be_compared_is_one_message(entry, message):
    heads = {**HEADS, "st": {**TRANSDUCER, "lanes": ["translation"]}}
    with pytest.raises(ConfigError, match=message):
        model({"kd": {"kind": "sp_kd", **entry}}, heads)


def test_taps_of_two_rates_are_refused():
    with pytest.raises(ConfigError, match="'encoder' has frames of 0.08 s and 'hier_encoder' of 0.32 s: give two of"):
        model({"kd": ENCODERS}, subsampling=4)
