"""A participant for benchmarks/live.py: a clip as messages of the protocol, sent at the pace of life."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import TypeAdapter
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from stream.events import Error, Event, SessionClosed
from stream.media import SAMPLES_PER_MS, AudioChunk, Media, Samples, SourceStatus, VideoFrame
from stream.preview import encode_picture
from stream.protocol import MediaKind, MediaMessage, Picture, encode_media, encode_samples
from stream.sources.file import FileSource

CHUNK_MS: Final = 100
PICTURES_PER_SECOND: Final = 8
TAIL_MS: Final = 1_000  # nobody hangs up on the last word: the last utterance ends in silence, as the others do
PATIENCE_S: Final = 120.0  # without an event, after the last media
EVENT: Final[TypeAdapter[Event]] = TypeAdapter(Event)


class PlayError(Exception):
    """The clip could not be played; the message says why."""


@dataclass(frozen=True)
class Message:
    """A binary message of the protocol and when it is to be sent, in milliseconds since the start."""

    due_ms: float
    data: bytes


@dataclass(frozen=True)
class Clip:
    """What one participant sends, in order; ``duration_ms`` ends with the last of it."""

    messages: list[Message]
    duration_ms: float
    size: tuple[int, int] | None


@dataclass(frozen=True)
class Recording:
    """A decoded file: ``(n,)`` float32 sound from 0 ms on, JPEG pictures, and the ``(width, height)`` of these."""

    sound: Samples
    pictures: list[Picture]
    size: tuple[int, int] | None
    pictures_per_second: float = PICTURES_PER_SECOND

    @property
    def duration_ms(self) -> float:
        """Return how long it lasts; a picture lasts until the next would be due."""
        shown_ms = self.pictures[-1].time_ms + 1000 / self.pictures_per_second if self.pictures else 0.0
        return max(len(self.sound) / SAMPLES_PER_MS, shown_ms)


def media_of(path: Path, pictures_per_second: float) -> Iterator[Media]:
    """Yield the sound and pictures of a file; raise :class:`PlayError` when it can't be read."""
    source = FileSource(path, max_fps=pictures_per_second)
    source.start()
    while (item := source.read()) is not None:
        if isinstance(item, SourceStatus) and item.kind == "failed":
            raise PlayError(item.message)
        yield item


def record(path: Path, pictures_per_second: float = PICTURES_PER_SECOND) -> Recording:
    """Return a file decoded, its pictures encoded as the page encodes them."""
    chunks: list[AudioChunk] = []
    pictures: list[Picture] = []
    size = None
    for item in media_of(path, pictures_per_second):
        if isinstance(item, AudioChunk):
            chunks.append(item)
        elif isinstance(item, VideoFrame):
            pictures.append(Picture(item.time_ms, encode_picture(item.image)))
            size = (item.image.shape[1], item.image.shape[0])
    return Recording(joined(chunks), pictures, size, pictures_per_second)


def joined(chunks: Sequence[AudioChunk]) -> Samples:
    """Return chunks laid at their times on one track, silence between them."""
    placed = [(round(chunk.time_ms * SAMPLES_PER_MS), chunk.samples) for chunk in chunks]
    track = np.zeros(max((start + len(samples) for start, samples in placed), default=0), np.float32)
    for start, samples in placed:
        track[start : start + len(samples)] = samples
    return track


def compose(recording: Recording, repeat: int) -> Clip:
    """Return the messages of a recording played ``repeat`` times in one session, with silence after the last."""
    sounds = list(sound_messages(repeated(recording, repeat)))
    pictures = list(picture_messages(recording, repeat))
    messages = sorted([*sounds, *pictures], key=lambda message: message.due_ms)
    return Clip(messages, messages[-1].due_ms, recording.size)


def repeated(recording: Recording, repeat: int) -> Samples:
    """Return the sound of the whole session; none when the recording has none."""
    if not len(recording.sound):
        return recording.sound
    once = round(recording.duration_ms * SAMPLES_PER_MS)
    padded = np.pad(recording.sound, (0, max(0, once - len(recording.sound))))
    return np.concatenate([np.tile(padded, repeat), np.zeros(TAIL_MS * SAMPLES_PER_MS, np.float32)])


def sound_messages(sound: Samples) -> Iterator[Message]:
    """Yield sound in pieces of :data:`CHUNK_MS`, each due when its last sample would have been heard."""
    step = CHUNK_MS * SAMPLES_PER_MS
    for index, start in enumerate(range(0, len(sound), step)):
        piece = sound[start : start + step]
        message = MediaMessage(MediaKind.PCM_S16, index * CHUNK_MS, encode_samples(piece))
        yield Message(index * CHUNK_MS + len(piece) / SAMPLES_PER_MS, encode_media(message))


def picture_messages(recording: Recording, repeat: int) -> Iterator[Message]:
    """Yield the pictures of all rounds, each due at its time."""
    for turn in range(repeat):
        for picture in recording.pictures:
            time_ms = turn * recording.duration_ms + picture.time_ms
            yield Message(time_ms, encode_media(MediaMessage(MediaKind.JPEG, round(time_ms), picture.data)))


@dataclass(frozen=True)
class Heard:
    """An event and when it arrived, in milliseconds since the participant's start."""

    at_ms: float
    event: Event


@dataclass(frozen=True)
class Played:
    """What came of one participant; times in milliseconds since its start."""

    heard: list[Heard]
    sent_ms: float
    latest_ms: float

    @property
    def closed(self) -> SessionClosed:
        """Return how the session ended; raise :class:`PlayError` when it did not end in order."""
        last = self.heard[-1].event if self.heard else None
        if isinstance(last, SessionClosed) and last.reason == "client":
            return last
        errors = [heard.event.message for heard in self.heard if isinstance(heard.event, Error)]
        why = errors[-1] if errors else getattr(last, "reason", "the connection was lost, or nothing came any more")
        message = f"a session broke: {why}"
        raise PlayError(message)

    @property
    def lag_ms(self) -> float:
        """Return how long after the last media the session was done."""
        return self.heard[-1].at_ms - self.sent_ms


def play(address: str, name: str, clip: Clip, together: threading.Barrier, later_ms: float = 0.0) -> Played:
    """Send a clip at the pace of life as participant ``name``, starting when all others do, or so much later."""
    with connect(f"ws://{address}/v1/stream", compression=None) as socket, ThreadPoolExecutor(1) as listener:
        socket.send(json.dumps({"type": "session.update", "settings": {"speaker": name}}))
        together.wait()
        time.sleep(later_ms / 1000)
        begun = time.perf_counter()
        patience_s = clip.duration_ms / 1000 + PATIENCE_S
        heard = listener.submit(listen, socket, begun, patience_s)
        with suppress(ConnectionClosed):  # what was heard until then tells why
            latest_ms = send(socket, clip, begun)
            sent_ms = since(begun)
            socket.send(json.dumps({"type": "session.close"}))
            return Played(heard.result(), sent_ms, latest_ms)
        return Played(heard.result(), since(begun), 0.0)


def send(socket: ClientConnection, clip: Clip, begun: float) -> float:
    """Send each message when it is due; return by how many milliseconds the latest came too late."""
    latest_ms = 0.0
    for message in clip.messages:
        time.sleep(max(0.0, message.due_ms - since(begun)) / 1000)
        socket.send(message.data)
        latest_ms = max(latest_ms, since(begun) - message.due_ms)
    return latest_ms


def listen(socket: ClientConnection, begun: float, patience_s: float) -> list[Heard]:
    """Return all events until the connection ends; they are parsed only then, to leave the processor to the server."""
    arrived: list[tuple[float, str | bytes]] = []
    with suppress(ConnectionClosed, TimeoutError):
        while True:
            message = socket.recv(patience_s)
            arrived.append((since(begun), message))
    return [Heard(at_ms, EVENT.validate_json(message)) for at_ms, message in arrived]


def since(begun: float) -> float:
    """Return the milliseconds since ``begun`` by the clock on the wall."""
    return (time.perf_counter() - begun) * 1000


def play_all(address: str, clip: Clip, participants: int, *, staggered: bool = False) -> list[Played]:
    """Play a clip as several participants at once; staggered, each begins a share of the clip after the one before."""
    step_ms = clip.duration_ms / participants if staggered else 0.0
    together = threading.Barrier(participants, timeout=PATIENCE_S)
    with ThreadPoolExecutor(participants) as pool:
        names = [f"Participant {number}" for number in range(1, participants + 1)]
        playing = [pool.submit(play, address, name, clip, together, i * step_ms) for i, name in enumerate(names)]
    return [played.result() for played in playing]
