"""A recording read again: its description, its events, and the steps of its sessions with their media."""

import logging
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av

from models.media.containers import open_media
from stream.recording.format import (
    EVENTS,
    STEP,
    STEPS,
    About,
    AnalyzedFrameStep,
    EndStep,
    FrameStep,
    RecordingError,
    SkippedFrameStep,
    SoundStep,
    Step,
    media_name,
    read_about,
    read_lines,
)
from stream.recording.matroska import TrackNumber
from stream.vision.mouths import MOST_BETWEEN
from wire.events import EVENT, Event

log = logging.getLogger("m2fnet.replay")

Piece = tuple[TrackNumber, bytes]


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """A step, and the media it took: PCM, or the frame's JPEG where it was looked at later, else nothing."""

    step: Step
    data: bytes = b""


class Recording:
    """A folder that ``serve --record`` made.

    Raises:
        RecordingError: it is none, or one of another version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.about: About = read_about(folder)

    @property
    def whole(self) -> bool:
        """Whether it was brought to its end, and not cut off."""
        return self.about.ended is not None

    def events(self) -> Iterator[Event]:
        """Yield the events as they were published.

        Raises:
            RecordingError: a line can't be understood.
        """
        yield from read_lines(self.folder / EVENTS, EVENT)

    def steps(self) -> Generator[Taken]:
        """Yield the steps in their order, up to where media is missing.

        Raises:
            RecordingError: a line can't be understood, or the media are not those of the steps.
        """
        seen = _looked_at(self._steps())
        media = {entry.id: read_media(self.folder / media_name(entry.id)) for entry in self.about.sessions}
        for step in self._steps():
            if step.session not in media:
                message = f"{self.folder / STEPS} has a session {step.session} that recording.json does not know"
                raise RecordingError(message)
            data = b""
            if isinstance(step, FrameStep) or (isinstance(step, SoundStep) and step.samples):
                piece = next(media[step.session], None)
                if piece is None:
                    log.warning("the media of session %s end before its steps: the rest is left out", step.session)
                    return
                data = self._matching(step, piece)
            passed_over = isinstance(step, FrameStep) and (step.session, step.frame) not in seen
            yield Taken(step, b"" if passed_over else data)
            if isinstance(step, EndStep):
                media[step.session].close()

    def _steps(self) -> Iterator[Step]:
        return read_lines(self.folder / STEPS, STEP)

    def _matching(self, step: SoundStep | FrameStep, piece: Piece) -> bytes:
        track, data = piece
        expected = TrackNumber.SOUND if isinstance(step, SoundStep) else TrackNumber.FRAMES
        if track is not expected or (isinstance(step, SoundStep) and len(data) != 2 * step.samples):
            message = f"the media of session {step.session} are not those of its steps at {step.time_ms:.0f} ms"
            raise RecordingError(message)
        return data


def _looked_at(steps: Iterable[Step]) -> set[tuple[str, int]]:
    """Return the frames that were analyzed, and those between them in which mouths were looked at."""
    found: set[tuple[str, int]] = set()
    taken_up: dict[str, int] = {}
    for step in steps:
        if isinstance(step, AnalyzedFrameStep):
            first = max(taken_up.get(step.session, -1) + 1, step.frame - MOST_BETWEEN)
            found.update((step.session, frame) for frame in range(first, step.frame + 1))
        if isinstance(step, AnalyzedFrameStep | SkippedFrameStep):
            taken_up[step.session] = step.frame
    return found


def read_media(path: Path) -> Generator[Piece]:
    """Yield the blocks of a media file in the order they were written, up to where it was cut off."""
    try:
        with open_media(path) as container:
            for packet in container.demux():
                if packet.is_corrupt:
                    return
                if packet.size:  # none at the end of a track
                    yield TrackNumber.SOUND if packet.stream.type == "audio" else TrackNumber.FRAMES, bytes(packet)
    except (av.FFmpegError, FileNotFoundError):
        return
