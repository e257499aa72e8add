"""The one model: wiring, messages, and chunk by chunk from samples to every tap."""

import random

import numpy as np
import pytest
import torch

from espnet_jst.encoders.chunk_conformer import ChunkConformer
from espnet_jst.encoders.zipformer.zipformer import Zipformer
from espnet_jst.errors import DataError
from espnet_jst.heads.build import build_heads
from espnet_jst.heads.spec import parse_heads
from espnet_jst.inputs.log_mel import LogMel
from espnet_jst.inputs.normalize import RunningMVN
from espnet_jst.model import JSTModel
from espnet_jst.regularizers.build import build_regularizers
from espnet_jst.taps import few_sizes
from tests.inference.tiny import packet

SMALL = {"size": 16, "heads": 2, "feed_forward_size": 24, "kernel_size": 3, "layers": 2, "left_chunks": 2}
STACKS = {
    "layers": [1, 1], "sizes": [16, 16], "unmasked_sizes": [16, 16], "feed_forward_sizes": [24, 24], "heads": [2, 2],
    "kernel_sizes": [3, 3], "downsampling": [1, 2], "query_head_size": 8, "output_subsampling": 4, "left_chunks": 2,
    "train_left_frames": [8, -1], "dropout": (0.0, 0.0), "skips": False, "feature_mask": 0.0, "whitening": False,
}  # fmt: skip
HEADS = {
    "asr": {"kind": "transducer", "lanes": ["transcript"], "joint_size": 8, "predictor_conf": {"size": 8}},
    "ctc": {"kind": "ctc", "lanes": ["transcript"], "reads": "encoder.1", "weight": 0.3},
    "st": {"kind": "transducer", "lanes": ["translation"], "reads": "hier_encoder", "joint_size": 8},
}
LOWER = {"conformer": "encoder.1", "zipformer": "encoder.last_stack"}  # what is read below the top
AHEAD = {"conformer": 0, "zipformer": 13}  # frames of the input that a chunk needs beyond its own


def conformers():
    fast = ChunkConformer(20, subsampling=8, chunk_frames=4, taps=[1], dropout=0.0, **SMALL)
    return fast, ChunkConformer(16, subsampling=1, chunk_frames=8, dropout=0.0, **SMALL)


def zipformers():
    fast = Zipformer(20, subsampling_channels=(4, 4, 4), **STACKS, chunk_frames=4, train_chunk_frames=[4, 8])
    return fast, Zipformer(16, subsampling=1, **STACKS, chunk_frames=8, train_chunk_frames=[8])


@pytest.fixture(params=["conformer", "zipformer"])
def kind(request):
    return request.param


@pytest.fixture
def model(tmp_path, kind):
    return make_model(tmp_path, kind=kind)


def make_model(tmp_path, heads=HEADS, regularizers=None, *, kind="conformer"):
    torch.manual_seed(0)
    np.savez(tmp_path / "stats.npz", count=1, sum=np.full(20, -9.0), sum_square=np.full(20, 90.0))
    specs = parse_heads({**heads, "ctc": {**heads["ctc"], "reads": LOWER[kind]}})
    fast, slow = {"conformer": conformers, "zipformer": zipformers}[kind]()
    modules = build_heads(specs, {"encoder": 16, LOWER[kind]: 16, "hier_encoder": 16}, {"tgt": 9, "src": 7})
    return JSTModel(
        frontend=LogMel(fs=8000, n_mels=20),
        specaug=None,
        normalize=RunningMVN(tmp_path / "stats.npz", prior_frames=20),
        encoder=fast,
        hier_encoder=slow,
        hier_reads={"conformer": "encoder", "zipformer": "encoder.last_stack"}[kind],
        heads=modules,
        specs=specs,
        regularizers=build_regularizers(regularizers, modules, dict.fromkeys(specs, 0.08), specs),
    )


def batch(lengths=(9000, 16000)):
    g = torch.Generator().manual_seed(1)
    return {
        "speech": torch.randn(2, max(lengths), generator=g) * 0.1,
        "speech_lengths": torch.tensor(lengths),
        "target_asr": torch.tensor([[1, 2, -1], [3, 4, 5]]),
        "target_asr_lengths": torch.tensor([2, 3]),
        "target_ctc": torch.tensor([[1, 2, -1], [3, 4, 5]]),
        "target_ctc_lengths": torch.tensor([2, 3]),
        "target_st": torch.tensor([[7, 8], [6, -1]]),
        "target_st_lengths": torch.tensor([2, 1]),
    }


def test_a_head_of_weight_0_is_not_computed(tmp_path):
    model = make_model(tmp_path, {**HEADS, "ctc": {**HEADS["ctc"], "weight": 0.0}})
    model.heads["ctc"].forward = lambda *_: pytest.fail("it was computed")
    for mode in (True, False):
        loss, stats, _ = model.train(mode)(**batch())
        assert loss.isfinite() and stats["ctc_ctc"].isnan()
    model.train()(**batch())[0].backward()
    assert all(p.grad is None for p in model.heads["ctc"].parameters())


def test_a_head_of_weight_0_that_a_regularizer_reads_is_computed_and_learns_from_it(tmp_path):
    heads = {**HEADS, "ctc": {**HEADS["ctc"], "weight": 0.0}, "upper": {**HEADS["ctc"], "reads": "encoder"}}
    model = make_model(tmp_path, heads, {"tie": {"kind": "posterior_consistency", "between": ["ctc", "upper"]}})
    target = {"target_upper": batch()["target_ctc"], "target_upper_lengths": batch()["target_ctc_lengths"]}
    loss, stats, _ = model.train()(**batch(), **target)
    loss.backward()
    assert stats["tie_divergence"] > 0 and stats["ctc_ctc"].isfinite()
    assert model.heads["ctc"].output.weight.grad.abs().sum() > 0


def test_a_batch_that_reaches_only_heads_of_weight_0_is_refused(tmp_path):
    model = make_model(
        tmp_path, {**HEADS, "asr": {**HEADS["asr"], "weight": 0.0}, "ctc": {**HEADS["ctc"], "weight": 0.0}}
    )
    given = {key: value for key, value in batch().items() if "st" not in key}
    with pytest.raises(DataError, match="trains no head"):
        model(**given)


def test_the_loss_is_the_weighted_sum_of_the_heads(model):
    loss, stats, weight = model.eval()(**batch())
    parts = stats["asr_rnnt"] + 0.5 * stats["asr_simple"] + 0.3 * stats["ctc_ctc"]
    parts = parts + stats["st_rnnt"] + 0.5 * stats["st_simple"]
    torch.testing.assert_close(loss.detach(), parts)
    assert weight == 2 and stats["loss"] == loss.detach()


def test_a_loss_that_is_not_finite_reaches_every_gradient_and_names_the_utterance(model, caplog):
    data = batch()
    data["speech"][1, 5000] = torch.nan
    loss, stats, _ = model.train()(**data, utt_id=["first", "second"])
    loss.backward()
    assert model.nonfinite == ["second"]
    assert "head 'asr': utterance 'second'" in caplog.text and "first" not in caplog.text
    assert all(parameter.grad.isnan().any() for parameter in model.parameters())
    assert set(stats) == set(model(**batch())[1]) and model.nonfinite == []
    assert stats["loss"].isnan()


def test_batches_of_few_sizes_have_the_same_loss_and_gradients(model, kind, monkeypatch):
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    data, sizes = batch((15_000, 16_900)), []
    data |= {"target_st": torch.arange(34).remainder(7).add(1).view(2, 17), "target_st_lengths": torch.tensor([17, 5])}
    encode = model.chain.encode
    monkeypatch.setattr(
        model.chain, "encode", lambda tap, *args, **more: sizes.append(tap.x.size(1)) or encode(tap, *args, **more)
    )
    losses, gradients = [], []
    for rounded in (False, True):
        model.rounded = rounded
        random.seed(0)
        torch.manual_seed(0)
        model.zero_grad()
        loss = model.train()(**data)[0]
        loss.backward()
        losses.append(loss.detach())
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    model.eval()(**data)
    assert sizes == [209, 224, 209]
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-5, atol=1e-5)
    if kind == "conformer":  # the balancers of a Zipformer's first convolutions count the padding of any batch
        for one, other in zip(*gradients, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "most", "padded"),
    [
        (1, None, 1),
        (17, None, 18),
        (33, None, 36),
        (64, None, 64),
        (65, None, 72),
        (65, 70, 70),
        (65, 60, 65),
        (127, None, 128),
    ],
)
def test_sizes_are_eight_between_powers_of_two(size, most, padded):
    x = few_sizes(torch.ones(2, size, 3), 0.0, most)
    assert x.shape == (2, padded, 3) and x[:, :size].all() and not x[:, size:].any()
    assert few_sizes(torch.ones(2, size), -1, most).sum() == 2 * size - 2 * (padded - size)


def test_padding_of_a_batch_does_not_change_the_loss(model):
    model.eval()
    data = batch()
    whole, _, _ = model(**data)
    alone = [model(**{key: value[b : b + 1] for key, value in data.items()})[0] for b in range(2)]
    torch.testing.assert_close(whole, torch.stack(alone).mean(0), atol=1e-4, rtol=1e-5)


def test_two_encoders_with_a_transducer_on_each_learn_a_batch(model):
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    losses = []
    for _ in range(60):
        loss, _, _ = model(**batch())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.25 * losses[0]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@torch.no_grad()
@pytest.mark.parametrize("chunk_s", [None, 0.16, 0.32])
def test_samples_in_packets_give_the_taps_of_the_whole(model, kind, chunk_s):
    model.eval()
    rng, context = random.Random(0), model.chain.given(chunk_s, {"encoder": 1, "hier_encoder": 1})
    for samples in (1, 150, 4000, 12345):
        speech = 0.1 * torch.randn(1, samples)
        whole = model.encode(speech, torch.tensor([samples]), context)
        for _ in range(3):
            state = model.init_state(1, context)
            parts, position = {name: [] for name in whole}, 0
            while position < samples:
                stop = min(samples, position + rng.choice([1, 80, 700, 3000]))
                taps, state = model.step(packet(speech[:, position:stop], model.fs), state, [stop == samples])
                for name, tap in taps.items():
                    parts[name].append(tap.x)
                position = stop
            for name, tap in whole.items():
                torch.testing.assert_close(torch.cat(parts[name], 1), tap.x, atol=1e-5, rtol=0)
    assert set(whole) >= {"encoder", LOWER[kind], "hier_encoder"}
    assert whole["encoder"].shift_s == whole["hier_encoder"].shift_s == pytest.approx(0.08)


@torch.no_grad()
def test_samples_after_a_chunk_change_nothing_before_it(model, kind):
    model.eval()
    speech = 0.1 * torch.randn(1, 20000)
    whole = model.encode(speech, torch.tensor([20000]))
    # Frames of the fast encoder's first chunk hear 4 * 8 feature frames, (32 - 1) * 80 + 200 samples, and those ahead.
    speech[:, (31 + AHEAD[kind]) * 80 + 200 :] = 0.5
    changed = model.encode(speech, torch.tensor([20000]))
    torch.testing.assert_close(changed["encoder"].x[:, :4], whole["encoder"].x[:, :4], atol=1e-6, rtol=0)
    assert not torch.allclose(changed["encoder"].x[:, 4:8], whole["encoder"].x[:, 4:8])


def test_a_bad_utterance_is_named(model):
    data = batch()
    data["target_asr"][1, 2] = 99
    with pytest.raises(DataError, match="head 'asr': utterance 'second': .*label 99 is outside"):
        model(utt_id=["first", "second"], **data)


def test_a_head_without_a_target_has_no_part_in_the_loss(model):
    data = {key: value for key, value in batch().items() if not key.startswith("target_st")}
    loss, stats, _ = model.eval()(**data)
    torch.testing.assert_close(loss.detach(), stats["asr_rnnt"] + 0.5 * stats["asr_simple"] + 0.3 * stats["ctc_ctc"])
    assert stats["st_rnnt"].isnan() and set(stats) == set(model(**batch())[1])


@pytest.mark.parametrize(("kept", "message"), [("speech", "trains no head"), ("target", "one input of speech")])
def test_a_batch_that_trains_nothing_is_refused(model, kept, message):
    with pytest.raises(DataError, match=message):
        model(**{key: value for key, value in batch().items() if key.startswith(kept)})


def test_statistics_are_of_features_before_normalization(model):
    feats = model.collect_feats(**batch())
    assert feats["feats"].shape[2] == 20 and feats["feats_lengths"].tolist() == [111, 198]
    assert feats["feats"].mean() < -5
