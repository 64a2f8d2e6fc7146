import logging
import threading
from collections.abc import Generator

import numpy as np
import pytest
from source_clips import codes, drain, rest, sound, statuses
from waiting import PATIENCE_S

from stream.media import AudioChunk, DropCounts, Media
from stream.sources.base import Source
from stream.sources.media_queue import Bounds


def chunk(number: int) -> AudioChunk:
    return AudioChunk(10.0 * number, np.zeros(160, np.float32))


class Counting(Source):
    """Yields ``count`` chunks of 10 ms, then raises ``error`` if there is one."""

    kind = "test"

    def __init__(self, count: int, *, live: bool = False, error: BaseException | None = None) -> None:
        super().__init__("counting", live=live, bounds=Bounds(audio_ms=50))
        self.count = count
        self.error = error
        self.closed = threading.Event()

    def _media(self) -> Generator[Media]:
        try:
            for number in range(self.count):
                yield chunk(number)
            if self.error:
                raise self.error
        finally:
            self.closed.set()


class Refusing(Counting):
    def _media(self) -> Generator[Media]:
        yield chunk(0)
        self._fail("broken", "buy another")


def test_all_media_then_the_last_word_then_nothing() -> None:
    source = Counting(100)
    media = drain(source)
    assert [item.time_ms for item in sound(media)] == [10.0 * i for i in range(100)]
    assert codes(media) == ["test.ended"]
    assert source.read() is None


def test_a_live_source_never_waits_for_its_reader() -> None:
    with Counting(100, live=True) as source:
        assert source.closed.wait(PATIENCE_S)
        media = rest(source)
    assert len(sound(media)) == 5
    assert source.dropped == DropCounts(audio_chunks=95)


def test_a_source_that_cannot_go_on_says_what_to_do() -> None:
    (status,) = statuses(drain(Refusing(0)))
    assert (status.kind, status.code, status.message) == ("failed", "test.broken", "buy another")


def test_an_unexpected_error_becomes_a_last_word_without_its_secrets(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        media = drain(Counting(1, error=RuntimeError("no rtsp://user:secret@host/x")))
    (status,) = statuses(media)
    assert (status.kind, status.code) == ("failed", "test.error")
    assert "rtsp://host/x" in status.message
    assert "log" not in status.message
    assert "secret" not in status.message + caplog.text
    assert "Traceback" in caplog.text


def test_stopping_closes_the_producer_and_keeps_what_was_produced() -> None:
    source = Counting(1_000_000)
    source.start()
    first = source.read()
    source.stop()
    source.stop()
    assert source.closed.is_set()
    later = rest(source)
    assert isinstance(first, AudioChunk)
    assert first.time_ms == 0
    assert codes(later) == ["source.stopped"]
    assert len(later) <= 6


def test_stopping_wakes_a_reader() -> None:
    source = Counting(0)
    read: list[Media | None] = []
    reader = threading.Thread(target=lambda: read.extend(iter(source.read, None)))
    reader.start()
    source.stop()
    reader.join(PATIENCE_S)
    assert codes([item for item in read if item]) == ["source.stopped"]


def test_a_source_stopped_before_its_start_does_nothing() -> None:
    source = Counting(5)
    source.stop()
    assert codes(drain(source)) == ["source.stopped"]


def test_a_source_may_be_stopped_from_its_own_thread() -> None:
    class Suicidal(Counting):
        def _media(self) -> Generator[Media]:
            self.stop()
            yield chunk(0)

    assert codes(drain(Suicidal(0))) == ["source.stopped"]


def test_a_source_has_a_last_word_whatever_breaks_it() -> None:
    (status,) = statuses(drain(Counting(1, error=SystemExit(3))))
    assert (status.kind, status.code) == ("failed", "test.error")
    assert "SystemExit" in status.message
