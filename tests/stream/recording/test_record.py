"""How recordings get to the disk, and what happens when they don't."""

import json
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import av
import pytest
from noted_sounds import FACTS, entry, note, noted
from waiting import wait_until

from stream.recording.format import EVENTS, PollStep, RecordingError, SoundStep
from stream.recording.matroska import Block, TrackNumber
from stream.recording.reader import Recording
from stream.recording.record import (
    LEAST_BYTES,
    LOW_BYTES,
    MAX_WAITING_BYTES,
    Record,
    Recorder,
    require_writable,
)
from wire import events
from wire.events import Published

PROGRAM = Path(__file__).with_name("noted_sounds.py")
PLENTY = 10 * LOW_BYTES


@pytest.fixture
def told() -> list[events.Event]:
    return []


@pytest.fixture
def record(tmp_path: Path, told: list[events.Event]) -> Record:
    made = Record(tmp_path, FACTS, "a room")
    made.session(entry("a"), told.append)
    return made


def sound(record: Record, size: int = 2, number: int = 0) -> None:
    step = SoundStep(session="a", time_ms=100.0 * number, samples=size // 2)
    record.add("a", Block(TrackNumber.SOUND, 100.0 * number, bytes(size)), step)


def codes(told: list[events.Event]) -> list[str]:
    return [event.code for event in told if isinstance(event, events.Warning)]


def test_what_is_noted_is_written_when_it_is_flushed_and_completed_at_the_end(tmp_path: Path, record: Record) -> None:
    sound(record)
    assert list(tmp_path.iterdir()) == []
    record.flush(PLENTY)
    (folder,) = tmp_path.iterdir()
    recording = Recording(folder)
    assert (recording.whole, len(list(recording.steps()))) == (False, 1)
    sound(record, number=1)
    record.end()
    record.flush(PLENTY)
    recording = Recording(folder)
    assert (recording.whole, record.closed, len(list(recording.steps()))) == (True, True, 2)
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_two_recordings_of_one_name_and_second_are_two_folders(tmp_path: Path) -> None:
    for _ in range(2):
        record = Record(tmp_path, FACTS, "a/../room?")
        record.session(entry("a"), [].append)
        sound(record)
        record.end()
        record.flush(PLENTY)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 2
    assert all("-a_room_" in name for name in names)


def test_of_a_room_without_media_nothing_is_written(tmp_path: Path) -> None:
    record = Record(tmp_path, FACTS, "a room")
    joined = events.ParticipantJoined(name="Ann", number=1, returning=False)
    record.published(Published.of(joined))
    record.flush(PLENTY)
    record.end()
    record.flush(PLENTY)
    assert record.closed
    assert list(tmp_path.iterdir()) == []


def test_little_space_is_told_once_and_too_little_ends_the_recording(
    tmp_path: Path, record: Record, told: list[events.Event]
) -> None:
    for _ in range(2):
        sound(record)
        record.flush(LOW_BYTES - 1)
    assert codes(told) == ["recording.low_space"]
    assert record.running
    record.flush(LEAST_BYTES - 1)
    assert codes(told) == ["recording.low_space", "recording.failed"]
    assert not record.running
    (folder,) = tmp_path.iterdir()
    assert "MB are left" in (Recording(folder).about.stopped or "")
    sound(record)
    record.flush(PLENTY)
    assert len(list(Recording(folder).steps())) == 2


def test_a_disk_that_is_much_too_slow_ends_the_recording(record: Record, told: list[events.Event]) -> None:
    for _ in range(3):
        sound(record, MAX_WAITING_BYTES // 2)
    assert not record.running
    record.flush(PLENTY)
    assert codes(told) == ["recording.failed"]
    assert "too slow" in str(told[0])


def test_a_folder_that_vanishes_ends_the_recording(tmp_path: Path, told: list[events.Event]) -> None:
    record = Record(tmp_path / "gone", FACTS, "a room")
    record.session(entry("a"), told.append)
    sound(record)
    record.flush(PLENTY)
    assert codes(told) == ["recording.failed"]
    assert "No such file" in str(told[0])


def test_what_nobody_foresaw_ends_the_recording_and_is_for_the_log(
    record: Record, told: list[events.Event], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        message = "what Ana said"
        raise ValueError(message)

    monkeypatch.setattr(record, "_write", broken)
    record.flush(PLENTY)
    assert codes(told) == ["recording.failed"]
    assert "Ana" not in str(told[0])
    assert "writing it broke (ValueError)" in str(told[0])
    assert [entry.exc_info is not None for entry in caplog.records if entry.levelname == "ERROR"] == [True]


def test_who_has_left_is_not_told(record: Record, told: list[events.Event]) -> None:
    here: list[events.Event] = []
    record.session(entry("b"), here.append)
    closed = events.SessionClosed(session="a", reason="client", totals=events.Totals())
    record.published(Published.of(closed))
    record.note(PollStep(session="b"))
    record.flush(LEAST_BYTES - 1)
    assert (codes(told), codes(here)) == ([], ["recording.failed"])


def test_a_folder_that_takes_nothing_is_told_in_a_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(
        RecordingError, match=r"can't record in .*: Not a directory; name a folder with --record"
    ) as why:
        require_writable(file / "recordings")
    assert "\n" not in str(why.value)


def test_a_recorder_writes_by_itself_and_completes_all_when_it_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    with closing(Recorder(folder, FACTS)) as recorder:
        room, alone = recorder.begin("a room"), recorder.begin("")
        for record in (room, alone):
            record.session(entry("a"), [].append)
            note(record, "a", 0)
        assert (room.running, room.alone, alone.alone) == (True, False, True)
    assert [Recording(made).whole for made in folder.iterdir()] == [True, True]
    assert not room.running


def test_a_session_in_no_room_is_complete_when_it_closes(tmp_path: Path, told: list[events.Event]) -> None:
    record = Record(tmp_path, FACTS, "")
    record.session(entry("a"), told.append)
    note(record, "a", 0)
    closed = events.SessionClosed(session="a", reason="client", totals=events.Totals())
    record.published(Published.of(closed))
    record.flush(PLENTY)
    (folder,) = tmp_path.iterdir()
    recording = Recording(folder)
    assert recording.whole
    assert [event.type for event in recording.events()] == ["speech.started", "session.closed"]


def running(folder: Path, *limits: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(PROGRAM), str(folder), *map(str, limits)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(PROGRAM.parents[3])})


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A recording whose process was killed in the midst of it, when some of it was on the disk."""
    with running(tmp_path) as process:
        assert process.stdout is not None
        for _ in process.stdout:
            if sum(file.read_bytes().count(b"\n") for file in tmp_path.glob(f"*/{EVENTS}")) > 50:
                break
        process.kill()
        process.stdout.read()
    assert process.returncode == -signal.SIGKILL
    (folder,) = tmp_path.iterdir()
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_process_that_is_killed_leaves_files_that_open(killed: Path) -> None:
    recording = Recording(killed)
    steps, told = noted(recording)
    assert not recording.whole
    assert len(told) > 50
    assert steps == list(range(len(steps)))
    assert told == list(range(len(told)))
    assert len(told) <= len(steps)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit to the size of files")
def test_a_disk_that_is_full_ends_the_recording_and_not_the_session(tmp_path: Path) -> None:
    with running(tmp_path, 100_000) as process:
        assert process.stdout is not None
        said = process.stdout.read().splitlines()
    assert process.returncode == 0
    warning = json.loads(next(line for line in said if not line.isdecimal()))
    assert warning["code"] == "recording.failed"
    assert warning["message"] == "nothing is recorded any more: File too large; the session goes on"
    (folder,) = tmp_path.iterdir()
    recording = Recording(folder)
    assert (recording.whole, recording.about.stopped) == (False, "File too large")
    steps, told = noted(recording)
    assert steps == list(range(len(steps)))
    assert told == list(range(len(told)))


def test_recording_json_says_what_people_want_to_know(tmp_path: Path, record: Record) -> None:
    sound(record)
    record.flush(PLENTY)
    (folder,) = tmp_path.iterdir()
    about = json.loads((folder / "recording.json").read_text())
    assert (about["room"], about["bundle"], about["asr_model"]) == ("a room", "tiny", "none")
    (session,) = about["sessions"]
    assert (session["speaker"], session["client"]["consent"]) == ("Ann", False)


def test_where_what_writes_them_breaks_it_is_told_and_nothing_is_said_to_be_recorded(
    tmp_path: Path, told: list[events.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Recorder(tmp_path, FACTS)) as recorder:
        record = recorder.begin("a room")
        record.session(entry("a"), told.append)
        monkeypatch.setattr("stream.recording.record._free_bytes", lambda _: 1 / 0)
        wait_until(lambda: bool(told))
        assert codes(told) == ["recording.failed"]
        assert not record.running
        assert not recorder.begin("another").running


def test_the_files_of_sessions_that_have_ended_are_closed_while_the_room_goes_on(tmp_path: Path) -> None:
    record = Record(tmp_path, FACTS, "a room")
    for number in range(20):
        name = f"s{number}"
        record.session(entry(name), lambda _: None)
        record.add(
            name, Block(TrackNumber.SOUND, 0.0, bytes(3_200)), SoundStep(session=name, time_ms=0.0, samples=1_600)
        )
        record.published(Published.of(events.SessionClosed(session=name, reason="client", totals=events.Totals())))
        record.flush(PLENTY)
        record.add(name, Block(TrackNumber.SOUND, 100.0, bytes(32)), SoundStep(session=name, time_ms=100.0, samples=16))
    assert record._files is not None
    assert record._files._media == {}
    (folder,) = tmp_path.iterdir()
    files = sorted(folder.glob("*.mkv"))
    assert len(files) == 20
    for path in files:
        with av.open(str(path)) as media:
            assert media.duration == 100_000, "it is complete, with its duration"
    record.end()
    record.flush(PLENTY)
    assert record.closed
