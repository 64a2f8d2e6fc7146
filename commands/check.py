"""``m2fnet check``: what this machine has, and what to do about what is missing."""

import json
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from commands.common import Config, Set, Verbose, err, read_settings, told

if TYPE_CHECKING:
    from commands.diagnostics import Finding

SHOWN: Final = ("subject", "state", "detail", "advice", "needed")
STYLES: Final = {"ok": "green", "missing": "yellow", "broken": "red"}
INDENT: Final = 4  # of what is too long for its column


def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    config: Config = None,
    set_: Set = None,
    verbose: Verbose = False,
) -> None:
    """Say what this machine has for it, and what to do about what is missing.

    The exit code is 0 if files and streams can be analyzed; cameras, microphones and GPUs are not needed for that.

    Examples:
        m2fnet check

        m2fnet check --json --set runtime.bundle=my-bundle
    """
    with told(verbose=verbose):
        settings = read_settings(config, set_ or [])
        from commands.diagnostics import can_run, diagnose  # noqa: PLC0415 - see cli.py's docstring

        with err.status("looking around"):
            findings = diagnose(settings)
        ready = can_run(findings)
        if as_json:
            report = {"ready": ready, "findings": [{name: getattr(f, name) for name in SHOWN} for f in findings]}
            typer.echo(json.dumps(report, indent=2, ensure_ascii=False))
        else:
            show(findings, Console())
            typer.echo("ready" if ready else "not ready: see the lines marked missing! or broken!")
        raise typer.Exit(0 if ready else 1)


def show(findings: "Sequence[Finding]", console: Console) -> None:
    """Print the findings in columns; what is needed and not there has an exclamation mark.

    No word is broken: one that is too long for its column, as paths are, has a line to itself.
    """
    subjects = max(len(finding.subject) for finding in findings) + 2
    states = max(map(len, STYLES)) + 3
    column = subjects + states
    for finding in findings:
        mark = "!" if finding.needed and finding.state != "ok" else ""
        head = Text(finding.subject.ljust(subjects))
        head.append((finding.state + mark).ljust(states), STYLES["broken" if mark else finding.state])
        for piece in _pieces((finding.detail, finding.advice), console.width - column):
            fits = column + len(piece) <= console.width
            if not fits and head.plain.strip():
                _print(console, head)
            _print(console, (head + piece) if fits else Text(" " * INDENT + piece))
            head = Text(" " * column)


def _print(console: Console, line: Text) -> None:
    line.rstrip()
    console.print(line, soft_wrap=True)


def _pieces(texts: Sequence[str], width: int) -> Iterator[str]:
    for text in texts:
        yield from textwrap.wrap(text, max(width, 1), break_long_words=False, break_on_hyphens=False)
