"""There is no builder here: what the Dockerfile names is looked up where it comes from."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

from espnet_jst.bin.jst_serve import get_parser
from espnet_jst.serving.conf import ServeConf

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")


def instructions(name: str) -> list[str]:
    return re.findall(rf"^\s*{name} (.*)$", TEXT, re.MULTILINE)


def test_what_is_copied_exists_and_reaches_the_builder() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[0] == "!"}
    sources = [source for line in instructions("COPY") if "--from" not in line for source in line.split()[:-1]]
    assert {source for source in sources if not (ROOT / source).exists()} == set()
    assert {source for source in sources if source.split("/")[0] not in let_in} == set()
    read = re.findall(r'HERE / "(\w[^"]*)"', (ROOT / "setup.py").read_text(encoding="utf-8"))
    assert {name for name in read if name not in sources} == set() and "README.md" in read


def test_the_extra_and_the_tested_versions_are_those_of_the_python_in_it() -> None:
    setup = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    values = {ast.unparse(node.targets[0]): node.value for node in setup.body if isinstance(node, ast.Assign)}
    [command] = [line for line in instructions("RUN") if "--constraint" in line]
    assert re.search(r"'\.\[(\w+)\]'", command)[1] in [key.value for key in values["EXTRAS"].keys]
    pins = (ROOT / re.search(r"--constraint (\S+)", command)[1]).read_text(encoding="utf-8")
    assert {*instructions("FROM")} == {"python:3.12-slim AS packages", "python:3.12-slim"}
    assert re.search(r"^espnet==202611$", pins, re.MULTILINE), "the line of versions of Python 3.12"


def test_it_starts_a_server_that_other_machines_reach_and_asks_for_its_health() -> None:
    [entry], [command] = instructions("ENTRYPOINT"), [line for line in instructions("CMD") if "--model" in line]
    program, tool, *flags = json.loads(entry) + json.loads(command)
    args = get_parser().parse_args(flags)
    assert (program, tool, args.host, args.model) == ("espnet-jst", "serve", "0.0.0.0", "/models/model.zip")
    [check] = re.findall(r"HEALTHCHECK .*urlopen\('http://127\.0\.0\.1:(\d+)/health'", TEXT)
    assert int(check) == ServeConf(host=args.host, token="any").port == int(instructions("EXPOSE")[0])
    assert instructions("USER") == ["jst"]
