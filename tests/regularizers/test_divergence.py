"""The symmetric divergence: its value, the gradient of teachers that stand still, padding, symbols of no chance."""

import torch

from espnet_jst.regularizers.divergence import symmetric_divergence

LENGTHS = torch.tensor([5, 3])


def kl(teacher, learner):
    return (teacher.exp() * (teacher - learner)).sum(-1)


def logits(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 5, 4, dtype=torch.float64, generator=generator, requires_grad=True)


def test_it_is_a_half_of_both_directions_over_the_valid_frames():
    a, b = (logits(seed).detach().log_softmax(-1) for seed in range(2))
    frames = 0.5 * (kl(b, a) + kl(a, b))
    expected = torch.stack([frames[0].sum(), frames[1, :3].sum()])
    torch.testing.assert_close(symmetric_divergence(a, b, LENGTHS), expected)


def test_the_gradient_is_that_of_a_teacher_that_stands_still():
    a, b = logits(0), logits(1)
    loss = symmetric_divergence(a.log_softmax(-1), b.log_softmax(-1), LENGTHS).sum()
    found = torch.autograd.grad(loss, [a, b])
    for gradient, x, other in ((found[0], a, b), (found[1], b, a)):
        teacher, expected = other.detach().log_softmax(-1), torch.zeros_like(x)
        with torch.no_grad():
            for place in torch.cartesian_prod(*map(torch.arange, x.shape)).tolist():
                if place[1] >= LENGTHS[place[0]]:
                    continue
                sides = []
                for step in (1e-6, -1e-6):
                    moved = x.clone()
                    moved[tuple(place)] += step
                    # In the other direction x is the teacher, and gives no gradient.
                    sides.append(0.5 * kl(teacher, moved.log_softmax(-1))[place[0], place[1]])
                expected[tuple(place)] = (sides[0] - sides[1]) / 2e-6
        torch.testing.assert_close(gradient, expected, atol=1e-8, rtol=1e-6)
        assert (gradient[1, 3:] == 0).all()


def test_what_stands_in_the_padding_changes_nothing():
    a, b = (logits(seed).detach().log_softmax(-1) for seed in range(2))
    before = symmetric_divergence(a, b, LENGTHS)
    a[1, 3:], b[1, 3:] = a[0, 3:], -100.0
    assert torch.equal(symmetric_divergence(a, b, LENGTHS), before)


def test_equal_posteriors_cost_nothing_and_a_forbidden_symbol_is_no_nan():
    x = torch.randn(2, 5, 4)
    x[..., 3] = -torch.inf
    x.requires_grad_()
    loss = symmetric_divergence(x.log_softmax(-1), (x + 1.0).log_softmax(-1), LENGTHS)
    torch.testing.assert_close(loss, torch.zeros(2), atol=1e-6, rtol=0)
    other = x.detach() + torch.randn(2, 5, 4)
    loss = symmetric_divergence(x.log_softmax(-1), other.log_softmax(-1), LENGTHS)
    assert loss.isfinite().all() and torch.autograd.grad(loss.sum(), x)[0].isfinite().all()
