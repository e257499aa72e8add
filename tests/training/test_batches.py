"""Batches are counted, and a curriculum admits longer ones step by step."""

import numpy as np
import pytest
from espnet2.iterators.sequence_iter_factory import SequenceIterFactory

from espnet_jst.errors import ConfigError
from espnet_jst.training.batches import CountedBatches, speech_lengths

LENGTHS = {f"u{number}": 10 * (number + 1) for number in range(40)}
BATCHES = [tuple(f"u{4 * i + j}" for j in range(4)) for i in range(10)]


class Names:
    """A data set whose items are their names."""

    def __getitem__(self, key):
        return key, np.zeros(1)


def factory(num_iters=None, **conf):
    base = SequenceIterFactory(Names(), BATCHES, num_iters, seed=3, shuffle=True, collate_fn=lambda items: items)
    return CountedBatches(base, LENGTHS, **conf)


def names(iterator):
    return [tuple(key for key, _ in batch) for batch in iterator]


def planned(epochs, num_iters=None, **conf):
    batches = factory(num_iters, **conf)
    batches.plan(epochs)
    return batches


def test_the_limit_grows_with_every_step_from_a_quantile_to_the_longest():
    batches = planned(8, num_iters=5, curriculum=0.5, curriculum_start=0.15)
    admitted = np.concatenate([batches.admitted(epoch, 8) for epoch in range(1, 9)])
    assert admitted[0] == 2 and admitted.tolist() == sorted(admitted)
    assert set(admitted[20:]) == {10} and admitted[15] < 10
    for epoch in range(1, 5):
        for step, batch in enumerate(names(batches.build_iter(epoch))):
            progress = (5 * (epoch - 1) + step) / 20
            first = np.quantile([LENGTHS[b[-1]] for b in BATCHES], 0.15)
            assert LENGTHS[batch[-1]] <= first + (400 - first) * progress
    drawn = {batch for epoch in range(1, 9) for batch in names(batches.build_iter(epoch))}
    assert len(drawn) == 10


def test_the_order_depends_on_the_epoch_alone():
    one, two = planned(10, curriculum=0.8), planned(10, curriculum=0.8)
    list(one.build_iter(1))
    assert names(one.build_iter(7)) == names(two.build_iter(7))
    assert names(one.build_iter(7)) != names(one.build_iter(8))


def test_after_the_curriculum_the_batches_are_espnets():
    batches = planned(4, curriculum=0.5)
    assert names(batches.build_iter(3)) == names(batches.base.build_iter(3))
    assert names(batches.build_iter(2)) != names(batches.base.build_iter(2))


@pytest.mark.parametrize("num_iters", [3, 25, None])
def test_steps_are_what_an_epoch_yields(num_iters):
    batches = planned(6, num_iters=num_iters, curriculum=0.5)
    assert batches.steps == (num_iters or 10)
    for epoch in range(1, 7):
        assert len(names(batches.build_iter(epoch))) == batches.steps


@pytest.mark.parametrize("conf", [{"curriculum": 6}, {"curriculum_start": -0.1}])
def test_a_share_outside_0_to_1_is_refused(conf):
    with pytest.raises(ConfigError, match="a share from 0 to 1"):
        factory(**conf)


def test_without_lengths_there_is_no_curriculum_and_the_count_is_right():
    base = SequenceIterFactory(Names(), BATCHES, None, seed=3, collate_fn=lambda items: items)
    assert CountedBatches(base, curriculum=0.5).steps == 10


def test_a_probe_spreads_over_the_sizes():
    iterator, sizes = factory().probe(4)
    assert min(sizes) == 4 * 40 and max(sizes) == 4 * 400
    assert [4 * LENGTHS[batch[-1]] for batch in names(iterator)] == list(sizes)


def test_lengths_come_from_the_shapes_of_the_speech(tmp_path):
    (tmp_path / "text_shape").write_text("u0 3,500\n")
    (tmp_path / "speech_shape").write_text("u0 16000,1\nu1 800\n")
    assert speech_lengths([f"{tmp_path}/text_shape", f"{tmp_path}/speech_shape"]) == {"u0": 16000, "u1": 800}
    (tmp_path / "keys").write_text("u0 /some/file.wav\n")
    with pytest.raises(ConfigError, match="no length after 'u0'"):
        speech_lengths([f"{tmp_path}/keys"])
    with pytest.raises(ConfigError, match="--train_shape_file"):
        speech_lengths([])
