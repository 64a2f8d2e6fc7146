import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import interpolate

from models.media.face_image import crop_face, face_input
from models.media.geometry import Box


def image(height: int = 120, width: int = 160) -> np.ndarray:
    """Return brightness rising to the right, so that a crop shows where it was taken."""
    ramp = np.linspace(0, 255, width).astype(np.uint8)
    return np.repeat(np.broadcast_to(ramp, (height, width))[..., None], 3, axis=2).copy()


def test_a_face_is_cut_square_around_its_centre_a_little_closer_than_its_box() -> None:
    crop = crop_face(image(), Box(60, 20, 100, 60))
    assert crop.shape == (48, 48)
    assert crop.dtype == np.uint8
    centre = image()[0, 79:81, 0].mean()
    assert crop.mean() == pytest.approx(centre, abs=2)
    # 3 % less on each side: from 61 to 99 of 160.
    assert crop[:, 0].mean() == pytest.approx(image()[0, 61, 0], abs=1.5)
    assert crop[:, -1].mean() == pytest.approx(image()[0, 98, 0], abs=1.5)


def test_a_tall_box_is_not_squeezed() -> None:
    image = np.zeros((200, 200, 3), np.uint8)
    cv2.circle(image, (100, 100), 30, (255, 255, 255), -1)
    bright = crop_face(image, Box(80, 50, 120, 150)) > 127
    assert abs(int(bright.any(axis=0).sum()) - int(bright.any(axis=1).sum())) <= 1


def test_beyond_the_edge_the_edge_is_repeated() -> None:
    crop = crop_face(image(), Box(-40, 20, 40, 100))
    assert (crop[:, :20] == 0).all()
    assert crop[:, -1].mean() > 40


def test_red_green_and_blue_weigh_as_brightness_does() -> None:
    colours = [np.full((60, 60, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    red, green, blue = (int(crop_face(colour, Box(10, 10, 50, 50)).mean()) for colour in colours)
    assert green > red > blue > 0


@given(
    st.floats(-80, 199),
    st.floats(-80, 149),
    st.floats(0, 300),
    st.floats(0, 300),
)
@settings(deadline=None)
def test_any_box_that_touches_the_image_gives_a_crop(left: float, top: float, width: float, height: float) -> None:
    box = Box(left, top, left + width, top + height)
    centre = ((box.left + box.right) / 2, (box.top + box.bottom) / 2)
    if 1 <= centre[0] <= 198 and 1 <= centre[1] <= 148:
        assert crop_face(image(150, 200), box).shape == (48, 48)


def faces(count: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 48, 48), dtype=np.uint8)


def test_faces_become_standardised_images_of_three_equal_channels() -> None:
    images = face_input(faces())
    assert images.shape == (2, 3, 96, 96)
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images[:, 0], images[:, 2])
    assert np.abs(images.mean(axis=(1, 2, 3))).max() < 0.05


@pytest.mark.parametrize("size", [32, 48, 64, 96, 112])
def test_they_are_enlarged_and_shrunk_again_as_torch_does_it(size: int) -> None:
    pixels = torch.from_numpy(faces()).float()
    deviation, mean = torch.std_mean(pixels, dim=(1, 2), keepdim=True)
    expected = interpolate(((pixels - mean) / (deviation + 1e-3))[:, None], max(size, 96), mode="bilinear")
    if size < 96:
        expected = interpolate(expected, size, mode="bilinear", antialias=True)
    images = face_input(faces(), size)
    assert images.shape == (2, 3, size, size)
    np.testing.assert_allclose(images[:, :1], expected.numpy(), atol=1e-4)


def test_exposure_and_contrast_do_not_reach_the_network() -> None:
    face = np.arange(48 * 48, dtype=np.float32).reshape(1, 48, 48) / 20
    np.testing.assert_allclose(face_input(face), face_input(face * 1.7 + 20), atol=1e-3)


def test_a_blank_face_is_finite() -> None:
    assert np.abs(face_input(np.full((1, 48, 48), 128, np.uint8))).max() == 0
