"""Compose demo/clip.mp4 from recordings of other people: what comes from where stands in NOTICE.md beside it.

    python demo/compose.py --media FOLDER --speech FOLDER [-o demo/clip.mp4]

``--media`` holds ``expressive_face.mp4``, ``grid_lwbsza.mpg``, ``grid_bbaf2n.mpg`` and ``two_speakers.wav``;
``--speech`` holds CREMA-D clips as ``1055_MTI_SAD_XX.opus``. Only PyAV is needed, no ffmpeg program.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy.signal import butter, sosfiltfilt

from models.files.whole_file import whole_file
from models.media.containers import create_media, open_media
from models.media.display import Display

Sound = npt.NDArray[np.float32]

WIDTH, HEIGHT, FPS, RATE = 640, 360, 25, 48_000
LOUDNESS: Final = 0.08  # the level every voice is brought to: its loud parts, root mean square
RUMBLE_HZ: Final = 90  # below it the quiet CREMA-D clips are mostly noise
FADE_S: Final = 0.05
BACKGROUND: Final = (24, 26, 32)
CAPTION: Final = (150, 154, 165)


@dataclass(frozen=True)
class PlacedClip:
    """A CREMA-D clip and where it begins in the scene it is laid under, in seconds."""

    name: str
    at: float


@dataclass(frozen=True)
class Scene:
    """``(n, HEIGHT, WIDTH, 3)`` images at ``FPS``, and sound at ``RATE`` of just the same length."""

    images: list[Image.Image]
    sound: Sound


# One held-out speaker all through. "That is exactly what happened" comes twice, in sadness and in joy.
VOICES: Final = (
    PlacedClip("1055_MTI_SAD_XX", 0.4),
    PlacedClip("1055_ITH_SAD_XX", 3.7),
    PlacedClip("1055_TIE_SAD_XX", 7.1),
    PlacedClip("1055_TIE_HAP_XX", 10.5),
    PlacedClip("1055_IWL_HAP_XX", 13.6),
    PlacedClip("1055_WSI_HAP_XX", 16.6),
)
CALL: Final = (6.5, 21.8)  # seconds of two_speakers.wav: from the first hello to a pause


def read_sound(path: Path) -> Sound:
    """Return the whole sound of a file, mono at ``RATE``."""
    resampler = av.AudioResampler("flt", "mono", RATE)
    with open_media(path) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def read_images(path: Path) -> list[Image.Image]:
    """Return the images of a file at ``FPS``: of each moment the last one that has begun."""
    images: list[Image.Image] = []
    with open_media(path) as container:
        display = Display(container.streams.video[0])
        for frame in container.decode(video=0):
            moment = round((frame.time or 0) * FPS)
            image = fitted(Image.fromarray(display.rgb(frame)))
            images += [image] * (moment + 1 - len(images))
    return images


def fitted(image: Image.Image) -> Image.Image:
    """Return the image scaled to the clip's height and centred."""
    scale = min(WIDTH / image.width, HEIGHT / image.height)
    size = (round(image.width * scale), round(image.height * scale))
    canvas = Image.new("RGB", (WIDTH, HEIGHT), BACKGROUND)
    canvas.paste(image.resize(size, Image.Resampling.LANCZOS), ((WIDTH - size[0]) // 2, (HEIGHT - size[1]) // 2))
    return canvas


def voice_level(sound: Sound) -> Sound:
    """Return the sound without rumble, at the common level, faded at its ends."""
    clear: Sound = sosfiltfilt(butter(4, RUMBLE_HZ, "high", fs=RATE, output="sos"), sound).astype(np.float32)
    blocks = clear[: len(clear) // 480 * 480].reshape(-1, 480)
    loud = np.percentile(np.sqrt((blocks**2).mean(axis=1)), 90)
    fade = np.clip(np.arange(len(clear)) / (FADE_S * RATE), 0, 1)
    leveled: Sound = np.clip(clear * (LOUDNESS / loud) * fade * fade[::-1], -1, 1).astype(np.float32)
    return leveled


def captioned(scene: Scene, text: str) -> Scene:
    """Return the scene with its sources written small into the lower left corner."""
    for image in {id(p): p for p in scene.images}.values():
        ImageDraw.Draw(image).text((8, HEIGHT - 18), text, fill=CAPTION, font=ImageFont.load_default(11))
    return scene


def of_length(sound: Sound, images: list[Image.Image]) -> Sound:
    """Return the sound cut or filled with silence to the length of the images."""
    samples = len(images) * RATE // FPS
    return np.pad(sound[:samples], (0, max(0, samples - len(sound))))


def face_scene(media: Path, speech: Path) -> Scene:
    """Return one face from distress to laughter, with the voices laid under it instead of its own sound."""
    images = read_images(media / "expressive_face.mp4")
    sound = np.zeros(len(images) * RATE // FPS, np.float32)
    for voice in VOICES:
        samples = voice_level(read_sound(speech / f"{voice.name}.opus"))
        start = round(voice.at * RATE)
        sound[start : start + len(samples)] += samples
    return captioned(Scene(images, sound), "image: Pexels · voice laid under it: CREMA-D")


def head_scene(path: Path) -> Scene:
    """Return a talking head as it was recorded."""
    images = read_images(path)
    return captioned(Scene(images, of_length(voice_level(read_sound(path)), images)), "GRID corpus")


def call_scene(path: Path) -> Scene:
    """Return a telephone call over a still card, and one second of silence after it."""
    start, end = (round(second * RATE) for second in CALL)
    card = Image.new("RGB", (WIDTH, HEIGHT), BACKGROUND)
    ImageDraw.Draw(card).text(
        (WIDTH // 2, HEIGHT // 2),
        "A telephone call: two voices, no image",
        fill=(225, 228, 235),
        font=ImageFont.load_default(24),
        anchor="mm",
    )
    images = [card] * round((CALL[1] - CALL[0] + 1) * FPS)
    sound = of_length(voice_level(read_sound(path)[start:end]), images)
    return captioned(Scene(images, sound), "sample of pyannote.audio")


def scenes(media: Path, speech: Path) -> Iterator[Scene]:
    """Yield the scenes in their order."""
    yield face_scene(media, speech)
    yield head_scene(media / "grid_lwbsza.mpg")
    yield head_scene(media / "grid_bbaf2n.mpg")
    yield call_scene(media / "two_speakers.wav")


def moments(clip: list[Scene]) -> Iterator[tuple[av.VideoFrame, av.AudioFrame]]:
    """Yield image by image, each with the sound of its time: so they lie beside each other in the file."""
    samples = RATE // FPS
    for number, (image, sound) in enumerate(
        (p, scene.sound[i * samples :][:samples]) for scene in clip for i, p in enumerate(scene.images)
    ):
        heard = av.AudioFrame.from_ndarray(sound[None], "fltp", "mono")
        heard.sample_rate, heard.time_base, heard.pts = RATE, Fraction(1, RATE), number * samples
        yield av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24"), heard


def write(clip: list[Scene], output: Path) -> None:
    """Write the scenes one after the other as H.264 and AAC."""
    with create_media(output, {"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=FPS, options={"crf": "24", "preset": "slow"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = container.add_stream("aac", rate=RATE, layout="mono")
        audio.bit_rate = 64_000
        for seen, heard in moments(clip):
            container.mux(video.encode(seen))
            container.mux(audio.encode(heard))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


def main() -> int:
    """Compose the clip and say how long and large it is."""
    parser = argparse.ArgumentParser(description="Compose the demo clip; see demo/NOTICE.md.")
    parser.add_argument("--media", type=Path, required=True, help="folder of the videos and the telephone call")
    parser.add_argument("--speech", type=Path, required=True, help="folder of the CREMA-D clips")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("clip.mp4"))
    args = parser.parse_args()
    clip = list(scenes(args.media, args.speech))
    with whole_file(args.output) as partial:
        write(clip, partial)
    seconds = sum(len(scene.images) for scene in clip) / FPS
    print(f"{args.output}: {seconds:.1f} s, {args.output.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
