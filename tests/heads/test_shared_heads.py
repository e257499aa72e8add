"""One decoder on two encoders: its parameters are there once, learn from both, and are searched on either."""

import pytest
import torch

from espnet_jst.errors import ConfigError
from tests.inference import tiny
from tests.inference.test_chains import full_context_above

STREAMING = {"kind": "transducer", "lanes": ["transcript"], "predictor_conf": {"size": 24}}
OFFLINE = {"kind": "transducer", "lanes": ["transcript"], "reads": "hier_encoder", "shares": "streaming"}
SECOND = {"offline": {"heads": ["offline"], "second_pass_of": "streaming"}}


def conf(heads, searches=None):
    values = full_context_above(heads)
    values["model_conf"]["searches"] = searches
    return values


def test_its_parameters_are_there_once_and_learn_from_both():
    model = tiny.tiny_model(conf({"streaming": STREAMING, "offline": OFFLINE}))[0].train()
    assert set(model.heads) == {"streaming"} and model.head["offline"] is model.heads["streaming"]
    assert not any("offline" in name for name in model.state_dict())
    speech = torch.stack([torch.from_numpy(tiny.speech(2.0, seed=seed)) for seed in range(2)])
    batch = {"speech": speech, "speech_lengths": torch.tensor([16000, 9000])}
    for name in ("streaming", "offline"):
        batch |= {f"target_{name}": torch.tensor([[2, 3], [4, -1]]), f"target_{name}_lengths": torch.tensor([2, 1])}
    stats = model(**batch)[1]
    assert (
        stats["streaming_rnnt"] > 0 and stats["offline_rnnt"] > 0 and stats["streaming_rnnt"] != stats["offline_rnnt"]
    )
    weight = model.heads["streaming"].joint.output.weight
    for name in ("streaming", "offline"):
        one = {key: value for key, value in batch.items() if not key.startswith("target") or name in key}
        [gradient] = torch.autograd.grad(model(**one)[0], weight)
        assert gradient.abs().sum() > 0


def test_it_is_searched_on_either_encoder_and_as_a_second_pass():
    heads, speech = {"streaming": STREAMING, "offline": OFFLINE}, tiny.speech(4.0, seed=3)
    texts = [tiny.speech2text(conf(heads), search_heads=[name])(speech)[0][0] for name in heads]
    assert texts[0] and texts[0] != texts[1]
    session = tiny.speech2text(conf(heads, SECOND), revise=True).session()
    session.push(speech)
    assert " ".join(word.text for word in session.finish()) == texts[1]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"shares": "steaming"}, "heads.offline.shares: 'steaming' is not one of ctc, streaming"),
        ({"shares": "ctc"}, "heads.offline.shares: 'ctc' is of another kind, or writes other labels"),
        ({"lanes": ["translation"]}, "'streaming' is of another kind, or writes other labels"),
        ({"joint_size": 16}, "joint_size: what shares the parameters of 'streaming' has its keys"),
    ],
)
def test_what_cannot_be_shared_is_one_message(entry, message):
    heads = {"streaming": STREAMING, "offline": {**OFFLINE, **entry}, "ctc": {"kind": "ctc", "lanes": ["transcript"]}}
    with pytest.raises(ConfigError, match=message):
        tiny.tiny_model(conf(heads))


def test_taps_of_other_sizes_and_chains_of_shares_are_refused():
    values = conf({"streaming": STREAMING, "offline": OFFLINE})
    values["hier_encoder_conf"]["size"] = 16
    with pytest.raises(ConfigError, match="'streaming' reads 32 features of encoder, and hier_encoder has 16"):
        tiny.tiny_model(values)
    third = {**OFFLINE, "reads": "encoder", "shares": "offline"}
    with pytest.raises(ConfigError, match="third.shares: 'offline' has no parameters of its own: name 'streaming'"):
        tiny.tiny_model(conf({"streaming": STREAMING, "offline": OFFLINE, "third": third}))
