"""Several participants at once, in any order of their steps: what is told in the end is what one thread would tell.

The networks are functions of exactly what they are asked; whoever waits for one, or looks at the clock, lets somebody
else go on.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any
from zlib import crc32

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bundle_config import Thresholds
from models.dialog_window import Window
from models.runtime.runtime import Branch
from models.text_input import Turn
from stream.dialog.dialog import DialogUtterance, Floats
from stream.dialog.recognizer import Recognition, Recognizer
from stream.dialog.shared_dialog import SharedDialog
from wire.events import Probabilities, UtteranceKey


class Threads:
    """Runs threads one at a time, in a given order, from one of their pauses to the next."""

    def __init__(self) -> None:
        self._back = threading.Semaphore(0)
        self._go: dict[int, threading.Semaphore] = {}
        self._own = threading.local()
        self._broken: list[Exception] = []

    def pause(self) -> None:
        go = getattr(self._own, "go", None)
        if go is not None:
            self._back.release()
            go.acquire()

    def run(self, tasks: list[Callable[[], None]], order: Iterable[int]) -> None:
        alive = {index: threading.Semaphore(0) for index in range(len(tasks))}
        threads = [
            threading.Thread(target=self._work, args=(task, alive[index], alive, index), daemon=True)
            for index, task in enumerate(tasks)
        ]
        for thread in threads:
            thread.start()
        turns = iter(order)
        rest = cycle(range(len(tasks)))
        while alive:
            index = next(turns, None)
            index = next(rest) if index is None else index
            if index in alive:
                alive[index].release()
                self._back.acquire()
        for error in self._broken:
            raise error

    def _work(
        self, task: Callable[[], None], go: threading.Semaphore, alive: dict[int, threading.Semaphore], index: int
    ) -> None:
        self._own.go = go
        go.acquire()
        try:
            task()
        except Exception as error:  # noqa: BLE001 - it is the test's
            self._broken.append(error)
        finally:
            del alive[index]
            self._back.release()


@dataclass(frozen=True)
class Answer:
    """What a network will say; who waits for it lets others go on."""

    pause: Callable[[], None]
    value: Any

    def result(self, timeout: float | None = None) -> Any:  # noqa: ANN401, ARG002 - a Future's
        self.pause()
        return self.value


@dataclass(frozen=True)
class Networks:
    """Says of everything something else, in hundredths, and of the same always the same."""

    causal: bool
    past_context: int
    future_context: int
    pause: Callable[[], None]
    labels: tuple[str, ...] = ("joy", "anger")
    thresholds: Thresholds = field(default_factory=Thresholds)

    def text(self, turns: list[Turn], index: int, **_: str) -> Answer:
        """Whoever asks, however urgently, gets the same."""
        first = max(0, index - self.past_context)
        read = tuple(turns[first : index + 1 + self.future_context]), index - first
        return Answer(self.pause, Branch(_number(read), _number(read)))

    def fuse(self, window: Window, **_: str) -> Answer:
        features = [
            tuple(None if part is None else float(part[0]) for part in parts)
            for parts in zip(window.text, window.audio, window.face, window.scene, strict=True)
        ]
        joys = [
            float(_number((index, features[: index + 1] if self.causal else features))[0])
            for index in range(len(features))
        ]
        return Answer(self.pause, np.array([[joy, 1 - joy] for joy in joys]))


def _number(asked: object) -> Floats:
    return np.array([crc32(repr(asked).encode()) % 101 / 100])


@dataclass
class Told:
    """What listeners have got, by utterance and revision."""

    emotions: dict[UtteranceKey, dict[int, Probabilities]] = field(default_factory=dict)

    def tell(self, number: int, recognition: Recognition) -> None:
        revisions = self.emotions.setdefault(recognition.utterance.key, {})
        assert number not in revisions, "two revisions with one number"
        revisions[number] = recognition.probabilities

    @property
    def last(self) -> dict[UtteranceKey, Probabilities]:
        return {key: revisions[max(revisions)] for key, revisions in self.emotions.items()}


@dataclass(frozen=True)
class Line:
    """One utterance: when it begins in the room, whether it has words, and whether it is told before it has ended."""

    start_ms: int
    words: str
    early: bool


def utterance(session: str, identity: int, line: Line) -> DialogUtterance:
    start = float(line.start_ms)
    face = _number((session, identity))  # so that no two are alike
    return DialogUtterance(
        identity, session, start, start + 1, line.words, session=session, room_start_ms=start, face=face
    )


def speak(
    recognizer: Recognizer, said: DialogUtterance, told: Told, kept: list[DialogUtterance], *, early: bool
) -> None:
    """Do with an utterance what a session does."""
    found = recognizer.recognize(said, None)
    if early:
        told.tell(recognizer.early(found), found)
        recognizer._clock()
    now = recognizer.keep(found)
    kept.append(said)
    told.tell(now.revision, found)
    for number, revised in recognizer.revisions(now):
        told.tell(number, revised)


lines = st.lists(
    st.builds(Line, st.integers(0, 12), st.sampled_from(["", "so", "no"]), st.booleans()), min_size=1, max_size=3
)
bursts = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 8)), min_size=12, max_size=30)


@given(
    st.lists(lines, min_size=3, max_size=3),
    bursts,
    st.booleans(),
    st.integers(0, 2),
    st.integers(0, 1),
    st.integers(1, 9),
)
@settings(max_examples=200)
def test_whatever_the_order_of_the_steps_the_highest_revisions_are_those_of_one_thread(
    participants: list[list[Line]], order: list[tuple[int, int]], causal: bool, past: int, future: int, window: int
) -> None:
    threads, turns = Threads(), [who for who, steps in order for _ in range(steps)]
    networks: Any = Networks(causal, past, future, threads.pause)
    dialog, told, kept = SharedDialog(window), Told(), []

    def participant(session: str, own: list[Line]) -> Callable[[], None]:
        def clock() -> float:
            threads.pause()
            return 0.0

        recognizer = Recognizer(networks, dialog, clock, session=session)

        def talk() -> None:
            for identity, line in enumerate(own):
                speak(recognizer, utterance(session, identity, line), told, kept, early=line.early)

        return talk

    threads.run([participant(name, own) for name, own in zip("abc", participants, strict=True)], turns)
    alone = one_after_the_other(networks, kept, window)
    assert told.last == alone.last
    for revisions in told.emotions.values():
        assert sorted(revisions) == list(range(len(revisions)))


def one_after_the_other(networks: Any, kept: list[DialogUtterance], window: int) -> Told:  # noqa: ANN401 - as above
    told = Told()
    recognizer = Recognizer(networks, SharedDialog(window), lambda: 0.0)
    for said in kept:
        speak(recognizer, said, told, [], early=False)
    return told
