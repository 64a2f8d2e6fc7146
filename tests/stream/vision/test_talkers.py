"""Two people of the demo clip side by side, both talking, with the voice of one: which of the two faces speaks."""

from pathlib import Path

import numpy as np
import pytest

from models.face_settings import FaceSettings
from models.networks.faces import FaceDetector
from models.networks.mtcnn_networks import detection_networks, in_torch
from stream.media import SAMPLES_PER_MS, AudioChunk, Image, VideoFrame
from stream.sources.file import FileSource
from stream.vision.delays import TOGETHER_MS, Delays
from stream.vision.face_finder import FaceFinder
from stream.vision.mouths import MouthTimeline, MouthWatch
from stream.vision.speaking_face import evidence
from stream.vision.tracker import FaceTracker

CLIP = Path(__file__).parents[3] / "demo" / "clip.mp4"
SPOKEN_MS = ((19_700.0, 22_700.0), (22_700.0, 25_700.0))
EVERY = 5  # frames, of which one is searched


@pytest.fixture(scope="module")
def talkers() -> list[tuple[list[Image], AudioChunk]]:
    """Return each one's frames, 25 a second, and voice, both beginning at 0."""
    images: list[list[Image]] = [[], []]
    samples: list[np.ndarray] = []
    with FileSource(CLIP, max_fps=25) as source:
        while (item := source.read()) is not None:
            if isinstance(item, AudioChunk):
                samples.append(item.samples)
            elif isinstance(item, VideoFrame):
                for place, (start_ms, end_ms) in enumerate(SPOKEN_MS):
                    if start_ms <= item.time_ms < end_ms:
                        images[place].append(item.image[:, 160:480])
    sound = np.concatenate(samples)
    cut = [sound[round(start) * SAMPLES_PER_MS : round(end) * SAMPLES_PER_MS] for start, end in SPOKEN_MS]
    return [(frames, AudioChunk(0.0, heard)) for frames, heard in zip(images, cut, strict=True)]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_face_of_the_voice_that_is_heard_speaks(
    talkers: list[tuple[list[Image], AudioChunk]], order: tuple[int, int]
) -> None:
    finder = FaceFinder(FaceDetector(FaceSettings(), in_torch(detection_networks())), 3)
    tracker, watch, mouths = FaceTracker(), MouthWatch(), MouthTimeline()
    between: list[VideoFrame] = []
    left: dict[int, float] = {}
    for number, tiles in enumerate(zip(*(talkers[place][0] for place in order), strict=False)):
        frame = VideoFrame(40.0 * number, np.concatenate(tiles, axis=1))
        between.append(frame)
        if number % EVERY == 0:
            boxes = finder.find(frame.image).boxes
            faces = dict(zip(tracker.update(frame.time_ms, boxes), boxes, strict=True))
            left |= {face: box.left for face, box in faces.items()}
            mouths.add(watch.measure(between[:-1], frame, faces))
            between = []
    for place, who in enumerate(order):
        heard = talkers[who][1]
        found = evidence(mouths.during(0, heard.end_ms), heard).speaking(Delays.within(TOGETHER_MS))
        assert found.face is not None
        assert (left[found.face] >= 320) == bool(place)
