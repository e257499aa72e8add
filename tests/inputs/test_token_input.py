"""Text as an input: in packets of any size as in one piece."""

import pytest
import torch

from espnet_jst.errors import ConfigError
from espnet_jst.inputs.build import build_inputs
from espnet_jst.inputs.conf import TokenInputConf
from espnet_jst.inputs.spec import parse_inputs
from espnet_jst.inputs.tokens import SharingInput, TokenInput
from espnet_jst.taps import Tap
from tests.inference import tiny


@pytest.fixture
def tokens():
    torch.manual_seed(0)
    return TokenInput(key="input_src_text", into="hier_encoder", vocab_size=7, size=5, shift_s=0.08, repeat=3)


def test_every_token_is_some_equal_frames_with_a_gradient(tokens):
    x, lengths, shift_s = tokens.embed(torch.tensor([[1, 4], [6, -1]]), torch.tensor([2, 1]))
    assert x.shape == (2, 6, tokens.output_size()) and lengths.tolist() == [6, 3] and shift_s == 0.08
    assert torch.equal(x[0, 0], x[0, 2]) and not torch.equal(x[0, 2], x[0, 3])
    x[1, :3].sum().backward()
    assert tokens.embedding.weight.grad.any(dim=1).tolist() == [False] * 6 + [True]


def test_views_are_the_rows_of_the_first_then_of_the_second(tokens):
    ids, lengths = torch.tensor([[1, 4], [6, -1]]), torch.tensor([2, 1])
    one, two = tokens.embed(ids, lengths), tokens.embed(ids, lengths, views=2)
    assert torch.equal(two.x, torch.cat([one.x, one.x])) and two.lengths.tolist() == [6, 3, 6, 3]


def test_streams_of_any_age_give_the_frames_of_the_whole(tokens):
    ids, lengths = torch.tensor([[1, 2, 3, 4, 5], [6, 5, -1, -1, -1]]), torch.tensor([5, 2])
    whole = tokens.embed(ids, lengths)
    state, heard = tokens.init_state(2), [0, 0]
    streamed = [[], []]
    for counts in ([2, 0], [0, 1], [3, 1]):
        packet = torch.full((2, max(counts)), -1)
        for row, count in enumerate(counts):
            packet[row, :count] = ids[row, heard[row] : heard[row] + count]
            heard[row] += count
        x, n, shift_s = tokens.step(Tap(packet, torch.tensor(counts), 0.0), state, [False, False])[0]
        assert shift_s == whole.shift_s
        for row in range(2):
            streamed[row].append(x[row, : n[row]])
            assert not x[row, n[row] :].any()
    for row in range(2):
        assert torch.equal(torch.cat(streamed[row]), whole.x[row, : whole.lengths[row]])


def test_places_tell_one_token_from_two_equal_ones(tokens):
    torch.manual_seed(0)
    placed = TokenInput(key="k", into="encoder", vocab_size=7, size=5, shift_s=None, repeat=3, places=True)
    x = placed.embed(torch.tensor([[4, 4]]), torch.tensor([2])).x[0]
    assert torch.equal(x[:3], x[3:]) and len(x.unique(dim=0)) == 3
    streamed = placed.step(Tap(torch.tensor([[4]]), torch.tensor([1]), 1.0), placed.init_state(1), [False])[0]
    assert torch.equal(streamed.x[0], x[:3])
    assert len(tokens.embed(torch.tensor([[4, 4]]), torch.tensor([2])).x[0].unique(dim=0)) == 1


def test_without_speech_a_token_takes_a_second():
    tokens = TokenInput(key="k", into="encoder", vocab_size=7, size=5, shift_s=None, repeat=4)
    assert tokens.shift_s == 0.25 and tokens.ready(3) == 12


def test_an_input_that_shares_an_embedding_has_its_own_number_of_frames_and_no_parameters(tokens):
    shared = SharingInput("input_units", tokens, TokenInputConf(repeat=2))
    ids, lengths = torch.tensor([[1, 4, 2], [6, -1, -1]]), torch.tensor([3, 1])
    x, n, shift_s = shared.embed(ids, lengths, views=2)
    assert x.shape == (4, 6, 5) and n.tolist() == [6, 2, 6, 2] and shift_s == tokens.shift_s
    assert torch.equal(x[0, 2], tokens.embedding.weight[4]) and torch.equal(x[:2], x[2:])
    streamed, _ = shared.step(Tap(ids, lengths, 0.0), shared.init_state(2), [True, True])
    assert torch.equal(streamed.x[0], x[0]) and not streamed.x[1, 2:].any() and shared.ready(3) == 6
    x.sum().backward()
    assert tokens.embedding.weight.grad.any() and not isinstance(shared, torch.nn.Module)


@pytest.mark.parametrize("sharing", [False, True])
def test_stretches_of_a_sequence_are_zeros_in_training_alone(sharing):
    torch.manual_seed(0)
    conf = {"repeat": 2, "mask_share": 0.3, "mask_frames": 8}
    owner = TokenInput(key="k", into="encoder", vocab_size=7, size=5, shift_s=None, **({} if sharing else conf))
    tokens = SharingInput("other", owner, TokenInputConf(**conf)) if sharing else owner
    ids = torch.randint(7, (40, 50))
    lengths = torch.full((40,), 50)
    ids[1::2, 20:], lengths[1::2] = -1, 20
    x, counts, _ = tokens.embed(ids, lengths, views=2)
    hidden = (x == 0).all(-1)
    for row, count in enumerate(counts.tolist()):  # at most a share of its own frames, and no frame of padding
        assert hidden[row, :count].sum() <= 0.3 * count and not hidden[row, count:].any()
    assert hidden.any(1).float().mean() > 0.8 and not torch.equal(hidden[:40], hidden[40:])
    x.sum().backward()
    owner.eval()
    whole = tokens.embed(ids, lengths).x
    assert not (whole == 0).all(-1).any() and torch.equal(whole[~hidden[:40]], x[:40][~hidden[:40]])


HARD = {
    "units": {"kind": "tokens", "into": "encoder"},
    "src_text": {"kind": "tokens", "into": "encoder", "repeat": 4, "shares": "units"},
}


def test_an_embedding_with_places_is_shared_with_as_many_frames():
    entries = {name: {**entry, "repeat": 3, "places": True} for name, entry in HARD.items() if name == "units"}
    specs = parse_inputs({**entries, "src_text": {**HARD["src_text"], "repeat": 2}})
    with pytest.raises(ConfigError, match="src_text.repeat is 2: 'units' has a place for each of 3 frames"):
        build_inputs(specs, {"tgt": 7}, {"encoder": (5, None)})


def test_units_and_text_go_through_the_same_parameters():
    def model(inputs):
        conf = tiny.config({"st": {"kind": "transducer", "lanes": ["translation"], "predictor_conf": {"size": 24}}})
        conf |= {"input_size": 20, "frontend": None, "normalize": None, "normalize_conf": {}}
        conf["encoder_conf"] = {**conf["encoder_conf"], "subsampling": 1, "taps": []}
        conf["model_conf"] = {**conf["model_conf"], "inputs": inputs}
        return tiny.tiny_model(conf)[0]

    both, alone = model(HARD), model({"units": HARD["units"]})
    assert both.state_dict().keys() == alone.state_dict().keys()
    ids, lengths = torch.tensor([[2, 3, 4]]), torch.tensor([3])
    target = {"target_st": torch.tensor([[7, 8]]), "target_st_lengths": torch.tensor([2])}
    both.eval()
    losses = [
        both(**{f"input_{name}": x, f"input_{name}_lengths": n}, **target)[0].item()
        for name, x, n in (
            ("units", ids.repeat_interleave(4, dim=1), lengths * 4),
            ("src_text", ids, lengths),
            ("units", ids, lengths),
        )
    ]
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"shares": "unit"}, "src_text.shares: 'unit' is not one of"),
        ({"shares": "units", "into": "hier_encoder"}, "enters elsewhere, or has other tokens"),
        ({"shares": "units", "vocabulary": "tgt"}, "enters elsewhere, or has other tokens"),
    ],
)
def test_what_cannot_share_is_one_message(entry, message):
    with pytest.raises(ConfigError, match=message):
        parse_inputs({**HARD, "src_text": {**HARD["src_text"], **entry}})


def test_nothing_shares_what_is_shared():
    third = {"kind": "tokens", "into": "encoder", "shares": "src_text"}
    with pytest.raises(ConfigError, match="'src_text' has no embedding: name 'units'"):
        parse_inputs({**HARD, "third": third})
