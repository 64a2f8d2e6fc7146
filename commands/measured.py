"""Figures in documents, written by the command that measures them.

A document marks the place: all between ``<!-- begin: NAME -->`` and the next ``<!-- end -->`` is the command's. NAME is
its own (``benchmarks/live.py``, ``m2fnet evaluate``), with ``#PART`` behind it where a document holds several of one.
"""

import os
import platform
import re
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Self

import typer
from rich.table import Table

from models.files.whole_file import write_whole
from models.user_error import UserError
from trainer.evaluation.text_tables import markdown_table

_END: Final = "<!-- end -->"

Write = Annotated[
    str | None,
    typer.Option("--write", metavar="DOCUMENT[#PART]", help="Put the figures into this command's block there, too."),
]


class BlockError(UserError):
    """A document has no such block; the message says how to mark one."""


def with_block(text: str, name: str, body: str) -> str:
    """Return a document with what stands in the block of this name replaced, and nothing else changed.

    Raises:
        BlockError: there is no such block, or more than one.
    """
    begin = f"<!-- begin: {name} -->"
    found = list(re.finditer(rf"{re.escape(begin)}\n(?:(?!<!-- begin: ).)*?{re.escape(_END)}", text, re.DOTALL))
    if len(found) != 1:
        message = f"{len(found)} blocks of {name}: mark one place with {begin} and {_END}, each a line of its own"
        raise BlockError(message)
    block = f"{begin}\n{body.strip()}\n{_END}"
    return text[: found[0].start()] + block + text[found[0].end() :]


@dataclass(frozen=True)
class FigureBlock:
    """A command's place in a document."""

    document: Path
    name: str

    @classmethod
    def of(cls, command: str, place: str) -> Self:
        """Return the block that ``DOCUMENT[#PART]`` means, before anything is measured for it.

        Raises:
            BlockError: the document can't be read, or has no such block.
        """
        document, part, which = place.partition("#")
        block = cls(Path(document), f"{command}{part}{which}")
        block._with("")
        return block

    def write(self, body: str) -> None:
        """Replace what stands there.

        Raises:
            BlockError: it is gone.
            FileError: the document can't be written.
        """
        text = self._with(body)
        write_whole(self.document, text)

    def write_figures(self, parts: Sequence[str | Table], *, data: str, seed: str = "none") -> None:
        """Write tables and lines, and under them the command with its data, seed and machine.

        Raises:
            BlockError: the block is gone.
            FileError: the document can't be written.
        """
        shown = [part if isinstance(part, str) else as_markdown(part) for part in parts]
        made = f"`{_command_line()}`, {datetime.now(UTC):%Y-%m-%d}; data: {data}; seed: {seed}"
        self.write("\n\n".join([*shown, f"{made}; machine: {'; '.join(machine().values())}"]))

    def _with(self, body: str) -> str:
        try:
            text = self.document.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            message = f"{self.document} can't be read ({error}): name a document with a block of {self.name}"
            raise BlockError(message) from error
        return with_block(text, self.name, body)


def as_markdown(table: Table) -> str:
    """Return what a terminal is shown as a Markdown table."""
    cells = [[str(cell).strip() for cell in column.cells] for column in table.columns]
    rows = markdown_table([str(column.header) for column in table.columns], list(zip(*cells, strict=True)))
    return f"{table.title}:\n\n{rows}" if table.title else rows


def machine() -> dict[str, str]:
    """Return what measured figures hold for."""
    import psutil  # noqa: PLC0415 - the help of what writes figures must not wait for it

    memory_gib = psutil.virtual_memory().total / 2**30
    return {
        "processor": f"{_processor_model()}, {cores()} cores",
        "memory": f"{memory_gib:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
    }


def cores() -> int:
    """Return how many cores this process, and what it starts, may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor_model() -> str:
    """Return the processor's name, as far as the system tells it."""
    with suppress(OSError):
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return found[1]
    return platform.processor() or platform.machine()


def _command_line() -> str:
    """Return how this process was started, without its folders, which are no other machine's, and without --write."""
    program, *words = sys.argv
    with suppress(ValueError):
        place = words.index("--write")
        del words[place : place + 2]
    script = Path(program).resolve()
    start = ["python", f"benchmarks/{script.name}"] if script.parent.name == "benchmarks" else ["m2fnet"]
    return shlex.join([*start, *(Path(word).name if Path(word).is_absolute() else word for word in words)])
