"""What holds of all modules of the program: classes and functions are small, and what is public says what it is."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("commands", "m2fnet_client", "models", "serving", "stream", "trainer", "wire")
LONGEST_CLASS: Final = 200
LONGEST_FUNCTION: Final = 60
USUAL_FUNCTION: Final = 8
SHORTEST_MODULE: Final = 25

LONG_FUNCTIONS = {"commands/serve.py:serve": "one argument for each option, as typer reads them, each with its help"}

SHORT_MODULES = {
    "models/branches.py": "a bundle's configuration tells a branch's kind without loading its network",
    "models/face_settings.py": "settings and the command line name these defaults without loading a network",
    "models/labels.py": "the order of the emotions is everybody's, whatever else they import",
    "models/runtime/names.py": "settings and the command line name engines without loading one",
    "models/runtime/served_networks.py": "what serves converted networks imports it only where one has to be converted",
    "models/user_error.py": "the base of errors of all packages is no part of one",
    "trainer/data/names.py": "the names of data sets are the command line's, which loads none of them",
    "wire/addresses.py": "a client needs the addresses, whatever it says there",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = Function | ast.ClassDef | ast.Module


def modules() -> dict[str, tuple[str, ast.Module]]:
    files = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    texts = {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in files}
    return {name: (text, ast.parse(text)) for name, text in texts.items()}


MODULES = modules()


def lines(node: Function | ast.ClassDef) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def functions() -> Iterator[tuple[str, int]]:
    for name, (_, tree) in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, Function):
                yield f"{name}:{node.name}", lines(node)


def classes() -> Iterator[tuple[str, int]]:
    for name, (_, tree) in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                yield f"{name}:{node.name}", lines(node)


def public(node: ast.Module | ast.ClassDef, name: str) -> Iterator[tuple[str, Documented]]:
    """Yield what others may use of a module or class, and itself; what stands within a function is its own affair."""
    yield name, node
    for inner in node.body:
        if isinstance(inner, Function | ast.ClassDef) and not inner.name.startswith("_"):
            if isinstance(inner, ast.ClassDef):
                yield from public(inner, f"{name}:{inner.name}")
            else:
                yield f"{name}:{inner.name}", inner


def test_no_class_is_long() -> None:
    assert not {name for name, length in classes() if length > LONGEST_CLASS}


def test_no_function_is_long_but_those_that_are_known() -> None:
    assert {name for name, length in functions() if length > LONGEST_FUNCTION} == set(LONG_FUNCTIONS)


def test_most_functions_are_short() -> None:
    assert median(length for _, length in functions()) <= USUAL_FUNCTION


def test_what_is_hardly_a_module_stands_where_it_is_used_unless_there_is_a_reason() -> None:
    short = {name for name, (text, _) in MODULES.items() if len(text.splitlines()) < SHORTEST_MODULE}
    assert {name for name in short if not name.endswith("/__init__.py")} == set(SHORT_MODULES)


@pytest.mark.parametrize("package", PACKAGES)
def test_whatever_is_public_says_what_it_is(package: str) -> None:
    trees = {name: tree for name, (_, tree) in MODULES.items() if name.startswith(f"{package}/")}
    found = dict(item for name, tree in trees.items() for item in public(tree, name))  # of overloads, the last
    assert len(found) > len(trees)
    silent = [name for name, node in found.items() if ast.get_docstring(node) is None]
    assert [name for name in silent if not name.endswith("/__init__.py")] == []


def test_no_two_test_files_have_one_name() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert not {name for name, count in Counter(names).items() if count > 1}, "pytest imports them by their names alone"
