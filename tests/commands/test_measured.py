"""Figures in documents: which block is replaced, and that each block's command is there and takes ``--write``."""

import re
import sys
from pathlib import Path

import pytest
from rich.table import Table
from typer.testing import CliRunner

import cli
from commands.measured import BlockError, FigureBlock, as_markdown, with_block

ROOT = Path(cli.__file__).parent
DOCUMENT = """# Figures

<!-- begin: a.py -->
old
<!-- end -->
between
<!-- begin: a.py#part -->
| 1 |

older
<!-- end -->
after
"""
MARKED = {
    name
    for page in (ROOT / "docs").glob("*.md")
    for name in re.findall(r"^<!-- begin: (.*) -->$", page.read_text(encoding="utf-8"), re.MULTILINE)
}


def test_a_block_is_replaced_and_nothing_else() -> None:
    assert with_block(DOCUMENT, "a.py#part", "new\n") == DOCUMENT.replace("| 1 |\n\nolder", "new")
    assert with_block(DOCUMENT, "a.py", "new") == DOCUMENT.replace("old\n", "new\n", 1)
    assert with_block(with_block(DOCUMENT, "a.py", "new"), "a.py", "old") == DOCUMENT


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (DOCUMENT, 0),
        ("<!-- begin: b.py -->\n<!-- end -->\n" * 2, 2),
        ("<!-- begin: b.py -->\n<!-- begin: c.py -->\n<!-- end -->\n", 0),
        ("<!-- begin: b.py -->\nnever ends\n", 0),
    ],
    ids=["none", "two", "not ended before the next", "not ended"],
)
def test_what_is_no_single_block_is_refused(text: str, count: int) -> None:
    with pytest.raises(BlockError, match=rf"^{count} blocks of b.py: mark one place with <!-- begin: b.py --> and"):
        with_block(text, "b.py", "")


def test_figures_are_written_with_their_command_data_seed_and_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = tmp_path / "figures.md"
    document.write_text(DOCUMENT, encoding="utf-8")
    place = f"{document}#part"
    monkeypatch.setattr(
        sys, "argv", ["/x/benchmarks/a.py", "--clip", "/home/somebody/clip.mp4", "--write", place, "--json", "-"]
    )
    FigureBlock.of("a.py", place).write_figures(["two runs"], data="clip.mp4", seed="3")
    before, written, after = re.split(r"(?<=#part -->\n)|(?=\n<!-- end -->\nafter)", document.read_text("utf-8"))
    assert before + "| 1 |\n\nolder" + after == DOCUMENT
    figures, _, made = written.partition("\n\n")
    assert figures == "two runs"
    assert re.match(
        r"`python benchmarks/a.py --clip clip.mp4 --json -`, \d{4}-\d\d-\d\d; data: clip.mp4; seed: 3; ", made
    )
    assert re.search(r"; machine: .+, \d+ cores; \d+ GiB; ", made)


def test_a_place_that_is_none_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(BlockError, match="can't be read"):
        FigureBlock.of("a.py", str(tmp_path / "missing.md"))


def test_a_table_of_the_terminal_becomes_one_of_markdown() -> None:
    table = Table("part", "p50", box=None)
    table.add_row("  fusion", "11 ms")
    assert as_markdown(table) == "| part | p50 |\n| --- | --- |\n| fusion | 11 ms |"
    table.title = "latency"
    assert as_markdown(table).startswith("latency:\n\n| part ")


def test_documents_have_blocks() -> None:
    assert len(MARKED) > 10


@pytest.mark.parametrize("name", sorted(MARKED))
def test_the_command_of_each_block_exists_and_writes_it(name: str) -> None:
    command = name.partition("#")[0]
    if command.startswith("benchmarks/"):
        assert "_parser(__doc__, __file__)" in (ROOT / command).read_text(encoding="utf-8")
    elif command.startswith("m2fnet "):
        result = CliRunner().invoke(cli.app, [*command.split()[1:], "--help"], env={"COLUMNS": "200"})
        assert "--write" in result.stdout
    else:
        assert f'"{command}"' in (ROOT / command).read_text(encoding="utf-8")
