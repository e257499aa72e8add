"""`espnet-jst units quality`: numbers computed by hand, and what does not fit is named."""

from __future__ import annotations

import json
from math import log2
from pathlib import Path
from typing import Any

import pytest

from espnet_jst.bin import units as program
from espnet_jst.data.frame_labels import read_labels

UNITS = "a 0 0 0 1\nb 2 2 1 1\n"
CTM = """;; of an aligner
a 1 0.00 0.04 p
a 1 0.04 0.04 q 0.98
b 1 0.00 0.04 q
b 1 0.05 0.03 q
"""


def quality(folder: Path, *flags: str, units: str = UNITS, labels: str | None = None, name: str = "phones.ctm") -> int:
    (folder / "units").write_text(units)
    if labels is not None:
        (folder / name).write_text(labels)
        flags = ("--labels", str(folder / name), *flags)
    return program.main(
        ["quality", "--units_file", str(folder / "units"), "--json", str(folder / "out" / "q.json"), *flags]
    )


def written(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "out" / "q.json").read_text())


def test_use_and_bits_are_those_of_a_calculation_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "units.json").write_text('{"clusters": 5}')
    assert quality(tmp_path) == 0
    found = written(tmp_path)
    entropy = -(2 * 3 / 8 * log2(3 / 8) + 2 / 8 * log2(2 / 8))  # of 0 0 0, 1 1 1, 2 2
    runs = 1.5  # of 0 1 2 1: 1/4, 1/2, 1/4
    wanted = {"clusters": 5, "utterances": 2, "frames": 8, "runs": 4, "used": 3, "hop_s": 0.02}
    assert {key: found[key] for key in wanted} == wanted and "labels" not in found
    assert found["perplexity"] == pytest.approx(2**entropy) and found["bits_per_s"] == pytest.approx(50 * entropy)
    assert found["runs_perplexity"] == pytest.approx(2**runs)
    assert found["runs_bits_per_s"] == pytest.approx(runs * 4 / 0.16)
    shown = capsys.readouterr().out
    assert "3 of 5" in shown and "78.1" in shown and "37.5" in shown and "PNMI" not in shown


def test_units_against_the_phones_of_a_ctm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert quality(tmp_path, labels=CTM) == 0
    # a: (0 p)(0 p)(0 q)(1 q), b: (2 q)(2 q)(1 q)(1 q): the middle of b's third frame is 0.05 s, where a label begins
    found = written(tmp_path)["labels"]
    entropy = -(2 / 8 * log2(2 / 8) + 6 / 8 * log2(6 / 8))
    left = 3 / 8 * (-(2 / 3 * log2(2 / 3) + 1 / 3 * log2(1 / 3)))  # H(phone | unit): only unit 0 has two phones
    assert found["pnmi"] == pytest.approx((entropy - left) / entropy)
    assert found["phone_purity"] == pytest.approx((2 + 3 + 2) / 8)
    assert found["cluster_purity"] == pytest.approx((2 + 3) / 8)
    assert (found["utterances"], found["frames"], found["kinds"], found["frames_without_label"]) == (2, 8, 2, 0)
    assert f"{found['pnmi']:.3f}" in capsys.readouterr().out


def test_a_label_a_frame_says_the_same(tmp_path: Path) -> None:
    assert quality(tmp_path, labels=CTM) == 0
    wanted = written(tmp_path)["labels"] | {"file": None}
    assert quality(tmp_path, labels="a p p q q\nb q q q q\n", name="phones") == 0
    assert written(tmp_path)["labels"] | {"file": None} == wanted
    text = "a p p p p q q q q\nb q q q q q q q q\n"  # every 10 ms
    assert quality(tmp_path, "--label_hop_s", "0.01", labels=text, name="phones") == 0
    assert written(tmp_path)["labels"] | {"file": None} == wanted


def test_what_has_no_label_is_left_out_counted_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    units = "a 0 0 0 1\nb 2 2 1 1\nc 1 1\nd 0 0\ne\n"
    labels = "a 1 0.00 0.02 p\na 1 0.06 0.02 q\nd 1 0 0.3 p\nb 1 0 0.08 q\nz 1 0 1 p\n"
    assert quality(tmp_path, units=units, labels=labels) == 0
    found = written(tmp_path)["labels"]
    assert found["frames"] == 6 and found["frames_without_label"] == 2 and found["utterances"] == 2
    assert found["utterances_without_labels"] == ["c", "e"] and found["labels_without_units"] == ["z"]
    assert found["labels_of_another_length"] == {"d": pytest.approx(0.26)}
    shown = capsys.readouterr().out
    assert "2 utterances have no labels and are left out: c, e" in shown
    assert "1 utterances have labels of another length and are left out: d" in shown
    assert "1 utterances have labels and no units: z" in shown and "2 frames have no label" in shown


def test_labels_may_stop_a_little_before_or_behind_the_units(tmp_path: Path) -> None:
    units = f"a {'3 ' * 20}\nb {'3 ' * 20}\nc {'3 ' * 20}\n"
    labels = f"a {'p ' * 17}\nb {'q ' * 23}\nc {'p ' * 14}\n"
    assert quality(tmp_path, units=units, labels=labels, name="phones") == 0
    found = written(tmp_path)["labels"]
    assert (found["frames"], found["frames_without_label"]) == (37, 3)
    assert found["labels_of_another_length"] == {"c": pytest.approx(-0.12)}


def test_a_border_belongs_to_what_begins_there(tmp_path: Path) -> None:
    borders = [round(0.01 + 0.02 * n, 2) for n in range(200)]  # the middles of frames
    (tmp_path / "x.ctm").write_text("".join(f"u 1 {start:.2f} 0.02 l{n}\n" for n, start in enumerate(borders)))
    labels = read_labels(tmp_path / "x.ctm", 0.02)["u"]
    assert labels.of_frames(200, 0.02) == [f"l{n}" for n in range(200)]


@pytest.mark.parametrize(
    ("units", "labels", "flags", "message"),
    [
        (UNITS, "a 1 0.0 p\n", (), "phones.ctm:1: 'a 1 0.0 p' is no line of a CTM"),
        (UNITS, "a 1 0.0 -1 p\n", (), "phones.ctm:1: 'a 1 0.0 -1 p' is no line of a CTM"),
        (UNITS, "a 1 nan 1 p\n", (), "phones.ctm:1: 'a 1 nan 1 p' is no line of a CTM"),
        (UNITS, "a 1 0 1 p\na 2 1 1 q\n", (), "phones.ctm:2: a has labels of channels 1 and 2"),
        (UNITS, "a 1 0 .05 p\na 1 .02 .05 q\n", (), "a: q begins at 0.02 s, before p ends (0.05 s)"),
        (UNITS, "z 1 0 1 p\n", (), "phones.ctm has labels of none of 2 utterances (a, b)"),
        (UNITS, "", (), "phones.ctm has labels of none of 2 utterances"),
        (UNITS, "a 1 0 3 p\nb 1 0 3 p\n", (), "labels of a end 2.92 s after its units; --hop_s and --label_hop_s"),
        (UNITS, "a 1 0.08 0.02 p\n", (), "phones.ctm has a label at none of the frames of 1 utterances"),
        (UNITS, "a p p\n", ("--label_format", "text", "--label_hop_s", "9"), "end 17.92 s after"),
        (UNITS, CTM, ("--label_format", "textgrid"), "--label_format: 'textgrid' is not one of auto, ctm, text"),
        (UNITS, CTM, ("--hop_s", "0"), "--hop_s 0: seconds, from 0.001 to 10"),
        ("", CTM, (), "units: holds no unit"),
        ("a x\n", CTM, (), "units: a: "),
        ("a 123456789\n", CTM, (), "unit 123456789: there are never more than 65536"),
    ],
)
def test_what_cannot_be_measured_is_one_message(
    units: str, labels: str, flags: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert quality(tmp_path, *flags, units=units, labels=labels) == 1
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


def test_files_that_are_missing_are_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert quality(tmp_path, "--labels", str(tmp_path / "none.ctm")) == 1
    assert "none.ctm: no such file" in capsys.readouterr().err
    assert quality(tmp_path, "--labels", str(tmp_path / "none")) == 1
    assert "none: no such file" in capsys.readouterr().err
    (tmp_path / "latin.ctm").write_bytes("a 1 0 1 ä\n".encode("latin-1"))
    assert quality(tmp_path, "--labels", str(tmp_path / "latin.ctm")) == 1
    assert "latin.ctm: not valid UTF-8" in capsys.readouterr().err
