"""Live sessions with real threads, voices and faces are recorded, and replayed to the same events.

The speech recogniser answers out of step, as a busy one does, and its words decide where sentences are cut; the emotion
networks are real ones with random weights.
"""

import json
import os
import random
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import cache
from itertools import count
from pathlib import Path

import av
import numpy as np
import pytest
from tiny_bundle import tiny_bundle, with_whisper
from waiting import wait_until

from models.bundle import Bundle, load_bundle, save_bundle
from models.media.sound import read_sound
from models.runtime.runtime import Runtime
from models.runtime.torch_engine import TorchEngine
from serving.rooms.broadcast import Broadcast, Channel
from stream.dialog.session_context import SessionContext
from stream.dialog.shared_dialog import SharedDialog
from stream.jpeg import encode_preview
from stream.live_models import LiveModels
from stream.media import SAMPLES_PER_MS, AudioChunk, Image, Samples, VideoFrame
from stream.pipeline import run_session
from stream.recording.compare import is_computed
from stream.recording.format import AnalysisSettings, RecordingError, SessionEntry
from stream.recording.matroska import TrackNumber
from stream.recording.reader import Recording, read_media
from stream.recording.record import Facts, Recorder
from stream.recording.replay import _computed, load_runtime, replay_command, replayed
from stream.recording.session import RecordedSession
from stream.settings import RuntimeSettings, Settings
from stream.sources.remote import RemoteSource
from stream.speech.job_queue import AsrJob
from stream.speech.transcriber import AsrFigures
from stream.speech.transcript import Transcript, Word
from wire import events
from wire.events import EVENT
from wire.settings import ClientSettings

ROOT = Path(__file__).parents[3]
SPEECH = ROOT / "tests" / "fixtures" / "speech"
WORDS = "I am so happy. You are sad. What? No, never again."
CHUNK_MS = 100
WORD_MS = 350.0


@pytest.fixture(scope="module")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that tells voices against their speakers' baselines: what was said before counts, in its order."""
    folder = tmp_path_factory.mktemp("bundles") / "knowing"
    save_bundle(folder, with_whisper(tiny_bundle(), baseline=True), "# Knowing\n")
    return folder


@pytest.fixture(scope="module")
def bundle(bundle_folder: Path) -> Bundle:
    return load_bundle(bundle_folder)


class OutOfStep:
    """Hears a word in every so many milliseconds, some time later; drops some stretches, and fails at some."""

    name = "out of step"
    figures = AsrFigures()
    hangs = False

    def __init__(self) -> None:
        self._random = random.Random(1)  # noqa: S311 - it is about time, not about secrets
        self._asked = {True: count(), False: count()}
        self._workers = ThreadPoolExecutor(3)
        self._pause = threading.Event()

    def check_language(self, language: str | None) -> None:
        pass

    def submit(self, job: AsrJob) -> Future[Transcript]:
        late_s, number = 0.06 * self._random.random(), next(self._asked[job.partial])
        words = heard(job.start_ms, len(job.samples) / SAMPLES_PER_MS)
        self._workers.submit(self._answer, job.future, words, late_s, job.partial, number)
        return job.future

    def close(self) -> None:
        self._workers.shutdown()

    def _answer(
        self, future: Future[Transcript], transcript: Transcript, late_s: float, partial: bool, number: int
    ) -> None:
        self._pause.wait(late_s)
        if partial and number % 4 == 3:
            future.cancel()
        elif future.set_running_or_notify_cancel():
            if not partial and number % 3 == 0:
                future.set_exception(RuntimeError("the recogniser is out of memory"))
            else:
                future.set_result(transcript)


def heard(start_ms: float, duration_ms: float) -> Transcript:
    texts = (WORDS.split() * 20)[: int(duration_ms / WORD_MS)]
    places = [start_ms + WORD_MS * index for index in range(len(texts))]
    words = tuple(Word(text, at, at + 0.8 * WORD_MS, 0.9) for text, at in zip(texts, places, strict=True))
    return Transcript(" ".join(texts), words, "en", None if words else "no words")


@cache
def faces() -> list[Image]:
    """Return frames of the demo clip that show somebody."""
    with av.open(str(ROOT / "demo" / "clip.mp4")) as clip:
        return [frame.to_ndarray(format="rgb24") for frame, _ in zip(clip.decode(video=0), range(24), strict=False)]


class Clock:
    """From a session's time to its room's, corrected now and then, as the arrival of media shows it."""

    def __init__(self, offset_ms: float) -> None:
        self.offset_ms = offset_ms

    def now(self) -> float:
        return self.offset_ms


class Call:
    """A server's part in a recorded call, without its sockets."""

    def __init__(self, folder: Path, bundle: Bundle, bundle_folder: Path, room: str = "") -> None:
        self.settings = Settings(runtime=RuntimeSettings(bundle=bundle_folder, engine="torch"))
        self.runtime = Runtime(bundle, TorchEngine(bundle))
        self.models = LiveModels(self.runtime, OutOfStep(), self.settings.vision)
        self.recorder = Recorder(folder, Facts(self.runtime.bundle_name, self.runtime.weights_hash, "out of step"))
        self.broadcast = Broadcast(64, 10, record=self.recorder.begin)
        self.topic = self.broadcast.open_room(room) if room else None
        self.dialog = SharedDialog(self.settings.dialog.window)
        self.room = room

    def talk(self, speaker: str, sound: Samples, frames: list[Image], **client: bool) -> None:
        """Be one participant from beginning to end."""
        channel = self.broadcast.open(self.topic)
        clock = Clock(123.456 * channel.number - 150)  # the first one's sound is from before there was a room
        asked = ClientSettings(speaker=speaker, **client)
        session = self.session(channel, speaker, clock, asked)
        for index in range(0, len(sound), CHUNK_MS * SAMPLES_PER_MS):
            time_ms = index / SAMPLES_PER_MS
            if index % 7 == 0:
                clock.offset_ms -= 0.3
            session.push(AudioChunk(time_ms, sound[index : index + CHUNK_MS * SAMPLES_PER_MS]))
            if frames:
                session.push(VideoFrame(time_ms + 20, frames[int(time_ms / CHUNK_MS) % len(frames)]))
            session.poll()
        channel.publish(events.SessionClosed(reason="client", totals=session.finish()))

    def session(self, channel: Channel, speaker: str, clock: Clock, client: ClientSettings) -> RecordedSession:
        record = channel.topic.record
        assert record is not None
        entry = SessionEntry(
            id=channel.id,
            number=channel.number,
            speaker=speaker,
            alone=record.alone,
            person=speaker if self.room else "",
            engine=self.runtime.engine_state.name,
            client=client,
            settings=AnalysisSettings.of(self.settings),
        )
        alone = SessionContext(self.dialog)
        context = SessionContext(self.dialog, channel.id, clock.now, entry.person) if self.room else alone
        session_record = record.session(entry, channel.publish)

        def emit(event: events.Event) -> None:
            if client.partial_transcripts or not isinstance(event, events.TranscriptPartial):
                channel.publish(event)

        return RecordedSession(
            self.models, self.settings, emit, speaker=speaker, context=context, record=session_record
        )

    def close(self) -> None:
        self.recorder.close()
        self.models.close()


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle, bundle_folder: Path) -> Path:
    """A recorded room: two talk at the same time, then one of them leaves and comes back."""
    folder = tmp_path_factory.mktemp("recordings")
    one, two = read_sound(SPEECH / "one_sentence.opus"), read_sound(SPEECH / "two_speakers.opus")
    with closing(Call(folder, bundle, bundle_folder, "the call")) as call:
        ann = threading.Thread(target=call.talk, args=("Ann", np.concatenate([one, one]), faces()))
        ben = threading.Thread(target=call.talk, args=("Ben", two, []))
        for somebody in (ann, ben):
            somebody.start()
        for somebody in (ann, ben):
            somebody.join()
        call.talk("Ann", one, faces()[:8])
    (recording,) = folder.iterdir()
    return recording


@pytest.fixture
def copy(room: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(room, tmp_path / "copy"))


@pytest.fixture(scope="module")
def runtime(room: Path) -> Iterator[Runtime]:
    with load_runtime(Recording(room)) as loaded:
        yield loaded


def without_figures(event: events.Event) -> dict[str, object]:
    return event.model_dump(exclude={"latency", "probabilities"})


def test_a_room_is_replayed_to_the_identical_events(room: Path, runtime: Runtime) -> None:
    recording = Recording(room)
    then, now = list(recording.events()), list(replayed(recording, runtime))
    kinds = {event.type for event in then}
    assert {"speech.started", "transcript.partial", "emotion", "faces", "session.closed", "warning"} <= kinds
    assert len({event.session for event in then}) == 3
    assert [(event.seq, event.type, event.session) for event in now] == [
        (event.seq, event.type, event.session) for event in then
    ]
    rests_on = {
        (event.session, event.utterance): event.baseline_utterances
        for event in then
        if isinstance(event, events.Emotion)
    }
    ann, ben, again = (
        [rests_on[key] for key in sorted(rests_on) if key[0] == entry.id] for entry in recording.about.sessions
    )
    assert ann[0] == ben[0] == 0
    assert again[0] == len(ann), "who comes back goes on where it was"
    for before, after in zip(then, now, strict=True):
        if isinstance(before, events.Emotion) and isinstance(after, events.Emotion):
            assert after.probabilities == pytest.approx(before.probabilities, abs=1e-4)
        if not isinstance(before, events.Faces):
            assert without_figures(after) == without_figures(before)


def test_the_command_says_so(room: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert replay_command(room, None, check=True) == 0
    assert capsys.readouterr().out.startswith("identical: ")
    assert replay_command(room, tmp_path / "again.jsonl", check=False) == 0
    told = (tmp_path / "again.jsonl").read_text().splitlines()
    assert [json.loads(line)["type"] for line in told] == [event.type for event in Recording(room).events()]


def test_a_changed_event_is_found(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = copy / "events.jsonl"
    lines = file.read_text().splitlines()
    place = next(index for index, line in enumerate(lines) if json.loads(line)["type"] == "emotion")
    event = json.loads(lines[place])
    lines[place] = json.dumps(event | {"text": "nobody said this"})
    file.write_text("\n".join(lines) + "\n")
    assert replay_command(copy, None, check=True) == 1
    first, verdict = capsys.readouterr().out.splitlines()
    assert f"emotion, of utterance {event['utterance']}, revision {event['revision']}: text is" in first
    assert verdict == "1 differences"


def test_media_and_files_are_for_their_owner_alone(room: Path) -> None:
    about = Recording(room).about
    assert (about.room, about.ended is None, about.stopped) == ("the call", False, None)
    assert [entry.speaker for entry in about.sessions] == ["Ann", "Ben", "Ann"]
    assert room.name.endswith("-the_call")
    if os.name == "posix":
        assert {path.stat().st_mode & 0o077 for path in (room, *room.iterdir())} == {0}


def test_the_media_are_those_of_the_call(room: Path) -> None:
    about = Recording(room).about
    one = read_sound(SPEECH / "one_sentence.opus")
    with av.open(str(room / f"{about.sessions[2].id}.mkv")) as file:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])
    np.testing.assert_allclose(sound / 32_768, np.clip(one, -1, 1), atol=1 / 32_768)
    with av.open(str(room / f"{about.sessions[0].id}.mkv")) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    assert len(frames) == -(-2 * len(one) // (CHUNK_MS * SAMPLES_PER_MS))
    assert np.abs(frames[0].astype(int) - faces()[0]).mean() < 5
    with av.open(str(room / f"{about.sessions[1].id}.mkv")) as file:
        assert [stream.type for stream in file.streams] == ["audio"]


@pytest.mark.parametrize(
    "share", [pytest.param(0.1, marks=pytest.mark.slow), 0.4, pytest.param(0.75, marks=pytest.mark.slow)]
)
def test_a_recording_that_was_cut_off_is_replayed_up_to_there(
    copy: Path, runtime: Runtime, share: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a crash leaves it: the media go a little further than the steps, and these than the events."""
    os.truncate(copy / "steps.jsonl", int(share * (copy / "steps.jsonl").stat().st_size))
    about = Recording(copy).about.model_copy(update={"ended": None})
    (copy / "recording.json").write_text(about.model_dump_json())
    led_to = sum(is_computed(event) for event in _computed(Recording(copy), runtime))
    lines = (copy / "events.jsonl").read_bytes().splitlines(keepends=True)
    places = [index for index, line in enumerate(lines) if is_computed(EVENT.validate_json(line))]
    assert 0 < led_to < len(places)
    kept = b"".join(lines[: places[int(0.9 * led_to)]])
    (copy / "events.jsonl").write_bytes(kept[:-7])
    assert replay_command(copy, None, check=True) == 0, capsys.readouterr().out


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_media_that_are_cut_off_end_the_replay(copy: Path, runtime: Runtime, share: float) -> None:
    recording = Recording(copy)
    path = copy / f"{recording.about.sessions[1].id}.mkv"
    os.truncate(path, int(share * path.stat().st_size))
    every = [event for event in recording.events() if is_computed(event)]
    rest = [event for event in replayed(recording, runtime) if is_computed(event)]
    assert len(rest) < len(every)
    assert [event.type for event in rest] == [event.type for event in every[: len(rest)]]


def test_media_of_another_recording_are_refused(copy: Path, runtime: Runtime) -> None:
    recording = Recording(copy)
    one, other, _ = (copy / f"{entry.id}.mkv" for entry in recording.about.sessions)
    shutil.copy(one, other)
    with pytest.raises(RecordingError, match=r"the media of session \w+ are not those of its steps"):
        list(replayed(recording, runtime))


def test_transcripts_that_belong_to_nothing_are_told(
    copy: Path, runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    steps = copy / "steps.jsonl"
    lines = [json.loads(line) for line in steps.read_text().splitlines()]
    for line in lines:
        if line["do"] == "transcript":
            line["start_ms"] += 1
    steps.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    told = list(replayed(Recording(copy), runtime))
    assert "belong to nothing" in caplog.text
    assert told


def test_a_session_in_no_room_has_a_recording_of_its_own(
    tmp_path: Path, bundle: Bundle, bundle_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(Call(tmp_path, bundle, bundle_folder)) as call:
        call.broadcast.open().publish(events.SessionClosed(reason="disconnected", totals=events.Totals()))
        call.talk("Ann", read_sound(SPEECH / "one_sentence.opus"), [], partial_transcripts=False, consent=True)
    (recording,) = tmp_path.iterdir()
    (entry,) = Recording(recording).about.sessions
    assert (entry.alone, entry.client.consent) == (True, True)
    assert recording.name.endswith(f"-{entry.id}")
    told = list(Recording(recording).events())
    assert {"emotion", "session.closed"} <= {event.type for event in told}
    assert "transcript.partial" not in {event.type for event in told}
    assert replay_command(recording, None, check=True) == 0, capsys.readouterr().out


def test_what_was_told_while_one_spoke_is_told_again_at_the_same_place(
    tmp_path: Path, bundle: Bundle, bundle_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(Call(tmp_path, bundle, bundle_folder)) as call:
        channel = call.broadcast.open()
        session = call.session(channel, "Ann", Clock(0), ClientSettings())
        sound, step = read_sound(SPEECH / "two_speakers.opus"), CHUNK_MS * SAMPLES_PER_MS
        for number, index in enumerate(range(0, len(sound), step)):
            session.push(AudioChunk(index / SAMPLES_PER_MS, sound[index : index + step]))
            if number % 40 < 30:  # what is sought is waited for, most of the time
                wait_until(lambda: not session._session._while_speaking._work or bool(session.poll()))
        channel.publish(events.SessionClosed(reason="client", totals=session.finish()))
    (recording,) = tmp_path.iterdir()
    told = [event for event in Recording(recording).events() if isinstance(event, events.Emotion)]
    assert {event.speaking for event in told} == {True, False}
    assert {event.text != "" for event in told if event.speaking} >= {True}
    assert replay_command(recording, None, check=True) == 0, capsys.readouterr().out


def test_a_client_s_frames_are_recorded_as_they_came(tmp_path: Path, bundle: Bundle, bundle_folder: Path) -> None:
    sent = [encode_preview(frame) for frame in faces()[::8]]
    source = RemoteSource("Ann")
    for number, frame in enumerate([sent[0], b"\xff\xd8\xff", *sent[1:]]):
        source.push_jpeg(500.0 * number, frame)
    source.close()
    with closing(Call(tmp_path, bundle, bundle_folder)) as call:
        channel = call.broadcast.open()
        session = call.session(channel, "Ann", Clock(0), ClientSettings())
        totals = run_session(source, session, threading.Event()).totals
        channel.publish(events.SessionClosed(reason="client", totals=totals))
    (recording,) = tmp_path.iterdir()
    assert list(read_media(recording / f"{channel.id}.mkv")) == [(TrackNumber.FRAMES, frame) for frame in sent]
    assert replay_command(recording, None, check=True) == 0


def test_a_recording_without_sessions_can_not_be_replayed(copy: Path) -> None:
    about = Recording(copy).about
    (copy / "recording.json").write_text(about.model_copy(update={"sessions": []}).model_dump_json())
    with pytest.raises(RecordingError, match="has no sessions"):
        replay_command(copy, None, check=True)
