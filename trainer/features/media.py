"""An utterance's clip, decoded: its sound at 16 kHz and some images evenly spaced over it (paper, section 3.2.3)."""

import math
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeVar

import av
from av.container import InputContainer

from models.media.containers import decoded, length_ms, open_media, origin_ms, seek, stamp_ms, video_stream
from models.media.display import Display, Image
from models.media.sound import NoSoundError, Samples, read_voice
from models.media.spectrogram import SAMPLE_RATE
from models.networks.faces import FRAMES_PER_UTTERANCE, evenly_spaced
from trainer.data.conversation import Clip, Half, Utterance

FaultKind = Literal["unreadable", "no sound", "no images", "empty", "too long"]
Part = Literal["sound", "images"]
Found = TypeVar("Found")

_LEAST_SHARE: Final = 0.5  # of a stretch of sound; a file with less of it is cut off
_LEAD_MS: Final = 200.0  # AVI is sought by when images are decoded, which is before they are shown
_STALE_MS: Final = 1000.0  # an image is on screen for so long at most


@dataclass(frozen=True)
class MediaFault:
    """Media of an utterance that can't be used; the utterance keeps its text, and the media that can."""

    name: str
    why: str
    kind: FaultKind


@dataclass(frozen=True)
class Limits:
    """How much of a clip is read.

    Attributes:
        frames: images of an utterance, evenly spaced.
        max_seconds: the media of a longer utterance are left out.
    """

    frames: int = FRAMES_PER_UTTERANCE
    max_seconds: float = 60.0


@dataclass(frozen=True, eq=False)
class Media:
    """What was decoded of one clip.

    Attributes:
        sound: ``(samples,)`` at 16 kHz; None where there is none or it was not asked for.
        frames: ``(height, width, 3)`` RGB, in order; none where there are none or they were not asked for.
        faults: why a part asked for is missing.
    """

    sound: Samples | None = None
    frames: tuple[Image, ...] = ()
    faults: Mapping[Part, MediaFault] = field(default_factory=dict)


class _UnusableError(Exception):
    def __init__(self, why: str, kind: FaultKind) -> None:
        super().__init__(why)
        self.kind: FaultKind = kind


def decode(utterance: Utterance, limits: Limits, parts: Collection[Part] = ("sound", "images")) -> Media:
    """Return the parts asked for of an utterance's clip; whatever is wrong with it is named, never raised.

    A clip that is not said to have sound, or images, lacks them without a fault.
    """
    clip = utterance.clip or Clip()
    faults: dict[Part, MediaFault] = {}

    def attempt(part: Part, read: Callable[[Clip, Limits], Found]) -> Found | None:
        try:
            return read(clip, limits) if part in parts else None
        except _UnusableError as error:
            faults[part] = MediaFault(utterance.name, str(error), error.kind)
            return None

    return Media(attempt("sound", _sound), attempt("images", _frames) or (), faults)


def media_file(clip: Clip, part: Part) -> Path | None:
    """Return the file an utterance is heard or seen in."""
    return clip.video if part == "images" else clip.sound or clip.video


def tally(faults: Iterable[MediaFault]) -> str:
    """Return how many utterances have which faults, such as ``2 unreadable, 1 too long``; empty without any."""
    counts = Counter(kind for _, kind in dict.fromkeys((fault.name, fault.kind) for fault in faults))
    return ", ".join(f"{count} {kind}" for kind, count in counts.most_common())


def _sound(clip: Clip, limits: Limits) -> Samples | None:
    path = media_file(clip, "sound")
    if path is None:
        return None
    start_ms, end_ms = _stretch(path, Clip() if clip.sound_is_cut else clip, limits)
    try:
        sound = read_voice(path, start_ms, end_ms)
    except NoSoundError as error:
        raise _UnusableError(str(error), kind="no sound") from error
    except ValueError as error:
        raise _UnusableError(str(error), kind="unreadable") from error
    seconds, expected = len(sound) / SAMPLE_RATE, (end_ms - start_ms) / 1000
    if seconds < _LEAST_SHARE * expected:
        why = f"{path} holds {seconds:.1f} s of sound where {expected:.1f} s should be; it may be cut off"
        raise _UnusableError(why, kind="unreadable" if seconds else "no sound")
    return sound


def _frames(clip: Clip, limits: Limits) -> tuple[Image, ...]:
    if clip.video is None:
        return ()
    times = evenly_spaced(*_stretch(clip.video, clip, limits), limits.frames)
    with _opened(clip.video) as container:
        stream = video_stream(container)
        if stream is None:
            why = f"{clip.video} has no images"
            raise _UnusableError(why, kind="no images")
        stream.codec_context.thread_count = 1  # other clips keep the other cores busy
        display = Display(stream)
        seek(container, times[0] - _LEAD_MS)
        frames = tuple(_half(display.rgb(frame), clip.half) for frame in _on_screen(_timed(container, stream), times))
    if not frames:
        why = f"{clip.video} has no images at {times[0] / 1000:.1f} to {times[-1] / 1000:.1f} s"
        raise _UnusableError(why, kind="no images")
    return frames


def _stretch(path: Path, clip: Clip, limits: Limits) -> tuple[float, float]:
    """Return where in its file an utterance starts and ends, in milliseconds."""
    start_ms = float(clip.start_ms or 0)
    end_ms = float(clip.end_ms) if clip.end_ms is not None else _length_ms(path)
    seconds = (end_ms - start_ms) / 1000
    if seconds <= 0:
        why = f"{path}: the utterance lasts {seconds:g} s"
        raise _UnusableError(why, kind="empty")
    if seconds > limits.max_seconds:
        why = f"{path}: the utterance lasts {seconds:.1f} s, more than the {limits.max_seconds:g} s allowed"
        raise _UnusableError(why, kind="too long")
    return start_ms, end_ms


def _length_ms(path: Path) -> float:
    with _opened(path) as container:
        return length_ms(container)


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    try:
        with open_media(path) as container:
            yield container
    except (OSError, ValueError, av.FFmpegError) as error:
        why = f"{path} can't be read: {getattr(error, 'strerror', None) or error}"
        raise _UnusableError(why, kind="unreadable") from error


def _timed(container: InputContainer, stream: av.VideoStream) -> Iterator[tuple[float, av.VideoFrame]]:
    origin = origin_ms(container)
    for frame in decoded(container, stream):
        stamp = stamp_ms(frame)
        if stamp is not None:
            yield stamp - origin, frame


def _on_screen(frames: Iterable[tuple[float, av.VideoFrame]], times: Sequence[float]) -> Iterator[av.VideoFrame]:
    """Yield the frames to be seen at ascending times, each once; before the first it is the first."""
    waiting = deque(times)
    shown_ms, shown = -math.inf, None
    for start_ms, frame in frames:
        if shown is not None and _pass(waiting, start_ms) and shown_ms > times[0] - _STALE_MS:
            yield shown
        shown_ms, shown = start_ms, frame
        if not waiting:
            return
    if shown is not None and waiting and shown_ms > waiting[0] - _STALE_MS:
        yield shown


def _pass(waiting: "deque[float]", time_ms: float) -> bool:
    """Take the times before ``time_ms`` off the queue; say whether there were any."""
    count = len(waiting)
    while waiting and waiting[0] < time_ms:
        waiting.popleft()
    return len(waiting) < count


def _half(image: Image, half: Half | None) -> Image:
    middle = image.shape[1] // 2
    return {None: image, "left": image[:, :middle], "right": image[:, middle:]}[half]
