"""Whose face counts for an utterance: two faces are drawn, and one, the other or nobody speaks."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
from talking import STEP_MS, drawn, face_box, syllables, voice

from models.networks.faces import Detection, over_frames, weighted_faces
from models.runtime.runtime import Branch
from stream.media import Image, VideoFrame
from stream.vision.face_analyzer import FaceAnalyzer, Seen

EVERY = 5  # frames, of which one is analyzed
VECTORS = np.eye(2, 4, dtype=np.float32)


class Detector:
    """Finds both faces."""

    def detect(self, _: Image) -> list[Detection]:
        return [Detection(face_box(0), 1.0), Detection(face_box(1), 1.0)]


class Runtime:
    """Gives each face a vector of its own."""

    labels = ("neutral", "joy")

    def faces(self, crops: np.ndarray, **_: object) -> "Future[list[Branch]]":
        assert len(crops) == len(VECTORS)
        return _done([Branch(vector, np.array([0.25, 0.75], np.float32)) for vector in VECTORS])

    def scene(self, _: Image, **__: object) -> "Future[None]":
        return _done(None)


def _done(result: object) -> "Future[Any]":
    future: Future[Any] = Future()
    future.set_result(result)
    return future


def seen(said: np.ndarray, *mouths: np.ndarray, speaking_face: bool = True) -> Seen:
    """Return what is seen of an utterance, while these mouths move."""
    analyzer = FaceAnalyzer(Detector(), Runtime(), speaking_face=speaking_face)  # type: ignore[arg-type]
    between: list[VideoFrame] = []
    for number, openings in enumerate(zip(*(_sampled(mouth) for mouth in mouths), strict=True)):
        frame = VideoFrame(STEP_MS * number, drawn(openings))
        if number % EVERY:
            between.append(frame)
        else:
            analyzer.keep(analyzer.analyze(frame, between))
            between = []
    return analyzer.during(voice(said))


def _sampled(mouth: np.ndarray) -> Sequence[float]:
    return mouth[:: round(STEP_MS / 10)].tolist()


@pytest.fixture(scope="module")
def said() -> np.ndarray:
    return syllables(1, seconds=4)


@pytest.fixture(scope="module")
def other() -> np.ndarray:
    return syllables(2, seconds=4)


@pytest.mark.parametrize("speaker", [0, 1])
def test_the_vector_of_an_utterance_is_that_of_the_face_that_speaks(
    said: np.ndarray, other: np.ndarray, speaker: int
) -> None:
    found = seen(said, *([said, other] if speaker == 0 else [other, said]))
    assert found.speaking == speaker + 1
    assert found.face == pytest.approx(VECTORS[speaker])


def test_where_nobody_in_view_speaks_no_face_counts(said: np.ndarray) -> None:
    still = np.full(len(said), 0.5)
    found = seen(said, still, still)
    assert (found.speaking, found.face) == (None, None)


def test_where_it_is_not_to_be_told_all_faces_count_by_their_area(said: np.ndarray, other: np.ndarray) -> None:
    found = seen(said, said, other, speaking_face=False)
    assert found.speaking is None
    assert found.face == pytest.approx(over_frames([weighted_faces(list(VECTORS), [face_box(0), face_box(1)])]))
    short = seen(said[:20], said[:20], other[:20])
    assert short.speaking is None
    assert short.face == pytest.approx(found.face)
