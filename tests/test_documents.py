"""What the README and docs/ say of the program is compared with the program."""

import re
import runpy
import subprocess
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from pathlib import Path

import prometheus_client
import pytest
from _pytest.mark.expression import Expression
from typer.testing import CliRunner

import cli

ROOT = Path(cli.__file__).parent
MAKEFILE, PYPROJECT = ((ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", "pyproject.toml"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
MOST_LINES = 180
FOLDERS = r"\.github|benchmarks|commands|configs|demo|docs|examples|m2fnet_client|models|scripts|serving|stream|tests"
FOLDERS += "|trainer|web|wire"


def everywhere(pattern: str) -> list[str]:
    """Return what a pattern finds in all pages, each once."""
    return sorted({found for text in TEXTS.values() for found in re.findall(pattern, text, re.MULTILINE)})


def test_the_readme_is_read_in_one_go() -> None:
    assert len(TEXTS["README.md"].splitlines()) <= MOST_LINES


def test_settings_table_is_that_of_now() -> None:
    with_table = runpy.run_path(str(ROOT / "scripts" / "settings_table.py"))["with_table"]
    settings = TEXTS["docs/settings.md"]
    assert with_table(settings) == settings, "run: python scripts/settings_table.py"


def test_figures_of_the_readme_are_those_of_the_results() -> None:
    table = TEXTS["README.md"].partition("## What it reaches")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    assert len(rows) > 2
    assert set(rows) <= set(TEXTS["docs/results.md"].splitlines())


def test_the_index_has_every_page() -> None:
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages <= set(re.findall(r"\]\(([\w.-]+)\)", TEXTS["docs/README.md"]))


@pytest.mark.parametrize("path", everywhere(rf"(?<![\w./-])(?:{FOLDERS})/[\w./*-]*"))
def test_paths_exist(path: str) -> None:
    assert list(ROOT.glob(path.rstrip(".")))


@cache
def headings(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links() -> Iterator[tuple[str, str]]:
    """Yield each page with each of its links to another place of this repository."""
    for name, text in TEXTS.items():
        yield from ((name, link) for link in sorted(set(re.findall(r"\]\((?!\w+:)([^)\s]+)\)", text))))


@pytest.mark.parametrize(("page", "link"), list(links()))
def test_links_lead_somewhere(page: str, link: str) -> None:
    path, _, anchor = link.partition("#")
    there = (ROOT / page).parent / path if path else ROOT / page
    assert there.exists()
    assert not anchor or anchor in headings(there)


def classes() -> set[str]:
    """Return the names of all classes and types of the program."""
    files = [path for folder in FOLDERS.split("|") for path in ROOT.glob(f"{folder}/**/*.py")]
    return {name for path in files for name in re.findall(r"^class (\w+)", path.read_text("utf-8"), re.MULTILINE)}


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_classes_named_exist(page: str) -> None:
    named = set(re.findall(r"`([A-Z][a-z]\w*)`", TEXTS[page]))
    assert named
    assert not named - classes() - set(dir(prometheus_client))  # of which they speak as well


def test_threads_are_those_of_the_program() -> None:
    sources = [
        path.read_text("utf-8") for folder in ("models", "serving", "stream") for path in ROOT.glob(f"{folder}/**/*.py")
    ]
    made = {name for source in sources for name in re.findall(r'watched_thread\(\s*"([\w-]+)"', source)}
    rows = re.findall(r"^\| (`.*?) \| one", TEXTS["docs/architecture.md"], re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([\w-]+)`", row)} == made


def commands() -> list[str]:
    lines = everywhere(r"^m2fnet .*") + everywhere(r"`(m2fnet [^`]+)`")
    return sorted({" ".join(line.split("#")[0].split()) for line in lines})


@pytest.mark.parametrize("line", commands())
def test_commands_take_the_options_shown(line: str) -> None:
    words = line.split()[1:]
    names = [word for word in words[:2] if word.isalpha()]
    result = CliRunner().invoke(cli.app, [*names, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    for option in (word for word in words if word.startswith("-")):
        assert option in result.stdout


@pytest.mark.parametrize("target", everywhere(r"^make ([\w-]+)") + everywhere(r"`make ([\w-]+)"))
def test_make_targets_exist(target: str) -> None:
    assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)


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
