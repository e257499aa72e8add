"""Several microphones to one stream of features: whole and in packets, and who is louder in which beam."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from espnet_jst.data.simulation.arrays import MOUTH, SPEED
from espnet_jst.errors import DataError
from espnet_jst.inputs.beams.beam_bank import BeamBank
from espnet_jst.inputs.beams.conf import BeamBankConf
from espnet_jst.inputs.beams.design import beams_of, design
from espnet_jst.inputs.log_mel import LogMel
from espnet_jst.taps import Tap
from tests.reference import beam_bank as reference

FS = 8000
KEYS = {"fs": FS, "n_mels": 24, "azimuths": 4}


def made(**keys) -> BeamBank:
    """A bank whose merging network does something."""
    torch.manual_seed(0)
    bank = BeamBank(**{**KEYS, **keys})
    torch.nn.init.normal_(bank.merge.last.weight)
    return bank.eval()


def packet(x, lengths=None):
    return Tap(x, torch.full((x.size(0),), x.size(1)) if lengths is None else torch.tensor(lengths), 1.0)


def delayed(source: np.ndarray, seconds: float) -> np.ndarray:
    """A signal later by any part of a sample, around its ends."""
    hertz = np.fft.rfftfreq(len(source), 1 / FS)
    return np.fft.irfft(np.fft.rfft(source) * np.exp(-2j * np.pi * hertz * seconds), len(source))


def at_microphones(source: np.ndarray, place_mm: np.ndarray, microphones) -> np.ndarray:
    """A source in free field, (N, C), as loud at the first microphone as it is."""
    ways = np.linalg.norm(np.array(microphones) - place_mm, axis=1) / 1000
    return np.stack([ways[0] / way * delayed(source, way / SPEED) for way in ways], axis=1)


@torch.no_grad()
@pytest.mark.parametrize("samples", [1, 199, 200, 201, 5000, 12345])
def test_features_in_packets_equal_features_of_the_whole(samples):
    bank, rng = made(), random.Random(samples)
    x = 0.1 * torch.randn(2, samples, 5)
    x[1, samples // 4 : samples // 2] = 0.0
    whole, lengths = bank(x, torch.tensor([samples, samples]))
    assert whole.size(1) == lengths[0] >= max(1, bank.ready(samples))
    for _ in range(4):
        state, out, position = bank.init_state(2), [], 0
        while position < samples:
            stop = min(samples, position + rng.choice([1, 7, 160, 999, 8000]))
            y, state = bank.step(packet(x[:, position:stop]), state, [stop == samples] * 2)
            out.append(y.x)
            position = stop
        torch.testing.assert_close(torch.cat(out, 1), whole, atol=1e-5, rtol=1e-5)


def test_a_frame_reads_nothing_beyond_its_window():
    bank, x = made(), torch.randn(1, 4000, 5)
    y, _ = bank(x, torch.tensor([4000]))
    for frame in (0, 3, 20):
        end = frame * 80 + 200
        assert (bank.ready(end - 1), bank.ready(end)) == (frame, frame + 1)
        other = x.clone()
        other[:, end:] = 5.0
        torch.testing.assert_close(bank(other, torch.tensor([4000]))[0][:, : frame + 1], y[:, : frame + 1])
        other[:, end - 60 :] = 5.0
        assert not torch.allclose(bank(other, torch.tensor([4000]))[0][:, frame], y[:, frame])


@torch.no_grad()
def test_a_row_of_a_batch_has_the_features_that_it_has_alone():
    bank, lengths = made(), [4000, 1234, 130, 7]
    x = torch.zeros(4, 4000, 5)
    for row, count in zip(x, lengths, strict=True):
        row[:count] = torch.randn(count, 5)
    y, frames = bank(x, torch.tensor(lengths))
    for row, features, count, size in zip(x, y, lengths, frames.tolist(), strict=True):
        alone, [expected] = bank(row[None, :count], torch.tensor([count]))
        assert size == expected
        torch.testing.assert_close(features[:size], alone[0], atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("seed", range(3))
def test_streams_of_any_age_share_a_batch(seed):
    bank, rng = made(), random.Random(seed)
    speech = [0.1 * torch.randn(n, 5) for n in (130, 4321, 9000, 777)]
    whole = [bank(x[None], torch.tensor([len(x)]))[0][0] for x in speech]
    state, done, out = bank.init_state(4), [0] * 4, [[] for _ in speech]
    while any(position < len(x) for position, x in zip(done, speech, strict=True)):
        counts = [min(len(x) - p, rng.choice([0, 1, 90, 700, 3000])) for p, x in zip(done, speech, strict=True)]
        samples = torch.full((4, max(counts) + 3, 5), torch.nan)  # what stands behind is nobody's
        for row, x, p, n in zip(samples, speech, done, counts, strict=True):
            row[:n] = x[p : p + n]
        done = [p + n for p, n in zip(done, counts, strict=True)]
        last = [n > 0 and p == len(x) for n, p, x in zip(counts, done, speech, strict=True)]
        y, state = bank.step(packet(samples, counts), state, last)
        for row, x, n in zip(out, y.x, y.lengths.tolist(), strict=True):
            row.append(x[:n])
    for row, expected in zip(out, whole, strict=True):
        torch.testing.assert_close(torch.cat(row), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["mvdr", "lcmv"])
def test_the_energies_of_the_beams_are_those_of_float64(kind):
    bank = made(kind=kind)
    conf = BeamBankConf(**KEYS, kind=kind)
    x = 0.1 * torch.randn(1, 3000, 5)
    window, mel = bank.window.double().numpy(), bank.bank.double().numpy()
    expected = reference.log_mel(x[0].double().numpy(), design(conf), window, 80, 256, mel, bank.floor)
    found = bank._of_beams(x.unfold(1, 200, 80))[0]
    torch.testing.assert_close(found.double(), torch.from_numpy(expected), atol=1e-3, rtol=1e-4)


@torch.no_grad()
def test_features_begin_as_the_mean_of_the_beams_and_of_copies_of_one_microphone_are_log_mel():
    x = 0.1 * torch.randn(2, 3000, 5)
    bank = BeamBank(**KEYS)
    torch.testing.assert_close(bank(x, torch.tensor([3000, 3000]))[0], bank._of_beams(x.unfold(1, 200, 80)).mean(2))
    alone = BeamBank(fs=FS, n_mels=24, azimuths=3, mouth=False, array="custom", microphones_mm=[[0, 0, 0]] * 2)
    plain = LogMel(fs=FS, n_mels=24)(x[..., 0], torch.tensor([3000, 3000]))[0]
    copied = x[..., :1].repeat(1, 1, 2)
    torch.testing.assert_close(alone(copied, torch.tensor([3000, 3000]))[0], plain, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("train_beams", [False, True])
def test_what_is_trained_gets_gradients_and_the_weights_of_beams_are_trained_where_asked(train_beams):
    bank = made(train_beams=train_beams)
    bank(0.1 * torch.randn(2, 3000, 5), torch.tensor([3000, 2000]))[0].square().mean().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in bank.merge.parameters() if parameter.dim() > 1)
    assert ("beams" in dict(bank.named_parameters())) == ("beams" in bank.state_dict()) == train_beams
    if train_beams:
        assert bank.beams.grad.isfinite().all() and bank.beams.grad.abs().sum() > 0


@torch.no_grad()
def test_the_order_of_the_beams_matters_to_the_network():
    x = 0.1 * torch.randn(1, 3000, 5)
    first, other = made(), made(order="reversed")
    other.load_state_dict(first.state_dict())
    assert not torch.allclose(first(x, torch.tensor([3000]))[0], other(x, torch.tensor([3000]))[0], atol=1e-2)


@pytest.mark.parametrize("shape", [(1, 3000), (1, 3000, 2), (1, 3000, 6)])
def test_another_number_of_channels_is_one_message(shape):
    with pytest.raises(DataError, match="beam_bank takes 5 channels"):
        made()(torch.zeros(*shape), torch.tensor([3000]))


@pytest.mark.parametrize("kind", ["mvdr", "lcmv"])
def test_a_talker_is_clearer_in_the_beam_that_looks_at_it_than_in_a_microphone(kind):
    """Two talkers in free field: the wearer's mouth, and another, 1.2 m away, 60 degrees to the left."""
    conf = BeamBankConf(fs=FS, n_mels=24, kind=kind)
    rng = np.random.default_rng(0)
    other = 1200 * np.array([np.sin(np.pi / 3), 0.0, np.cos(np.pi / 3)])
    wearer, partner = (
        at_microphones(rng.standard_normal(FS), place, conf.microphones) for place in (np.array(MOUTH), other)
    )
    weights = design(conf)

    def power(samples: np.ndarray) -> np.ndarray:
        """Of every beam, where speech is: 300 to 3500 Hz."""
        spectra = np.stack([np.fft.rfft(samples[s : s + 200] * np.hanning(200)[:, None], 256, axis=0)
                            for s in range(0, FS - 200, 80)])  # fmt: skip
        return (np.abs(np.einsum("tfc,kfc->tkf", spectra, weights.conj())) ** 2)[..., 10:112].mean((0, 2))

    at_first = 10 * np.log10(np.mean(partner[:, 0] ** 2) / np.mean(wearer[:, 0] ** 2))
    ratio_db = 10 * np.log10(power(partner) / power(wearer))
    names = [beam.name for beam in beams_of(conf)]
    assert ratio_db[names.index("60°")] - at_first > (3 if kind == "mvdr" else 25)
    assert at_first - ratio_db[names.index("mouth")] > 6
    assert ratio_db.argmin() == names.index("mouth")
