"""``m2fnet analyze`` and ``m2fnet render``: what is refused beforehand, and that one file never costs the others."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from exported_dialog import room_of_two
from typer.testing import CliRunner, Result

import cli
from commands.batch import work_through
from stream.exports.formats import render
from stream.exports.from_events import dialog_from_events
from stream.exports.output import ResultWriter

SPEECH = Path(__file__).parent.parent / "fixtures" / "speech" / "one_sentence.opus"
NOT_UTF8 = os.fsdecode(b"caf\xe9.opus")


def run(*arguments: str | Path, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments], input=stdin)


def refused(result: Result) -> str:
    """The one line of a refusal."""
    assert result.exit_code == 1, result.output
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    return Path(shutil.copy(SPEECH, tmp_path / "s.opus"))


@pytest.mark.parametrize("name", ["s.opus", "./x/../s.opus", "link.opus", "hard.opus"])
def test_a_recording_is_not_replaced_by_what_is_said_in_it(speech: Path, name: str) -> None:
    (speech.parent / "x").mkdir()
    (speech.parent / "link.opus").symlink_to(speech)
    (speech.parent / "hard.opus").hardlink_to(speech)
    before = speech.read_bytes()
    assert "is also what is read" in refused(run("analyze", speech, "-o", speech.parent / name))
    assert speech.read_bytes() == before


def test_settings_are_not_replaced_either(speech: Path, tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("vision:\n  max_fps: 3\n")
    assert "is also what is read" in refused(run("analyze", speech, "--config", config, "-o", config))


def test_other_media_are_not_replaced(speech: Path) -> None:
    other = Path(shutil.copy(SPEECH, speech.parent / "other.opus"))
    assert "holds no text, but perhaps media" in refused(run("analyze", speech, "-o", other))


@pytest.mark.parametrize("output", ["none/x.txt", "folder.txt/"])
def test_an_output_that_can_not_be_is_told_before_the_work(speech: Path, output: str) -> None:
    (speech.parent / "folder.txt").touch()
    assert "can't be written" in refused(run("analyze", speech, "-o", f"{speech.parent}/{output}"))


@pytest.mark.parametrize("address", ["http://user:secret@camera.local/x.mp4", "rtsp://camera.local/x"])
def test_an_address_is_told_what_to_do_with(address: str) -> None:
    told = refused(run("analyze", address))
    assert f"m2fnet serve --source {address.replace('user:secret@', '')}" in told
    assert "secret" not in told


def test_files_that_are_not_there_are_told_without_the_models(tmp_path: Path) -> None:
    code = "import sys, cli\ntry: cli.main(sys.argv[1:])\nfinally: print('torch' in sys.modules)"
    command = [sys.executable, "-c", code, "analyze", str(tmp_path / "none.wav"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "False\n")
    assert [line.partition(";")[0] for line in done.stderr.splitlines()] == [
        f"m2fnet: {tmp_path}/none.wav does not exist",
        f"m2fnet: {tmp_path.name} is a folder",
    ]


@pytest.mark.parametrize("stdin", [b"", b"no media" * 100])
def test_a_standard_input_without_media_is_told(stdin: bytes, bundle_folder: Path) -> None:
    result = run(
        "analyze", "-", "--set", f"runtime.bundle={bundle_folder}", "--set", "runtime.engine=torch", stdin=stdin
    )
    told = "standard input is not a media file" if stdin else "standard input is empty"
    assert result.exit_code == 1
    assert told in result.stderr
    assert str(Path(os.sep, "tmp")) not in result.stderr


@pytest.mark.parametrize("form", ["txt", "TEXT", ".txt", "text"])
def test_forms_are_known_by_the_names_people_have_for_them(form: str, tmp_path: Path) -> None:
    assert run("render", saved(tmp_path), "--format", form).stdout.startswith("standup  ")


@pytest.mark.parametrize(
    ("ending", "begin"), [("srt", "1\n"), ("htm", "<!doctype"), ("webvtt", "WEBVTT"), ("log", "stand")]
)
def test_the_ending_of_the_output_says_the_form(ending: str, begin: str, tmp_path: Path) -> None:
    output = tmp_path / f"x.{ending}"
    assert run("render", saved(tmp_path), "-o", output).exit_code == 0
    assert output.read_text().startswith(begin)


@pytest.mark.parametrize(
    "arguments",
    [["analyze", "x", "--format", "xml"], ["export", "--engine", "foo"], ["overlay", "--position", "under"]],
)
def test_a_choice_that_there_is_not_is_told_in_words(arguments: Sequence[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Value error" not in result.output


def saved(folder: Path) -> Path:
    file = folder / "dialog.json"
    file.write_text(render([dialog_from_events(room_of_two(), "standup")], "json", several=False), encoding="utf-8")
    return file


def test_dialogs_are_read_from_the_standard_input_too(tmp_path: Path) -> None:
    assert run("render", "-", "--format", "srt", stdin=saved(tmp_path).read_bytes()).stdout.startswith(
        "1\n00:00:01,000"
    )
    told = refused(run("render", "-", stdin=b"nothing"))
    assert told.startswith("m2fnet: standard input is neither")


def test_one_file_that_holds_no_dialog_costs_no_other(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{}")
    result = run("render", broken, saved(tmp_path), "-f", "json")
    assert "broken.json is neither" in refused(result)
    assert json.loads(result.stdout)["file"] == "standup"


def test_a_folder_whose_name_ends_in_a_slash_is_made(tmp_path: Path) -> None:
    assert run("render", saved(tmp_path), "-f", "srt", "-o", f"{tmp_path}/subtitles/").exit_code == 0
    assert (tmp_path / "subtitles" / "standup.srt").is_file()


class Interrupted:
    """Is done with the first file, and interrupted at the third; the second can't be read."""

    def __init__(self, writer: ResultWriter) -> None:
        self._writer = writer

    def check(self, number: int) -> None:
        pass

    def start(self) -> None:
        pass

    def work(self, number: int) -> None:
        if number == 1:
            message = "driver\nlost"
            raise RuntimeError(message)
        if number == 2:
            raise KeyboardInterrupt
        self._writer.add(number, dialog_from_events(room_of_two(), "first"))

    def finish(self) -> None:
        self._writer.close()


@pytest.mark.parametrize("output", ["all.json", "."])
def test_interruption_keeps_what_is_done_and_names_the_rest(
    tmp_path: Path, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["first.wav", "second.wav", NOT_UTF8]
    job = Interrupted(ResultWriter("json", tmp_path / output, ["first", "second", "third"], inputs=[], several=True))
    assert work_through(files, job) == 130
    (written,) = tmp_path.iterdir()
    found = json.loads(written.read_text())
    assert (found[0] if output == "all.json" else found)["file"] == "first"
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "m2fnet: second.wav: RuntimeError: driver lost"
    assert told[-1] == "m2fnet: 1 of 3 files are done; missing: second.wav, caf\\xe9.opus"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_of_any_bytes_and_files_of_any_kind_cost_no_result(tmp_path: Path, bundle_folder: Path) -> None:
    strange, good, out = tmp_path / NOT_UTF8, tmp_path / "good.opus", tmp_path / "out.json"
    for path in (strange, good):
        shutil.copy(SPEECH, path)
    broken = tmp_path / "broken.wav"
    broken.write_text("no media")
    settings = ["--set", f"runtime.bundle={bundle_folder}", "--set", "runtime.engine=torch"]
    result = run(
        "analyze", strange, tmp_path / "none.wav", broken, "-", good, "-o", out, *settings, stdin=SPEECH.read_bytes()
    )
    assert result.exit_code == 1
    found = json.loads(out.read_text())
    assert [entry["file"] for entry in found] == [f"{tmp_path}/caf\\xe9.opus", "standard input", str(good)]
    assert all(len(entry["utterances"]) == 1 for entry in found)
    told = [line for line in result.stderr.splitlines() if line.startswith("m2fnet:")]
    assert ["none.wav" in told[0], "broken.wav" in told[1], len(told)] == [True, True, 2]
    for form in ("csv", "html", "srt", "vtt", "text"):
        shown = run("render", out, "-f", form)
        assert shown.exit_code == 0
        assert ("caf\\xe9.opus" in shown.stdout) == (form != "srt")
