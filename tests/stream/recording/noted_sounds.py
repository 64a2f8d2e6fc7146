"""A session that is noted without being analyzed; run as a program, it goes on until nothing can be recorded any more.

``python noted_sounds.py FOLDER [LARGEST]``: files may become ``LARGEST`` bytes large. Prints what is done.
"""

import signal
import sys
import time
from contextlib import closing
from pathlib import Path

from stream.recording.format import AnalysisSettings, SessionEntry, SoundStep
from stream.recording.matroska import Block, TrackNumber
from stream.recording.reader import Recording
from stream.recording.record import Facts, Record, Recorder
from stream.settings import Settings
from wire import events
from wire.events import Published
from wire.settings import ClientSettings

FACTS = Facts("tiny", "0", "none")
SOUND_MS = 100.0


def entry(session: str) -> SessionEntry:
    return SessionEntry(
        id=session,
        number=1,
        speaker="Ann",
        alone=True,
        engine="none",
        client=ClientSettings(),
        settings=AnalysisSettings.of(Settings()),
    )


def note(record: Record, session: str, number: int) -> None:
    """Do what a session does with a piece of sound in which somebody begins to speak."""
    time_ms = SOUND_MS * number
    with record.order:
        step = SoundStep(session=session, time_ms=time_ms, samples=1600)
        record.add(session, Block(TrackNumber.SOUND, time_ms, _sound(number)), step)
        started = events.SpeechStarted(
            session=session, seq=number + 1, utterance=number, speaker="Ann", start_ms=round(time_ms)
        )
        record.published(Published.of(started))


def noted(recording: Recording) -> tuple[list[int], list[int]]:
    """Return the numbers of the steps, whose media are looked at, and of the events that are there."""
    steps = []
    for taken in recording.steps():
        assert isinstance(taken.step, SoundStep)
        number = round(taken.step.time_ms / SOUND_MS)
        assert taken.data == _sound(number)
        steps.append(number)
    return steps, [event.utterance for event in recording.events() if isinstance(event, events.SpeechStarted)]


def _sound(number: int) -> bytes:
    return bytes([number % 256]) * 3200


def _go_on(folder: Path) -> None:
    with closing(Recorder(folder, FACTS)) as recorder:
        record = recorder.begin("")
        record.session(entry("a"), lambda warning: print(warning.model_dump_json(), flush=True))  # noqa: T201 - for the test
        number = 0
        while record.running:
            note(record, "a", number)
            print(number, flush=True)  # noqa: T201 - for the test
            number += 1
            time.sleep(0.01)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        largest = int(sys.argv[2])
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    _go_on(Path(sys.argv[1]))
