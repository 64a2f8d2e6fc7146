"""What becomes of frames when there is not enough time for all of them."""

import io
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage
from waiting import PATIENCE_S, wait_until

from models.media.geometry import Box
from models.networks.faces import Detection
from models.runtime.runtime import Branch
from models.runtime.schedule import DeadlineExceededError
from stream.jpeg import JpegFrame
from stream.media import AudioChunk, Image, VideoFrame
from stream.settings import VisionSettings
from stream.vision.face_analyzer import Analyzed, FaceAnalyzer
from stream.vision.video_analyzer import FrameAnalysis, Vision, VisionCounts
from wire.events import Faces


class Runtime:
    """Answers at once, or with an error."""

    labels = ("neutral", "joy")

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.asked: list[dict[str, object]] = []

    def faces(self, crops: np.ndarray, **asked: object) -> "Future[list[Branch]]":
        self.asked.append(asked)
        return self._answer([Branch(np.ones(4, np.float32), np.array([0.25, 0.75], np.float32))] * len(crops))

    def scene(self, _: Image, **asked: object) -> "Future[None]":
        self.asked.append(asked)
        return self._answer(None)

    def _answer(self, result: object) -> "Future[Any]":
        future: Future[Any] = Future()
        if self.error is None:
            future.set_result(result)
        else:
            future.set_exception(self.error)
        return future


class Detector:
    """Finds one face, when it is let."""

    def __init__(self) -> None:
        self.entered, self.let = threading.Semaphore(0), threading.Semaphore(0)

    def detect(self, _: Image) -> list[Detection]:
        self.entered.release()
        assert self.let.acquire(timeout=PATIENCE_S)
        return [Detection(Box(4, 4, 24, 24), 1.0)]

    def wait_until_searching(self) -> None:
        assert self.entered.acquire(timeout=PATIENCE_S)


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Scene:
    """A vision thread and all that a test decides about it."""

    def __init__(self, deadline_ms: float | None = 500, *, live: bool = True) -> None:
        self.runtime, self.detector, self.clock = Runtime(), Detector(), Clock()
        self.told: list[Faces] = []
        self.failures: list[Exception] = []
        analyzer = FaceAnalyzer(self.detector, self.runtime, session="ann", deadline_ms=deadline_ms)  # type: ignore[arg-type]
        settings = VisionSettings(max_fps=5)
        task = FrameAnalysis(analyzer, settings, self.told.append, self.failures.append, live=live)
        self.vision = Vision(task, clock=self.clock)

    def push(self, *times_ms: float) -> None:
        for time_ms in times_ms:
            self.vision.push(VideoFrame(time_ms, np.zeros((32, 32, 3), np.uint8)))

    def close(self) -> VisionCounts:
        self.detector.let.release(100)
        self.vision.close()
        return self.vision.counts


@pytest.fixture
def make() -> Iterator[Callable[..., Scene]]:
    made: list[Scene] = []

    def one(deadline_ms: float | None = 500, *, live: bool = True) -> Scene:
        made.append(Scene(deadline_ms, live=live))
        return made[-1]

    yield one
    for scene in made:
        scene.close()


def test_only_what_is_analyzed_is_decoded(make: Callable[..., Scene]) -> None:
    scene = make(live=False)
    file = io.BytesIO()
    PillowImage.new("RGB", (32, 32)).save(file, "JPEG")
    frames = [JpegFrame(33.0 * index, file.getvalue()) for index in range(60)]
    scene.detector.let.release(100)
    for frame in frames:
        scene.vision.push(frame)
    analyzed = scene.close().analyzed
    assert analyzed < 15
    assert sum(frame._decoded is not None for frame in frames) == analyzed


def test_a_frame_that_turns_out_to_be_broken_is_told_and_the_next_is_analyzed(make: Callable[..., Scene]) -> None:
    scene = make(live=False)
    scene.detector.let.release(100)
    scene.vision.push(JpegFrame(0, b"nothing"))
    scene.push(200)
    assert scene.close().analyzed == 1
    assert [str(error) for error in scene.failures] == ["it is no JPEG that can be decoded"]


def test_the_newest_frame_replaces_one_that_waits(make: Callable[..., Scene]) -> None:
    scene = make()
    scene.push(0)
    scene.detector.wait_until_searching()
    scene.push(200, 400)
    assert scene.close() == VisionCounts(analyzed=2, skipped=1)
    assert [told.time_ms for told in scene.told] == [0, 400]


def test_while_an_analysis_takes_long_the_rate_falls_before_anything_is_dropped(make: Callable[..., Scene]) -> None:
    scene = make()
    scene.push(0)
    scene.detector.wait_until_searching()
    for time_ms in (200, 400, 600):
        scene.clock.now_s = time_ms / 1000
        scene.push(time_ms)
    assert scene.close() == VisionCounts(analyzed=1, passed_over=3)


def test_a_frame_that_waits_for_longer_than_its_deadline_is_dropped(make: Callable[..., Scene]) -> None:
    scene = make()
    scene.push(0)
    scene.detector.wait_until_searching()
    scene.push(200)
    scene.clock.now_s = 0.501
    assert scene.close() == VisionCounts(analyzed=1, late=1)
    assert scene.failures == []


def test_offline_frames_wait_as_long_as_it_takes(make: Callable[..., Scene]) -> None:
    scene = make(deadline_ms=None, live=False)
    scene.push(0)
    scene.detector.wait_until_searching()
    scene.push(200)
    scene.clock.now_s = 3_600
    assert scene.close() == VisionCounts(analyzed=2)


def test_a_frame_for_which_the_networks_had_no_time_is_late_and_no_failure(make: Callable[..., Scene]) -> None:
    scene = make()
    scene.runtime.error = DeadlineExceededError("busy")
    scene.push(0)
    assert scene.close() == VisionCounts(late=1)
    assert (scene.told, scene.failures) == ([], [])
    assert scene.vision.during(AudioChunk(0, np.zeros(16_000, np.float32))).face is None


def test_what_breaks_is_told_and_is_neither_analyzed_nor_late(make: Callable[..., Scene]) -> None:
    scene = make()
    scene.runtime.error = OSError("gone")
    scene.push(0)
    assert scene.close() == VisionCounts()
    assert [str(error) for error in scene.failures] == ["gone"]


def test_the_runtime_is_told_whose_frames_these_are_and_how_long_they_may_wait(make: Callable[..., Scene]) -> None:
    scene = make(deadline_ms=300)
    scene.push(0)
    scene.close()
    assert scene.runtime.asked == [{"session": "ann", "deadline_ms": 300}] * 2


def test_the_event_tells_how_far_apart_frames_are_analyzed(make: Callable[..., Scene]) -> None:
    scene = make()
    scene.push(0)
    scene.detector.wait_until_searching()
    scene.clock.now_s = 0.4  # at 0.4 of the processor: one frame a second
    scene.detector.let.release()
    wait_until(lambda: not scene.vision._busy)
    scene.push(200, 400, 1_000)
    assert scene.close() == VisionCounts(analyzed=2, passed_over=2)
    assert [told.interval_ms for told in scene.told] == [200, 1_000]


def watched(scene: Scene) -> list[tuple[float, list[float]]]:
    """Return, as they come, the frames that are analyzed and those before each in which mouths are looked at."""
    told: list[tuple[float, list[float]]] = []
    analyze = scene.vision._analyzer.analyze

    def noted(frame: VideoFrame, between: Sequence[VideoFrame] = ()) -> Analyzed:
        told.append((frame.time_ms, [each.time_ms for each in between]))
        return analyze(frame, between)

    scene.vision._analyzer.analyze = noted  # type: ignore[method-assign]
    return told


def test_mouths_are_looked_at_in_all_frames_between_those_that_are_analyzed(make: Callable[..., Scene]) -> None:
    scene = make(live=False)
    told = watched(scene)
    scene.detector.let.release(100)
    scene.push(*range(0, 401, 40))
    scene.close()
    assert told == [(0, []), (200, [40, 80, 120, 160]), (400, [240, 280, 320, 360])]


def test_frames_that_are_skipped_or_late_lie_between_the_others(make: Callable[..., Scene]) -> None:
    scene = make()
    told = watched(scene)
    scene.push(0)
    scene.detector.wait_until_searching()
    scene.push(100, 200, 300, 400, 500)  # 200 waits, 400 takes its place
    scene.clock.now_s = 0.501  # and has waited for too long
    scene.detector.let.release()
    wait_until(lambda: scene.vision.counts.late == 1)
    scene.push(600, 2_000)
    assert scene.close() == VisionCounts(analyzed=2, skipped=1, late=1, passed_over=1)
    assert told == [(0, []), (2_000, [100, 200, 300, 400, 500, 600])]


def test_of_many_frames_between_the_newest_are_looked_at(make: Callable[..., Scene]) -> None:
    scene = make(live=False)
    told = watched(scene)
    scene.detector.let.release(100)
    scene.push(*range(0, 201, 10))
    scene.close()
    assert told[1] == (200, [float(time) for time in range(80, 200, 10)])


def test_without_telling_who_speaks_nothing_is_kept_between(make: Callable[..., Scene]) -> None:
    scene = make(live=False)
    scene.vision._analyzer.tells_speakers = False
    told = watched(scene)
    scene.detector.let.release(100)
    scene.push(0, 40, 200)
    scene.close()
    assert told == [(0, []), (200, [])]
