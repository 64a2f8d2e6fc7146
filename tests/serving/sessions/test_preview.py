import io
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from serving.rooms.broadcast import Broadcast, Channel, Subscription, SubscriptionFilter
from serving.sessions.preview import Previewer
from stream.jpeg import encode_preview
from stream.media import AudioChunk, SourceStatus, VideoFrame
from wire.media import MediaKind, MediaMessage, decode_media

ALL = frozenset({MediaKind.JPEG, MediaKind.PCM_S16})


def frame(time_ms: float, width: int = 64, height: int = 48) -> VideoFrame:
    return VideoFrame(time_ms, np.full((height, width, 3), (200, 30, 30), np.uint8))


@pytest.fixture
def broadcast() -> Broadcast:
    return Broadcast(capacity=8, patience_s=10)


@pytest.fixture
def channel(broadcast: Broadcast) -> Channel:
    return broadcast.open()


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def shown(watcher: Subscription) -> list[MediaMessage]:
    messages = []
    while (message := watcher.take()) is not None:
        assert isinstance(message, bytes)
        messages.append(decode_media(message))
    return messages


@pytest.mark.parametrize(
    ("size", "encoded"), [((640, 360), (640, 360)), ((1920, 1080), (640, 360)), ((1280, 1), (640, 1))]
)
def test_frames_are_made_small_and_keep_their_colours(size: tuple[int, int], encoded: tuple[int, int]) -> None:
    shown = Image.open(io.BytesIO(encode_preview(frame(0, *size).image)))
    assert shown.size == encoded
    np.testing.assert_allclose(np.asarray(shown)[0, 0], (200, 30, 30), atol=6)


def test_nothing_is_made_while_nobody_watches(channel: Channel) -> None:
    class Unused(Executor):
        def submit(self, *_args: object, **_kwargs: object) -> Future[None]:  # type: ignore[override]
            pytest.fail("a frame was encoded for nobody")

    previewer = Previewer(channel, 10, Unused())
    for media in (frame(0), AudioChunk(0, np.zeros(160, np.float32)), SourceStatus("warning", "x", "x")):
        previewer.show(media)


def test_frames_are_thinned_to_the_rate(broadcast: Broadcast, channel: Channel, executor: ThreadPoolExecutor) -> None:
    watcher = broadcast.subscribe(lambda: None, SubscriptionFilter(media=ALL))
    previewer = Previewer(channel, 10, executor)
    times = []
    for time_ms in range(0, 500, 40):
        previewer.show(frame(time_ms))
        executor.submit(lambda: None).result()  # the frame before is done: only the rate decides
        times += [message.time_ms for message in shown(watcher)]
    assert times == [0, 120, 240, 360, 480]


def test_a_source_that_starts_again_is_shown_again(
    broadcast: Broadcast, channel: Channel, executor: ThreadPoolExecutor
) -> None:
    watcher = broadcast.subscribe(lambda: None, SubscriptionFilter(media=ALL))
    previewer = Previewer(channel, 10, executor)
    times = []
    for time_ms in (60_000, 0):
        previewer.show(frame(time_ms))
        executor.submit(lambda: None).result()
        times += [message.time_ms for message in shown(watcher)]
    assert times == [60_000, 0]


def test_a_rate_of_0_shows_no_frames_but_sound(
    broadcast: Broadcast, channel: Channel, executor: ThreadPoolExecutor
) -> None:
    watcher = broadcast.subscribe(lambda: None, SubscriptionFilter(media=ALL))
    previewer = Previewer(channel, 0, executor)
    previewer.show(frame(0))
    previewer.show(AudioChunk(20, np.array([0, 0.5, -1], np.float32)))
    executor.submit(lambda: None).result()
    (message,) = shown(watcher)
    assert (message.kind, message.time_ms) == (MediaKind.PCM_S16, 20)
    np.testing.assert_allclose(np.frombuffer(message.payload, "<i2") / 32_767, [0, 0.5, -1], atol=1e-4)
