import threading
from collections.abc import Iterator, Sequence

import pytest
from waiting import PATIENCE_S, wait_until

from models.runtime.watchdog import Watchdog


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Seen:
    """A watchdog that looks only when it is asked, and what it has given up."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.given_up: list[tuple[list[str], float]] = []
        self.dog: Watchdog[str] = Watchdog("watch", self._give_up, 1e9, self.clock)

    def _give_up(self, items: Sequence[str], spent_s: float) -> None:
        self.given_up.append((list(items), spent_s))

    def look_at(self, now_s: float) -> None:
        self.clock.now_s = now_s
        self.dog.look()


@pytest.fixture
def seen() -> Iterator[Seen]:
    made = Seen()
    yield made
    made.dog.close()


def test_what_takes_too_long_at_two_looks_is_given_up_once(seen: Seen) -> None:
    seen.dog.begin(["a", "b"], lambda: 10.0)
    for now_s in (5, 11):
        seen.look_at(now_s)
    assert (seen.given_up, seen.dog.hangs) == ([], False)
    for now_s in (12, 13, 14):
        seen.look_at(now_s)
    assert (seen.given_up, seen.dog.hangs) == ([(["a", "b"], 12.0)], True)
    assert seen.dog.end(), "its items are nobody's any more"
    assert not seen.dog.hangs


def test_every_piece_of_work_has_its_own_time(seen: Seen) -> None:
    for start_s in (0, 8, 16):
        seen.clock.now_s = start_s
        seen.dog.begin([str(start_s)], lambda: 10.0)
        seen.look_at(start_s + 7)
        assert not seen.dog.end()
    seen.look_at(100)
    assert seen.given_up == []


def test_a_limit_that_grows_meanwhile_counts(seen: Seen) -> None:
    limits = iter([10.0, 100.0, 10.0, 10.0])
    seen.dog.begin(["a"], lambda: next(limits))
    for now_s in (11, 12, 13):
        seen.look_at(now_s)
    assert seen.given_up == [], "another look in between found it in time"
    seen.look_at(14)
    assert len(seen.given_up) == 1


def test_it_looks_by_itself_and_ends_with_the_thread_that_works() -> None:
    given_up, ended = threading.Event(), threading.Event()
    dog: Watchdog[str] = Watchdog("watch", lambda *_: given_up.set(), 0.01)
    worker = threading.Thread(target=ended.wait, args=(PATIENCE_S,), daemon=True)
    worker.start()
    dog.begin(["a"], lambda: 0.01)
    assert given_up.wait(PATIENCE_S)
    dog.join(worker)
    assert worker.is_alive(), "one that hangs is not waited for"
    assert not dog._thread.is_alive()
    ended.set()
    wait_until(lambda: not worker.is_alive())
