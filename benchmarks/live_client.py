"""A participant for benchmarks/live.py: a clip as messages of the protocol, sent at the pace of life."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from m2fnet_client import Gap, Session, connect
from m2fnet_client.file_media import DueMessage, Pieces, media_of
from m2fnet_client.files import FRAMES_PER_SECOND
from stream.jpeg import JpegFrame, encode_preview
from stream.media import SAMPLES_PER_MS, AudioChunk, Samples, VideoFrame
from wire.events import EventBase, SessionClosed
from wire.media import MediaKind, MediaMessage

TAIL_MS: Final = 1_000  # nobody hangs up on the last word: the last utterance ends in silence, as the others do
PATIENCE_S: Final = 120.0  # for the end of the session, after the last media


@dataclass(frozen=True)
class Messages:
    """What one participant sends, in order; ``duration_ms`` ends with the last of it."""

    messages: list[DueMessage]
    duration_ms: float
    size: tuple[int, int] | None


@dataclass(frozen=True)
class DecodedClip:
    """A decoded file: ``(n,)`` float32 sound from 0 ms on, JPEG frames, and the ``(width, height)`` of these."""

    sound: Samples
    frames: list[JpegFrame]
    size: tuple[int, int] | None
    frames_per_second: float = FRAMES_PER_SECOND

    @property
    def duration_ms(self) -> float:
        """Return how long it lasts; a frame lasts until the next would be due."""
        shown_ms = self.frames[-1].time_ms + 1000 / self.frames_per_second if self.frames else 0.0
        return max(len(self.sound) / SAMPLES_PER_MS, shown_ms)


def record(path: Path, frames_per_second: float = FRAMES_PER_SECOND) -> DecodedClip:
    """Return a file decoded, its frames encoded as the page encodes them."""
    chunks: list[AudioChunk] = []
    frames: list[JpegFrame] = []
    size = None
    for item in media_of(path, frames_per_second):
        if isinstance(item, AudioChunk):
            chunks.append(item)
        elif isinstance(item, VideoFrame):
            frames.append(JpegFrame(item.time_ms, encode_preview(item.image)))
            size = (item.image.shape[1], item.image.shape[0])
    return DecodedClip(joined(chunks), frames, size, frames_per_second)


def joined(chunks: Sequence[AudioChunk]) -> Samples:
    """Return chunks laid at their times on one track, silence between them."""
    placed = [(round(chunk.time_ms * SAMPLES_PER_MS), chunk.samples) for chunk in chunks]
    track = np.zeros(max((start + len(samples) for start, samples in placed), default=0), np.float32)
    for start, samples in placed:
        track[start : start + len(samples)] = samples
    return track


def compose(recording: DecodedClip, repeat: int) -> Messages:
    """Return the messages of a recording played ``repeat`` times in one session, with silence after the last."""
    sounds = list(sound_messages(repeated(recording, repeat)))
    frames = list(frame_messages(recording, repeat))
    messages = sorted([*sounds, *frames], key=lambda message: message.due_ms)
    return Messages(messages, messages[-1].due_ms, recording.size)


def repeated(recording: DecodedClip, repeat: int) -> Samples:
    """Return the sound of the whole session; none when the recording has none."""
    if not len(recording.sound):
        return recording.sound
    once = round(recording.duration_ms * SAMPLES_PER_MS)
    padded = np.pad(recording.sound, (0, max(0, once - len(recording.sound))))
    return np.concatenate([np.tile(padded, repeat), np.zeros(TAIL_MS * SAMPLES_PER_MS, np.float32)])


def sound_messages(sound: Samples) -> Iterator[DueMessage]:
    """Yield sound in pieces, each due when its last sample would have been heard."""
    pieces = Pieces()
    yield from pieces.push(AudioChunk(0, sound))
    yield from pieces.flush()


def frame_messages(recording: DecodedClip, repeat: int) -> Iterator[DueMessage]:
    """Yield the frames of all rounds, each due at its time."""
    for turn in range(repeat):
        for frame in recording.frames:
            time_ms = turn * recording.duration_ms + frame.time_ms
            yield DueMessage(time_ms, MediaMessage(MediaKind.JPEG, round(time_ms), frame.jpeg))


@dataclass(frozen=True)
class ReceivedEvent:
    """An event and when it arrived, in milliseconds since the participant's start."""

    at_ms: float
    event: EventBase


@dataclass(frozen=True)
class Listened:
    """What a participant got; ``lost`` events were dropped on the way."""

    heard: list[ReceivedEvent]
    lost: int


@dataclass(frozen=True)
class Spoken:
    """What a participant sent: when the last of it, by how much the latest message was late, and how it ended."""

    sent_ms: float
    latest_ms: float
    closed: SessionClosed


@dataclass(frozen=True)
class Played:
    """What came of one participant; times in milliseconds since its start."""

    heard: list[ReceivedEvent]
    lost: int
    sent_ms: float
    latest_ms: float
    closed: SessionClosed

    @property
    def lag_ms(self) -> float:
        """Return how long after the last media the session was done."""
        return self.heard[-1].at_ms - self.sent_ms


async def play(address: str, name: str, clip: Messages, together: asyncio.Barrier, later_ms: float = 0.0) -> Played:
    """Send a clip at the pace of life as participant ``name``, starting when all others do, or so much later.

    Raises:
        ClientError: the session did not end in order.
    """
    async with connect(address, name=name) as session:
        await together.wait()
        await asyncio.sleep(later_ms / 1000)
        begun = time.perf_counter()
        spoken, listened = await asyncio.gather(speak(session, clip, begun), listen(session, begun))
    return Played(listened.heard, listened.lost, spoken.sent_ms, spoken.latest_ms, spoken.closed)


async def speak(session: Session, clip: Messages, begun: float) -> Spoken:
    """Send each message when it is due, and end the session."""
    latest_ms = 0.0
    for due in clip.messages:
        await asyncio.sleep((due.due_ms - since(begun)) / 1000)
        await session.send(due.message)
        latest_ms = max(latest_ms, since(begun) - due.due_ms)
    sent_ms = since(begun)
    return Spoken(sent_ms, latest_ms, await session.finish(PATIENCE_S))


async def listen(session: Session, begun: float) -> Listened:
    """Return all events until the session ends."""
    heard: list[ReceivedEvent] = []
    lost = 0
    async for item in session:
        if isinstance(item, EventBase):
            heard.append(ReceivedEvent(since(begun), item))
        elif isinstance(item, Gap):
            lost += item.last - item.first + 1
    return Listened(heard, lost)


def since(begun: float) -> float:
    """Return the milliseconds since ``begun`` by the clock on the wall."""
    return (time.perf_counter() - begun) * 1000


def play_all(address: str, clip: Messages, participants: int, *, staggered: bool = False) -> list[Played]:
    """Play a clip as several participants at once; staggered, each begins a share of the clip after the one before.

    Raises:
        ClientError: a session broke.
    """
    step_ms = clip.duration_ms / participants if staggered else 0.0

    async def play_together() -> list[Played]:
        together = asyncio.Barrier(participants)
        playing = (
            play(address, f"Participant {index + 1}", clip, together, index * step_ms) for index in range(participants)
        )
        return await asyncio.gather(*playing)

    return asyncio.run(play_together())
