"""How the modules of the package depend on each other, read off their source: arrows point down, in no circle."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Each row may import from the rows below it, and within itself as long as that is no circle of folders.
ROWS = [
    ("cli",),
    ("pipeline", "evaluation"),
    ("diffdub", "warp"),
    ("nn", "training"),
    ("face", "speech"),
    ("media", "formats"),
    (
        "",
        "errors",
        "reporting",
        "spelling",
        "stopping",
        "weights",
    ),  # what everybody uses; the first is the package itself
]
RANK = {folder: len(ROWS) - number for number, row in enumerate(ROWS) for folder in row}


@cache
def sources() -> dict[str, ast.Module]:
    """Module name to syntax tree, of the whole package."""
    trees = {}
    for path in sorted((ROOT / "dd_tools").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        trees[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text())
    return trees


def folder(module: str) -> str:
    """The folder (or file) right below the package that a module is in."""
    return [*module.split("."), ""][1]


def imported(module: str) -> set[str]:
    """The modules, of this package and others, that a module imports, at its top or later."""
    found = set()
    for node in ast.walk(sources()[module]):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: relative import"
            for name in node.names:
                full = f"{node.module}.{name.name}"
                found.add(full if full in sources() else node.module)
    return found


def own(names: set[str]) -> set[str]:
    return {name for name in names if name.split(".")[0] == "dd_tools"}


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Sets of nodes of which each leads to every other."""
    reach = {}
    for node in arrows:
        reach[node], waiting = set(), [node]
        while waiting:
            fresh = arrows[waiting.pop()] - reach[node]
            reach[node] |= fresh
            waiting += fresh
    rings = {frozenset(other for other in reach[node] if node in reach[other]) for node in arrows}
    return sorted(sorted(ring) for ring in rings if ring)


@cache
def circles_of_modules() -> list[list[str]]:
    return circles({module: own(imported(module)) for module in sources()})


def test_circles_are_found():
    arrows = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": set(), "f": {"f", "a"}}
    assert circles(arrows) == [["a", "b", "c"], ["f"]]


def test_every_folder_of_the_package_has_a_row():
    assert {folder(module) for module in sources()} == set(RANK)


@pytest.mark.parametrize("name", RANK)
def test_no_module_is_in_a_circle_of_imports(name):
    """An import inside a function closes a circle too."""
    assert [ring for ring in circles_of_modules() if name in map(folder, ring)] == []


def test_arrows_point_down():
    upward = [
        f"{module} imports {target}"
        for module in sources()
        for target in own(imported(module))
        if RANK[folder(target)] > RANK[folder(module)]
    ]
    assert upward == []


def test_folders_are_in_no_circle_either():
    arrows = {name: set() for name in RANK}
    for module in sources():
        arrows[folder(module)] |= {folder(target) for target in own(imported(module))} - {folder(module)}
    assert circles(arrows) == []


def test_the_paper_and_the_model_that_ships_do_not_know_each_other():
    for one, other in (("diffdub", "warp"), ("warp", "diffdub")):
        knowing = [
            module for module in sources() if folder(module) == one and other in map(folder, own(imported(module)))
        ]
        assert knowing == []


def test_only_commands_know_typer_and_rich():
    knowing = {
        module for module in sources() if {name.split(".")[0] for name in imported(module)} & {"typer", "click", "rich"}
    }
    assert {folder(module) for module in knowing} == {"cli"}


def test_only_commands_print():
    printing = [
        f"{module}, line {node.lineno}"
        for module, tree in sources().items()
        if folder(module) != "cli"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert printing == []
