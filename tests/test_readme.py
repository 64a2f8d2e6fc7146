"""What the README says of the program is compared with the program."""

import re
import runpy
import subprocess
from itertools import combinations
from pathlib import Path

import pytest
from _pytest.mark.expression import Expression
from typer.testing import CliRunner

import cli

ROOT = Path(cli.__file__).parent
README, MAKEFILE, PYPROJECT = (
    (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "Makefile", "pyproject.toml")
)


def test_settings_table_is_that_of_now() -> None:
    with_table = runpy.run_path(str(ROOT / "scripts" / "settings_table.py"))["with_table"]
    assert with_table(README) == README, "run: python scripts/settings_table.py"


def commands() -> list[str]:
    lines = re.findall(r"^m2fnet .*", README, re.MULTILINE) + re.findall(r"`(m2fnet [^`]+)`", README)
    return sorted({line.split("#")[0].strip() for line in lines})


@pytest.mark.parametrize("line", commands())
def test_commands_take_the_options_shown(line: str) -> None:
    words = line.split()[1:]
    names = [word for word in words[:2] if word.isalpha()]
    result = CliRunner().invoke(cli.app, [*names, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    for option in (word for word in words if word.startswith("-")):
        assert option in result.stdout


@pytest.mark.parametrize("target", re.findall(r"^make ([\w-]+)$|`make ([\w-]+)`", README, re.MULTILINE))
def test_make_targets_exist(target: tuple[str, str]) -> None:
    name = "".join(target)
    assert re.search(rf"^{name}:", MAKEFILE, re.MULTILINE)


def marked(target: str) -> str:
    """Return what a target of the tests asks pytest for: its own expression, or that of the configuration."""
    done = subprocess.run(
        ["make", "-n", target, "HAS_BROWSER=yes"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = re.findall(r' -m "([^"]+)"', done.stdout)
    return found[0] if found else re.findall(r"-m '([^']+)'", PYPROJECT)[0]


@pytest.mark.parametrize("marks", [{*marks} for size in range(3) for marks in combinations(("slow", "browser"), size)])
def test_each_test_is_of_the_quick_or_of_the_slow_ones(marks: set[str]) -> None:
    def selects(target: str) -> bool:
        return Expression.compile(marked(target)).evaluate(lambda name, **_: name in marks)

    assert selects("test") != selects("test-slow")


def test_all_of_them_are_what_continuous_integration_runs() -> None:
    assert re.search(r"^test-all: test test-slow ", MAKEFILE, re.MULTILINE)
    assert re.search(r"^make test-all .*--durations=25$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
