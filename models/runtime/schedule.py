"""What the device computes next: pure, requests and times in, batches out; no clock and no thread.

The rules, in their order:

1. A request past its deadline is not computed any more, nor is a provisional one that waits while an utterance has
   ended.
2. Ends of utterances come before images, and both before what is provisional (:data:`Priority`), except that an image
   that has waited for :data:`FRAME_PATIENCE_MS` counts as urgent, so that no stream of utterances can shut images out.
3. Among equally urgent ones the session whose last turn is longest ago comes first, and its oldest request.
   A session that joins, or comes back after nothing of it was waiting, lines up behind those that wait.
4. What shares a batch with the first (:attr:`Request.group`) and fits beside it goes along, in the same order, but
   nothing provisional with what is not, which it would slow down. It costs its session the turn only if it was the next
   of that session: else what is too large to go along would be overtaken time and again.

A batch waits for company at most until the oldest request has waited for the window, and only while company is
likely: while a session that sent something of the same group within :data:`COMPANY_MS` is not in the batch yet. A
session that is alone, or whose companions are all in the batch, waits for nobody.
"""

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Final, Generic, Literal, Protocol, TypeVar, get_args

Priority = Literal["utterance", "frame", "provisional"]

FRAME_PATIENCE_MS: Final = 150.0
COMPANY_MS: Final = 1_000.0


class DeadlineExceededError(TimeoutError):
    """A request was not computed, because its result would have come too late to be of use."""


class DisplacedError(Exception):
    """A provisional request was not computed, because what is more urgent came while it waited."""


class Request(Protocol):
    """What the schedule must know of a request; none of it changes while the request waits."""

    @property
    def group(self) -> Hashable:
        """What requests of one batch share."""

    @property
    def rows(self) -> int:
        """How much of a batch it fills."""

    @property
    def session(self) -> str:
        """Whose it is; equal sessions take their turns as one."""

    @property
    def priority(self) -> Priority:
        """How urgent it is."""

    @property
    def deadline_ms(self) -> float | None:
        """The time after which its result is of no use, None if it always is."""


Asked = TypeVar("Asked", bound=Request)


class Schedule(Generic[Asked]):
    """The requests that wait, and which of them are next. All times are milliseconds of one clock that never goes back.

    Args:
        max_rows: of a batch, unless a single request has more.
        window_ms: how long a batch may wait for company; 0 never waits.
        patience_ms: how long an image waits before it is as urgent as an utterance.
    """

    def __init__(self, max_rows: int, window_ms: float, patience_ms: float = FRAME_PATIENCE_MS) -> None:
        self._max_rows, self._window_ms, self._patience_ms = max_rows, window_ms, patience_ms
        self._waiting: list[tuple[float, Asked]] = []  # with the time each came, oldest first
        self._turns: dict[str, int] = {}
        self._last_turn = 0
        self._lately: dict[tuple[Hashable, str], float] = {}

    def __len__(self) -> int:
        """Return how many requests wait."""
        return len(self._waiting)

    def counts(self) -> dict[Priority, int]:
        """Return how many requests wait, by their priority."""
        waiting: dict[Priority, int] = dict.fromkeys(get_args(Priority), 0)
        for _, request in self._waiting:
            waiting[request.priority] += 1
        return waiting

    @property
    def requests(self) -> list[Asked]:
        """Return what waits, oldest first."""
        return [request for _, request in self._waiting]

    def add(self, request: Asked, now_ms: float) -> None:
        """Line up a request; one that can't say what it needs raises its error, and is not kept."""
        kind, _ = _kind(request), request.rows
        self._waiting.append((now_ms, request))
        if request.session not in self._turns:
            self._give_turn(request.session)
        self._lately[kind, request.session] = now_ms
        self._lately = {key: at for key, at in self._lately.items() if now_ms - at <= COMPANY_MS}

    def take_late(self, now_ms: float) -> list[Asked]:
        """Remove and return what is not computed any more, by rule 1."""
        urgent = any(request.priority == "utterance" for _, request in self._waiting)
        late = [
            request
            for _, request in self._waiting
            if _is_late(request, now_ms) or (urgent and request.priority == "provisional")
        ]
        self.discard(late)
        return late

    def take_batch(self, now_ms: float) -> list[Asked]:
        """Remove and return what to compute now; empty when nothing waits, or while company is waited for.

        Nothing in it is past its deadline.
        """
        order = self._in_turn(now_ms)
        batch, full = self._first_batch(order)
        if not batch or not (full or self._is_due(batch, now_ms)):
            return []
        next_of = {request.session: request for request in reversed(order)}
        for request in batch:
            if next_of[request.session] is request:
                self._give_turn(request.session)
        self.discard(batch)
        return batch

    def take_all(self) -> list[Asked]:
        """Remove and return everything, oldest first."""
        everything = self.requests
        self.discard(everything)
        return everything

    def discard(self, gone: list[Asked]) -> None:
        """Remove some of what waits."""
        if not gone:
            return
        taken = {id(request) for request in gone}
        self._waiting = [entry for entry in self._waiting if id(entry[1]) not in taken]
        present = {request.session for _, request in self._waiting}
        self._turns = {session: turn for session, turn in self._turns.items() if session in present}

    def wait_ms(self, now_ms: float) -> float | None:
        """Return how long :meth:`take_batch`, which was just empty, stays so if nothing is added; None: for ever."""
        return max(0.0, self._waiting[0][0] + self._window_ms - now_ms) if self._waiting else None

    def _first_batch(self, order: Iterable[Asked]) -> tuple[list[Asked], bool]:
        """Return the first request with what fits beside it, and whether there is no room for more."""
        batch: list[Asked] = []
        rows, full = 0, False
        for request in order:
            if batch and _kind(request) != _kind(batch[0]):
                continue
            if batch and rows + request.rows > self._max_rows:
                full = True
                continue
            batch.append(request)
            rows += request.rows
        return batch, full or rows >= self._max_rows

    def _in_turn(self, now_ms: float) -> list[Asked]:
        """Return what is not late in the order of rules 2 and 3."""
        ranked = [
            (self._rank(request, at, now_ms), request) for at, request in self._waiting if not _is_late(request, now_ms)
        ]
        places: Counter[str] = Counter()
        order: list[tuple[int, int, int, Asked]] = []
        for rank, request in sorted(ranked, key=lambda entry: entry[0]):
            order.append((rank, places[request.session], self._turns[request.session], request))
            places[request.session] += 1
        return [request for *_, request in sorted(order, key=lambda entry: entry[:3])]

    def _rank(self, request: Asked, since_ms: float, now_ms: float) -> int:
        """Return 0 for what is urgent, then 1 for images and 2 for what is provisional."""
        if request.priority == "provisional":
            return 2
        return int(request.priority == "frame" and now_ms - since_ms < self._patience_ms)

    def _is_due(self, batch: Iterable[Asked], now_ms: float) -> bool:
        """Return whether a batch with room left should go all the same."""
        ends_ms = self._waiting[0][0] + self._window_ms
        deadlines = [request.deadline_ms for request in batch if request.deadline_ms is not None]
        if now_ms >= ends_ms or min(deadlines, default=ends_ms) < ends_ms:
            return True
        return not self._company(batch, now_ms)

    def _company(self, batch: Iterable[Asked], now_ms: float) -> set[str]:
        """Return the sessions that send such requests and have none in the batch."""
        kind = _kind(next(iter(batch)))
        active = {
            session for (other, session), at in self._lately.items() if other == kind and now_ms - at <= COMPANY_MS
        }
        return active - {request.session for request in batch}

    def _give_turn(self, session: str) -> None:
        self._last_turn += 1
        self._turns[session] = self._last_turn


def _kind(request: Request) -> Hashable:
    """Return what requests share that are computed together."""
    return request.priority == "provisional", request.group


def _is_late(request: Request, now_ms: float) -> bool:
    return request.deadline_ms is not None and now_ms > request.deadline_ms
