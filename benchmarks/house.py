"""The house in figures: `python benchmarks/house.py [CHECKOUT ...]`, a column a checkout; reads files, imports nothing.

Sizes are of espnet_jst/ alone. A room is a folder or a module directly below it. Lanes are known where a string is a
lane's name or one of the constants is used; a class is asked for by name in `isinstance(x, <class of the house>)`.
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import resolve_name
from pathlib import Path

PACKAGE = "espnet_jst"
LANE_NAMES = {"transcript", "translation"}
LANE_CONSTANTS = {"TRANSCRIPT", "TRANSLATION"}


@dataclass(frozen=True)
class Import:
    """One imported module: by whom, where, and the names that are taken from it."""

    module: str
    target: str
    path: Path
    line: int
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.module} imports {self.target}"


def read_sources(root: Path) -> dict[str, tuple[Path, ast.Module]]:
    """Module name -> its file and syntax, of a checkout's package."""
    sources = {}
    for path in sorted((root / PACKAGE).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        sources[name] = (path.relative_to(root), ast.parse(path.read_text(encoding="utf-8")))
    return sources


def read_imports(sources: Mapping[str, tuple[Path, ast.Module]]) -> list[Import]:
    """Every import: inside of functions too, and those for types, since who names a type knows the room it is from."""
    found = []
    for module, (path, tree) in sources.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found += [Import(module, alias.name, path, node.lineno) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                package = module if path.name == "__init__.py" else module.rpartition(".")[0]
                source = resolve_name("." * node.level + (node.module or ""), package)
                targets: dict[str, list[str]] = {}
                for alias in node.names:
                    below = f"{source}.{alias.name}"
                    targets.setdefault(below if below in sources else source, []).append(alias.name)
                found += [Import(module, target, path, node.lineno, tuple(names)) for target, names in targets.items()]
    return found


def room(module: str) -> str:
    """`espnet_jst.heads.spec` -> `heads`; the package itself has no name."""
    return module.split(".")[1] if "." in module else ""


def inside(imports: Iterable[Import]) -> list[Import]:
    """The imports of the house's own modules."""
    return [entry for entry in imports if entry.target.split(".")[0] == PACKAGE and entry.target != entry.module]


def file_edges(imports: Iterable[Import]) -> set[tuple[str, str]]:
    """(Importing, imported) module."""
    return {(entry.module, entry.target) for entry in inside(imports)}


def room_edges(imports: Iterable[Import]) -> set[tuple[str, str]]:
    """(Importing, imported) room."""
    pairs = {(room(a), room(b)) for a, b in file_edges(imports)}
    return {(a, b) for a, b in pairs if a != b}


def circles(edges: Iterable[tuple[str, str]]) -> list[list[str]]:
    """The groups of nodes that reach each other, sorted."""
    reached: dict[str, set[str]] = {}
    for start, end in edges:
        reached.setdefault(start, set()).add(end)
        reached.setdefault(end, set())
    for middle in reached:  # Warshall's closure
        for ends in reached.values():
            if middle in ends:
                ends |= reached[middle]
    groups = {tuple(sorted(b for b in ends if a in reached[b])) for a, ends in reached.items() if a in ends}
    return sorted(map(list, groups))


def any_in_signatures(tree: ast.Module) -> int:
    """How often `Any` stands in the annotations of public functions, and of public classes' public methods."""
    return sum(
        isinstance(node, ast.Name) and node.id == "Any"
        for function in _public_functions(tree)
        for annotation in _annotations(function)
        for node in ast.walk(annotation)
    )


def _public_functions(parent: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in parent.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if not node.name.startswith("_") or node.name.startswith("__"):
                yield node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _public_functions(node)


def _annotations(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.expr]:
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    yield from (argument.annotation for argument in every if argument and argument.annotation)
    if function.returns:
        yield function.returns


def lane_names(tree: ast.Module) -> int:
    """Places that know the name of a lane."""
    return sum(
        (isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in LANE_NAMES)
        or (isinstance(node, ast.Name) and node.id in LANE_CONSTANTS)
        for node in ast.walk(tree)
    )


def asked_by_name(module: str, tree: ast.Module, imports: Iterable[Import]) -> int:
    """`hasattr`, and `isinstance` of a class of the house that is no error."""
    ours = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    for entry in inside(imports):
        if entry.module == module and room(entry.target) != "errors":
            ours |= set(entry.names)
    count = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            named = {name.id for name in ast.walk(node.args[-1]) if isinstance(name, ast.Name)} if node.args else set()
            count += node.func.id == "hasattr" or (node.func.id == "isinstance" and bool(named & ours))
    return count


def figures(root: Path) -> dict[str, str]:
    """Label -> figure of a checkout."""
    sources = read_sources(root)
    imports = read_imports(sources)
    lengths = sorted(len((root / path).read_bytes().splitlines()) for path, _ in sources.values())
    trees = {name: tree for name, (_, tree) in sources.items()}
    known = [lane_names(tree) for tree in trees.values()]
    asked = sum(asked_by_name(name, tree, imports) for name, tree in trees.items())
    by_room, by_file = circles(room_edges(imports)), circles(file_edges(imports))
    return {
        "lines": f"{sum(lengths)}",
        "files": f"{len(lengths)}",
        "lines of the median file": f"{statistics.median(lengths):g}",
        "lines of a file, 90th percentile": f"{lengths[int(0.9 * (len(lengths) - 1))]}",
        "longest file": f"{lengths[-1]}",
        "import circles between rooms": f"{len(by_room)}" + _listed(by_room),
        "import circles between files": f"{len(by_file)}" + _listed(by_file),
        "Any in public signatures": f"{sum(map(any_in_signatures, trees.values()))}",
        "places that know a lane's name": f"{sum(known)} in {sum(map(bool, known))} files",
        "hasattr, isinstance of our classes": f"{asked}",
    }


def _listed(groups: list[list[str]]) -> str:
    short = [" - ".join(name.removeprefix(f"{PACKAGE}.") for name in group) for group in groups]
    return f" ({'; '.join(short)})" if short else ""


def main() -> None:
    """Print the table."""
    roots = [Path(argument) for argument in sys.argv[1:]] or [Path(__file__).resolve().parents[1]]
    columns = [figures(root) for root in roots]
    print(f"| | {' | '.join(root.resolve().name for root in roots)} |")
    print(f"|---|{'---|' * len(columns)}")
    for label in columns[0]:
        print(f"| {label} | {' | '.join(column[label] for column in columns)} |")


if __name__ == "__main__":
    main()
