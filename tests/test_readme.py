"""What the README says of the program is compared with the program."""

import re
import runpy
from pathlib import Path

import pytest
from typer.testing import CliRunner

import cli

ROOT = Path(cli.__file__).parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


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


@pytest.mark.parametrize("target", re.findall(r"^make (\w+)$|`make (\w+)`", README, re.MULTILINE))
def test_make_targets_exist(target: tuple[str, str]) -> None:
    name = "".join(target)
    assert re.search(rf"^{name}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
