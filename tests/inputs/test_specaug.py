"""Lhotse's SpecAugment: within each utterance, in its mean, warped once and masked for each view."""

import numpy as np
import pytest
import torch

from espnet_jst.errors import ConfigError
from espnet_jst.inputs.specaug import LhotseSpecAug

LENGTHS = torch.tensor([400, 333, 1, 90])


def features(lengths=LENGTHS, bands=20):
    """Positive and all different, with padding of their own."""
    x = 1.0 + torch.rand(len(lengths), int(lengths.max()), bands, generator=torch.Generator().manual_seed(0))
    x[torch.arange(x.size(1)) >= lengths[:, None]] = -7.0
    return x


def masked(augment, *, views=1, bands=20):
    """Which values were replaced, (views * B, T, F); the warp must be off."""
    x = features(bands=bands)
    y, lengths = augment(x, LENGTHS, views=views)
    assert torch.equal(lengths, LENGTHS.repeat(views))
    return y != x.repeat(views, 1, 1), y


def test_masks_stay_inside_of_each_utterance_and_hold_its_mean():
    torch.manual_seed(1)
    augment = LhotseSpecAug(prob=1, time_warp_frames=0, time_mask_frames=20)
    for _ in range(20):
        hidden, y = masked(augment)
        for b, length in enumerate(LENGTHS.tolist()):
            assert not hidden[b, length:].any() and (y[b, length:] == -7.0).all()
            torch.testing.assert_close(y[b][hidden[b]], features()[b, :length].mean().expand(int(hidden[b].sum())))


def test_the_padding_of_a_batch_does_not_change_the_mean():
    augment = LhotseSpecAug(prob=1, time_warp_frames=0)
    x, lengths = torch.rand(1, 60, 20), torch.tensor([60])
    longer = torch.cat([x, torch.full((1, 40, 20), 1e6)], dim=1)
    torch.manual_seed(0)
    y = augment(longer, lengths)[0][:, :60]
    torch.testing.assert_close(y[y != x].unique(), x.mean()[None])


@pytest.mark.parametrize(("views", "most", "share"), [(1, 10, 0.15), (2, 25, 0.375)])
def test_time_masks_grow_with_the_length_and_with_views(views, most, share):
    """The sheet's numbers: 10 masks and 0.15 of the frames, for two views 2.5 times as many and as much."""
    torch.manual_seed(2)
    augment = LhotseSpecAug(prob=1, time_warp_frames=0, freq_masks=0, time_mask_frames=8)
    hidden = torch.stack([masked(augment, views=views)[0].all(2) for _ in range(200)])  # (200, views * B, T)
    frames = hidden.sum(2).unflatten(1, (views, 4)).float()
    limit = share * LENGTHS
    assert (frames <= limit).all() and (frames[..., 0].amax() > 0.4 * limit[0])
    starts = (hidden & ~hidden.roll(1, dims=2)).sum(2)
    assert starts.amax() <= most and starts[:, 0].amax() >= 0.6 * min(most, np.ceil(limit[0] / 8))
    assert (frames[..., 2] == 0).all()  # one frame cannot be hidden in part
    expected = 3.5 * min(most, float(np.ceil(limit[0] / 8)))  # widths 0 to 7; overlaps make it less
    assert 0.75 * expected < frames[..., 0].mean() <= expected


def test_widths_are_drawn_evenly_from_nothing_and_places_from_all():
    torch.manual_seed(3)
    augment = LhotseSpecAug(prob=1, time_warp_frames=0, freq_masks=1, freq_mask_bands=5, time_masks=0)
    hidden = torch.stack([masked(augment)[0][0, 0] for _ in range(600)])
    widths = hidden.sum(1).bincount(minlength=5)
    assert widths.numel() == 5 and (widths > 80).all()  # 120 expected of each
    assert hidden.any(0).all()


def test_bands_as_wide_as_the_features_leave_something():
    augment = LhotseSpecAug(prob=1, time_warp_frames=0, time_masks=0, freq_masks=1, freq_mask_bands=27)
    torch.manual_seed(0)
    assert not any(masked(augment, bands=8)[0][0, 0].all() for _ in range(50))


def test_an_utterance_is_masked_with_a_probability_and_each_view_for_itself():
    torch.manual_seed(4)
    augment = LhotseSpecAug(prob=0.5, time_warp_frames=0, freq_masks=3, time_mask_frames=8)
    either = torch.stack([masked(augment, views=2)[0].flatten(1).any(1) for _ in range(300)])
    assert 0.4 < either[:, 0].float().mean() < 0.6
    both = either[:, 0] & either[:, 4]
    assert 0.15 < both.float().mean() < 0.35  # independent of each other
    one, other = masked(LhotseSpecAug(prob=1, time_warp_frames=0))[0].split(2)
    assert not torch.equal(one[0, :90], other[1, :90])


def reference(x, before, after):
    """One utterance by numpy: frame `after` of the result is frame `before` of x, and the ends stay."""
    at = np.interp(np.arange(len(x)), [0, after, len(x)], [0, before, len(x)]).clip(max=len(x) - 1)
    return np.stack([np.interp(at, np.arange(len(x)), band) for band in x.T], axis=1)


def test_a_warp_is_that_of_some_frame_that_moved_and_every_utterance_has_its_own():
    torch.manual_seed(5)
    augment = LhotseSpecAug(prob=1, time_warp_frames=8, freq_masks=0, time_masks=0)
    lengths = torch.tensor([40, 33, 17, 5])
    x = features(lengths, bands=3).double()
    y = augment(x, lengths)[0]
    found = []
    for b, length in enumerate(lengths.tolist()):
        assert torch.equal(y[b, length:], x[b, length:])
        known = x[b, :length].numpy()
        moves = [(c, w) for c in range(9, length - 8) for w in range(c - 8, c + 9)]
        if moves:
            error, *move = min((np.abs(reference(known, *m) - y[b, :length].numpy()).max(), *m) for m in moves)
            found.append(tuple(move))
            assert error < 1e-4
        else:
            assert torch.equal(y[b], x[b])  # no longer than twice the warp
    assert len(found) == 2 and found[0] != found[1] and any(c != w for c, w in found)


def test_all_views_are_warped_alike():
    torch.manual_seed(6)
    augment = LhotseSpecAug(prob=0.9, time_warp_frames=8, freq_masks=0, time_masks=0)
    x = features()
    y, _ = augment(x, LENGTHS, views=2)
    one, other = y.chunk(2)
    assert torch.equal(one, other) and not torch.equal(one, x)


def test_gradients_reach_what_is_not_hidden_and_nothing_else_of_the_padding():
    torch.manual_seed(7)
    x = features().requires_grad_()
    y, lengths = LhotseSpecAug()(x, LENGTHS, views=2)
    (y * (torch.arange(400) < lengths[:, None])[..., None]).sum().backward()
    for b, length in enumerate(LENGTHS.tolist()):
        assert (x.grad[b, length:] == 0).all() and x.grad[b, :length].abs().sum() > 0


def test_espnet_can_use_it_without_lengths():
    y, lengths = LhotseSpecAug()(torch.rand(2, 300, 20))
    assert y.shape == (2, 300, 20) and lengths.tolist() == [300, 300]


def test_more_than_the_whole_utterance_is_refused():
    with pytest.raises(ConfigError, match="time_mask_share 0.5 times views_ratio 2.5 is more than the whole utterance"):
        LhotseSpecAug(time_mask_share=0.5)
