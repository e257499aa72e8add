"""The attention head: ESPnet's loss, and its steps against ESPnet's decoder."""

import copy

import pytest
import torch
from espnet2.st.espnet_model import LabelSmoothingLoss

from espnet_jst.errors import ConfigError, DataError
from espnet_jst.heads.attention import AttentionHead
from espnet_jst.taps import Tap

V, D = 11, 16
MBART = {"style": "mbart", "activation": "gelu", "positions": 12}
WHISPER = {**MBART, "style": "whisper", "starts": 4}
EVERY = pytest.mark.parametrize(
    "conf", [{}, {**MBART, "starts": 1}, {**MBART, "starts": 3}, WHISPER], ids=["espnet", "1", "3", "whisper"]
)


def make(**conf):
    torch.manual_seed(0)
    return AttentionHead(encoder_size=D, vocab_size=V, layers=2, heads=2, feed_forward_size=24, **conf).eval()


def data():
    x = torch.randn(2, 7, D, generator=torch.Generator().manual_seed(1))
    return Tap(x, torch.tensor([7, 5]), 0.04), torch.tensor([[2, 3, 4], [5, -1, -1]]), torch.tensor([3, 1])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_espnets(smoothing):
    head, (tap, targets, lengths) = make(label_smoothing=smoothing), data()
    output = head(tap, targets, lengths)
    begins, ends = torch.tensor([[10, 2, 3, 4], [10, 5, 10, 10]]), torch.tensor([[2, 3, 4, 10], [5, 10, -1, -1]])
    logits, _ = head.decoder(tap.x, tap.lengths, begins, lengths + 1)
    expected = LabelSmoothingLoss(V, -1, smoothing)(logits, ends)
    torch.testing.assert_close(output.loss.mean(), expected)
    right = (logits.argmax(-1) == ends)[ends >= 0].float().mean()
    torch.testing.assert_close(output.parts["error"].mean(), 1 - right)
    assert output.exposed["decoder"].x.shape == (2, 4, D) and output.exposed["decoder"].lengths.tolist() == [4, 2]


@EVERY
def test_padding_and_the_other_utterances_change_nothing(conf):
    head, (tap, targets, lengths) = make(**conf), data()
    together = head(tap, targets, lengths)
    alone = head(Tap(tap.x[1:, :5], tap.lengths[1:], 0.04), targets[1:, :1], lengths[1:])
    torch.testing.assert_close(together.loss[1:], alone.loss)
    torch.testing.assert_close(together.exposed["decoder"].x[1:, :2], alone.exposed["decoder"].x)
    further = torch.nn.functional.pad(targets, (0, 4), value=-1)
    padded = head(Tap(torch.nn.functional.pad(tap.x, (0, 0, 0, 3)), tap.lengths, 0.04), further, lengths)
    torch.testing.assert_close(padded.loss, together.loss)
    torch.testing.assert_close(padded.parts, together.parts)


def test_steps_are_those_of_espnets_decoder_for_every_hypothesis():
    head, (tap, _, _) = make(), data()
    memory, written = head.begin(tap.x, tap.lengths)
    last, sequences = torch.full((2, 1), head.end), torch.full((2, 1, 1), head.end)
    for step in range(4):
        logp, written = head.step(last, memory, written)
        B, K, U = sequences.shape
        x = tap.x.repeat_interleave(K, dim=0)
        counts = torch.full((B * K,), U)
        expected, _ = head.decoder(x, tap.lengths.repeat_interleave(K), sequences.view(B * K, U), counts)
        torch.testing.assert_close(logp.flatten(0, 1), expected[:, -1].log_softmax(-1), atol=1e-5, rtol=1e-4)
        parents = torch.tensor([[0, 0, 0], [0, 0, 0]]) if step == 0 else torch.tensor([[2, 0, 0], [1, 1, 2]])
        last = torch.tensor([[2, 3, 4], [5, 6, 7]]) + step
        written = written.choose(parents)
        sequences = torch.cat([sequences[torch.arange(2)[:, None], parents], last[..., None]], dim=2)


@EVERY
def test_the_labels_of_a_search_score_what_the_whole_sequence_does(conf):
    head, (tap, targets, lengths) = make(**conf), data()
    memory, written = head.begin(tap.x, tap.lengths)
    last, total = torch.full((2, 1), head.end), torch.zeros(2)
    for place in range(4):
        logp, written = head.step(last, memory, written)
        due = targets[:, place] if place < 3 else torch.full((2,), -1)
        due = due.where(due >= 0, head.end)
        total += logp[:, 0].gather(1, due[:, None])[:, 0] * (place <= lengths)
        last = due[:, None]
    torch.testing.assert_close(total, head.score(tap, targets, lengths), atol=1e-5, rtol=1e-4)


def test_an_embedding_that_is_the_output_layer_too_is_one_parameter():
    head, (tap, targets, lengths) = make(**MBART), data()
    assert [name for name in head.state_dict() if "output_layer" in name] == ["decoder.output_layer.bias"]
    copied = copy.deepcopy(head)
    copied.decoder.embed.embedding.weight.data.mul_(2.0)
    assert torch.equal(copied.decoder.output_layer.weight, 2.0 * head.decoder.output_layer.weight)
    head(tap, targets, lengths).loss.sum().backward()
    assert all(parameter.grad is not None for parameter in head.parameters())


def test_labels_without_a_position_are_refused_by_training_and_not_written_by_a_search():
    head, (tap, *_) = make(**MBART, starts=2), data()
    assert head.most_labels == 10
    with pytest.raises(DataError, match="11 labels, and the decoder has positions for 10") as caught:
        head(Tap(tap.x, torch.tensor([7, 7]), 0.04), torch.full((2, 11), 3), torch.tensor([4, 11]))
    assert caught.value.index == 1


def test_what_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match="positions and starts belong to style: mbart or whisper"):
        make(starts=2)
    with pytest.raises(ConfigError, match="scale_embedding belongs to style: mbart"):
        make(**{**WHISPER, "scale_embedding": False})
    with pytest.raises(ConfigError, match="as wide as what it reads: 16 is no multiple of 3 heads"):
        AttentionHead(encoder_size=D, vocab_size=V, heads=3)
    tap, targets, lengths = data()
    with pytest.raises(DataError, match="utterance 1 of the batch: label 40 is outside"):
        make()(tap, targets.masked_fill(targets == 5, 40), lengths)
