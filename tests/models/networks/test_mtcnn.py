"""MTCNN's cascade on what its networks may say, whatever that is."""

import cv2
import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import interpolate
from torchvision.ops import batched_nms

from models.networks.mtcnn import DETECTION, DetectionNetworks, Found, _resized, find_faces, suppressed


def found(count: int, seed: int) -> Found:
    generator = np.random.default_rng(seed)
    corners = generator.uniform(0, 60, (count, 2))
    boxes = np.concatenate([corners, corners + generator.uniform(1, 40, (count, 2))], axis=1).astype(np.float32)
    scores = generator.permutation(count).astype(np.float32) / max(1, count)
    return Found(boxes, scores, generator.integers(0, 2, count), np.zeros((count, 4), np.float32))


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(0, 2**31), st.sampled_from([0.5, 0.7]))
def test_of_boxes_that_overlap_those_stay_that_torchvision_keeps(count: int, seed: int, overlap: float) -> None:
    given_ = found(count, seed)
    expected = batched_nms(*map(torch.from_numpy, (given_.boxes, given_.scores, given_.images)), overlap)
    assert suppressed(given_, overlap).tolist() == expected.tolist()


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 48))
@settings(deadline=None)
def test_a_part_of_an_image_is_resized_as_torch_does_it(height: int, width: int, side: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 70, 3), dtype=np.uint8)
    box = np.array([[5, 3, 5 + width, 3 + height]])
    small = _resized(cv2.integral(image)[None], np.array([0]), box, side, side)
    part = torch.from_numpy(image[3 : 3 + height, 5 : 5 + width]).permute(2, 0, 1)[None].float()
    expected = (interpolate(part, (side, side), mode="area") - 127.5) * 0.0078125
    np.testing.assert_allclose(small, expected.numpy(), atol=1e-5)


def said(images: np.ndarray, generator: np.random.Generator, height: int, width: int, *others: int) -> list[np.ndarray]:
    """Return what a network might say: anything."""
    shape = (len(images), height, width) if height else (len(images),)
    scores = generator.random((len(images), 2, *shape[1:])).astype(np.float32)
    regressions = [generator.normal(size=(len(images), size, *shape[1:])).astype(np.float32) for size in (4, *others)]
    return [*regressions, scores]


@given(st.integers(0, 2**31), st.integers(1, 2))
@settings(deadline=None, max_examples=30)
def test_whatever_the_networks_say_faces_are_found_or_none(seed: int, count: int) -> None:
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (count, 40, 64, 3), dtype=np.uint8)
    networks = {
        "pnet": lambda batch: said(batch, generator, (batch.shape[2] - 10) // 2 + 1, (batch.shape[3] - 10) // 2 + 1),
        "rnet": lambda batch: said(batch, generator, 0, 0),
        "onet": lambda batch: said(batch, generator, 0, 0, 10),
    }
    for boxes, scores in find_faces(images, networks, 20):  # type: ignore[arg-type]  # names as they are
        assert boxes.shape == (len(scores), 4)
        assert (scores > 0.7).all()


def test_an_image_smaller_than_a_face_has_none() -> None:
    nothing: DetectionNetworks = dict.fromkeys(DETECTION, lambda _: [])
    ((boxes, scores),) = find_faces(np.zeros((1, 10, 10, 3), np.uint8), nothing, 20)
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)
