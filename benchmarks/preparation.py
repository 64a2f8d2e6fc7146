"""What it takes to prepare the networks' inputs, all of it outside the server's event loop, on one core.

    python benchmarks/preparation.py [--clip FILE] [--repeat N]

Frames are the clip's, as JPEG of 640 x 360; sound is three seconds of noise. Milliseconds, the median of many.
"""

import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from rich.console import Console
from written import script_parser

from models.media.containers import open_media
from models.media.display import Display
from models.media.face_image import crop_face, face_input
from models.media.geometry import Box
from models.media.scene_image import scene_input, shrink_scene
from models.media.spectrogram import SAMPLE_RATE, sound_input, speaker_mel
from stream.jpeg import decode_jpeg
from stream.vision.face_finder import small_grey
from trainer.evaluation.text_tables import terminal_table

CLIP = Path(__file__).parents[1] / "demo" / "clip.mp4"
FACE = Box(220, 80, 420, 300)


def first_frame(path: Path) -> bytes:
    """Return a clip's first frame as a browser sends it."""
    with open_media(path) as container:
        display = Display(container.streams.video[0])
        frame = display.rgb(next(container.decode(video=0)))
    encoded = io.BytesIO()
    Pillow.fromarray(frame).resize((640, 360)).save(encoded, "JPEG", quality=80)
    return encoded.getvalue()


def steps(data: bytes) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what is done to a frame, a face and a sound."""
    image = decode_jpeg(data)
    if image is None:
        message = "the clip's first frame can't be decoded"
        raise SystemExit(message)
    sound = np.random.default_rng(0).normal(size=3 * SAMPLE_RATE).astype(np.float32)
    crops = np.stack([crop_face(image, FACE)])
    yield "decode a JPEG", lambda: decode_jpeg(data)
    yield "shrink it for following faces", lambda: small_grey(image)
    yield "cut out a face", lambda: crop_face(image, FACE)
    yield "a face as the network takes it", lambda: face_input(crops, 64)
    yield "a scene as the network takes it", lambda: scene_input(shrink_scene(image)[None])
    yield "log-mel of 3 s, Whisper's", lambda: sound_input("whisper", [sound])
    yield "mel of 1.2 s, the speaker encoder's", lambda: speaker_mel(sound[None, : round(1.2 * SAMPLE_RATE)])
    yield "log-mel of 3 s, the paper's", lambda: sound_input("log-mel", [sound])


def median_ms(step: Callable[[], object], repeat: int) -> float:
    """Return what a step takes."""
    step()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def main() -> None:
    """Print the table."""
    parser = script_parser(__doc__, __file__)
    parser.add_argument("--clip", type=Path, default=CLIP)
    parser.add_argument("--repeat", type=int, default=200)
    options = parser.parse_args()
    timed = [(title, median_ms(step, options.repeat)) for title, step in steps(first_frame(options.clip))]
    table = terminal_table(("step", "ms"), [(title, f"{spent_ms:.2f}") for title, spent_ms in timed])
    Console(highlight=False).print(table)
    if options.write:
        options.write.write_figures([table], data=options.clip.name)


if __name__ == "__main__":
    main()
