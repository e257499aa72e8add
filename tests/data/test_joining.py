"""Utterances of a batch that become one: all samples and labels in order, pauses before each, nothing lost."""

import numpy as np
import pytest
from espnet2.train.collate_fn import CommonCollateFn

from espnet_jst.data.conf import PreprocessorConf
from espnet_jst.data.joining import JoinedUtterances
from espnet_jst.keys import read

FS = 1000


def utterances(count: int, channels: int = 1) -> list:
    generator = np.random.default_rng(0)
    shape = () if channels == 1 else (channels,)
    return [
        (
            f"u{n}",
            {
                "speech": (0.5 + generator.random((100 + n, *shape))).astype(np.float32),
                "target_asr": np.array([n + 1, n + 1], dtype=np.int64),
                "target_st": np.array([100 + n], dtype=np.int64),
            },
        )
        for n in range(count)
    ]


def joined(items: list, **values) -> list:
    conf = read(PreprocessorConf, {"join_prob": 1.0, **values}, "preprocessor_conf")
    np.random.seed(1)
    return JoinedUtterances(list, conf, fs=FS)(items)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("count", [1, 2, 7, 16])
def test_every_utterance_is_there_once_with_its_labels_behind_a_pause(count, channels):
    items = dict(utterances(count, channels))
    out = joined(list(items.items()), join=[3, 3], pause_s=[0.02, 0.05])
    assert len(out) == -(-count // 3)
    assert sorted("+".join(key for key, _ in out).split("+")) == sorted(items)
    for key, values in out:
        samples, labels, further = values["speech"], [], []
        for name in key.split("+"):
            speech = items[name]["speech"]
            pause = int(np.argmax(np.abs(samples.reshape(len(samples), -1)[:, 0]) > 0.45))  # fainter than any sample
            assert 20 <= pause < 50
            np.testing.assert_array_equal(samples[pause : pause + len(speech)], speech)
            samples = samples[pause + len(speech) :]
            labels += [*items[name]["target_asr"]]
            further += [*items[name]["target_st"]]
        assert not len(samples)
        assert values["target_asr"].tolist() == labels
        assert values["target_st"].tolist() == further


def test_numbers_of_utterances_and_pauses_vary_and_follow_the_seed():
    items = utterances(12)
    rounds = [joined(items, join=[2, 4]) for _ in range(2)]
    assert [key for key, _ in rounds[0]] == [key for key, _ in rounds[1]]
    conf = read(PreprocessorConf, {"join_prob": 0.5, "join": [2, 4]}, "preprocessor_conf")
    collate = JoinedUtterances(list, conf, fs=FS)
    np.random.seed(0)
    sizes = {len(collate(items)) for _ in range(60)}
    assert sizes == {12, 6, 4, 3}  # as they are, and two, three or four of them as one


def test_batches_of_joined_utterances_are_padded_as_others():
    conf = read(PreprocessorConf, {"join_prob": 1.0, "join": [2, 2], "pause_s": [0, 0]}, "preprocessor_conf")
    keys, batch = JoinedUtterances(CommonCollateFn(float_pad_value=0.0, int_pad_value=-1), conf, fs=FS)(utterances(5))
    assert len(keys) == 3
    assert batch["speech_lengths"].sum() == sum(range(100, 105))
    assert sorted(batch["target_asr_lengths"].tolist()) == [2, 4, 4]


@pytest.mark.parametrize(
    ("values", "message"),
    [({"join": [3, 2]}, "join"), ({"join": [1, 2]}, "join"), ({"pause_s": [2, 1]}, "pause_s"), ({"join": 2}, "join")],
)
def test_ranges_that_mean_nothing_are_refused(values, message):
    with pytest.raises(Exception, match=message):
        read(PreprocessorConf, values, "preprocessor_conf")
