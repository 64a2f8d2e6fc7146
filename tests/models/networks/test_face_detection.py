"""Faces are found by the networks on an engine as by facenet-pytorch's own, by several sessions at once too."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from facenet_pytorch import MTCNN

from models.bundle import Bundle
from models.face_settings import FaceSettings
from models.networks.faces import Detection, FaceDetector, Image
from models.networks.mtcnn import DetectionNetworks
from models.networks.mtcnn_networks import detection_networks, in_torch
from models.runtime.openvino_engine import OpenVinoEngine
from models.runtime.runtime import Runtime
from models.runtime.schedule import DeadlineExceededError

CLIP = Path(__file__).parents[3] / "demo" / "clip.mp4"
EVERY = 60

pytestmark = pytest.mark.slow


def detector(networks: DetectionNetworks) -> FaceDetector:
    return FaceDetector(FaceSettings(), networks)


@pytest.fixture(scope="module")
def images() -> list[Image]:
    with av.open(str(CLIP)) as container:
        frames = [frame for index, frame in enumerate(container.decode(video=0)) if index % EVERY == 0]
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in frames]


@pytest.fixture(scope="module")
def expected(images: list[Image]) -> list[list[Detection]]:
    served = detector(in_torch(detection_networks()))
    found = [served.detect(image) for image in images]
    assert sum(map(len, found)) > len(images) / 2
    return found


@pytest.fixture(scope="module")
def runtime(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    engine = OpenVinoEngine(bundle, folder=tmp_path_factory.mktemp("cache"))
    with Runtime(bundle, engine) as loaded:
        yield loaded


def assert_same(found: list[Detection], expected: list[Detection]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        edges = [(getattr(face.box, edge) for edge in ("left", "top", "right", "bottom")) for face in (one, other)]
        np.testing.assert_allclose(*map(list, edges), atol=0.5)
        assert one.confidence == pytest.approx(other.confidence, abs=1e-3)


def test_faces_are_those_of_facenet_pytorch(images: list[Image], expected: list[list[Detection]]) -> None:
    limits = FaceSettings()
    reference = MTCNN(min_face_size=limits.min_face, keep_all=True)
    for image, faces in zip(images, expected, strict=True):
        scale = limits.width / image.shape[1]
        small = image if scale >= 1 else cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        boxes, confidences = reference.detect(small)
        sure = [] if boxes is None else boxes[confidences >= limits.min_confidence] / min(1.0, scale)
        found = [(face.box.left, face.box.top, face.box.right, face.box.bottom) for face in faces]
        np.testing.assert_allclose(sorted(found), sorted(map(tuple, sure)), atol=0.01)


def test_images_searched_together_have_the_faces_they_have_alone(
    images: list[Image], expected: list[list[Detection]]
) -> None:
    together = detector(in_torch(detection_networks())).detect_all(images[:4])
    for found, alone in zip(together, expected, strict=False):
        assert_same(found, alone)


def test_an_engine_finds_the_same_faces(runtime: Runtime, images: list[Image], expected: list[list[Detection]]) -> None:
    served = detector(runtime.detection(session="ann"))
    for image, faces in zip(images, expected, strict=True):
        assert_same(served.detect(image), faces)


def test_sessions_search_at_once(runtime: Runtime, images: list[Image], expected: list[list[Detection]]) -> None:
    served = [detector(runtime.detection(session=str(index))) for index in range(3)]
    with ThreadPoolExecutor(len(served)) as pool:
        for found in pool.map(lambda each: [each.detect(image) for image in images[:3]], served):
            for one, other in zip(found, expected, strict=False):
                assert_same(one, other)


def test_a_search_that_would_be_too_late_is_given_up(runtime: Runtime, images: list[Image]) -> None:
    with pytest.raises(DeadlineExceededError):
        detector(runtime.detection(deadline_ms=-1.0)).detect(images[0])
