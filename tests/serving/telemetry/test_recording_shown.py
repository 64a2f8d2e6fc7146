"""A server that records says so to everybody, and one that can't record says so at once."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from running_server import control, event, running, sound, until

from serving import run as server_run
from stream.recording.reader import Recording
from stream.recording.record import Facts, Recorder
from stream.settings import ServerSettings, Settings

FACTS = Facts("test", "0", "test")


@pytest.mark.parametrize("recorded", [True, False])
async def test_a_room_and_its_participants_are_told_whether_they_are_recorded(tmp_path: Path, recorded: bool) -> None:
    with closing(Recorder(tmp_path, FACTS)) as recorder:
        async with running(recorder=recorder if recorded else None) as run:
            early = await run.open("/v1/events?room=R")
            ann = await run.open("/v1/stream?room=R&name=Ann")
            late = await run.open("/v1/events?room=R")
            for watcher in (early, ann, late):
                state = await event(watcher)
                assert (state["type"], state["recording"]) == ("room.state", recorded)
            created = (await until(ann, "session.created"))[-1]
            assert created["recording"] is recorded
            alone = await run.open()
            assert (await event(alone))["recording"] is recorded


@pytest.fixture
def only_one(tmp_path: Path) -> Callable[[], Recording]:
    def opened() -> Recording:
        (folder,) = tmp_path.iterdir()
        return Recording(folder)

    return opened


async def test_what_was_published_is_what_is_recorded(tmp_path: Path, only_one: Callable[[], Recording]) -> None:
    with closing(Recorder(tmp_path, FACTS)) as recorder:
        async with running(recorder=recorder) as run:
            watcher = await run.open("/v1/events?room=the+call")
            ann = await run.open("/v1/stream?room=the+call&name=Ann")
            await ann.send(control("session.update", settings={"consent": True}))
            await ann.send(sound())
            await ann.send(control("session.close"))
            told = await until(watcher, "session.closed")
    recording = only_one()
    assert [json.loads(item.model_dump_json()) for item in recording.events()] == told[1:]
    (entry,) = recording.about.sessions
    assert (entry.id, entry.speaker, entry.client.consent) == (told[-1]["session"], "Ann", True)
    assert (recording.about.room, recording.whole) == ("the call", True)


def test_a_folder_that_can_not_be_written_to_is_told_before_anything_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert server_run.run(Settings(server=ServerSettings(port=0, record=file / "recordings"))) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("m2fnet serve: can't record in ")
    assert line.endswith("name a folder with --record that can be written to")
