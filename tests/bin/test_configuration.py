"""`train --help TOPIC` and docs/configuration.md."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from espnet_jst.bin import configuration, jst_train
from espnet_jst.keys import keys_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"
LIGHT = """
import runpy, sys, time
sys.argv = ["x", {arguments}]
runpy.run_module({module!r}, run_name="__main__")
heavy = sorted({{"torch", "espnet", "espnet2", "numpy"}} & set(sys.modules))
assert not heavy, heavy
assert time.process_time() < 2
"""
PLUGIN = '''
import espnet_jst
from espnet_jst.encoders.chunk_conformer import ChunkConformer


class Mine(ChunkConformer):
    """An encoder of somebody else."""

    def __init__(self, input_size: int, *, colour: str = "blue") -> None:
        super().__init__(input_size)


espnet_jst.register({"encoder": {"mine": Mine}})
'''


def run(module: str, *arguments: str) -> str:
    code = LIGHT.format(module=module, arguments=", ".join(map(repr, arguments)))
    environment = {name: value for name, value in os.environ.items() if name != "JST_PLUGINS"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_document_is_current_and_made_without_torch():
    assert DOCUMENT.read_text(encoding="utf-8") == run("espnet_jst.bin.configuration"), (
        "python -m espnet_jst.bin.configuration > docs/configuration.md"
    )


def test_help_of_every_topic_is_instant_and_shows_every_key_with_its_default():
    shown = run("espnet_jst.bin.jst_train", "--help", "encoder")
    assert "chunk_conformer: Streaming Conformer" in shown
    assert "left_chunks: 4" in shown and "model dimension, a multiple of 2 * heads (a whole number, 1 to 4096)" in shown
    for topic in configuration.topics():
        text = configuration.help_text(topic)
        assert max(map(len, text.splitlines())) <= 120
        for _, conf in configuration.parts(configuration.TOPICS[topic]):
            assert all(f"  {name}: " in text for name in keys_of(conf))


def test_help_of_one_name_shows_its_keys_alone(capsys):
    jst_train.main(["--help", "heads", "ctc"])
    shown = capsys.readouterr().out
    assert "dropout" in shown and "predictor" not in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["encodr"], "did you mean 'encoder'"),
        (
            ["encoder", "conformer"],
            "'conformer' is not one of chunk_conformer, chunk_whisper, contextual_block, mbart, zipformer .did you",
        ),
    ],
)
def test_a_topic_or_name_that_does_not_exist_is_one_message(capsys, arguments, message):
    with pytest.raises(SystemExit) as left:
        jst_train.main(["--help", *arguments])
    assert left.value.code == 1
    assert message.replace(".did", "(did") in capsys.readouterr().err


def test_every_topic_is_named_in_the_plain_help(capsys):
    jst_train.main(["--help"])
    shown = capsys.readouterr().out
    assert all(topic in shown.partition("TOPIC")[2] for topic in configuration.topics())


@pytest.mark.slow
def test_a_class_of_a_plugin_is_shown_with_the_arguments_of_its_constructor(tmp_path):
    (tmp_path / "jst_plugin_of_a_test.py").write_text(PLUGIN)
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "espnet_jst.bin.jst_train", "--help", "encoder", "mine"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path, "JST_PLUGINS": "jst_plugin_of_a_test"},
    )
    assert "mine: An encoder of somebody else." in done.stdout and "colour: blue" in done.stdout
    assert "input_size" not in done.stdout and "left_chunks" not in done.stdout
