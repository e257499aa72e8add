"""A comparison reads what runs have left, and says what is missing."""

from __future__ import annotations

import json
import math
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from espnet_jst.bin import jst_recipe
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.evaluation.compare import Column
from espnet_jst.evaluation.comparison_table import ComparisonTable, as_markdown, write_table
from espnet_jst.evaluation.metrics import METRICS
from espnet_jst.evaluation.significance import SystemScore
from espnet_jst.recipe import comparison as jst_comparison
from espnet_jst.recipe.compared_runs import comparison_table
from espnet_jst.recipe.comparison import (
    Comparison,
    check_shared,
    check_statistics,
    plan,
    run_comparison,
    try_systems,
)
from espnet_jst.recipe.options import parse_options
from espnet_jst.recipe.recipe import recipe_stages
from espnet_jst.recipe.stage import run_stages
from espnet_jst.text.lanes import LANES
from tests.evaluation.decoded import HYPOTHESES, REFERENCES, make_decoded, make_reference
from tests.recipe import second_run

FILE = """
title: "Two systems"
flags: --test_sets test --inference_config conf/decode.yaml
seeds: [0, 1]
baseline: both
systems:
  both:
  single: --st_args "--max_epoch 2"
"""
ROOT = Path(__file__).resolve().parents[2]
RIGHT = {key: value[:2] for key, value in REFERENCES.items()}


@pytest.fixture
def comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Comparison:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.yaml").write_text(FILE)
    make_reference(tmp_path / "dump" / "raw" / "test")
    for system, hypotheses in (("both", RIGHT), ("single", HYPOTHESES)):
        for seed in (0, 1):
            exp = tmp_path / "exp" / f"st_two_{system}_{seed}"
            make_decoded(exp / "decode_st_model_valid.loss.ave_streaming" / "test", hypotheses)
            (exp / "training_time.json").write_text(json.dumps({"cpu_s": 90.0 + seed}))
            for folder, seconds in (("asr", 10.0), ("earlier", 500.0)):  # a named run, and a model before this one
                (exp / folder).mkdir()
                (exp / folder / "training_time.json").write_text(json.dumps({"cpu_s": seconds}))
    return Comparison.read(Path("two.yaml"))


def test_each_run_has_a_name_a_seed_and_the_flags_of_its_system(comparison: Comparison) -> None:
    assert comparison.arguments("single", 1) == [
        *("--test_sets", "test", "--inference_config", "conf/decode.yaml", "--st_args", "--max_epoch 2"),
        *("--st_tag", "two_single_1", "--seed", "1"),
    ]


def test_the_trainings_of_another_comparison_are_decoded_in_another_way(comparison: Comparison, tmp_path: Path) -> None:
    text = FILE.replace("decode.yaml", "decode.yaml --inference_tag other") + "trainings: two\n"
    (tmp_path / "other.yaml").write_text(text)
    other = Comparison.read(tmp_path / "other.yaml")
    for system in ("both", "single"):
        for seed in (0, 1):
            make_decoded(tmp_path / "exp" / f"st_two_{system}_{seed}" / "other_streaming" / "test", RIGHT)
    assert other.arguments("single", 1)[-4:] == ["--st_tag", "two_single_1", "--seed", "1"]
    first, table = (comparison_table(each, [], n_bootstrap=100) for each in (comparison, other))
    assert (first.name, table.name, table.cpu_s) == ("two", "other", first.cpu_s)
    wer = next(column for column in table.scores["test, streaming"] if column.title == "WER")
    assert (
        table.scores["test, streaming"][wer]["single"].mean == 0.0 < first.scores["test, streaming"][wer]["single"].mean
    )


def test_the_table_has_quality_latency_and_cost_of_every_system(comparison: Comparison, tmp_path: Path) -> None:
    table = comparison_table(comparison, [], n_bootstrap=100)
    scores = {column.title: row for column, row in table.scores["test, streaming"].items()}
    assert list(scores) == [
        *("WER", "CER", "length ratio transcript", "LAAL transcript, ms"),
        *("BLEU", "chrF++", "TER", "RIBES", "length ratio translation", "LAAL translation, ms"),
    ]
    assert scores["WER"]["both"].seeds == (0.0, 0.0)
    assert scores["WER"]["single"].mean == pytest.approx(100 / 7)
    assert scores["BLEU"]["both"].mean == pytest.approx(100.0)
    assert table.cpu_s == {"both": [100.0, 101.0], "single": [100.0, 101.0]}
    page = write_table(table, tmp_path / "exp").read_text()
    assert (tmp_path / "exp" / "two_test_streaming.png").stat().st_size > 5000
    assert "| single | 14.29" in page and "single 100 (100/101)" in page
    assert "| both | 0.00 (0.00/0.00) | - |  |  |" in page  # the same in every utterance
    assert "| single | 14.29 (14.29/14.29) | 0.00 to" in page and "| +14.29 (-" in page
    data = json.loads((tmp_path / "exp" / "two.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert data["scores"]["test, streaming"]["WER"]["both"]["p_value"] is None


def test_a_system_that_writes_nothing_has_no_latency_and_no_p_value(comparison: Comparison, tmp_path: Path) -> None:
    for seed in (0, 1):
        out = tmp_path / "exp" / f"st_two_single_{seed}" / "decode_st_model_valid.loss.ave_streaming" / "test"
        make_decoded(out, {key: ("", "") for key in REFERENCES})
    table = comparison_table(comparison, [], n_bootstrap=50)
    page = write_table(table, tmp_path / "exp").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| single | - ")]
    assert rows == ["| single | - (-/-) | - | - | - |"] * 2  # of both lanes
    assert "nan" not in page
    assert "| single | 100.00 (100.00/100.00) | - | +100.00 | 0.250 |" in page
    assert "NaN" not in (tmp_path / "exp" / "two.json").read_text()


def test_a_run_without_output_and_a_wrong_file_are_named(comparison: Comparison, tmp_path: Path) -> None:
    words = tmp_path / "exp" / "st_two_single_1" / "decode_st_model_valid.loss.ave_streaming" / "test" / "words.jsonl"
    words.unlink()
    with pytest.raises(DataError, match="st_two_single_1"):
        comparison_table(comparison, [])
    Path("wrong.yaml").write_text(FILE.replace("baseline: both", "baseline: bothe"))
    with pytest.raises(ConfigError, match="'bothe' is not one of both, single"):
        Comparison.read(Path("wrong.yaml"))
    Path("wrong.yaml").write_text(FILE.replace("seeds:", "seed:"))
    with pytest.raises(ConfigError, match="'seeds'"):
        Comparison.read(Path("wrong.yaml"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seeds: 3\nsystems: {a: }", "seeds is 3: give a list with a whole number in each place"),
        ("seeds: [x]\nsystems: {a: }", "seeds is .*: give a list with a whole number"),
        ("seeds: [1.5]\nsystems: {a: }", "seeds is .*: give a list with a whole number"),
        ("seeds: [0]\nsystems: [a]", "systems is .*: give a mapping"),
        ("seeds: [0]\nsystems: {a: [x]}", "systems is .*: give a mapping of names to text or nothing"),
        ("seeds: [0]\nsystems: {a: '\"'}", "No closing quotation"),
        ("seeds: [0]\nflags: '\"'\nsystems: {a: }", "No closing quotation"),
    ],
)
def test_a_value_of_another_kind_is_one_message(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        Comparison.read(tmp_path / "c.yaml")


def test_what_the_runs_share_is_prepared_with_the_flags_of_all_and_the_configuration_of_the_baseline(
    comparison: Comparison,
) -> None:
    flags = ["--test_sets", "test", "--inference_config", "conf/decode.yaml"]
    assert comparison.preparations == [[*flags, "--stop_stage", "10"]]
    single = replace(comparison, baseline="single")
    assert single.preparations == [[*flags, "--st_args", "--max_epoch 2", "--stop_stage", "10"]]


def test_a_comparison_needs_no_conf_train_yaml(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    Path("one.yaml").write_text("max_epoch: 1\n")
    systems = "systems:\n  both: --st_config one.yaml\n  single: --st_config one.yaml --minutes 2\n"
    Path("two.yaml").write_text(FILE.replace(" --inference_config conf/decode.yaml", "").split("systems:")[0] + systems)
    ran: list[str] = []
    monkeypatch.setattr("espnet_jst.recipe.preview.try_configuration", lambda *_, **__: ran.append("tried"))
    monkeypatch.setattr(
        "espnet_jst.recipe.recipe.recipe_stages", lambda options: ran.append(options.training.st_config) or []
    )
    monkeypatch.setattr(
        jst_comparison, "_run", lambda command, **_: ran.append(command[0][command[0].index("--st_tag") + 1])
    )
    assert jst_recipe.main(["--compare", "two.yaml"]) == 0
    assert ran == [
        "tried",
        "tried",
        "one.yaml",
        *(f"two_{system}_{seed}" for seed in (0, 1) for system in ("both", "single")),
    ]
    assert (
        "Two systems: 4 runs (2 systems, 2 seeds), 1 at a time; how long they take is said after"
        in capsys.readouterr().out
    )


def test_how_long_it_takes_is_said(comparison: Comparison) -> None:
    budgets = plan(comparison, 2, [30, 30, 60, 60])
    assert budgets == (
        "Two systems: 4 runs (2 systems, 2 seeds), 2 at a time; about 1 h 30 min of training, and decoding"
    )
    assert plan(comparison, 1, [0, 0], 2).endswith(
        "1 at a time, 2 of them trained; how long they take is said after the first"
    )
    assert plan(comparison, 1, [], 4).endswith("1 at a time, 4 of them trained")


def test_what_is_trained_goes_first_and_says_nothing_about_how_long_the_others_take(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    ran: list[str] = []

    def run(command: tuple[list[str], Path], **_: object) -> None:
        ran.append(command[1].stem)

    monkeypatch.setattr(jst_comparison, "_run", run)
    monkeypatch.setattr(jst_comparison, "_is_trained", lambda options: options.training.seed == 1)
    run_comparison(comparison, second_run.BASE.split(), jobs=1, logs=tmp_path)
    assert ran == ["two_both_1", "two_single_1", "two_both_0", "two_single_0"]
    said = capsys.readouterr().out
    assert "4 runs (2 systems, 2 seeds), 1 at a time, 2 of them trained; how long they take" in said
    assert "1 of 2 runs took" in said


def test_what_is_significant_is_marked_and_what_is_undefined_is_not() -> None:
    def score(p_value: float) -> SystemScore:
        return SystemScore((20.0, 22.0), 19.0, 23.0, difference_low=1.0, difference_high=3.0, p_value=p_value)

    for p_value, marked in ((0.001, True), (0.049, True), (0.05, False), (0.9, False), (math.nan, False)):
        row = {"both": SystemScore((10.0, 10.0), 9.0, 11.0, baseline=True), "single": score(p_value)}
        scores = {"test, streaming": {Column(METRICS["WER"], LANES["transcript"]): row}}
        page = as_markdown(ComparisonTable("two", "Two systems", ["both", "single"], [0, 1], scores, {}))
        assert ("| single | 21.00 * |" in page) is marked
        assert (f"{p_value:.3f} *" in page) is marked
        assert "* where p < 0.05" in page
        assert "| both | 10.00 |" in page


def in_a_recipe(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Go to a new recipe whose programs do nothing; returns its flags."""
    folder.mkdir()
    monkeypatch.chdir(folder)
    second_run.make_recipe(folder)
    second_run.replace_programs(monkeypatch)
    return second_run.BASE.split()


def test_a_system_that_needs_other_data_than_the_baseline_is_named(
    comparison: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = in_a_recipe(tmp_path / "recipe", monkeypatch)
    run_stages(recipe_stages(parse_options(flags)), last=5, say=str)
    same = {"both": "", "single": "--seed 7 --feats_normalize global_mvn --st_config conf/other.yaml"}
    check_shared(replace(comparison, flags="", systems=same), flags)
    for other in ("--token_type char", "--fs 16k", "--aligner simalign", "--max_wav_duration 3"):
        with pytest.raises(ConfigError, match="^single: its flags ask for other results of stage [345] "):
            check_shared(replace(comparison, flags="", systems={"both": "", "single": other}), flags)


def test_systems_whose_data_differ_are_prepared_one_by_one(
    comparison: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = in_a_recipe(tmp_path / "recipe", monkeypatch)
    apart = {"both": "", "other": "--dumpdir dump/other --datadir data/other --max_wav_duration 3"}
    each = replace(comparison, flags="", systems=apart, prepare="each")
    for preparation in each.preparations:
        run_stages(recipe_stages(parse_options([*flags, *preparation])), last=5, say=str)
    check_shared(each, flags)
    mixed = replace(each, systems={"both": "", "other": "--max_wav_duration 3"})
    for preparation in mixed.preparations:
        run_stages(recipe_stages(parse_options([*flags, *preparation])), last=5, say=str)
    with pytest.raises(ConfigError, match=r"^both: its results of stage 4 .* were written over"):
        check_shared(mixed, flags)


def test_a_lane_that_a_system_does_not_have_has_no_score(comparison: Comparison, tmp_path: Path) -> None:
    for seed in (0, 1):
        out = tmp_path / "exp" / f"st_two_single_{seed}" / "decode_st_model_valid.loss.ave_streaming" / "test"
        (out / "signature.json").write_text(json.dumps({"lanes": "transcript"}))
        (out / "text").write_text("")
    table = comparison_table(comparison, [], n_bootstrap=20)
    scores = {column.title: row for column, row in table.scores["test, streaming"].items()}
    assert list(scores["BLEU"]) == ["both"] and list(scores["WER"]) == ["both", "single"]
    assert "| single | 14.29" in write_table(table, tmp_path / "exp").read_text()


@pytest.mark.parametrize("flag", ["--use_streaming false", "--test_sets other"])
def test_systems_that_are_decoded_differently_are_refused_before_any_training(
    comparison: Comparison, flag: str
) -> None:
    systems = {"both": "", "single": flag}
    with pytest.raises(ConfigError, match=f"single: {flag}, and both has .*: a table compares what is decoded alike"):
        try_systems(replace(comparison, systems=systems), ["--token_type", "word", "--compare", ""], jobs=1)


def test_systems_of_other_features_have_statistics_of_their_own(comparison: Comparison) -> None:
    Path("bands.yaml").write_text("frontend: log_mel\n")
    Path("fewer.yaml").write_text("base: bands.yaml\nfrontend_conf: {n_mels: 40}\n")
    Path("louder.yaml").write_text("base: bands.yaml\npreprocessor_conf: {gain_db: [0, 6]}\n")

    def systems(*flags: str) -> dict:
        return {f"system{n}": parse_options(["--token_type", "word", *each.split()]) for n, each in enumerate(flags)}

    check_statistics(systems("--st_config bands.yaml", "--st_config louder.yaml"))
    check_statistics(systems("--st_config bands.yaml", "--st_config fewer.yaml --st_stats_dir exp/fewer"))
    check_statistics(systems("--st_config bands.yaml", "--st_config fewer.yaml --feats_normalize none"))
    for other in ("--st_config fewer.yaml", "--st_config louder.yaml --dumpdir dump/other"):
        with pytest.raises(
            ConfigError, match="^system1: its features are others than those of system0, .*exp/st_stats"
        ):
            check_statistics(systems("--st_config bands.yaml", other))


@pytest.mark.slow
def test_a_system_whose_model_cannot_be_built_is_named_before_any_stage(comparison: Comparison, tmp_path: Path) -> None:
    base = Path(__file__).resolve().parents[2] / "conf" / "tsot.yaml"
    Path("good.yaml").write_text(f"base: {base}\n")
    Path("bad.yaml").write_text("base: good.yaml\nencoder_conf: {sizes: 100}\n")
    systems = {"right": "--st_config good.yaml", "wrong": "--st_config bad.yaml"}
    with pytest.raises(ConfigError, match=r"wrong: --st_config bad.yaml: .*'sizes' \(did you mean 'size'"):
        try_systems(replace(comparison, systems=systems), ["--token_type", "word", "--compare", ""], jobs=1)
    assert not list((tmp_path / "exp").rglob("*right*/config.yaml"))


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("egs2/*/*/conf/compare/*.yaml")), ids=lambda path: f"{path.parts[-4]}-{path.stem}"
)
def test_a_shipped_comparison_has_flags_that_are_known_and_configurations_that_are_there(path, monkeypatch) -> None:
    monkeypatch.chdir(path.parents[2])
    shipped = Comparison.read(path)
    for system in shipped.systems:
        options = parse_options(shipped.arguments(system, shipped.seeds[0]))
        named = (options.training.st_config, options.decoding.inference_config)  # run.sh says what is not said here
        assert all(Path(name).is_file() for name in named if name)


def own_flags(path: Path) -> str:
    """What run.sh gives to the recipe, as a shell would read it, where it does not make any of it itself."""
    script = (path.parents[2] / "run.sh").read_text(encoding="utf-8")
    own = script.rpartition("espnet_jst.bin.jst_recipe")[2].partition('"$@"')[0].replace("\\\n", " ")
    return "" if "$" in own else own


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(ROOT.glob("egs2/*/jst1/conf/compare/*.yaml")) if own_flags(path)],
    ids=lambda path: f"{path.parts[-4]}-{path.stem}",
)
def test_systems_of_a_shipped_comparison_share_no_statistics_of_other_features(path, monkeypatch) -> None:
    monkeypatch.chdir(path.parents[2])
    shipped, flags = Comparison.read(path), shlex.split(own_flags(path))
    check_statistics(
        {name: parse_options([*flags, *shipped.arguments(name, shipped.seeds[0])]) for name in shipped.systems}
    )
