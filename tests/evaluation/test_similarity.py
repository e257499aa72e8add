"""CKA against its definition, in one pass; what is written holds what was found."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from espnet_jst.errors import ConfigError
from espnet_jst.evaluation.similarity import (
    ModelSimilarity,
    PairScore,
    TapComparison,
    as_markdown,
    matrices,
    taps_to_compare,
    write_similarity,
)
from espnet_jst.regularizers.similarity import of_positions
from espnet_jst.taps import Tap


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def tap(x: Tensor, lengths: list[int]) -> Tap:
    return Tap(x, torch.tensor(lengths), 0.04)


def score(**taps: Tap) -> PairScore:
    compared = TapComparison({name: tap.x.size(-1) for name, tap in taps.items()})
    compared.add(taps)
    [found] = compared.scores()
    return found


def by_kernels(x: Tensor, y: Tensor) -> float:
    """CKA as it is defined, on the (N, N) kernels of all frames: tr(KHLH) / sqrt(tr(KHKH) tr(LHLH))."""
    x, y = x.double(), y.double()
    centring = torch.eye(len(x), dtype=torch.float64) - 1 / len(x)
    k, m = (centring @ z @ z.T @ centring for z in (x, y))
    return float((k * m).sum() / ((k * k).sum() * (m * m).sum()).sqrt())


def test_cka_is_that_of_centred_kernels_over_all_valid_frames() -> None:
    lengths = [30, 17, 1]
    x = 100.0 + noise(3, 30, 6) @ noise(6, 6, seed=1)  # a large mean, which is no similarity
    y = torch.cat([x[..., :2].tanh(), noise(3, 30, 3, seed=2)], dim=-1)
    x[1, 17:], y[2, 1:] = 1e4, -1e4  # padding
    frames = [torch.cat([z[row, :length] for row, length in enumerate(lengths)]) for z in (x, y)]
    found = score(a=tap(x, lengths), b=tap(y, lengths))
    assert found.cka == pytest.approx(by_kernels(*frames), rel=1e-9)
    assert 0.01 < found.cka < 0.99
    assert found.sp_kd == pytest.approx(float(of_positions(x, y, torch.tensor(lengths)).mean()), rel=1e-6)


def test_a_rotation_and_a_scale_cost_nothing_and_noise_is_alike_to_nothing() -> None:
    x, lengths = noise(4, 500, 8), [500] * 4
    rotation = torch.linalg.qr(noise(8, 8, seed=1)).Q
    found = score(a=tap(x, lengths), b=tap(3.0 * x @ rotation, lengths))
    assert found.cka == pytest.approx(1.0, abs=1e-6) and found.sp_kd < 1e-10
    assert score(a=tap(x, lengths), b=tap(noise(4, 500, 5, seed=2), lengths)).cka < 0.01
    assert score(a=tap(x, lengths), b=tap(x * torch.arange(1.0, 9.0), lengths)).cka < 0.99


def test_utterance_by_utterance_is_as_all_at_once() -> None:
    x, y, z, lengths = 10.0 + noise(6, 20, 7), noise(6, 20, 4, seed=1), noise(6, 20, 5, seed=2), [20, 3, 0, 11, 1, 20]
    every = {"a": tap(x, lengths), "b": tap(y, lengths), "c": tap(z + x[..., :5], lengths)}
    sizes = {name: tap.x.size(-1) for name, tap in every.items()}
    once, streamed = TapComparison(sizes), TapComparison(sizes)
    once.add(every)
    for begin, end in ((0, 1), (1, 3), (3, 4), (4, 6)):
        streamed.add({name: Tap(t.x[begin:end], t.lengths[begin:end], t.shift_s) for name, t in every.items()})
    assert (once.utterances, once.frames) == (streamed.utterances, streamed.frames) == (5, 55)
    assert [found[:2] for found in once.scores()] == [("a", "b"), ("a", "c"), ("b", "c")]
    for one, other in zip(once.scores(), streamed.scores(), strict=True):
        assert (other.cka, other.sp_kd) == pytest.approx((one.cka, one.sp_kd), rel=1e-6)


def test_taps_that_end_apart_are_compared_where_both_are() -> None:
    x = noise(2, 12, 4)
    found = score(a=tap(x, [12, 5]), b=tap(x[:, :11], [11, 5]))
    assert found.cka == pytest.approx(1.0) and found.sp_kd < 1e-10
    assert math.isnan(TapComparison({"a": 2, "b": 2}).scores()[0].cka)


SHIFTS_S = {"encoder": 0.08, "encoder.1": 0.04, "hier_encoder": 0.08}


def test_the_taps_that_heads_read_are_compared_where_they_have_one_rate() -> None:
    assert taps_to_compare(None, ["encoder.1", "encoder", "hier_encoder", "encoder"], SHIFTS_S, "m") == [
        "encoder",
        "hier_encoder",
    ]
    assert taps_to_compare(["hier_encoder", "encoder"], [], SHIFTS_S, "m") == ["hier_encoder", "encoder"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["encoder", "hier_encode"], "m: --taps: 'hier_encode' is not one of encoder, encoder.1, hier_encoder.*mean"),
        (["encoder", "encoder.1"], "0.08 s of 'encoder' and 0.04 s of 'encoder.1' cannot be compared"),
        (["encoder", "encoder"], "one tap is compared with nothing"),
        (None, r"read no two taps of one rate: give two as --taps \(encoder of 0.08 s"),
    ],
)
def test_taps_that_cannot_be_compared_are_refused(asked: list[str] | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        taps_to_compare(asked, ["encoder", "encoder.1"], SHIFTS_S, "m")


def test_what_is_written_holds_every_model(tmp_path: Path) -> None:
    x = noise(1, 9, 4)
    drawn = matrices({"a": tap(x, [9]), "b": tap(x[..., :3], [8]), "c": tap(x, [9])})
    assert [tuple(matrix.shape) for matrix in drawn.values()] == [(9, 9), (8, 8), (9, 9)]
    assert drawn["a"].norm(dim=-1).tolist() == pytest.approx([1.0] * 9)
    scores = [PairScore("a", "b", 0.12345, 1.23e-7), PairScore("a", "c", math.nan, 0.0)]
    models = [
        ModelSimilarity("two", scores, drawn, 0.04, 3, 40, {"from": "exp/two"}),
        ModelSimilarity("kd", scores[:1], {name: drawn[name] for name in "ab"}, 0.04, 3, 40, {"from": "exp/kd"}),
    ]
    paths = write_similarity(models, tmp_path / "out", drawn="u1", skipped=["u2: no such file; copy it"])
    assert [path.name for path in paths] == ["similarity.md", "similarity.json", "similarity.png"]
    assert all(path.stat().st_size for path in paths)
    page = paths[0].read_text()
    assert page == as_markdown(models, "u1", ["u2: no such file; copy it"])
    assert "| two | a, b | 0.1235 | 1.23e-07 |" in page and "| two | a, c | - | 0 |" in page and "- u2: no" in page
    content = json.loads(paths[1].read_text())
    assert content["models"]["two"]["pairs"][0] == {"first": "a", "second": "b", "cka": 0.12345, "sp_kd": 1.23e-7}
    assert content["models"]["two"]["pairs"][1]["cka"] is None and content["drawn"] == "u1"
