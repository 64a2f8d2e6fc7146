import threading
from collections import Counter
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.media import AudioChunk, DropCounts, Media, SourceStatus, VideoFrame
from stream.sources.media_queue import Backlog, Bounds, MediaQueue, weigh

BOUNDS = Bounds(audio_ms=100, video_frames=3, video_bytes=400)
WARNING = SourceStatus("warning", "test.warning", "something")
ENDED = SourceStatus("ended", "test.ended", "over")


def chunk(milliseconds: int = 10, time_ms: float = 0.0) -> AudioChunk:
    return AudioChunk(time_ms, np.zeros(16 * milliseconds, np.float32))


def frame(rows: int = 1, time_ms: float = 0.0) -> VideoFrame:
    return VideoFrame(time_ms, np.zeros((rows, 10, 3), np.uint8))


media = st.one_of(
    st.integers(1, 60).map(chunk), st.integers(1, 20).map(frame), st.builds(lambda: SourceStatus("warning", "w", ""))
)


def waiting(items: list[Media], kind: str) -> list[Media]:
    return [item for item in items if weigh(item)[0] == kind]


@given(st.lists(st.one_of(media, st.none()), max_size=60))
def test_a_live_queue_keeps_the_newest_in_order_and_counts_the_rest(steps: list[Media | None]) -> None:
    queue = MediaQueue(live=True, bounds=BOUNDS)
    given_items: list[Media] = []
    read: list[Media] = []
    for step in steps:
        if step is not None:
            assert queue.put(step)
            given_items.append(step)
        elif (item := queue.get(0)) is not None:
            read.append(item)
    read += iter(partial(queue.get, 0), None)

    places = [next(i for i, item in enumerate(given_items) if item is got) for got in read]
    assert places == sorted(set(places))
    assert waiting(read, "status") == waiting(given_items, "status")
    lost = Counter(weigh(item)[0] for item in given_items)
    lost.subtract(weigh(item)[0] for item in read)
    assert queue.dropped == DropCounts(lost["audio"], lost["video"])


@given(st.lists(media, max_size=60))
def test_a_full_backlog_stays_within_its_bounds_and_holds_the_newest(items: list[Media]) -> None:
    backlog = Backlog(BOUNDS)
    for item in items:
        while not backlog.has_room(item):
            backlog.drop_oldest(item)
        backlog.push(item)
    kept: list[Media] = []
    while (oldest := backlog.pop()) is not None:
        kept.append(oldest)
    for kind, most in (("audio", 1600), ("video", 400)):
        lane = waiting(kept, kind)
        assert len(lane) <= 1 or sum(weigh(item)[1] for item in lane) <= most
        newest = waiting(items, kind)
        assert all(got is meant for got, meant in zip(lane, newest[len(newest) - len(lane) :], strict=True))
    assert len(waiting(kept, "video")) <= 3


def test_an_item_above_its_bound_is_taken_alone() -> None:
    queue = MediaQueue(live=False, bounds=BOUNDS)
    assert queue.put(chunk(500))
    assert queue.put(frame(100))


def test_offline_put_waits_until_there_is_room() -> None:
    queue = MediaQueue(live=False, bounds=BOUNDS)
    items = [chunk(60, time_ms=60.0 * i) for i in range(20)]

    def produce() -> None:
        for item in items:
            queue.put(item)
        queue.put(ENDED)

    producer = threading.Thread(target=produce)
    producer.start()
    assert list(iter(queue.get, None)) == [*items, ENDED]
    producer.join()
    assert queue.dropped == DropCounts()


def test_closing_wakes_a_waiting_put_and_keeps_what_waits() -> None:
    queue = MediaQueue(live=False, bounds=BOUNDS)
    first = chunk(100)
    queue.put(first)
    taken: list[bool] = []
    producer = threading.Thread(target=lambda: taken.append(queue.put(chunk(100))))
    producer.start()
    queue.close()
    producer.join()
    assert taken == [False]
    assert queue.get() is first
    assert queue.get(0) is None


@pytest.mark.parametrize("live", [True, False])
def test_nothing_comes_after_the_last_word(live: bool) -> None:
    queue = MediaQueue(live=live, bounds=BOUNDS)
    assert queue.put(ENDED)
    assert not queue.put(WARNING)
    assert not queue.put(chunk())
    assert queue.get() is ENDED
    assert queue.get() is None


def test_get_gives_up_at_its_time_out() -> None:
    queue = MediaQueue(live=True)
    assert queue.get(0.001) is None
