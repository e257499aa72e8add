"""Who may import whom. Imports inside of functions count, and those for types: who names a type knows its room."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from benchmarks.house import Import, circles, file_edges, inside, read_imports, read_sources, room

ROOT = Path(__file__).parents[1]

# A room imports rooms below it. No two import each other then, neither directly nor around a circle.
ORDER = (
    *("bin", "hook", "recipe", "serving", "export"),
    *("inference", "hub", "evaluation"),
    "tasks",
    *("model", "training"),
    *("search", "regularizers"),
    *("inputs", "encoders", "heads"),
    *("losses", "data", "jobs"),
    *("text", "units"),
    # What any room may use: a stranger's files, weights and the marks in them, configurations, and the contracts. The
    # registry names the classes of rooms above it as text, and imports them when they are asked for.
    *("untrusted", "weights", "stored_weights", "token_marks", "registry", "keys", "limits", "config", "plain_yaml"),
    *("scheduled", "streams", "taps", "compat", "progress", "version", "errors"),
)
ESPNET = {"espnet", "espnet2", "espnetez", "espnet_model_zoo"}
# Rooms, and files, that may import anything of ESPnet; and those that may import base classes of what is registered.
PARTS_OF_ESPNET = {"compat", "registry", "tasks", "hook", "training", "bin.espnet_search"}
BASE_CLASSES = {"model", "inputs", "encoders.interface"}
# (importing module, imported one) -> why that one thing of ESPnet is used as it is.
USED_OF_ESPNET = {
    ("model", "espnet2.torch_utils.device_funcs"): "what the trainer gathers from several GPUs",
    ("export.nemo", "espnet2.layers.global_mvn"): "ESPnet's normalization, which becomes a part of a graph",
    ("heads.attention", "espnet2.asr.decoder.transformer_decoder"): "ESPnet's decoder, whose weights load",
    ("inputs.speech", "espnet2.asr.specaug.specaug"): "ESPnet's masks, whose warp two views share",
    ("inputs.pretrained.espnet_ssl", "espnet2.tasks.ssl"): "encoders that ESPnet has trained, whose weights load",
}
LOADED = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        assert error.name in ("k2", "triton"), error  # backends that need not be installed
print(sorted({name.split(".")[0] for name in sys.modules} & {"espnet", "espnet2"}))
"""


def short(module: str) -> str:
    """A module as the tables above name it."""
    return module.removeprefix("espnet_jst.")


def place(module: str) -> int:
    """Height of a module's room in the order, from 0 at the top; -1 where it has none."""
    return ORDER.index(room(module)) if room(module) in ORDER else -1


def upward(imports: Iterable[Import]) -> list[Import]:
    """Imports of a room that stands above, or has no place in the order."""
    return [
        entry
        for entry in inside(imports)
        if room(entry.target) not in ("", room(entry.module))  # the package itself holds its version and register()
        and room(entry.module) != ""
        and place(entry.target) < place(entry.module)
    ]


def foreign(imports: Iterable[Import]) -> list[Import]:
    """Imports of ESPnet where nothing, or no more than a base class, of it may be known."""
    found = []
    for entry in imports:
        places = {room(entry.module), short(entry.module)}
        if entry.target.split(".")[0] not in ESPNET or places & PARTS_OF_ESPNET:
            continue
        if not (places & BASE_CLASSES and entry.names and all(name.startswith("Abs") for name in entry.names)):
            found.append(entry)
    return found


@pytest.fixture(scope="module")
def imports() -> list[Import]:
    return read_imports(read_sources(ROOT))


def test_every_room_has_a_place_in_the_order(imports: list[Import]) -> None:
    assert {room(entry.module) for entry in imports} - {"", *ORDER} == set()


def test_no_room_imports_one_above_it(imports: list[Import]) -> None:
    assert [str(entry) for entry in upward(imports)] == []


def test_no_files_import_each_other(imports: list[Import]) -> None:
    assert circles(file_edges(imports)) == []


def test_espnet_is_imported_where_the_task_is_made_and_as_base_classes(imports: list[Import]) -> None:
    found = {(short(entry.module), short(entry.target)): str(entry) for entry in foreign(imports)}
    assert [line for pair, line in found.items() if pair not in USED_OF_ESPNET] == []
    assert set(USED_OF_ESPNET) - set(found) == set(), "an exception that is no longer needed"


def test_what_could_be_lifted_out_of_the_house_loads_nothing_of_espnet() -> None:
    names = [name for name in read_sources(ROOT) if room(name) in ("losses", "search", "text", "units", "evaluation")]
    done = subprocess.run([sys.executable, "-c", LOADED, *names], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        (
            "from espnet_jst.bin import cli",
            "espnet_jst/text/words.py:1: espnet_jst.text.words imports espnet_jst.bin.cli",
        ),
        ("def f():\n    import espnet_jst.bin.cli", "words.py:2: .* imports espnet_jst.bin.cli"),
        ("if TYPE_CHECKING:\n    from espnet_jst.bin.cli import main", "words.py:2: .* imports espnet_jst.bin.cli"),
        ("from ..bin import cli", "words.py:1: .* imports espnet_jst.bin.cli"),
        ("import espnet_jst.attic", "words.py:1: .* imports espnet_jst.attic"),
        ("from espnet2.tasks import st", "words.py:1: .* imports espnet2.tasks"),
        ("from espnet2.train.abs_espnet_model import AbsESPnetModel", "imports espnet2.train.abs_espnet_model"),
    ],
)
def test_an_import_that_leads_upwards_or_out_is_named_with_its_line(tmp_path: Path, source: str, fault: str) -> None:
    imports = made(tmp_path, {"bin/cli.py": "", "text/words.py": source})
    with pytest.raises(AssertionError, match=fault):
        assert [str(entry) for entry in (*upward(imports), *foreign(imports))] == []


def test_a_circle_is_found_through_any_number_of_files(tmp_path: Path) -> None:
    chain = {f"text/a{n}.py": f"from espnet_jst.text.a{(n + 1) % 4} import x" for n in range(4)}
    imports = made(tmp_path, {**chain, "text/b.py": "from espnet_jst.text import a0"})
    assert circles(file_edges(imports)) == [[f"espnet_jst.text.a{n}" for n in range(4)]]


def made(root: Path, files: dict[str, str]) -> list[Import]:
    """The imports of a package made of these files."""
    for name, source in files.items():
        path = root / "espnet_jst" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return read_imports(read_sources(root))
