from collections.abc import Sequence
from pathlib import Path

import pytest
from exported_dialog import emotion, room_of_two

from stream.exports.formats import render
from stream.exports.from_events import dialog_from_events
from stream.exports.saved import SavedError, read_dialogs
from wire import events


def recorded(path: Path, told: Sequence[events.Event]) -> Path:
    path.write_text("".join(event.model_dump_json() + "\n" for event in told), encoding="utf-8")
    return path


def test_recorded_events_are_the_dialog_they_tell_of(tmp_path: Path) -> None:
    file = recorded(tmp_path / "events.jsonl", room_of_two())
    assert read_dialogs(file) == [dialog_from_events(room_of_two(), "standup")]
    assert read_dialogs(tmp_path) == read_dialogs(file)


def test_a_recording_of_several_conversations_keeps_them_apart(tmp_path: Path) -> None:
    file = recorded(tmp_path / "events.jsonl", [*room_of_two(), emotion(0, 0, session="c")])
    assert [dialog.file for dialog in read_dialogs(file)] == ["standup", "c"]


def test_the_json_of_one_and_of_several_dialogs_is_read_back(tmp_path: Path) -> None:
    dialog = dialog_from_events(room_of_two(), "standup")
    for several in (False, True):
        file = tmp_path / "dialog.json"
        file.write_text(render([dialog], "json", several=several), encoding="utf-8")
        assert read_dialogs(file) == [dialog]


def test_a_last_line_that_was_cut_off_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    file = recorded(tmp_path / "events.jsonl", room_of_two())
    file.write_text(file.read_text()[:-20])
    (dialog,) = read_dialogs(file)
    assert [one.text for one in dialog.utterances] == ["Good morning.", "Are you there?"]
    assert [warning.code for warning in dialog.warnings] == ["events.truncated"]


def test_events_of_types_that_are_not_known_and_empty_lines_are_passed_over(tmp_path: Path) -> None:
    file = recorded(tmp_path / "events.jsonl", room_of_two())
    file.write_text('{"type": "later", "seq": 1}\n\n' + file.read_text())
    assert len(read_dialogs(file)[0].utterances) == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "neither"),
        ("not a dialog", "neither"),
        ('{"file": "x"}', "neither"),
        ("[]", "the list in it is empty"),
        ('{"type": "hello"}\n', "none of its events names a room"),
        ('{"type": "emotion", "utterance": "x"}\n', "line 1: this is no event of docs/protocol.md (utterance:"),
        ('{"type": "later"}\nnonsense\n', "line 2: this is no event of docs/protocol.md (not JSON)"),
        ('{"type": "later"}\n7\n', "line 2: this is no event of docs/protocol.md (no JSON object)"),
    ],
)
def test_what_is_no_dialog_is_told_in_a_line(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text(text)
    with pytest.raises(SavedError) as raised:
        read_dialogs(file)
    assert told in str(raised.value)
    assert str(file) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_can_not_be_read_is_told(tmp_path: Path) -> None:
    frame = tmp_path / "frame.jpg"
    frame.write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(SavedError, match="neither"):
        read_dialogs(frame)
    with pytest.raises(SavedError, match="No such file"):
        read_dialogs(tmp_path)


def test_a_last_character_that_was_cut_in_two_costs_only_its_line(tmp_path: Path) -> None:
    file = recorded(tmp_path / "events.jsonl", [*room_of_two(), emotion(9, 90_000, session="a", text="\u00e9")])
    whole = file.read_bytes()
    file.write_bytes(whole[: whole.rindex("\u00e9".encode()) + 1])
    (dialog,) = read_dialogs(file)
    assert len(dialog.utterances) == 3
    assert [warning.code for warning in dialog.warnings] == ["events.truncated"]


@pytest.mark.parametrize("bad", [b"\xe9", b"\\ud83d"])
def test_characters_that_are_none_are_told_with_their_line(tmp_path: Path, bad: bytes) -> None:
    file = recorded(tmp_path / "events.jsonl", room_of_two())
    file.write_bytes(file.read_bytes().replace(b"Good morning.", bad))
    with pytest.raises(SavedError, match=r"line \d: this is no event"):
        read_dialogs(file)


def test_events_that_an_editor_marked_as_utf8_are_read(tmp_path: Path) -> None:
    file = recorded(tmp_path / "events.jsonl", room_of_two())
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert len(read_dialogs(file)[0].utterances) == 3
