"""What a pack says of its origin: licence, base model, data, how it was made, and what is wrong with it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
import yaml

from espnet_jst.errors import CheckpointError
from espnet_jst.hub import pack as packing
from espnet_jst.hub.about import About, about_model, read_base, write_base
from espnet_jst.hub.card import CardInfo
from espnet_jst.hub.concerns import concerns
from espnet_jst.hub.load import resolve
from espnet_jst.hub.made import made_lines, note_training, portable
from espnet_jst.hub.pack import pack
from tests.inference import tiny

BASE = About(
    name="owner/first",
    languages=("en", "de"),
    dataset="noise",
    license="cc-by-sa-4.0",
    revision="1a2b3c4",
    sha256="0" * 64,
    base=About(name="the zeroth", license="mit", dataset="more noise"),
)


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    folder = tmp_path / "exp" / "st_tiny"
    tiny.save(*tiny.tiny_model(tiny.config(tiny.SERIALIZED)), folder)
    return folder


def packed(experiment: Path, **options: object) -> tuple[dict, str, str, list[str]]:
    """meta.yaml, card, data licence, and what was said."""
    said: list[str] = []
    made = pack(experiment, experiment.parent / "a.zip", wav=None, say=said.append, **options)  # type: ignore[arg-type]
    with zipfile.ZipFile(made) as archive:
        license = archive.read("DATA_LICENSE.md").decode() if "DATA_LICENSE.md" in archive.namelist() else ""
        return yaml.safe_load(archive.read("meta.yaml")), archive.read("README.md").decode(), license, said


def front(card: str) -> dict:
    return yaml.safe_load(card.split("---")[1])


def test_a_model_that_was_trained_further_inherits_licence_base_and_both_data_licences(experiment: Path) -> None:
    write_base(experiment, BASE, "The noise is by nobody, CC BY-SA.")
    own = experiment.parent / "LICENSE.data"
    own.write_text("The new data is by Doe.")
    meta, card, license, said = packed(experiment, data_license=own, card=CardInfo(name="second", dataset="speech"))
    assert front(card)["license"] == "cc-by-sa-4.0"
    assert (front(card)["base_model"], front(card)["base_model_relation"]) == ("owner/first", "finetune")
    assert "The new data is by Doe." in license and "The noise is by nobody" in license and "owner/first" in license
    for part in ("owner/first@1a2b3c4", "0" * 64, "trained on noise", "the zeroth", "more noise"):
        assert part in card
    assert About.parse(meta["about"]).base == BASE
    assert meta["about"]["license"] == "cc-by-sa-4.0"
    assert said == []


def test_a_base_without_a_text_of_its_data_is_named_in_the_data_licence_all_the_same(experiment: Path) -> None:
    write_base(experiment, BASE, "")
    license = packed(experiment)[2]
    assert "owner/first" in license and "noise" in license and "does not say" in license


def test_another_licence_than_the_bases_is_said_on_the_card_and_the_console(experiment: Path) -> None:
    write_base(experiment, BASE, "")
    _, card, _, said = packed(experiment, card=CardInfo(license="mit"))
    assert front(card)["license"] == "mit"
    assert len(said) == 1 and "mit" in said[0] and "cc-by-sa-4.0" in said[0]
    assert "> **Warning:** its licence, mit," in card


def test_a_model_of_its_own_has_no_base(experiment: Path) -> None:
    meta, card, license, _ = packed(experiment, card=CardInfo(name="x", dataset="noise", license="cc0-1.0"))
    assert "base" not in meta["about"] and "base_model" not in front(card) and license == ""
    assert meta["about"] == {"name": "x", "dataset": "noise", "license": "cc0-1.0"}


def test_what_a_pack_says_of_itself_is_read_for_those_that_are_made_from_it(experiment: Path, tmp_path: Path) -> None:
    write_base(experiment, BASE, "noise by nobody")
    packed(experiment, card=CardInfo(name="second", dataset="speech", languages=("fr", "en")))
    made = experiment.parent / "a.zip"
    files = resolve(made, cache_dir=tmp_path / "cache")
    about, license = about_model(str(made), *files.values())
    assert (about.name, about.license, about.dataset) == ("second", "cc-by-sa-4.0", "speech")
    assert about.languages == ("fr", "en") and about.base == BASE and len(about.sha256) == 64
    assert "noise by nobody" in license


def test_an_older_pack_is_read_by_the_front_matter_of_its_card(experiment: Path, tmp_path: Path) -> None:
    card = CardInfo(name="old", dataset="speech", languages=("fr", "en"), license="mit")
    packed(experiment, card=card)
    with zipfile.ZipFile(experiment.parent / "a.zip") as archive:
        archive.extractall(tmp_path / "old")
    meta = yaml.safe_load((tmp_path / "old" / "meta.yaml").read_text())
    del meta["about"]
    (tmp_path / "old" / "meta.yaml").write_text(yaml.safe_dump(meta))
    about, _ = about_model(str(tmp_path / "old"), *resolve(tmp_path / "old").values())
    assert (about.license, about.dataset, about.languages) == ("mit", "speech", ("fr", "en"))
    (tmp_path / "old" / "README.md").write_text("---\nlicense: !!python/name:os.system\n---\n")
    assert about_model(str(tmp_path / "old"), *resolve(tmp_path / "old").values())[0].license == ""


def test_an_experiment_hands_its_own_base_on(experiment: Path) -> None:
    write_base(experiment, BASE, "noise by nobody")
    about, license = about_model(str(experiment), *resolve(experiment).values())
    assert (about.name, about.license, about.base) == ("st_tiny", "cc-by-sa-4.0", BASE)
    assert "noise by nobody" in license


@pytest.mark.parametrize(
    "values",
    [
        {
            "name": "x`\n# Heading\n<script>",
            "license": "mit\n[evil](http://x)",
            "languages": ["en", "x y", {"a": 1}, 3],
        },
        {"name": ["a"], "license": {"a": 1}, "languages": "en", "base": "text"},
        {"base": {"base": {"base": {"base": {"base": {"base": {"base": {"base": {"base": {"base": {}}}}}}}}}}},
        None,
    ],
)
def test_what_a_stranger_says_of_a_model_is_one_line_of_plain_text(values: object) -> None:
    about = About.parse(values)
    for one in (about, *about.chain):
        assert not set("\n`<>[]") & set(one.name + one.license + "".join(one.languages))
    assert len(about.chain) < 10


def test_the_card_says_how_the_model_was_really_made(experiment: Path, monkeypatch) -> None:
    home = "/home/somebody/secret place".replace(" ", "_")
    monkeypatch.setattr("sys.argv", ["espnet-jst recipe", "recipe", "--finetune", f"{home}/m.zip", "--minutes", "5"])
    command = ["python", "-m", "espnet_jst.bin.jst_train", "--config", "conf/a b.yaml", "--init_param", f"{home}/m.pth"]
    note_training(experiment, command)
    (experiment / "train.log").write_text(
        "INFO: 1epoch results: [train] loss=3.0, total_count=150, [valid] loss=2.0, total_count=5\n"
        "INFO: 2epoch results: [train] loss=3.0, total_count=300, [valid] loss=2.0, total_count=10\n"
    )
    (experiment / "training_time.json").write_text(json.dumps({"cpu_s": 540.0, "wall_s": 300.0, "runs": 1}))
    card = packed(experiment, card=CardInfo(data="noise, 12 utterances, 0.1 hours"))[1]
    for part in (
        "2 epochs, 300 steps",
        "5 minutes, 9 minutes of processors",
        "noise, 12 utterances, 0.1 hours",
        "espnet-jst recipe --finetune .../m.zip --minutes 5",
        "espnet-jst train --config 'conf/a b.yaml' --init_param .../m.pth",
        "cores of",
        "torch ",
    ):
        assert part in card, part
    assert "somebody" not in card and "run.sh" not in card


def commands(folder: Path) -> list:
    return [run["command"] for run in json.loads((folder / "made.json").read_text())["runs"]]


def test_a_resumed_training_keeps_its_first_command_and_a_new_one_begins_anew(tmp_path: Path) -> None:
    note_training(tmp_path, ["first"])
    (tmp_path / "checkpoint.pth").touch()
    note_training(tmp_path, ["second"])
    assert [run["command"] for run in json.loads((tmp_path / "made.json").read_text())["runs"]] == [
        ["first"],
        ["second"],
    ]
    (tmp_path / "checkpoint.pth").unlink()
    note_training(tmp_path, ["third"])
    assert commands(tmp_path) == [["third"]]


@pytest.mark.parametrize(
    "content", ["", "[]", '{"runs": 3}', '{"runs": [{"command": "x"}]}', '{"runs": [4]}', "\ufffd"]
)
def test_a_damaged_record_of_the_training_leaves_the_card_without_it(content: str, tmp_path: Path) -> None:
    (tmp_path / "made.json").write_text(content)
    (tmp_path / "training_time.json").write_text(content)
    assert isinstance(made_lines(tmp_path, None, "noise"), list)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("--a /home/x/y.zip --b conf/c.yaml", "--a .../y.zip --b conf/c.yaml"),
        ("stats_file=/mnt/d/e.npz", "stats_file=.../e.npz"),
        ("'/tmp/a b/c'", "'.../a b/c'"),
        ("file:///home/x/exp/.dist_1", "file://.../.dist_1"),
        ("https://example.org/a/b and 3 km/h", "https://example.org/a/b and 3 km/h"),
    ],
)
def test_a_path_keeps_its_last_name_only(text: str, expected: str) -> None:
    assert portable(text) == expected


def scored(folder: Path, **lanes: dict) -> Path:
    """An experiment with a scored set."""
    place = folder / "decode" / "test"
    place.mkdir(parents=True, exist_ok=True)
    (place / "scores.json").write_text(json.dumps({"lanes": lanes}))
    return folder


def lane(ratio: float | None = 1.0, empty: int = 0, utterances: int = 10, **scores: float | None) -> dict:
    quality = {name.replace("pp", "++"): {"score": score} for name, score in scores.items()}
    return {"utterances": utterances, "quality": quality, "latency": {"length_ratio": ratio, "empty": empty}}


@pytest.mark.parametrize(
    ("lanes", "reason"),
    [
        ({"transcript": lane(WER=100.0, CER=90.0)}, "transcript is all wrong (WER 100.0)"),
        ({"transcript": lane(WER=250.0)}, "WER 250.0"),
        ({"translation": lane(BLEU=0.2, chrFpp=3.0)}, "translation is all wrong (BLEU 0.2)"),
        ({"translation": lane(ratio=0.0, BLEU=0.0)}, "translation is empty"),
        ({"transcript": lane(ratio=None, empty=10)}, "transcript is empty"),
        ({"transcript": lane(WER=60.0), "translation": lane(BLEU=20.0, chrFpp=40.0)}, ""),
        ({"transcript": lane(WER=100.0, CER=12.0)}, ""),  # a language without blanks between its words
        ({"translation": lane(BLEU=0.0, chrFpp=44.0)}, ""),  # sentences too short for four words in a row
        ({"transcript": lane(WER=None), "translation": lane(BLEU=None)}, ""),
        ({"transcript": {}}, ""),
    ],
)
def test_a_lane_that_is_empty_or_all_wrong_is_a_concern(lanes: dict, reason: str, tmp_path: Path) -> None:
    found = concerns(scored(tmp_path, **lanes))
    assert len(found) == (1 if reason else 0)
    assert not reason or reason in found[0]


def test_a_model_that_is_all_wrong_is_packed_with_a_warning_on_card_and_console(experiment: Path) -> None:
    scored(experiment, transcript=lane(WER=100.0, CER=93.0))
    _, card, _, said = packed(experiment)
    assert said == ["Warning: a.zip: on decode/test its transcript is all wrong (WER 100.0)"]
    assert "> **Warning:** on decode/test its transcript is all wrong" in card


def test_a_model_that_writes_nothing_when_it_is_tried_is_packed_with_a_warning(experiment: Path, monkeypatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(packing, "verify", lambda zip, wav, config: {"transcript": "", "translation": ""})
    made = pack(experiment, experiment.parent / "b.zip", wav="one.wav", say=said.append)
    with zipfile.ZipFile(made) as archive:
        assert "> **Warning:** it wrote nothing for the recording one.wav" in archive.read("README.md").decode()
        assert archive.testzip() is None
    assert said == ["Warning: b.zip: it wrote nothing for the recording one.wav"]
    assert resolve(made, cache_dir=experiment.parent / "cache")


def test_an_experiment_without_a_base_has_none(tmp_path: Path) -> None:
    assert read_base(tmp_path) == (None, "")


def test_a_damaged_note_of_the_base_is_said_and_no_licence_is_lost(experiment: Path) -> None:
    (experiment / "base.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"base\.json is damaged.*stage 11"):
        packed(experiment)


def test_language_codes_of_any_form_are_kept_and_what_is_no_text_is_no_code() -> None:
    about = About.parse({"languages": ["zh_Hant", "pt-BR", True, None, 5, ["de"], "no"]})
    assert about.languages == ("zh_Hant", "pt-BR", "no")
    assert About.parse(about.as_dict()) == about
