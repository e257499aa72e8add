"""Configuration files: bases, merges, and messages."""

import ast
import math
from pathlib import Path

import pytest

import espnet_jst.config
from espnet_jst.config import CommandParser, check_choice, check_keys, config_files, json_text, merge, read_yaml
from espnet_jst.errors import ConfigError


def test_an_unknown_key_names_the_closest_known_one():
    with pytest.raises(ConfigError, match=r"encoder_conf: unknown key 'lefts_chunks' \(did you mean 'left_chunks'\?\)"):
        check_keys({"lefts_chunks": 1}, ["left_chunks", "size"], "encoder_conf")


def test_an_unknown_choice_names_the_closest_one():
    with pytest.raises(ConfigError, match=r"'lstn' is not one of lstm, stateless \(did you mean 'lstm'\?\)"):
        check_choice("lstn", ["stateless", "lstm"], "predictor")


def test_a_file_is_laid_over_its_base(tmp_path):
    (tmp_path / "base.yaml").write_text("a: 1\nb: {c: 2, d: [1, 2]}\nf: {g: 1}\n")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "own.yaml").write_text("base: ../base.yaml\nb: {d: [3]}\nf: null\ne: 5\n")
    assert read_yaml(tmp_path / "below" / "own.yaml") == {"a": 1, "b": {"c": 2, "d": [3]}, "e": 5}
    files = [file.resolve() for file in config_files(tmp_path / "below" / "own.yaml")]
    assert files == [tmp_path / "below" / "own.yaml", tmp_path / "base.yaml"]


def test_a_circle_of_bases_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("base: b.yaml\n")
    (tmp_path / "b.yaml").write_text("base: a.yaml\n")
    with pytest.raises(ConfigError, match="is its own base"):
        read_yaml(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("content", "message"), [("- 1\n", "holds no mapping"), ("a: [", "not plain YAML"), (None, "cannot be read")]
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "a.yaml").write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_yaml(tmp_path / "a.yaml")


def test_a_mapping_without_a_base_replaces_the_one_below():
    base = {"a": {"b": 1, "c": {"d": 2}}, "e": {"f": 3}}
    assert merge(base, {"a": {"base": None, "c": {"g": 4}}}) == {"a": {"c": {"g": 4}}, "e": {"f": 3}}
    assert merge(base, {"new": {"base": None, "b": 1}})["new"] == {"b": 1}
    assert merge(merge(base, {"a": {"base": None}}), {"a": {"b": 5}})["a"] == {"b": 5}


def test_merge_leaves_its_arguments_alone():
    base, own = {"a": {"b": 1}}, {"a": {"c": 2}}
    assert merge(base, own) == {"a": {"b": 1, "c": 2}} and base == {"a": {"b": 1}} and own == {"a": {"c": 2}}


def parser():
    parser = CommandParser()
    parser.add_argument("--beam_size", type=int, required=True)
    parser.add_argument("--more", default="")
    return parser


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["--beam_sise", "4"], "unknown option --beam_sise (did you mean '--beam_size'?)"),
        (["--beam_sise=4"], "unknown option --beam_sise=4 (did you mean '--beam_size'?)"),
        (["--beam", "4"], "unknown option --beam"),  # no abbreviations
        (["--beam_size", "4", "five"], "unknown option five"),
        ([], "the following arguments are required: --beam_size"),
        (["--beam_size", "four"], "argument --beam_size: invalid int value: 'four'"),
    ],
)
def test_a_wrong_option_is_one_line_that_names_the_closest(capsys, command, message):
    with pytest.raises(SystemExit) as left:
        parser().parse_args(command)
    shown = capsys.readouterr()
    assert left.value.code == 2 and shown.out == "" and shown.err.count("\n") == 1
    assert shown.err.startswith(f"error: {message}") and shown.err.endswith("(--help lists the options)\n")


def test_right_options_are_read():
    assert vars(parser().parse_args(["--beam_size", "4", "--more", "--and more"])) == {
        "beam_size": 4,
        "more": "--and more",
    }
    assert parser().parse_args(["--beam_size=4", "--more=--other"]).more == "--other"


def test_json_has_null_where_a_number_is_not_defined():
    value = {"a": [math.nan, 1.5, (math.inf,)], "b": {"c": -math.inf}}
    assert json_text(value) == '{"a": [null, 1.5, [null]], "b": {"c": null}}'
    assert json_text({"ö": 1.0}, ensure_ascii=False) == '{"ö": 1.0}'


def test_nothing_writes_json_that_could_hold_nan():
    package = Path(espnet_jst.config.__file__).parent
    unsafe = [
        f"{path.relative_to(package)}:{call.lineno}"
        for path in package.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func) in ("json.dump", "json.dumps")
        if not any(keyword.arg == "allow_nan" for keyword in call.keywords)
    ]
    assert not unsafe, "use config.json_text"


def test_a_close_key_is_enough_where_a_hundred_are_known():
    known = ["max_epoch", *(f"other_{number}" for number in range(100))]
    with pytest.raises(ConfigError, match=r"unknown key 'max_epohc' \(did you mean 'max_epoch'\?\)$"):
        check_keys({"max_epohc": 3}, known, "x")
    with pytest.raises(ConfigError, match="unknown key 'zzz'; known keys: max_epoch, other_0"):
        check_keys({"zzz": 3}, known, "x")
