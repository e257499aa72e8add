"""The transducer losses against a float64 recursion, and their refusals."""

import math

import pytest
import torch

from espnet_jst.errors import DataError
from espnet_jst.losses import rnnt_loss, simple_rnnt_loss
from tests.reference.rnnt import count_paths, rnnt_loss_reference


def ragged(seed):
    g = torch.Generator().manual_seed(seed)
    B, T, U, V = (int(torch.randint(low, high, (), generator=g)) for low, high in ((1, 4), (1, 8), (0, 9), (2, 7)))
    frames = torch.randint(1, T + 1, (B,), generator=g)
    labels = torch.randint(0, U + 1, (B,), generator=g)
    targets = torch.randint(1, V, (B, U), generator=g)
    return B, T, U, V, frames, labels, targets, g


def expected(logits, targets, frames, labels):
    return torch.stack(
        [rnnt_loss_reference(logits[b], targets[b], int(frames[b]), int(labels[b])) for b in range(len(logits))]
    )


def test_loss_and_gradient_equal_the_reference_on_ragged_batches():
    for seed in range(60):
        B, T, U, V, frames, labels, targets, g = ragged(seed)
        logits = (3 * torch.randn(B, T, U + 1, V, generator=g)).requires_grad_()
        reference = expected(logits, targets, frames, labels)
        loss = rnnt_loss(logits, targets, frames, labels)
        torch.testing.assert_close(loss.double(), reference, atol=1e-5, rtol=1e-5)
        ours, theirs = (torch.autograd.grad(x.sum(), logits)[0] for x in (loss, reference))
        torch.testing.assert_close(ours, theirs.float(), atol=1e-5, rtol=1e-4)


def test_500_random_shapes_equal_the_reference_and_its_finite_differences():
    step, seen = 1e-4, {"more labels than frames": 0, "no label": 0}
    for seed in range(500):
        B, T, U, V, frames, labels, targets, g = ragged(seed)
        logits = 3 * torch.randn(B, T, U + 1, V, generator=g, dtype=torch.float64)
        given = logits.float().requires_grad_()
        loss = rnnt_loss(given, targets, frames, labels)
        assert (
            float((loss.detach().double() - expected(given.detach().double(), targets, frames, labels)).abs().max())
            <= 1e-5
        )
        (gradient,) = torch.autograd.grad(loss.sum(), given)
        random = torch.randn(logits.shape, generator=g, dtype=torch.float64)
        # Along one logit that counts and along a random direction.
        one = torch.zeros_like(logits)
        one[0, int(frames[0]) - 1, int(labels[0]), int(targets[0, 0]) if U else 0] = 1.0
        for way in (one, random / random.norm()):
            up, down = (rnnt_loss(given.double() + s * step * way, targets, frames, labels).sum() for s in (1, -1))
            assert abs(float((up - down).detach() / (2 * step)) - float((gradient * way).sum())) <= 1e-4
        seen["more labels than frames"] += bool((labels > frames).any())
        seen["no label"] += bool((labels == 0).any())
    assert min(seen.values()) > 50


def test_additive_loss_equals_the_loss_of_its_sum():
    for seed in range(60):
        B, T, U, V, frames, labels, targets, g = ragged(seed)
        am = (3 * torch.randn(B, T, V, generator=g)).requires_grad_()
        lm = (3 * torch.randn(B, U + 1, V, generator=g)).requires_grad_()
        reference = expected(am[:, :, None] + lm[:, None], targets, frames, labels)
        loss = simple_rnnt_loss(am, lm, targets, frames, labels)[0]
        torch.testing.assert_close(loss.double(), reference, atol=1e-5, rtol=1e-5)
        for leaf in (am, lm):
            ours, theirs = (torch.autograd.grad(x.sum(), leaf, retain_graph=True)[0] for x in (loss, reference))
            torch.testing.assert_close(ours, theirs.float(), atol=1e-5, rtol=1e-4)


def test_lm_scale_one_is_the_language_model_alone():
    lm = torch.randn(1, 3, 5)
    loss, _, _ = simple_rnnt_loss(
        torch.randn(1, 1, 5), lm, torch.tensor([[2, 4]]), torch.tensor([1]), torch.tensor([2]), lm_scale=1.0
    )
    logp = lm[0].log_softmax(-1)
    torch.testing.assert_close(loss[0], -(logp[0, 2] + logp[1, 4] + logp[2, 0]))


def test_uniform_probabilities_count_the_paths():
    T, U, V = 5, 3, 4
    loss = rnnt_loss(torch.zeros(1, T, U + 1, V), torch.ones(1, U).long(), torch.tensor([T]), torch.tensor([U]))
    assert math.isclose(float(loss), (T + U) * math.log(V) - math.log(count_paths(T, U)), rel_tol=1e-5)


def test_padding_never_changes_a_value():
    logits = torch.randn(2, 9, 6, 5)
    targets = torch.randint(1, 5, (2, 5))
    frames, labels = torch.tensor([4, 7]), torch.tensor([2, 3])
    loss = rnnt_loss(logits, targets, frames, labels)
    logits[0, 4:], logits[0, :, 3:] = 1e4, -1e4
    targets[0, 2:], targets[1, 3:] = -1, 99
    torch.testing.assert_close(rnnt_loss(logits, targets, frames, labels), loss)


def test_extreme_additive_scores_stay_finite():
    am, lm = torch.tensor([[[500.0, 0.0, -500.0]]]), torch.tensor([[[-500.0, 0.0, 500.0], [0.0, 0.0, 0.0]]])
    loss, _, _ = simple_rnnt_loss(am, lm, torch.tensor([[1]]), torch.tensor([1]), torch.tensor([1]))
    assert loss.isfinite().all()


@pytest.mark.parametrize(
    ("frames", "labels", "targets", "message"),
    [
        ([3, 0], [2, 2], [[1, 2], [1, 2]], "utterance 1 .*0 frames, must be 1 to 3"),
        ([3, 4], [2, 2], [[1, 2], [1, 2]], "utterance 1 .*4 frames"),
        ([3, 3], [3, 2], [[1, 2], [1, 2]], "utterance 0 .*3 labels, must be 0 to 2"),
        ([3, 3], [2, -1], [[1, 2], [1, 2]], "utterance 1 .*-1 labels"),
        ([3, 3], [2, 2], [[1, 2], [1, 9]], "utterance 1 .*label 9 is outside the vocabulary of 4"),
        ([3, 3], [2, 2], [[1, 0], [1, 2]], "utterance 0 .*label 0 is the blank"),
    ],
)
def test_wrong_lengths_and_labels_name_the_utterance(frames, labels, targets, message):
    with pytest.raises(DataError, match=message) as caught:
        rnnt_loss(torch.zeros(2, 3, 3, 4), torch.tensor(targets), torch.tensor(frames), torch.tensor(labels))
    assert caught.value.index in (0, 1)


def test_nan_names_the_utterance():
    logits = torch.zeros(2, 3, 2, 4)
    logits[1, 0, 0, 2] = math.nan
    with pytest.raises(DataError, match="utterance 1 .*nan"):
        rnnt_loss(logits, torch.ones(2, 1).long(), torch.tensor([3, 3]), torch.tensor([1, 1]))


def test_mismatched_shapes_are_refused():
    with pytest.raises(DataError, match="must be one more"):
        rnnt_loss(torch.zeros(1, 3, 2, 4), torch.ones(1, 2).long(), torch.tensor([3]), torch.tensor([2]))
