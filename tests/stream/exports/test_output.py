import json
import os
import sys
from pathlib import Path

import pytest
from exported_dialog import room_of_two

from models.files.whole_file import FileError
from stream.exports.forms import Format
from stream.exports.from_events import dialog_from_events
from stream.exports.output import ResultWriter, file_names, stem_of

DIALOG = dialog_from_events(room_of_two(), "standup")


def writer(form: Format, output: Path | None, *stems: str, inputs: tuple[Path, ...] = ()) -> ResultWriter:
    return ResultWriter(form, output, stems or ("talk",), inputs=inputs, several=len(stems) > 1)


def test_files_of_one_name_get_numbers_on_any_disk() -> None:
    assert file_names(["talk", "talk", "other"], "srt") == ["talk.srt", "talk-2.srt", "other.srt"]
    assert file_names(["Talk", "talk", "TALK"], "vtt") == ["Talk.vtt", "talk-2.vtt", "TALK-3.vtt"]
    assert file_names(["caf\u00e9", "cafe\u0301"], "csv") == ["caf\u00e9.csv", "cafe\u0301-2.csv"]
    assert file_names(["x", "x-2", "x", "x"], "text") == ["x.txt", "x-2.txt", "x-3.txt", "x-4.txt"]


def test_a_folder_gets_each_file_when_its_result_is_there(tmp_path: Path) -> None:
    out = writer("srt", tmp_path, "talk", "talk", "other")
    out.add(2, DIALOG)
    assert [path.name for path in tmp_path.iterdir()] == ["other.srt"]
    out.add(1, DIALOG)
    out.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.srt", "talk-2.srt"]


def test_a_file_gets_what_there_is_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "all.json"
    out = writer("json", file, "a", "b", "c")
    out.add(1, DIALOG)
    assert not file.exists()
    out.close()
    assert [entry["file"] for entry in json.loads(file.read_text())] == ["standup"]


def test_nothing_is_written_of_nothing(tmp_path: Path) -> None:
    writer("json", tmp_path / "all.json").close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("output", [None, Path("-")])
def test_the_standard_output_has_no_mark_for_spreadsheets(
    output: Path | None, capsys: pytest.CaptureFixture[str]
) -> None:
    out = writer("csv", output)
    out.add(0, DIALOG)
    out.close()
    assert capsys.readouterr().out.startswith("file,id,")


def test_a_table_has_the_mark_by_which_spreadsheets_know_its_encoding(tmp_path: Path) -> None:
    for output in (tmp_path, tmp_path / "one.csv"):
        out = writer("csv", output)
        out.add(0, DIALOG)
        out.close()
    assert [path.read_bytes()[:4] for path in sorted(tmp_path.iterdir())] == [b"\xef\xbb\xbff"] * 2


def test_an_output_that_can_not_be_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="does not exist"):
        writer("html", tmp_path / "none" / "x.html")
    (tmp_path / "talk.html").mkdir()
    with pytest.raises(FileError, match="is a folder"):
        writer("html", tmp_path)
    writer("html", tmp_path / "x.html")
    writer("html", None)
    assert [path.name for path in tmp_path.iterdir()] == ["talk.html"]


def test_what_is_read_is_not_written_over(tmp_path: Path) -> None:
    source = tmp_path / "talk.json"
    source.write_text("{}")
    for output in (source, tmp_path):
        with pytest.raises(FileError, match="is also what is read"):
            writer("json", output, inputs=(source,))


def test_media_are_not_written_over(tmp_path: Path) -> None:
    media = tmp_path / "b.wav"
    media.write_bytes(b"RIFF\0\0")
    with pytest.raises(FileError, match="holds no text"):
        writer("text", media)


@pytest.mark.skipif(sys.platform != "linux", reason="has a file that is always full")
def test_a_standard_output_that_takes_no_more_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        out = writer("text", None)
        out.add(0, DIALOG)
        with pytest.raises(FileError, match="standard output can't be written \\(No space left"):
            out.close()
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())


def test_any_name_of_a_dialog_gives_the_name_of_a_file() -> None:
    assert [stem_of(name) for name in ("a/talk.mp4", "standup", "", "..", "a\x00b")] == [
        "talk",
        "standup",
        "dialog",
        "..",
        "a_b",
    ]
