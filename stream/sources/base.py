"""What all sources share: the thread, the queue, the last word."""

import logging
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace
from types import TracebackType
from typing import ClassVar, Final, NoReturn, Self

from models.threads import watched_thread
from models.user_error import UserError
from stream.media import DropCounts, Media, SourceStatus, StatusKind
from stream.sources.media_queue import Bounds, MediaQueue
from stream.sources.redact import redact_text

STOP_SECONDS: Final = 2.0

log = logging.getLogger(__name__)


class LiveClock:
    """Milliseconds since the first media of all devices that share it, by the monotonic clock ``now`` (seconds)."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._origin_s: float | None = None
        self._lock = threading.Lock()

    def stamp(self, age_ms: float = 0.0) -> float:
        """Return the time of what happened ``age_ms`` ago; the first call's is 0, an earlier one is 0 too."""
        moment_s = self._now() - age_ms / 1000
        with self._lock:
            if self._origin_s is None:
                self._origin_s = moment_s
            return max(0.0, (moment_s - self._origin_s) * 1000)


class SourceError(UserError):
    """A source can't go on; becomes its last status. ``message`` says what to do and holds no secret."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class QueuedSource(ABC):
    """Media from one place in one bounded queue, taken out by one reader.

    ``name`` is for people and holds no secret. ``live``: what isn't read in time is dropped, the oldest first, and
    counted in :attr:`dropped`; otherwise the source waits for its reader. The last item read is always a final
    :class:`~stream.media.SourceStatus`, whatever happened.
    """

    kind: ClassVar[str]
    """The first half of the source's status codes."""

    def __init__(self, name: str, *, live: bool, bounds: Bounds | None = None) -> None:
        self.name = name
        self.live = live
        self._queue = MediaQueue(live=live, bounds=bounds)

    @abstractmethod
    def start(self) -> None:
        """Begin to produce."""

    def read(self, timeout: float | None = None) -> Media | None:
        """Return the next item, waiting up to ``timeout`` seconds (None: until there is one).

        None at time-out, and for ever after the final status.
        """
        return self._queue.get(timeout)

    def stop(self) -> None:
        """End the source; what was produced can still be read.

        May be called from any thread and repeatedly, also before :meth:`start`.
        """
        self._queue.close()
        self._queue.put(self._stopped())

    @property
    def dropped(self) -> DropCounts:
        """Return what nobody read in time; always nothing for a source that isn't live."""
        return self._queue.dropped

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _status(self, kind: StatusKind, what: str, message: str) -> SourceStatus:
        return SourceStatus(kind, f"{self.kind}.{what}", message)

    def _opened(self, message: str, *, has_sound: bool | None = None) -> SourceStatus:
        return SourceStatus("opened", f"{self.kind}.opened", message, has_sound)

    def _stopped(self) -> SourceStatus:
        return SourceStatus("ended", "source.stopped", f"{self.name} was stopped")


class Source(QueuedSource):
    """A source that produces its media in a thread of its own."""

    def __init__(self, name: str, *, live: bool, bounds: Bounds | None = None) -> None:
        super().__init__(name, live=live, bounds=bounds)
        self._stopping = threading.Event()
        self._thread = watched_thread("source", self._run, self._broke)

    @abstractmethod
    def _media(self) -> Generator[Media]:
        """Yield the media; runs in the source's thread and is closed there when the source is stopped.

        To return is the regular end. ``_stopping`` is set on :meth:`stop`: wait on it instead of sleeping.

        Raises:
            SourceError: the source can't be opened or can't go on.
        """

    def start(self) -> None:
        """Open the source and begin to produce, in its thread; errors come as statuses.

        Raises:
            RuntimeError: started twice.
        """
        if not self._stopping.is_set():
            self._thread.start()

    def stop(self) -> None:
        """End the source as :meth:`QueuedSource.stop`, and wait for its thread, 2 s at most."""
        self._stopping.set()
        self._queue.close()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._join()
        super().stop()

    def _fail(self, what: str, message: str) -> NoReturn:
        code = f"{self.kind}.{what}"
        raise SourceError(code, message)

    def _join(self) -> None:
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            log.warning("%s did not stop within %.0f s; left behind", self.name, STOP_SECONDS)

    def _run(self) -> None:
        self._queue.put(self._last_word())

    def _broke(self, error: BaseException) -> None:
        self._queue.put(self._unexpected(error))

    def _last_word(self) -> SourceStatus:
        try:
            self._produce()
            status = self._status("ended", "ended", f"{self.name} has ended")
        except SourceError as error:
            status = SourceStatus("failed", error.code, error.message)
        except BaseException as error:  # noqa: BLE001 - a source's thread must not end without its last word
            status = self._unexpected(error)
        return self._stopped() if self._stopping.is_set() else status

    def _produce(self) -> None:
        with closing(self._media()) as media:
            for item in media:
                if self._stopping.is_set() or not self._queue.put(_arrived(item) if self.live else item):
                    return

    def _unexpected(self, error: BaseException) -> SourceStatus:
        # A library's message may quote an address with its password.
        log.error("%s broke\n%s", self.name, redact_text("".join(traceback.format_exception(error))))
        message = f"{self.name} broke: {redact_text(str(error))} ({type(error).__name__})"
        return self._status("failed", "error", message)


def _arrived(item: Media) -> Media:
    """Return media with the time it arrived at, which is now unless it was noted before."""
    if isinstance(item, SourceStatus) or item.arrived_s is not None:
        return item
    return replace(item, arrived_s=time.monotonic())
