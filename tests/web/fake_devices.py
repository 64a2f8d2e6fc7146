"""A camera and a microphone for Chromium, fed from parts of the demo clip."""

import wave
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
import numpy.typing as npt

CLIP: Final = Path(__file__).parents[2] / "demo" / "clip.mp4"
Part = tuple[float, float]
TALKING: Final[Part] = (19.8, 25.6)  # seconds: two talking heads, each a sentence
ACTING: Final[Part] = (0.0, 13.2)  # a face, and four acted sentences
LEAD_S: Final = 2.0  # silence until the page has opened its devices
RATE: Final = 48_000


def talk(part: Part = TALKING) -> npt.NDArray[np.int16]:
    """Return the sentences of a part, ``(n,)`` at :data:`RATE`."""
    resampler = av.AudioResampler("s16", "mono", RATE)
    with av.open(str(CLIP)) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    sound = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    first, last = part
    return np.asarray(sound[int(first * RATE) : int(last * RATE)], np.int16)


def write_microphone(path: Path, part: Part, *, times: int = 1) -> None:
    """Write the sentences after a silence, so many times, in stereo so that the page has something to mix."""
    mono = np.tile(np.concatenate([np.zeros(int(LEAD_S * RATE), np.int16), talk(part)]), times)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.stack([mono, mono], axis=1).tobytes())


def write_camera(path: Path, part: Part) -> None:
    """Write the frames as motion JPEG, which Chromium plays over and over."""
    with av.open(str(CLIP)) as clip, path.open("wb") as file:
        for frame in clip.decode(video=0):
            if part[0] <= (frame.time or 0) < part[1]:
                file.write(cv2.imencode(".jpg", frame.to_ndarray(format="bgr24"))[1].tobytes())


def device_arguments(folder: Path, *, part: Part = TALKING, over_and_over: bool = False) -> list[str]:
    """Write both files into ``folder`` and return Chromium's arguments that make them its devices.

    The microphone gives its sound once, from when it is opened, or again and again for a test that must not
    depend on how long the page takes to open its connection.
    """
    camera, microphone = folder / "camera.mjpeg", folder / "microphone.wav"
    write_camera(camera, part)
    write_microphone(microphone, part)
    return [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={camera}",
        f"--use-file-for-fake-audio-capture={microphone}{'' if over_and_over else '%noloop'}",
    ]
