"""A microphone of this machine, recorded with PortAudio (sounddevice)."""

import itertools
import queue
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar, Final

import av
import numpy as np
import numpy.typing as npt

from models.media.resample import Resampler
from stream.media import SAMPLE_RATE, AudioChunk, Media, Samples
from stream.sources.base import LiveClock, Source
from stream.sources.tally import Tally
from stream.sources.timeline import OWN_CLOCK, Timeline
from stream.sources.tracks import AudioTrack

BLOCK_SECONDS: Final = 0.032
SILENT_SECONDS: Final = 5.0
WAITING_BLOCKS: Final = 256
NO_PORTAUDIO: Final = (
    "PortAudio, which records from microphones, is not installed: "
    "apt install libportaudio2 (Debian, Ubuntu), dnf install portaudio (Fedora), brew install portaudio (macOS)"
)


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """What PortAudio handed over: ``(n, channels)`` samples, the time of the first, whether some were lost before."""

    time_ms: float
    samples: npt.NDArray[np.float32]
    overflow: bool


class MicrophoneSource(Source):
    """The sound of a microphone, by name, part of a name, index, or ``default``.

    A microphone that is no longer there ends with ``microphone.lost``. ``clock`` is shared with the camera that
    belongs to it.
    """

    kind: ClassVar[str] = "microphone"

    def __init__(self, device: int | str = "default", *, clock: LiveClock | None = None) -> None:
        super().__init__(f"microphone {device}", live=True)
        self._device = int(device) if isinstance(device, str) and device.isdecimal() else device
        self._clock = clock or LiveClock()
        self._blocks: queue.Queue[_Block] = queue.Queue(WAITING_BLOCKS)
        self._behind = False
        self._overflow = Tally(f"{self.kind}.overflow", "the microphone's sound was not taken in time {count} time(s)")

    def _media(self) -> Generator[Media]:
        sounddevice = self._library()
        found = self._find(sounddevice)
        rate, channels = self._format(sounddevice, found)
        track, resampler = AudioTrack(Timeline(0.0, trust=OWN_CLOCK)), Resampler()
        with closing(self._started(sounddevice, found, rate, channels)):
            opened = f"{self.name}: {found['name']}, {rate} Hz, {channels} channel(s)"
            yield self._opened(opened, has_sound=True)
            for block in self._recorded():
                if block.overflow and (warning := self._overflow.add()):
                    yield warning
                samples = _resampled(resampler, block.samples, rate)
                if len(samples):
                    yield from itertools.starmap(AudioChunk, track.place(block.time_ms, samples))

    def _library(self) -> ModuleType:
        try:
            # Not at the top: the import itself fails where PortAudio is missing, and only microphones need it.
            import sounddevice  # noqa: PLC0415
        except OSError:
            self._fail("no_portaudio", NO_PORTAUDIO)
        module: ModuleType = sounddevice
        return module

    def _find(self, sounddevice: ModuleType) -> dict[str, Any]:
        """Return PortAudio's description of the device."""
        wanted = None if self._device == "default" else self._device
        try:
            found: dict[str, Any] = sounddevice.query_devices(wanted, "input")
        except (ValueError, sounddevice.PortAudioError) as error:
            self._fail("not_found", f"{self.name} not found ({error}); {_choices(sounddevice)}")
        return found

    def _format(self, sounddevice: ModuleType, found: dict[str, Any]) -> tuple[int, int]:
        """Return rate and channels to record with: 16 kHz mono, or what the device has if it refuses that."""
        try:
            sounddevice.check_input_settings(found["index"], 1, "float32", samplerate=SAMPLE_RATE)
        except sounddevice.PortAudioError:
            return int(found["default_samplerate"]), min(2, found["max_input_channels"])
        return SAMPLE_RATE, 1

    def _started(self, sounddevice: ModuleType, found: dict[str, Any], rate: int, channels: int) -> Any:  # noqa: ANN401 - sounddevice has no types
        try:
            stream = sounddevice.InputStream(
                samplerate=rate,
                blocksize=round(rate * BLOCK_SECONDS),
                device=found["index"],
                channels=channels,
                dtype="float32",
                callback=self._recording(rate),
            )
            stream.start()
        except sounddevice.PortAudioError as error:
            message = f"{self.name} can't be opened ({error}); check that no other program uses it"
            self._fail("busy", message)
        return stream

    def _recording(self, rate: int) -> Any:  # noqa: ANN401 - sounddevice has no types
        """Return PortAudio's callback, which may not wait."""

        def take(samples: npt.NDArray[np.float32], frames: int, _time: object, status: Any) -> None:  # noqa: ANN401
            time_ms = self._clock.stamp(age_ms=1000 * frames / rate)
            block = _Block(time_ms, samples.copy(), bool(status.input_overflow) or self._behind)
            try:
                self._blocks.put_nowait(block)
                self._behind = False
            except queue.Full:
                # Our own thread was kept from running for seconds; the next block says so.
                self._behind = True

        return take

    def _recorded(self) -> Iterator[_Block]:
        """Yield what was recorded until the source is stopped."""
        while not self._stopping.is_set():
            try:
                yield self._blocks.get(timeout=SILENT_SECONDS)
            except queue.Empty:
                message = f"{self.name} gives no more sound; check its plug and the system's sound settings"
                self._fail("lost", message)


def _resampled(resampler: Resampler, samples: npt.NDArray[np.float32], rate: int) -> Samples:
    if rate == SAMPLE_RATE and samples.shape[1] == 1:
        return np.clip(samples[:, 0], -1, 1)
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples).reshape(1, -1), format="flt", layout="mono" if samples.shape[1] == 1 else "stereo"
    )
    frame.sample_rate = rate
    return resampler.push(frame)


def _choices(sounddevice: ModuleType) -> str:
    names = [device["name"] for device in sounddevice.query_devices() if device["max_input_channels"] > 0]
    return "there are: " + ", ".join(names) if names else "this machine has no microphone that PortAudio sees"
