from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageOps

from models.media.containers import open_media
from models.media.display import Display, square_size, upright

ORIENTATION = 0x0112
# How EXIF names the eight ways an image can lie, as (degrees counterclockwise, then mirrored).
LIES = {1: (0, False), 2: (0, True), 3: (180, False), 4: (180, True), 6: (-90, False), 8: (90, False)}
LIES |= {5: (-90, True), 7: (90, True)}


def four_corners() -> np.ndarray:
    """Red above left, green above right, blue below left, black below right."""
    image = np.zeros((48, 64, 3), np.uint8)
    image[:24, :32, 0] = image[:24, 32:, 1] = image[24:, :32, 2] = 220
    return image


def corners(image: np.ndarray) -> list[tuple[bool, ...]]:
    height, width = image.shape[:2]
    return [tuple(image[y, x] > 110) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]


def write_video(path: Path, size: tuple[int, int] = (64, 48), aspect: Fraction | None = None, lies: int = 1) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=5)
        stream.width, stream.height, stream.pix_fmt = *size, "yuvj420p"
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if lies != 1:
            degrees, mirrored = LIES[lies]
            stream.set_display_rotation(degrees, hflip=mirrored)
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(np.asarray(Image.fromarray(four_corners()).resize(size)), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def shown(path: Path) -> list[np.ndarray]:
    with open_media(path) as container:
        stream = container.streams.video[0]
        display = Display(stream)
        return [display.rgb(frame) for frame in container.decode(stream)]


def transposed(lies: int) -> np.ndarray:
    """Return what Pillow makes of an image that lies so."""
    image = Image.fromarray(four_corners())
    exif = image.getexif()
    exif[ORIENTATION] = lies
    return np.asarray(ImageOps.exif_transpose(image))


@pytest.mark.parametrize("lies", range(1, 9))
def test_a_video_may_lie_in_any_of_eight_ways(tmp_path: Path, lies: int) -> None:
    images = shown(write_video(tmp_path / "video.mp4", lies=lies))
    assert len(images) == 3
    expected = transposed(lies)
    for image in images:
        assert image.shape == expected.shape
        assert corners(image) == corners(expected)


@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
@pytest.mark.parametrize("lies", range(1, 9))
def test_a_photograph_too(tmp_path: Path, ending: str, lies: int) -> None:
    image = Image.fromarray(four_corners())
    exif = image.getexif()
    exif[ORIENTATION] = lies
    image.save(tmp_path / f"photo.{ending}", exif=exif)
    (image,) = shown(tmp_path / f"photo.{ending}")
    assert corners(image) == corners(transposed(lies))


@pytest.mark.parametrize("ending", ["mp4", "mkv", "mov", "avi"])
@pytest.mark.parametrize(
    ("size", "aspect", "square"),
    [
        ((32, 48), Fraction(2), (64, 48)),
        ((64, 24), Fraction(1, 2), (64, 48)),
        ((48, 48), Fraction(4, 3), (64, 48)),
        ((64, 48), Fraction(1), (64, 48)),
        ((64, 48), None, (64, 48)),
    ],
)
def test_pixels_become_square(
    tmp_path: Path, ending: str, size: tuple[int, int], aspect: Fraction | None, square: tuple[int, int]
) -> None:
    for image in shown(write_video(tmp_path / f"video.{ending}", size, aspect)):
        assert image.shape == (square[1], square[0], 3)
        assert corners(image) == corners(four_corners())


def test_oblong_pixels_are_stretched_before_the_image_is_turned(tmp_path: Path) -> None:
    for image in shown(write_video(tmp_path / "video.mp4", (32, 48), Fraction(2), lies=6)):
        assert image.shape == (64, 48, 3)
        assert corners(image) == corners(transposed(6))


@pytest.mark.parametrize(
    ("aspect", "size"),
    [
        (None, (640, 360)),
        (Fraction(64, 45), (910, 360)),
        (Fraction(45, 64), (640, 512)),
        (Fraction(1001, 1000), (640, 360)),
        (Fraction(1000), (640, 360)),
        (Fraction(1, 1000), (640, 360)),
        (Fraction(16), (640, 22)),
    ],
)
def test_what_cannot_be_an_aspect_is_passed_over(aspect: Fraction | None, size: tuple[int, int]) -> None:
    assert square_size(640, 360, aspect) == size


@pytest.mark.parametrize("degrees", [-10, 0, 10, 80, 100, 179, 181, 260])
def test_a_slanting_image_is_turned_by_the_nearest_quarters(degrees: int) -> None:
    angle = np.deg2rad(degrees)
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    clockwise = round(degrees / 90) % 4
    assert np.array_equal(upright(four_corners(), matrix), np.rot90(four_corners(), -clockwise))
